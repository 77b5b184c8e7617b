"""`jwmirror init PROGRAM`: what it shows of MAST, and the config that it writes."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from jwmirror.config.load import build_config, read_content
from jwmirror.config.workflow_files import PATTERNS, workflow_files, workflow_folder
from jwmirror.core.errors import ConfigError
from jwmirror.report.survey import survey_of
from jwmirror.report.terminal.survey import access_words
from jwmirror.services.configure import first_config
from jwmirror.services.configure.check import check_config
from jwmirror.services.configure.first_config import (
    ConfigAnswers,
    selections_of_answers,
)
from jwmirror.services.configure.repository import write_new_file
from tests.setup.command_line import answer, run
from tests.setup.records import listing, product

ROOT = Path(__file__).parents[2]
CONFIG = Path("config/config.yaml")
ALL_ANSWERS = [
    *["--observations", "2,4-6", "--instrument", "nircam", "--product", "uncal"],
    *["--product", "asn", "--recipe", "my-deep", "--mirror", "my data/mirror", "--cache", "crds"],
    *["--archive-url", "http://localhost:9", "--references-url", "http://localhost:9"],
    *["--context", "jwst_1464.pmap"],
]


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch) -> Path:
    """The current folder: an empty one."""
    (tmp_path / "user").mkdir()
    monkeypatch.chdir(tmp_path / "user")
    return tmp_path / "user"


@pytest.mark.parametrize("words", [["1345"], ["1345", "2107", "--no-recipe"], ["9", *ALL_ANSWERS]])
def test_a_written_config_passes_check(words):
    """Whatever was answered, with comments on what can be changed."""
    run("init", *words, "--offline")

    assert check_config(CONFIG).mistakes == ()
    assert CONFIG.read_text().count("#") >= 10


def test_answers_are_in_the_config():
    """All of them, and what they select is what the config selects."""
    run("init", "1345", *ALL_ANSWERS, "--offline")

    found = yaml.safe_load(CONFIG.read_text())
    config = build_config(read_content(CONFIG))
    answers = ConfigAnswers(
        programs=(1345,),
        observations=("2", "4-6"),
        instruments=("nircam",),
        products=("uncal", "asn"),
    )
    assert found["mirror"] == "my data/mirror" and found["references"]["cache"] == "crds"
    assert found["archive"]["url"] == found["references"]["url"] == "http://localhost:9"
    assert found["references"]["context"] == "jwst_1464.pmap"
    assert list(found["recipes"]) == ["my-deep"]
    assert config.selections == selections_of_answers(answers)


def test_without_jwst_the_config_mirrors_only(monkeypatch):
    """It says why, and the config passes `check` there."""
    why = "a recipe needs the packages jwst"
    monkeypatch.setattr(first_config, "why_not_recalibrating", lambda needed_by: why)

    said = run("init", "1345", "--offline")

    assert f"Without a recipe: {why}" in said
    assert "recipes" not in yaml.safe_load(CONFIG.read_text())


def test_an_existing_config_is_never_overwritten(folder):
    """Not even if it is a broken link; MAST is not asked, and exit code 2 says it."""
    run("init", "1345", "--offline")
    before = CONFIG.read_text()
    (folder / "link.yaml").symlink_to("nowhere")

    for words in (["1346"], ["1346", "--config", "link.yaml"]):
        said = run("init", *words, "--archive-url", "http://127.0.0.1:9", code=2)
        assert "is never overwritten" in said

    assert CONFIG.read_text() == before and not (folder / "nowhere").exists()


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["1345", "--observations", "x"], "--observations"),
        (["1345", "--instrument", "NICMOS"], "--instrument"),
        (["123456"], "PROGRAM"),
        (["1345", "--recipe", "up/stream"], "--recipe"),
        (["1345", "--mirror", "~/mirror"], "--mirror: "),
        ([], "name programs"),
    ],
)
def test_a_wrong_answer_is_named_and_nothing_is_written(folder, words, said):
    """By the option; exit code 2."""
    assert said in run("init", *words, "--offline", code=2)

    assert list(folder.iterdir()) == []


def test_a_folder_that_a_run_would_refuse_is_refused_now(folder):
    """Else the config would not pass `check`."""
    (folder / "mirror").mkdir()
    (folder / "mirror" / "thesis.txt").touch()

    assert "found thesis.txt" in " ".join(run("init", "1345", "--offline", code=1).split())
    assert not CONFIG.exists()


def test_a_dry_run_writes_nothing(folder):
    """It says what would be written."""
    assert "would be written" in run("init", "1345", "--offline", "--repository", "--dry-run")

    assert list(folder.iterdir()) == []


# ---- what MAST has -----------------------------------------------------------------------------


def initialised(archive, *words: str, code: int = 0) -> str:
    """What `python -m jwmirror init 1345` prints, of a served archive, in a process of its own."""
    command = [sys.executable, "-m", "jwmirror", "init", *words, "--archive-url", archive.url]
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    done = subprocess.run(command, capture_output=True, text=True, env=environment)
    assert done.returncode == code, done.stdout + done.stderr
    return done.stdout + done.stderr


def test_what_mast_has_is_shown_and_noted_in_the_config(archive):
    """A table of observations with sizes and access, and a comment over the program."""
    page = initialised(archive, "1345")

    assert "Program 1345 at MAST" in page and "NRC_IMAGE" in page and "public" in page
    assert "o001" in page and "Selected: " in page and page.rstrip().endswith("jwmirror run")
    assert "# At MAST now: " in CONFIG.read_text() and check_config(CONFIG).mistakes == ()


def test_json_has_the_same(archive, folder):
    """For scripts; `--dry-run` only looks."""
    found = json.loads(initialised(archive, "1345", "--dry-run", "--json"))

    part = found["programs"][0]["observations"][0]
    assert (part["observation"], part["exclusive"]) == ("o001", 0)
    assert part["files"] > 0 and part["bytes"] > 0
    assert found["config"] == str(CONFIG) and list(folder.iterdir()) == []


@pytest.mark.parametrize(
    ("words", "said"),
    [(["9999"], "knows no JWST program 9999"), (["1345", "--observations", "77"], "no file of")],
)
def test_what_mast_does_not_have_writes_nothing(archive, folder, words, said):
    """A wrong number is noticed before the first run."""
    assert said in initialised(archive, *words, code=1 if words[0] == "9999" else 2)

    assert list(folder.iterdir()) == []


def test_exclusive_files_say_until_when():
    """The day on which the last of them is public; and if MAST does not state one."""
    files = [
        product("jw01345001001_02101_00001_nrcb1_uncal.fits", size=5),
        product(
            "jw01345001001_02101_00002_nrcb1_uncal.fits",
            size=7,
            exclusive=True,
            release_date="2031-02-03T00:00:00",
        ),
        product("jw01345002001_02101_00001_nrcb1_uncal.fits", exclusive=True),
    ]

    survey = survey_of(listing(*files), files)

    words = {part.observation: access_words(part) for part in survey.observations}
    assert words == {
        "o001": "1 of 2 exclusive until 2031-02-03",
        "o002": "exclusive (no release date at MAST)",
    }
    assert survey.selected[0] == 3 and not survey.is_empty


# ---- the workflow ------------------------------------------------------------------------------


def test_the_workflow_can_be_laid_out(folder):
    """All files, equal, programs executable; the shipped config only without a program."""
    run("init", "1345", "--offline", "--repository")

    source = workflow_folder()
    names = workflow_files(source)
    assert all((folder / n).read_bytes() == (source / n).read_bytes() for n in names if n != CONFIG)
    assert os.access(folder / "profiles/cluster-generic/bsub.sh", os.X_OK)
    assert "1345" in CONFIG.read_text() and CONFIG in names


def test_a_repository_overwrites_nothing(folder):
    """If one file exists, none is written."""
    (folder / "Snakefile").write_text("mine")

    assert "Snakefile: exists already" in run("init", "--repository", code=2)

    assert [path.name for path in folder.iterdir()] == ["Snakefile"]


def test_the_repository_without_a_program_has_the_shipped_config(folder):
    """And the names are in JSON."""
    found = answer("init", "--repository")

    assert set(map(Path, found["files"])) == set(workflow_files(workflow_folder()))
    assert CONFIG.read_bytes() == (workflow_folder() / CONFIG).read_bytes()


def test_each_kind_of_file_of_the_workflow_is_found():
    """A renamed folder would leave its files out of the wheel."""
    assert all(list(ROOT.glob(pattern)) for pattern in PATTERNS)
    kinds = {path.parts[0] for path in workflow_files(ROOT)}
    assert kinds == {"Snakefile", "rules", "scripts", "profiles", "envs", "config"}


def test_a_config_that_appears_meanwhile_is_not_overwritten(folder):
    """Between the check and the writing, while MAST is asked."""
    (folder / "config.yaml").write_text("mine")

    with pytest.raises(ConfigError, match="never overwritten"):
        write_new_file(folder / "config.yaml", b"theirs")

    assert (folder / "config.yaml").read_text() == "mine"
