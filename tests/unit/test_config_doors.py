"""The config at each of its doors: none selects another program than the one that is written."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
from typer.testing import CliRunner

from jwmirror.cli import app
from jwmirror.config.load import build_config
from jwmirror.config.sources import read_sources
from jwmirror.config.yaml_files import parse_yaml
from jwmirror.core.errors import ConfigError

ROOT = Path(__file__).parents[2]
REFUSED = "refused"
PROGRAMS = {  # as written: program and observations, or refused
    "1345": (1345, None),
    "[1345]": (1345, None),
    "{program: 1345}": (1345, None),
    "[{program: 1345}]": (1345, None),
    '"01345"': (1345, None),
    '[{program: "01345"}]': (1345, None),
    "[{program: 1345, observations: 1}]": (1345, (1,)),
    '[{program: 1345, observations: ["012", 4-6]}]': (1345, (4, 5, 6, 12)),
    "01345": REFUSED,
    "[01345]": REFUSED,
    "[{program: 01345}]": REFUSED,
    "[{program: 01389}]": REFUSED,
    "[{program: 1_345}]": REFUSED,
    "[{program: 0x541}]": REFUSED,
    "[{program: 0o2501}]": REFUSED,
    "[{program: 0b1}]": REFUSED,
    "[{program: 1e3}]": REFUSED,
    "[{program: 1.345e3}]": REFUSED,
    "[{program: 1345.0}]": REFUSED,
    "[{program: 3:5}]": REFUSED,
    "[{program: yes}]": REFUSED,
    "[{program: }]": REFUSED,
    "[{program: -1345}]": REFUSED,
    "[{program: .inf}]": REFUSED,
    "[{program: 1345, program: 1366}]": REFUSED,
    '[{program: "3:5"}]': REFUSED,
    '[{program: "1_345"}]': REFUSED,
    "[{program: 1345, observations: [012]}]": REFUSED,
    "[{program: 1345, observations: 3:5}]": REFUSED,
    "[{program: 1345, observations: [1.0]}]": REFUSED,
    "[{program: 1345, observations: [no]}]": REFUSED,
    "[{program: 1345, observations: [6-4]}]": REFUSED,
    "[{program: 1345, levels: [02]}]": REFUSED,
    "[{program: 1345, observed: {from: 2026-13-01}}]": REFUSED,
    '[{program: 1345, observed: {from: "2026-02-30"}}]': REFUSED,
    "[{program: 1345, observed: {from: 2026-03-01, to: 2026-02-01}}]": REFUSED,
    "!!int 01345": REFUSED,
    "!!timestamp 2026-13-01": REFUSED,
}
NOT_FOR_PEOPLE = ("Traceback", "<class", "NoneType", "True", "False", "^[", "datetime")


def selected(files, options=()):
    """Return program and observations of the config in files and options, or the mistakes."""
    try:
        config = build_config(read_sources(files, options))
    except ConfigError as error:
        return error
    (selection,) = config.selections
    return selection.program, selection.observations


def assert_as_written(found, expected):
    """Fail unless what was selected, or the message of the refusal, is as expected."""
    if expected != REFUSED:
        assert found == expected
        return
    assert isinstance(found, ConfigError), found
    assert not [words for words in NOT_FOR_PEOPLE if words in str(found)], str(found)


@pytest.mark.parametrize(("written", "expected"), PROGRAMS.items(), ids=PROGRAMS)
def test_a_file_selects_what_is_written(tmp_path, written, expected):
    """A refusal names the file and the line."""
    config = tmp_path / "config.yaml"
    config.write_text(f"# what to mirror\nprograms: {written}\n")

    found = selected([config])

    assert_as_written(found, expected)
    if expected == REFUSED:
        assert "config.yaml" in str(found) and "line 2" in str(found)


@pytest.mark.parametrize(("written", "expected"), PROGRAMS.items(), ids=PROGRAMS)
def test_the_last_of_several_files_selects_what_is_written(tmp_path, written, expected):
    """Nothing of the earlier file's programs is left."""
    first, second = tmp_path / "first.yaml", tmp_path / "second.yaml"
    first.write_text("programs: [{program: 7, observations: [7]}, {program: 8}]\n")
    second.write_text(f"programs: {written}\n")

    found = selected([first, second])

    assert_as_written(found, expected)
    if expected == REFUSED:
        assert "first.yaml" not in str(found)


