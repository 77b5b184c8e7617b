"""Texts from outside do nothing to a terminal, a page or a log: they are shown as escapes."""

import io
import json
import os
import subprocess
import sys
from dataclasses import dataclass, replace
from pathlib import Path

import pytest
import yaml
from astropy.table import Table
from msgspec import structs

from demo.site import ROOT
from jwmirror.archive.tables.cells import as_text
from jwmirror.core.errors import ConfigError, StoreError, plain_text
from jwmirror.core.model import Failure, Plan, Receipt, Wait
from jwmirror.core.printing import printable, printable_json, printable_record
from jwmirror.pipeline.measure.fallbacks import plain_message
from jwmirror.services.run.site import write_site
from tests.setup.command_line import answer, run

TITLE = "\x1b]0;owned\x07"  # sets the title of a terminal's window
HIDDEN = "\x9b2J\u202e\u2066\u200f\u200b\ud800\x7f"  # C1, direction of text, zero width, surrogate
ATTACK = f"[red]{TITLE}[link=http://x]\u202egnp.exe\x9b2J\nNothing needs to be recalibrated"
SHOWN = r"[red]\x1b]0;owned\x07[link=http://x]\u202egnp.exe\x9b2J\nNothing needs to be"


def is_safe_to_print(text: str) -> bool:
    """Whether a terminal only shows a text, line by line."""
    return all(line.isprintable() for line in text.split("\n"))


@pytest.fixture
def attacked_mirror(small_mirror):
    """The small mirror with texts from outside in its records."""
    for path, entry in small_mirror.rows.items():
        if entry.product:
            product = structs.replace(entry.product, cal_ver=ATTACK)
            small_mirror.rows[path] = replace(entry, product=product)
    small_mirror.publish(cause=ATTACK)
    failures = (Failure(name="late_exposure", message=ATTACK),)
    waits = (Wait(recipe="deep", product="a3001", why=ATTACK),)
    small_mirror.record("exposures/b1.json", Receipt(results=(), computed=(), failures=failures))
    small_mirror.record("plan-exposures.json", Plan(context="c", batches={}, waits=waits))
    return small_mirror.root


# ---- the function ----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("jw01345_uncal.fits", "jw01345_uncal.fits"),
        ("Jupiter's é 日本 µm", "Jupiter's é 日本 µm"),
        (TITLE, r"\x1b]0;owned\x07"),
        (HIDDEN, r"\x9b2J\u202e\u2066\u200f\u200b\ud800\x7f"),
        ("two\nlines\r\t", r"two\nlines\r\t"),
        ("\u3164\ufe0f\U000e0100", r"\u3164\ufe0f\U000e0100"),  # printable for Python
    ],
)
def test_non_printing_characters_are_shown_as_escapes(text, shown):
    """All others stay as they are."""
    assert printable(text) == shown


def test_lines_are_kept_where_several_are_expected():
    """A traceback keeps its lines."""
    assert printable("a\n\tb\r\x1b", kept="\n\t") == "a\n\tb\\r\\x1b"


def test_json_means_the_same_with_escapes():
    """Also beyond the first plane of Unicode."""
    value = {"é\x9b": "\x1b\x7f\u202e\U000e0001 é"}

    text = printable_json(json.dumps(value, ensure_ascii=False, indent=2))

    assert is_safe_to_print(text) and "é" in text
    assert json.loads(text) == value


def test_records_are_printable_in_every_part():
    """Structs, dataclasses, mappings with their keys, sequences and paths."""

    @dataclass(frozen=True)
    class Pages:
        texts: dict[str, tuple[str, ...]]
        path: Path
        wait: Wait
        count: int = 1

    wait = Wait(recipe="deep", product=TITLE, why="\n")
    shown = printable_record(Pages(texts={TITLE: (HIDDEN,)}, path=Path("a\x1b"), wait=wait))

    assert is_safe_to_print(str(shown))
    assert shown.texts == {printable(TITLE): (printable(HIDDEN),)}
    assert (shown.path, shown.wait.why, shown.count) == (Path(r"a\x1b"), r"\n", 1)


# ---- where texts come in ---------------------------------------------------------------------


def test_texts_from_outside_come_in_printable():
    """MAST's cells, warnings of the pipeline, and texts of exceptions."""
    for text in (as_text(TITLE), plain_message(TITLE), plain_text(OSError(TITLE))):
        assert text == r"\x1b]0;owned\x07"


@pytest.mark.parametrize("error", [StoreError(ATTACK), ConfigError([ATTACK])])
def test_errors_are_printable(error):
    """In words, and in a traceback."""
    assert is_safe_to_print(str(error))


def test_a_note_of_the_user_is_recorded_in_one_printable_line(small_mirror):
    """It was perhaps copied from elsewhere."""
    where = ("--mirror", small_mirror.root)
    printed = answer("invalidate", "--recipe", "deep", "--because", ATTACK, *where)

    assert printed["because"] == printable(ATTACK)


# ---- where they are printed ------------------------------------------------------------------


