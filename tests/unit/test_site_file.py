"""Settings of a site: limits of jobs, partitions, and the file that keeps them from the config."""

import os
from contextlib import chdir
from dataclasses import fields
from pathlib import Path

import pytest
import yaml
from snakemake_executor_plugin_slurm.partitions import PartitionLimits, read_partition_file

from jwmirror.config.load import build_config, read_content
from jwmirror.core.errors import ConfigError
from jwmirror.core.model.plan import UNLIMITED, JobLimits, Partition

ROOT = Path(__file__).parents[2]
ONE = {"programs": [1345]}
PARTITIONS = {
    "short": {"max_runtime": 120, "max_mem_mb": 190000, "max_threads": 6},
    "long": {"max_runtime": "2-12:00:00", "max_mem_mb": 64000, "max_nodes": 1},
}
SITE = {
    "partitions": PARTITIONS,
    "calibrate": {"threads": 48, "memory": 500, "minutes": 60},
    "references": {"cache": "/project/crds_cache"},
    "archive": {"downloads": 2},
}


def config_of(tmp_path, site=None, named=None, **content):
    """The config with these keys, and with a site file of this content, or name."""
    if site is not None:
        named = str(tmp_path / "site.yaml")
        (tmp_path / "site.yaml").write_text(yaml.safe_dump(site))
    content |= {"site": named} if named else {}
    (tmp_path / "config.yaml").write_text(yaml.safe_dump(ONE | content))
    return build_config(read_content(tmp_path / "config.yaml"))


def mistakes_of(tmp_path, **content):
    """The mistakes of such a config."""
    with pytest.raises(ConfigError) as raised:
        config_of(tmp_path, **content)
    return raised.value.mistakes


@pytest.mark.parametrize(("cores", "threads"), [(2, 2), (64, 8)])
def test_jobs_have_the_documented_limits(tmp_path, monkeypatch, cores, threads):
    """A small machine runs fewer exposures side by side."""
    monkeypatch.setattr(os, "sched_getaffinity", lambda process: set(range(cores)), raising=False)

    assert config_of(tmp_path).jobs == JobLimits(threads=threads)


def test_systems_without_affinity_use_all_cpus(tmp_path, monkeypatch):
    """Such as macOS."""
    monkeypatch.delattr(os, "sched_getaffinity", raising=False)
    monkeypatch.setattr(os, "cpu_count", lambda: 3)

    assert config_of(tmp_path).jobs == JobLimits(threads=3)


def test_keys_of_jobs_are_used(tmp_path):
    """In the units of the config: minutes and GB."""
    raw = {"batch": 5, "threads": 3, "memory": 9, "minutes": 2.5}

    jobs = config_of(tmp_path, calibrate=raw).jobs

    assert jobs == JobLimits(exposures=5, threads=3, memory=9e9, seconds=150)


def test_no_job_requests_more_than_the_partitions_have(tmp_path):
    """The largest of any; what a partition does not state is not limited."""
    jobs = config_of(tmp_path, calibrate=SITE["calibrate"], partitions=PARTITIONS).jobs
    short = {"short": PARTITIONS["short"]}
    bounded = config_of(tmp_path, calibrate=SITE["calibrate"], partitions=short)

    assert set(jobs.partitions) == {
        Partition(name="short", threads=6, memory=190 * 10**9, seconds=7200),
        Partition(name="long", threads=UNLIMITED, memory=64 * 10**9, seconds=216000),
    }
    assert (jobs.threads, jobs.memory) == (48, 190e9)
    assert bounded.jobs.threads == 6


def test_a_site_file_has_what_the_config_leaves_out(tmp_path):
    """The config of the science stays the same elsewhere; what it says itself wins."""
    config = config_of(tmp_path, SITE, calibrate={"minutes": 10})

    assert str(config.cache) == "/project/crds_cache"
    assert config.downloads == 2
    assert (config.jobs.seconds, config.jobs.threads) == (600, 48)
    assert {partition.name for partition in config.jobs.partitions} == {"short", "long"}
    assert config.archive_url == "https://mast.stsci.edu"


