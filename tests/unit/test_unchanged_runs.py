"""A run that would change nothing ends after its query; each kind of change is noticed there."""

import json
import re
import shutil
import sys
from contextlib import chdir, contextmanager
from dataclasses import replace
from datetime import UTC, datetime
from importlib.metadata import distribution
from pathlib import Path

import pytest
import yaml

from demo.site import Site
from jwmirror.config.load import read_content
from jwmirror.core.model import Poll, SettleResult, read, write
from jwmirror.core.model.plan import Published, References
from jwmirror.net.token_socket import serve_token
from jwmirror.pipeline.derivation import engine_versions
from jwmirror.services.configure.checked_config import build_checked_config
from jwmirror.services.kept import dependencies, unchanged_run
from jwmirror.services.kept.answers import read_answer
from jwmirror.services.kept.conditions import conditions_of
from jwmirror.services.kept.dependencies import records_digest
from jwmirror.services.kept.unchanged_run import (
    ANSWER,
    FinishedRun,
    record_if_unchanged,
    remember_run,
)
from jwmirror.services.maintain.generations import roll_back_to
from jwmirror.services.run.query import query_archive
from jwmirror.services.run.references import watched_references
from jwmirror.store.generations import Generations
from jwmirror.store.maintenance.run_cleanup import merge_unchanged
from jwmirror.store.objects import Objects
from jwmirror.store.provenance import Provenance
from jwmirror.store.runs import (
    RunFiles,
    last_references,
    last_run,
    number_run,
    read_if_written,
    read_run,
    upstream_after,
)
from jwmirror_simulator.crds.context import correct_reference, mappings_folder
from jwmirror_simulator.crds.mappings import correct_mapping
from jwmirror_simulator.mast.archive import TOKEN
from jwmirror_simulator.observatory import Observatory
from tests.setup.old_mirror import unpack


class FinishedMirror(Site):
    """The mirror of version 0.1 after a run that left nothing to do, and runs after that."""

    process = token_socket = files = None  # files: records of the last run

    @property
    def config(self):
        """The config as it is written now; its parameters are not checked."""
        return build_checked_config(read_content(self.config_file), check_parameters=False)

    def rewrite(self, **changes):
        """Write the config with other values."""
        config = yaml.safe_load(self.config_file.read_text())
        self.config_file.write_text(yaml.safe_dump(config | changes))

    def poll(self):
        """Begin a run and poll; return the conditions of the run."""
        now = datetime.now(UTC)
        self.files = RunFiles(self.mirror / f"receipts/runs/{now:%Y%m%dT%H%M%S.%fZ}-1")
        config, conditions = self.config, conditions_of(self.config)
        number_run(self.files.folder)
        job = self.process.submit(
            query_archive,
            mirror=self.mirror,
            run=self.files.folder,
            url=config.archive_url,
            token_socket=self.token_socket,
            downloads=2,
            selections=config.selections,
            vanish_limit=1,
            accept_vanished=(),
            keep_free=0,
        )
        job.result(timeout=60)
        return conditions

    def finish(self):
        """Carry out a run that changes nothing, as if it could have computed."""
        conditions, config = self.poll(), self.config
        last = replace(last_references(self.mirror), server=config.references.url)
        references = watched_references(self.mirror, last, config.recipes, config.references)
        generations = Generations(self.mirror)
        upstream = upstream_after(self.mirror, read(self.files.poll, Poll))
        generations.publish(upstream.joined(generations.entries().results()), "a run", {})
        current = generations.require_current().number
        write(self.files.settling, SettleResult())
        write(self.files.references, references)
        write(self.files.published, Published(generation=current, is_new=False))
        run = self.files.folder
        remember_run(self.mirror, run, read_run(run), conditions.parts, "nothing is new")

    def run_again(self):
        """Begin a run, poll, and return the id of the run since which nothing changed, if so."""
        conditions = self.poll()
        record_if_unchanged(self.mirror, self.files.folder, conditions)
        return read_if_written(self.files.unchanged, str)


@pytest.fixture(scope="module")
def updated(tmp_path_factory, port, process):
    """The mirror of version 0.1 after a poll that found a file to be exclusive."""
    folder = unpack(tmp_path_factory.mktemp("old"))
    with served(folder, port, process) as site:
        site.observatory.archive.restrict(uncal(site, 1))
        site.finish()
    return folder


@pytest.fixture
def mirror(tmp_path, updated, port, process):
    """A mirror that the test may change, and its observatory, served."""
    folder = tmp_path / "site"
    shutil.copytree(updated, folder, symlinks=True)
    with served(folder, port, process) as site:
        yield site