@pytest.mark.parametrize(("written", "expected"), PROGRAMS.items(), ids=PROGRAMS)
def test_an_option_selects_what_is_written(tmp_path, written, expected):
    """--config lies over the file, and messages name the option."""
    config = tmp_path / "config.yaml"
    config.write_text("programs: [{program: 7, observations: [7]}]\n")

    found = selected([config], [f"programs={written}"])

    assert_as_written(found, expected)
    if expected == REFUSED:
        assert "--config programs=" in str(found)


@pytest.mark.parametrize(("written", "expected"), PROGRAMS.items(), ids=PROGRAMS)
def test_jwmirror_check_finds_what_a_run_refuses(tmp_path, written, expected):
    """With exit code 2 and words."""
    config = tmp_path / "config.yaml"
    config.write_text(f"programs: {written}\n")

    end = CliRunner().invoke(app, ["check", "--config", str(config)])

    assert end.exit_code == (2 if expected == REFUSED else 0)
    assert end.exception is None or isinstance(end.exception, SystemExit)
    if expected != REFUSED:
        assert f"no mistakes; programs {expected[0]};" in end.stdout


OTHERS = {  # whole files, and words of the message that refuses each
    "recipes: {deep: {}, deep: {stages: [1]}}\nprograms: 1": "recipes.deep: the key is already in",
    "programs: 1\nprograms: 2": "programs: the key is already in line 1",
    "mirror: a\nprograms: 1\nmirror: b": "mirror: the key is already in line 1",
    "programs: [1, 2]\nprograms: [1]": "programs: the key is already in line 1",
    "a: {b: {c: 1}}\na: {b: [1]}": "a: the key is already in line 1",
    "programs: 1\nrecipes: {deep: {programs: [01]}}": "recipes.deep.programs[0]: found 01",
    "programs: 1\nrecipes: {deep: {observations: [9-4]}}": "observations[0]: found '9-4'",
    "programs: 1\nrecipes: {deep: {where: [{match: {program: 010}, parameters: {}}]}}": "found 010",
    "programs: 1\nrecipes: {deep: {parameters: {detector1: {jump: {x: 010}}}}}": "x: found 010",
    "programs: 1\naccept_vanished: 01345": "accept_vanished: found 01345",
    "programs: 1\nsettle: {accept: [01345]}": "settle.accept[0]: found 01345",
    "programs: 1\nset: deep.detector1.jump.x=010\nrecipes: {deep: {}}": "found 010",
    "programs: 1\nsettle: {days: .nan}": "settle.days: found .nan, expected a number",
    "programs: 1\narchive: {keep_free_gb: .inf}": "archive.keep_free_gb: found .inf",
    "programs: 1\ncalibrate: {batch: yes}": "found yes, which YAML reads as true, expected a whole",
    "programs: 1\n? [a]\n: b": "found a list or mapping as a key",
    "programs: 1\nmirror: false": "mirror: found false, expected",
    "programs: [jwst]": "programs[0]: found 'jwst', expected a program number, such as 1538, or",
    "programs: 1\nrecipes: {deep: {exclude: [jw_cal.fits]}}": (
        "recipes.deep.exclude[0]: found 'jw_cal.fits', expected keys with values, such as {file: "
    ),
    "programs: 1\nrecipes: {deep: {where: [{match: jw*, parameters: {}}]}}": (
        "match: found 'jw*', expected keys with values, such as {detector: NRCA1}"
    ),
    "mirror: m": "missing key programs; say what to mirror",
    "[1]": "expected keys with values",
    "": "config.yaml: config: missing key programs",
    "a: b: c": "line 1: not YAML: found a colon",
    "programs: " + "[" * 1000: "nested too deeply",
    "programs: &a [*a]": "it contains itself",
}


@pytest.mark.parametrize(("text", "words"), OTHERS.items(), ids=range(len(OTHERS)))
def test_other_mistakes_are_refused_in_words(tmp_path, text, words):
    """Also in recipes, in settings, and where the file is no config at all."""
    config = tmp_path / "config.yaml"
    config.write_text(text)

    found = selected([config])

    assert_as_written(found, REFUSED)
    assert words in str(found)