def test_what_decides_about_results_does_not_belong_into_a_site_file(tmp_path):
    """Each such key is named with its line."""
    site = {"recipes": {"deep": {}}, "references": {"context": "latest", "cache": "x"}}

    found = mistakes_of(tmp_path, site=site)

    assert [message.split(": ")[1] for message in found] == ["recipes", "references.context"]
    assert found[0].startswith(f"{tmp_path}/site.yaml, line ")
    assert "recipes: is no setting of a site" in found[0]


def test_mistakes_in_a_site_file_name_its_lines(tmp_path):
    """As those in the config."""
    (threads,) = mistakes_of(tmp_path, site={"calibrate": {"threads": 0}})
    (runtime,) = mistakes_of(tmp_path, site={"partitions": {"a": {"max_runtime": "two hours"}}})

    assert f"{tmp_path}/site.yaml, line 2: calibrate.threads: found 0" in threads
    assert "partitions.a.max_runtime: found 'two hours', expected a number of minutes" in runtime


def test_a_missing_site_file_is_a_mistake(tmp_path):
    """With the key that names it; what is no name is a mistake of the config."""
    (missing,) = mistakes_of(tmp_path, named="absent.yaml")
    (number,) = mistakes_of(tmp_path, named=5)

    assert "/absent.yaml: No such file" in missing and "correct `site`" in missing
    assert "site: found 5, expected the name of a file" in number


def test_the_slurm_plugin_reads_the_partitions_of_the_same_file(tmp_path):
    """`slurm-partition-config` in a profile names the site file."""
    (tmp_path / "site.yaml").write_text(yaml.safe_dump(SITE))

    partitions = {p.name: p.limits for p in read_partition_file(tmp_path / "site.yaml")}

    assert partitions["short"].max_mem_mb == 190000
    assert partitions["long"].max_runtime == 60 * 60


def test_the_shipped_example_is_right(tmp_path):
    """It can be named as it is, and Slurm's plugin reads it."""
    example = ROOT / "config" / "site.yaml"
    config = config_of(tmp_path, named=str(example))

    assert (config.jobs.threads, config.jobs.memory) == (16, 64e9)
    assert [(p.name, p.seconds) for p in config.jobs.partitions] == [
        ("short", 4 * 3600),
        ("large", 48 * 3600),
    ]
    plugin = {p.name: p.limits.max_runtime for p in read_partition_file(example)}
    assert plugin == {"short": 240, "large": 48 * 60}


@pytest.mark.parametrize("content", ["hello", "[1, 2]"])
def test_a_site_file_without_keys_is_a_mistake(tmp_path, content):
    """It would have been without effect, or a mistake for each of its items."""
    (tmp_path / "site.yaml").write_text(content)

    (mistake,) = mistakes_of(tmp_path, named=str(tmp_path / "site.yaml"))

    assert mistake.startswith(f"{tmp_path}/site.yaml: expected settings of a site, such as `calib")


def test_a_misspelt_limit_of_a_partition_is_a_mistake(tmp_path):
    """Else the partition would have no limit, and the Slurm plugin would end with a traceback."""
    every = [f.name for f in fields(PartitionLimits)] + ["slurm_cluster", "cluster", "clusters"]
    others = dict.fromkeys(set(every) - {"max_runtime", "max_mem_mb", "max_threads"}, 1)

    (mistake,) = mistakes_of(tmp_path, site={"partitions": {"short": {"max_runtme": 120}}})

    assert "partitions.short: unknown key 'max_runtme'; did you mean 'max_runtime'?" in mistake
    assert config_of(tmp_path, {"partitions": {"short": others}}).jobs.partitions


@pytest.mark.parametrize("name", ["site.yaml", "calibrate.yaml"])
def test_a_mistake_in_a_site_file_has_one_place(tmp_path, name):
    """Also if the file has the name of a key of the config."""
    (tmp_path / name).write_text("calibrate: {minutes: many}")

    with chdir(tmp_path):
        (mistake,) = mistakes_of(tmp_path, named=name, calibrate={"batch": 2})

    assert mistake.startswith(f"{name}, line 1: calibrate.minutes: found 'many'")