@contextmanager
def served(folder, port, process):
    """A mirror with its observatory, served at addresses that are in the config."""
    observatory = Observatory.open(folder / "observatory")
    with chdir(folder), observatory.serve(port):  # the config names files of the folder
        site = FinishedMirror(folder, observatory)
        site.process = process
        references = {"url": observatory.references_url, "cache": str(folder / "crds_cache")}
        site.rewrite(
            mirror=str(site.mirror),
            archive={"url": observatory.archive_url},
            references=references | {"context": "latest"},
        )
        yield site


def uncal(site, place):
    """The name of a raw exposure."""
    return sorted(n for n in site.observatory.archive.filenames() if "_uncal" in n)[place]


def crds(site):
    """The folder of the simulated CRDS."""
    return site.observatory.root / "crds"


def result(site):
    """A published result: the first row that has a key."""
    rows = Generations(site.mirror).entries()
    return next(entry for entry in rows if entry.key)


# ---- changes: each is made after a run that left nothing to do -----------------------------------


def reprocess(site):
    """MAST has other bytes of one file."""
    site.observatory.reprocess(uncal(site, 0), same_size=True)


def restamp(site):
    """MAST gives an association another name."""
    names = site.observatory.archive.filenames()
    name = next(name for name in names if "image3" in name and name.endswith("_asn.json"))
    site.observatory.archive.restamp(name, "20260601t000000")


def withdraw(site):
    """MAST does not list a file any more."""
    site.observatory.archive.withdraw(uncal(site, 0))


def release(site):
    """A file that was exclusive becomes public."""
    site.observatory.archive.release(uncal(site, 1))


def give_token(site):
    """The user has a token for the exclusive file."""
    site.token_socket = serve_token(TOKEN)


def deselect(site):
    """The config selects fewer files."""
    program = yaml.safe_load(site.config_file.read_text())["programs"][0]
    site.rewrite(programs=[program | {"products": ["uncal", "asn", "pool"]}])


def set_parameter(site):
    """The config has another parameter."""
    site.rewrite(set="deep.detector1.jump.rejection_threshold=6")


def edit_hook(site):
    """The user's function has another source."""
    with open(site.folder / "stripes.py", "a") as file:
        file.write("# changed\n")


def correct_flat(site):
    """CRDS has other bytes of a reference in use, under its name."""
    name = next(n for n in last_references(site.mirror).files if "_flat_" in n)
    correct_reference(crds(site), name)


def correct_rmap(site):
    """CRDS has other rules under the name of a mapping in use."""
    rmap = next(n for n in last_references(site.mirror).mappings if "nircam_flat" in n)
    flat = next(n for n in last_references(site.mirror).files if "_flat_" in n)
    correct_mapping(mappings_folder(crds(site)) / rmap, f"'{flat}'", "'jwst_nircam_flat_0009.fits'")


def retract(site):
    """CRDS declares a reference in use invalid."""
    name = next(n for n in last_references(site.mirror).files if "_flat_" in n)
    site.observatory.references.retract(name)


def deliver(site):
    """CRDS has a new context."""
    site.observatory.new_context(detector="NRCB1", filter="F200W")


def accept(site):
    """The user accepts a result."""
    write(site.mirror / "accepted" / f"{result(site).key}.json", {})


def invalidate(site):
    """The user invalidates a result."""
    Provenance(site.mirror).invalidate([result(site).key], "a test")


def roll_back(site):
    """Another generation is the current one."""
    number = Generations(site.mirror).unpruned()[0].number
    roll_back_to(site.mirror, str(number), wait_s=0, dry_run=False)


def hold(site):
    """The view is held, as it is; what a run prints says so."""
    roll_back_to(site.mirror, "current", wait_s=0, dry_run=False, hold=True)


def remove_link(site):
    """The link to the current view is gone; a run makes it again."""
    (site.mirror / "current").unlink()


def lose_result(site):
    """The file of a result is not in the store any more."""
    Objects(site.mirror).path(result(site).sha256).unlink()


def lose_provenance(site):
    """The record of a result is not in the store any more."""
    Provenance(site.mirror).path(result(site).key).unlink()


def shorten_provenance(site):
    """The record of a result is damaged."""
    Provenance(site.mirror).path(result(site).key).write_text("{")


def open_exclusive(site):
    """All users may read an exclusive file."""
    rows = Generations(site.mirror).entries()
    exclusive = next(row for row in rows if row.product and row.product.exclusive)
    Objects(site.mirror).path(exclusive.sha256).chmod(0o444)