def test_unambiguous_forms_are_accepted(tmp_path):
    """Digits in quotes are numbers, 1e3 is a number where one belongs, and keys are text."""
    config = tmp_path / "config.yaml"
    config.write_text(
        "{programs: 1345, wait: yes, settle: {days: 1e1, accept: ['01345']}, accept_vanished: '07',"
        " recipes: {012: {where: [{match: {program: '01345'}, parameters: {}}]}}}"
    )

    found = build_config(read_sources([config]))

    assert (found.wait, found.settle_days, found.accept_unsettled) == (True, 10.0, ("1345",))
    assert found.accept_vanished == (7,)
    (recipe,) = found.recipes
    assert (recipe.name, recipe.programs, recipe.where[0].match) == (
        "012",
        (1345,),
        {"program": "1345"},
    )


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("archive: {downloads: 0}", "archive.downloads: found 0, expected at least 1"),
        ("archive: {vanish_limit: -1}", "archive.vanish_limit: found -1, expected at least 0"),
        ("archive: {vanish_limit: 3}", "archive.vanish_limit: found 3, expected at most 1"),
        ("archive: {accept_refused: ['']}", "found '', expected some text"),
    ],
)
def test_a_value_beyond_its_limit_is_named_with_the_limit(text, words):
    """As all mistakes: where, what was found, what is expected."""
    with pytest.raises(ConfigError) as raised:
        build_config(parse_yaml(f"programs: 1\n{text}", "config.yaml"))

    assert words in str(raised.value)


def test_a_file_to_accept_is_a_name_or_a_pattern():
    """The message says what to write."""
    with pytest.raises(ConfigError, match=r"found yes.*expected the name of a file, or a pattern"):
        build_config(parse_yaml("programs: 1\narchive: {accept_refused: yes}", "config.yaml"))


def test_a_message_names_the_file_of_each_value(tmp_path):
    """After a file is laid over another, each value keeps the place where it is written."""
    one, other = tmp_path / "one.yaml", tmp_path / "other.yaml"
    one.write_text("programs: 1345\narchive:\n  downloads: 0\n  url: ftp://a\n")
    other.write_text("archive: {downloads: 99}\n")

    found = selected([one, other], ["wait=3"])

    lines = sorted(str(found).splitlines())
    assert [line.partition(": found")[0].partition(": 99")[0] for line in lines] == [
        "--config wait=3: wait",
        f"{one}, line 4: archive.url",
        f"{other}, line 1: archive.downloads",
    ]


# ---- Snakemake ---------------------------------------------------------------------------------

WRONG = "programs: 01345"
CALLS = {  # files to write, arguments of snakemake, words of the answer
    "default": (
        {"config/config.yaml": WRONG},
        [],
        "config/config.yaml, line 1: programs: found 01345",
    ),
    "configfiles": (
        {"a.yaml": "programs: 7", "b.yaml": WRONG},
        ["--configfile", "a.yaml", "b.yaml"],
        "b.yaml, line 1: programs: found 01345",
    ),
    "configfile without programs": (
        {"config/config.yaml": "programs: 7", "a.yaml": "mirror: m"},
        ["--configfile", "a.yaml"],
        "missing key programs",
    ),
    "impossible day": (
        {"a.yaml": "programs: [{program: 1, observed: {from: 2026-13-01}}]"},
        ["--configfile", "a.yaml"],
        "a.yaml, line 1: programs[0].observed.from: found 2026-13-01, which is not a date",
    ),
    "config": (
        {"config/config.yaml": "programs: 7"},
        ["--config", "programs=[01345]"],
        "--config programs=[01345]: programs[0]: found 01345",
    ),
    "profile": (
        {"config/config.yaml": "programs: 7", "mine/config.yaml": "config: {programs: [01345]}"},
        ["--profile", "mine"],
        "config.yaml, line 1: config.programs[0]: found 01345",
    ),
    "configfile of a profile": (
        {"a.yaml": WRONG, "mine/config.yaml": "configfile: [a.yaml]"},
        ["--profile", "mine"],
        "a.yaml, line 1: programs: found 01345",
    ),
}


@pytest.mark.parametrize(("files", "arguments", "words"), CALLS.values(), ids=CALLS)
def test_a_run_refuses_in_words_before_it_does_anything(tmp_path, files, arguments, words):
    """At each door of Snakemake: exit code 2, and no mirror."""
    for name, text in files.items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(text)

    end = subprocess.run(
        [sys.executable, "-m", "snakemake", "-s", ROOT / "Snakefile", "--cores", "1", *arguments],
        cwd=tmp_path,
        env=os.environ | {"PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
    )

    assert end.returncode == 2, end.stderr
    assert words in end.stderr and "Traceback" not in end.stderr
    assert not (tmp_path / "mirror").exists()
