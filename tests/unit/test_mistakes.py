"""Each mistake of docs/mistakes.md is made, and gets the message that the page has."""

import os
import pty
import shlex
import subprocess
import sys
from contextlib import suppress
from pathlib import Path

import msgspec
import pytest

from tests.mistakes.mistake import FOLDER, Outcome
from tests.mistakes.page import MISTAKES, PAGE, page, transcript
from tests.mistakes.play import as_anywhere
from tests.mistakes.rules import broken_rules

ROOT = PAGE.parents[1]


PLAY = """
import logging, sys
from pathlib import Path
import msgspec
from tests.mistakes.page import MISTAKES
from tests.mistakes.play import play
logging.disable()
Path(sys.argv[1]).write_bytes(msgspec.json.encode({m.what: play(m) for m in MISTAKES}))
"""


@pytest.fixture(scope="module")
def outcomes(tmp_path_factory) -> dict[str, Outcome]:
    """The outcomes of all mistakes, by what was done: in a process that no other test has used."""
    file = tmp_path_factory.mktemp("mistakes") / "outcomes.json"
    subprocess.run([sys.executable, "-c", PLAY, str(file)], cwd=ROOT, check=True)
    return msgspec.json.decode(file.read_bytes(), type=dict[str, Outcome])


def test_every_message_keeps_the_rules(outcomes):
    """Place, what was found and a next step; no words of Python; ASCII; at most twelve lines."""
    broken = {
        mistake.what: rules
        for mistake in MISTAKES
        if (rules := list(broken_rules(mistake, outcomes[mistake.what])))
    }

    assert len(MISTAKES) >= 60
    assert broken == {}


def test_the_page_has_these_messages(outcomes):
    """`python -m tests.mistakes` writes it."""
    written = PAGE.read_text()
    others = [
        mistake.what
        for mistake in MISTAKES
        if transcript(mistake, outcomes[mistake.what]) not in written
    ]

    assert [(o, outcomes[o].message) for o in others] == []
    assert page(outcomes) == written


def test_no_two_mistakes_have_one_name():
    """The page and the outcomes are by name."""
    names = [mistake.what for mistake in MISTAKES]

    assert len(set(names)) == len(names)


# ---- real processes ----------------------------------------------------------------------------


def in_terminal(folder: Path, *words: str, **variables: str) -> tuple[str, int]:
    """Return what a call of jwmirror shows in a terminal of 40 columns, and its exit code."""
    own, its = pty.openpty()
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "COLUMNS": "40", **variables}
    process = subprocess.Popen(
        [sys.executable, "-m", "jwmirror", *words],
        cwd=folder,
        env=environment,
        stdin=its,
        stdout=its,
        stderr=its,
    )
    os.close(its)
    shown = b""
    with suppress(OSError):  # the end of what a terminal shows
        while part := os.read(own, 4096):
            shown += part
    os.close(own)
    return shown.decode().replace("\r\n", "\n"), process.wait()


def test_a_narrow_terminal_breaks_lines_between_words(tmp_path):
    """In the C locale, all is ASCII; a path can be copied as it is."""
    path = tmp_path / "a_folder_with_a_long_name" / "and another" / "mirror"

    shown, code = in_terminal(tmp_path, "log", "--mirror", str(path), LC_ALL="C")

    assert code == 2 and shown.isascii()
    assert f"  {path.parents[1]}/and\n  another/mirror: there is no such\n" in shown
    assert all(len(line) <= 40 for line in shown.splitlines() if str(tmp_path) not in line)


def test_a_terminal_without_a_character_shows_its_code(tmp_path):
    """In an encoding that lacks it."""
    variables = {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"}

    shown, code = in_terminal(tmp_path, "check", "--config", "grün.yaml", **variables)

    assert code == 2 and shown.isascii()
    assert r"gr\udcc3\udcbcn.yaml" in shown


def test_help_in_the_c_locale_is_ascii(tmp_path):
    """Boxes are not."""
    shown, code = in_terminal(tmp_path, "diff", "-h", LC_ALL="C")

    assert code == 0 and shown.isascii()
    assert "Usage: jwmirror diff" in shown


@pytest.mark.parametrize("what", ["A run in the wrong folder", "A setting for one run misspelt"])
def test_a_real_run_says_the_same(outcomes, tmp_path, what):
    """The page plays the beginning of a run without Snakemake."""
    mistake = next(each for each in MISTAKES if each.what == what)
    folder = tmp_path / "you" / FOLDER
    folder.mkdir(parents=True)
    mistake.prepare(folder)

    done = subprocess.run(
        [sys.executable, "-m", *shlex.split(mistake.command)],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
    )

    assert done.returncode == mistake.code
    assert as_anywhere(done.stderr, tmp_path / "you") == outcomes[what].message