CHANGES = {  # -> the part of the conditions that differs; "": an order, CRDS, or the store does
    reprocess: "",
    restamp: "",
    withdraw: "MAST",
    release: "MAST",
    give_token: "MAST",
    deselect: "config",
    set_parameter: "config",
    edit_hook: "files",
    correct_flat: "",
    correct_rmap: "",
    retract: "",
    deliver: "",
    accept: "marks",
    invalidate: "marks",
    roll_back: "",
    hold: "generation",
    remove_link: "generation",
    lose_result: "store",
    lose_provenance: "store",
    shorten_provenance: "store",
    open_exclusive: "store",
}


@pytest.mark.parametrize("change", CHANGES, ids=lambda change: change.__name__)
def test_each_kind_of_change_is_noticed_by_the_next_run(mirror, change, caplog):
    """Nothing was noticed before it, with the same answers kept; the log names what changed."""
    caplog.set_level("INFO")
    mirror.finish()
    finished = mirror.files.folder.name
    before = mirror.run_again()
    merge_unchanged(mirror.mirror, mirror.files.folder.name)
    change(mirror)

    after = mirror.run_again()

    assert (before, after) == (finished, None)
    named = re.search("these changed: (.*)", caplog.text)
    assert CHANGES[change] in (named[1].split(", ") if named else "")


@contextmanager
def edited_package(folder, name, monkeypatch):
    """A copy of an engine's package comes first on the path, with one more line."""
    released = Path(str(distribution(name).locate_file("")))
    shutil.copytree(released / name, folder / name)
    with open(folder / name / "__init__.py", "a") as file:
        file.write("# edited\n")
    with monkeypatch.context() as patch:
        patch.syspath_prepend(folder)
        patch.delitem(sys.modules, name, raising=False)
        forget_software()
        yield
    forget_software()


def forget_software():
    """Let the next run find its software again, as another process would."""
    engine_versions.cache_clear()
    dependencies._software.cache_clear()


def test_an_edited_engine_and_another_version_of_a_package_are_noticed(
    mirror, tmp_path, monkeypatch
):
    """By content, also where no version has changed."""
    mirror.finish()
    finished = mirror.files.folder.name
    with edited_package(tmp_path, "stcal", monkeypatch):
        edited = mirror.run_again()
    shutil.rmtree(mirror.files.folder)
    with monkeypatch.context() as patch:
        (tmp_path / "site" / "numpy-0.1.dist-info").mkdir(parents=True)
        patch.syspath_prepend(tmp_path / "site")
        forget_software()
        updated = mirror.run_again()
    forget_software()
    shutil.rmtree(mirror.files.folder)

    assert (edited, updated, mirror.run_again()) == (None, None, finished)


def test_records_of_unchanged_runs_are_merged(mirror):
    """The run before them says how many they were, and when MAST answered the last one."""
    mirror.finish()
    finished, folders = mirror.files, sorted(mirror.files.folder.parent.iterdir())
    for _ in range(2):
        mirror.run_again()
        merge_unchanged(mirror.mirror, mirror.files.folder.name)
    confirmed_at = json.loads(finished.confirmed.read_text())["at"]

    run = last_run(mirror.mirror)

    assert sorted(mirror.files.folder.parent.iterdir()) == folders
    assert run.id == finished.folder.name
    assert run.confirmed.runs == 2
    assert {each.asked_at for each in run.poll.listings} == {confirmed_at}


def test_an_unchanged_run_leaves_the_kept_preview_as_it_is(mirror):
    """It links to the large record of the last run, and adds to its count."""
    mirror.finish()
    where = (mirror.mirror, mirror.folder / "crds_cache", mirror.files.folder.name)
    before = records_digest(*where)

    mirror.run_again()
    merge_unchanged(mirror.mirror, mirror.files.folder.name)

    assert records_digest(*where) == before


def test_a_run_after_one_that_was_killed_goes_through_all_rules(mirror):
    """What the killed run has fetched or computed is not published."""
    mirror.finish()
    finished = mirror.files
    mirror.poll()
    shutil.copy(finished.references, mirror.files.references)  # then it is killed

    assert mirror.run_again() is None


def test_a_run_that_left_something_to_do_is_never_repeated_in_short(mirror):
    """Such as an association that waits, or references that CRDS did not confirm."""
    mirror.finish()
    run = mirror.files.folder
    whole = read_run(run)
    unwatched = replace(whole.references, unwatched="no answer")
    kept = []
    for records in (whole, replace(whole, references=unwatched), replace(whole, settling=None)):
        remember_run(mirror.mirror, run, records, {}, "")
        kept.append(read_answer(mirror.mirror, ANSWER, FinishedRun)[1] is not None)

    assert kept == [True, False, False]
    assert unchanged_run.MAY_END and isinstance(whole.references, References)