@pytest.mark.parametrize(
    ("command", "shown"),
    [
        (["status"], SHOWN),
        (["plan"], SHOWN),
        (["log"], SHOWN),
        (["explain", "jw01345001001_02101_00001_nrcb1_uncal.fits"], SHOWN),
        (["log", "jw01345001001_02101_00001_nrcb1_uncal.fits"], ""),
        (["diff", "1", "2", "--verbose"], SHOWN),
    ],
)
def test_pages_show_texts_from_outside_as_they_are(attacked_mirror, command, shown):
    """No command of a terminal, no markup, and no line that is not ours."""
    page = run(*command, "--mirror", attacked_mirror)

    assert is_safe_to_print(page)
    assert shown in page
    assert not any(line.startswith("Nothing needs") for line in page.splitlines())


@pytest.mark.parametrize("command", [["status"], ["log"], ["diff", "1", "2"]])
def test_json_keeps_texts_from_outside(attacked_mirror, command):
    """It is valid, and means the same, but a terminal only shows it."""
    printed = run(*command, "--json", "--mirror", attacked_mirror)

    assert is_safe_to_print(printed)
    assert ATTACK in str_values(json.loads(printed))


def str_values(value):
    """All texts in nested JSON."""
    if isinstance(value, dict | list):
        parts = value.values() if isinstance(value, dict) else value
        return [text for part in parts for text in str_values(part)]
    return [value] if isinstance(value, str) else []


def test_colours_of_our_own_stay(attacked_mirror, monkeypatch):
    """On a terminal, pages have colours, and texts from outside have none."""
    monkeypatch.setenv("FORCE_COLOR", "1")

    page = run("status", "--mirror", attacked_mirror)

    assert "\x1b[1m" in page and "\x1b]0" not in page and "\x07" not in page


@pytest.mark.parametrize(
    ("arguments", "code"),
    [
        (["explain", f"jw{TITLE}.fits", "--mirror", "."], 1),
        (["log", TITLE, TITLE], 2),
        ([TITLE], 2),
    ],
)
def test_wrong_arguments_are_printable(small_mirror, arguments, code, monkeypatch):
    """A name may come from a folder of somebody else."""
    monkeypatch.setenv("NO_COLOR", "1")
    monkeypatch.chdir(small_mirror.root)

    printed = run(*arguments, code=code)

    assert is_safe_to_print(printed) and r"\x1b]0" in printed


def test_the_site_shows_texts_from_outside_as_they_are(attacked_mirror, small_mirror):
    """Marks that reorder text do not reach a browser."""
    site = write_site(mirror=small_mirror.root, budget_s=0).parent

    pages = "".join(path.read_text() for path in sorted(site.rglob("*.html")))
    assert is_safe_to_print(pages)
    assert r"\u202egnp.exe" in pages


def test_scripts_print_and_log_texts_from_outside_as_they_are(tmp_path):
    """Messages, errors, warnings of others and what is printed."""
    script = (
        "import logging, sys, warnings\n"
        "from jwmirror.core.log import log_to\n"
        f"log_to({str(tmp_path / 'log')!r}); attack = {ATTACK!r}\n"
        "logging.getLogger('jwmirror.x').warning('%s', attack)\n"
        "print(attack); sys.stderr.writelines([attack]); warnings.warn(attack)\n"
        "raise ValueError(attack)\n"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True)

    log = (tmp_path / "log").read_text()
    assert all(map(is_safe_to_print, (done.stdout, done.stderr, log)))
    assert r"\x1b]0;owned\x07" in done.stdout
    assert done.stderr.count(r"\x1b]0;owned\x07") >= 3 and log.count(r"\x1b]0;owned\x07") == 3
    assert not any(line.startswith("Nothing needs") for line in log.splitlines())


def test_warnings_about_headers_are_printable(tmp_path):
    """astropy quotes the card that it cannot read."""
    catalogue = io.BytesIO()
    Table({"RA": [1.0], "DEC": [1.0]}).write(catalogue, format="fits")
    end, card = b"END".ljust(80), f"AB{TITLE}".ljust(80).encode()
    attack = catalogue.getvalue().replace(end + b" " * 80, card + end)
    (tmp_path / "stars.fits").write_bytes(attack)
    parameters = {"image3": {"tweakreg": {"abs_refcat": "stars.fits"}}}
    config = {"programs": [1345], "recipes": {"deep": {"parameters": parameters}}}
    (tmp_path / "config.yaml").write_text(yaml.safe_dump(config))

    command = [sys.executable, "-m", "jwmirror.cli", "check", "--config", "config.yaml"]
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    done = subprocess.run(
        command, cwd=tmp_path, capture_output=True, text=True, env=environment, check=True
    )

    assert is_safe_to_print(done.stderr)
    assert r"AB\x1b]0;owned\x07" in done.stderr


def test_the_log_of_a_stage_has_no_commands_for_terminals(tmp_path):
    """Pipelines and hooks print header values."""
    log = tmp_path / "stage.log"
    script = (
        "import logging\n"
        "from jwmirror.engine.forkserver import _send_messages_to\n"
        f"_send_messages_to({str(log)!r}); attack = {ATTACK!r}\n"
        "print(attack); logging.getLogger('jwst').warning(attack)\n"
        "logging.getLogger('jwmirror.engine').warning(attack)\n"
    )

    subprocess.run([sys.executable, "-c", script], check=True)

    assert is_safe_to_print(log.read_text())
    assert log.read_text().count(r"\x1b]0;owned\x07") == 3
