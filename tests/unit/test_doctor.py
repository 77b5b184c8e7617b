"""`jwmirror doctor` on the simulated archive: what is sound, and each fault that it can see."""

import json
import os
import tempfile
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

import pytest
import yaml

from jwmirror.archive.evidence.record import (
    ArchiveAnswers,
    changed_answers,
    read_answers,
    write_answers,
)
from jwmirror.core.model import Doubt, Poll
from jwmirror.report.diagnosis import Check
from jwmirror.services.inspect.doctor.examination import examine
from jwmirror.services.inspect.status import mirror_status
from jwmirror_simulator.crds.context import build_context
from jwmirror_simulator.crds.server import ReferenceServer
from jwmirror_simulator.mast import TOKEN, Archive, Oddities
from jwmirror_simulator.mast.storage import edits
from jwmirror_simulator.mast.toy_files import toy_fits
from tests.setup.command_line import answer, run
from tests.setup.records import RATE, listing, product
from tests.setup.runs import Runs

UNUSED = "http://127.0.0.1:9"  # the port `discard`, where nothing listens
VARIABLE = "MAST_API_TOKEN"


@pytest.fixture(scope="module")
def crds_root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A small CRDS: one NIRCam detector."""
    root = tmp_path_factory.mktemp("crds")
    build_context(root, detectors=["NRCB1"], filters=["F200W"], fgs=False)
    return root


@pytest.fixture
def references(crds_root: Path) -> Iterator[ReferenceServer]:
    """A served CRDS."""
    with ReferenceServer(crds_root) as server:
        yield server


@pytest.fixture
def configure(tmp_path: Path) -> Callable[..., Path]:
    """Write a config of program 1345 for servers at some addresses; return its path."""

    def configure(archive_url: str, references_url: str = "", **keys: object) -> Path:
        cache = {"cache": str(tmp_path / "cache")}
        url = {"url": references_url} if references_url else {}
        recipes = {"recipes": {"deep": {"programs": [1345]}}} if references_url else {}
        content = {
            "mirror": str(tmp_path / "mirror"),
            "archive": {"url": archive_url, **keys.pop("archive", {})},
            "references": {**cache, **url},
            "programs": [{"program": 1345}],
            **recipes,
            **keys,
        }
        path = tmp_path / "config.yaml"
        path.write_text(yaml.safe_dump(content))
        return path

    return configure


@pytest.fixture
def doctor(
    archive: Archive, process: ProcessPoolExecutor, configure: Callable[..., Path]
) -> Callable[..., dict[str, Check]]:
    """Examine the archive, and return the checks by subject, the worst of each."""

    def doctor(token: str = "", **keys: object) -> dict[str, Check]:
        config = configure(archive.url, **keys)
        checks = process.submit(examine_with, config, token).result(timeout=120)
        ranked = sorted(checks, key=lambda check: ("ok", "warn", "fail").index(check.outcome))
        return {check.subject: check for check in ranked}

    return doctor


def examine_with(config: Path, token: str) -> tuple[Check, ...]:
    """Examine with a token in the environment; it runs in another process."""
    os.environ[VARIABLE] = token
    return examine(config).checks


# ---- a sound archive --------------------------------------------------------------------------


def test_all_is_ok_where_all_is_sound(doctor, references, tmp_path):
    """A new mirror is made, and holds a record without names of files."""
    checks = doctor(references_url=references.url)

    assert {check.outcome for check in checks.values()} == {"ok"}
    assert sorted(os.listdir(tmp_path / "mirror")) == ["JWMIRROR", "receipts"]
    record = json.loads((tmp_path / "mirror" / "receipts" / "doctor.json").read_text())
    assert record["rows"]["1345"]["uncal"] == [2, 2]
    assert record["etag"] == "strong"
    assert "jw01345" not in json.dumps(record)


def test_nothing_is_written_to_the_reference_cache(doctor, references, tmp_path):
    """Not even CRDS's description of itself."""
    doctor(references_url=references.url)

    assert not (tmp_path / "cache").exists()


# ---- what is not there ------------------------------------------------------------------------


def test_without_any_server_there_is_a_table_with_next_steps(configure):
    """MAST and CRDS fail, and all else is checked."""
    config = configure(UNUSED, UNUSED)

    found = answer("doctor", "--config", config, code=1)
    page = run("doctor", "--config", config, code=1)

    failed = {check["subject"]: check for check in found["checks"] if check["outcome"] == "fail"}
    assert set(failed) == {"MAST", "CRDS"}
    assert all(check["step"] for check in failed.values())
    assert "fail  MAST" in page and "archive.url" in page and "2 fail" in page


def test_a_folder_that_is_no_mirror_fails_and_is_not_touched(configure, tmp_path):
    """Other checks are made all the same."""
    (tmp_path / "mirror").mkdir()
    (tmp_path / "mirror" / "thesis.tex").write_text("mine")

    found = answer("doctor", "--config", configure(UNUSED), code=1)

    mirror = next(check for check in found["checks"] if check["subject"] == "mirror")
    assert mirror["outcome"] == "fail" and mirror["step"]
    assert os.listdir(tmp_path / "mirror") == ["thesis.tex"]


def test_a_mirror_that_may_only_be_read_fails(configure, monkeypatch):
    """The reason is in the table; nothing is raised."""

    def refuse(**options: object) -> None:
        raise PermissionError(13, "Permission denied", options["dir"])

    monkeypatch.setattr(tempfile, "mkdtemp", refuse)

    found = answer("doctor", "--config", configure(UNUSED), code=1)

    disk = next(check for check in found["checks"] if check["subject"] == "disk")
    assert disk["outcome"] == "fail" and "Permission denied" in disk["found"]


def test_without_recipes_crds_is_not_asked(configure):
    """So a mirror without recalibration needs no CRDS."""
    found = answer("doctor", "--config", configure(UNUSED), code=1)

    assert [c["outcome"] for c in found["checks"] if c["subject"] == "CRDS"] == ["ok"]


def test_a_mistake_in_the_config_is_reported_as_by_other_commands(tmp_path):
    """Exit code 2."""
    (tmp_path / "config.yaml").write_text("programs: [x]\n")

    assert "programs" in run("doctor", "--config", tmp_path / "config.yaml", code=2)


# ---- the token --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("token", "switch", "outcome", "words"),
    [
        (TOKEN, "valid", "ok", "until 2099-01-01"),
        ("another-token", "valid", "fail", VARIABLE),
        (TOKEN, "expired", "fail", VARIABLE),
        (TOKEN, "refused", "fail", VARIABLE),
    ],
)
def test_the_token_is_shown_to_mast(doctor, archive, token, switch, outcome, words):
    """One that MAST does not accept fails, and public files are checked without it."""
    archive.oddities = Oddities(token=switch)

    checks = doctor(token)

    assert (checks["token"].outcome, checks["download"].outcome) == (outcome, "ok")
    assert words in checks["token"].found
    assert TOKEN not in str(checks)


# ---- the archive's oddities -------------------------------------------------------------------


@pytest.mark.parametrize(
    ("switches", "subject", "outcome", "words"),
    [
        ({"keyword_rows": "highest"}, "rows of 1345", "warn", "uncal: 0 of 2 have a checksum"),
        ({"keyword_rows": "none"}, "tables of 1345", "warn", "found none"),
        ({"keyword_rows": "none"}, "rows of 1345", "warn", "the other 8 FITS files"),
        ({"empty_tables": ("Nircam",)}, "tables of 1345", "warn", "found none"),
        ({"absent_tables": ("Nircam",)}, "tables of 1345", "fail", "not known"),
        ({"empty_tables": ("Mast.Caom.Products",)}, "program 1345", "warn", "lists no files"),
        ({"absent_tables": ("Mast.Caom.Products",)}, "program 1345", "fail", "not known"),
        ({"absent_columns": ("size",)}, "tables of 1345", "warn", "column size"),
        ({"odd_cells": {"filename": "N/A"}}, "tables of 1345", "fail", "found none in 8 rows"),
        ({"odd_cells": {"dataRights": "X"}}, "tables of 1345", "warn", "column dataRights"),
        ({"odd_cells": {"checksum": ""}}, "rows of 1345", "warn", "uncal: 0 of 2 have a checksum"),
        ({"absent_columns": ("checksum",)}, "tables of 1345", "warn", "column checksum"),
        ({"odd_cells": {"size": "N/A"}}, "tables of 1345", "warn", "column size"),
        ({"odd_cells": {"date_mjd": "x", "date": "x"}}, "tables of 1345", "warn", "column date"),
        ({"page_limit": 7, "cut_at_page": True}, "tables of 1345", "fail", "one full page"),
        ({"maintenance": ("portal",)}, "program 1345", "fail", "MAST query"),
        ({"maintenance": ("login",)}, "MAST", "fail", "maintenance"),
        ({"maintenance": ("downloads",)}, "download", "fail", "maintenance"),
    ],
)
def test_switches_of_tables_are_seen(doctor, archive, switches, subject, outcome, words):
    """Each at its check, with a next step."""
    archive.oddities = Oddities(**switches)

    check = doctor()[subject]

    assert (check.outcome, words in check.found) == (outcome, True), check
    assert check.step


def test_a_program_that_mast_does_not_know_is_to_be_corrected(doctor):
    """To run `doctor` again later would not help."""
    check = doctor(programs=[{"program": 4242}])["program 4242"]

    assert (check.outcome, check.step) == ("fail", "correct `programs` in the config")


def test_two_rows_of_a_file_are_seen(doctor, archive):
    """The newest counts, and that there are several is said."""
    archive.reprocess(RATE, edits.same_size)
    archive.oddities = Oddities(two_rows="old first")

    check = doctor()["tables of 1345"]

    assert (check.outcome, "1 row of files with a newer row" in check.found) == ("warn", True)


def test_exclusive_files_need_a_token(doctor, archive):
    """Without one it is said that they are left out; with one all is ok."""
    archive.restrict(RATE)

    assert "1 exclusive file" in doctor()["exclusive files"].found
    assert "exclusive files" not in doctor(TOKEN)


def test_an_unchanged_poll_is_estimated(doctor, archive):
    """As many requests as the tables took, and those about files without rows of siblings."""
    found = doctor()["unchanged poll"].found
    queries = [request for request in archive.requests if request.method == "POST"]
    archive.oddities = Oddities(keyword_rows="none")

    alone = doctor()["unchanged poll"].found

    assert found.startswith(f"{len(queries)} requests") and found.endswith("for the tables")
    assert "one request for each of 9 files" in alone


def test_three_programs_take_seconds(doctor, archive, references, toys, tmp_path):
    """At most ten, with all checks."""
    for program in ("01346", "01347"):
        names = [name for name in os.listdir(toys) if name.endswith("_uncal.fits")]
        archive.publish(
            *(
                toy_fits(tmp_path, name.replace("jw01345", f"jw{program}"), program=program)
                for name in names
            )
        )
    started = time.monotonic()

    programs = [{"program": program} for program in (1345, 1346, 1347)]
    checks = doctor(references_url=references.url, programs=programs)

    assert {check.outcome for check in checks.values()} == {"ok"}
    assert {"rows of 1345", "rows of 1346", "rows of 1347"} <= checks.keys()
    assert time.monotonic() - started < 10


# ---- answers that change ----------------------------------------------------------------------


def checked(**rows: tuple[int, int]) -> ArchiveAnswers:
    """Return a record of program 1345 with these rows by suffix."""
    return ArchiveAnswers(checked_at="2026-03-01T00:00:00+00:00", rows={"1345": rows})


def polled(*checksums: str | None, **fields: object) -> Poll:
    """Return a poll of rates with these checksums."""
    names = (f"jw01345001001_02101_{number:05d}_nrcb1_rate.fits" for number in range(1, 99))
    rates = [product(name, checksum=md5) for name, md5 in zip(names, checksums, strict=False)]
    return Poll(listings=(listing(*rates),), changes=(), **fields)


def test_a_poll_reports_tables_that_list_other_files_than_doctor_saw():
    """The numbers then and now, and the day."""
    (words,) = changed_answers(checked(rate=(2, 2)), polled(None, None))

    assert "0 of 2 rate files" in words
    assert "2026-03-01 they were 2 of 2" in words


@pytest.mark.parametrize(
    ("answers", "poll"),
    [
        (checked(rate=(2, 2)), polled("ab" * 16, "cd" * 16)),
        (checked(rate=(1, 3)), polled(None, "cd" * 16)),
        (checked(uncal=(0, 2)), polled("ab" * 16)),
        (ArchiveAnswers(), polled(None)),
        (checked(rate=(2, 2)), polled(None, doubts=(Doubt(program=1345, why="cut"),))),
    ],
    ids=["same", "a few", "other suffix", "no record", "doubted"],
)
def test_a_poll_reports_nothing_without_a_change_of_kind(answers, poll):
    """Single rows come and go with processing."""
    assert list(changed_answers(answers, poll)) == []


@pytest.mark.parametrize(
    ("then", "now", "words"),
    [
        ("strong", ("weak",), "expected strong, as at `jwmirror doctor` of 2026-03-01, found weak"),
        ("strong", ("none", "strong"), "found none"),
        ("none", ("strong",), "found strong"),
        ("random", ("strong",), ""),
        ("strong", (), ""),
        ("", ("weak",), ""),
    ],
)
def test_a_poll_reports_etags_of_another_kind(then, now, words):
    """As far as it sees some; strong ones that prove nothing are strong."""
    answers = ArchiveAnswers(checked_at="2026-03-01T00:00:00+00:00", etag=then)

    lines = list(changed_answers(answers, Poll(listings=(), changes=(), etag_kinds=now)))

    assert words in "".join(lines) and bool(lines) == bool(words)


def test_what_is_not_answered_now_stays_on_record(mirror):
    """A doctor without a network does not forget what an earlier one saw."""
    write_answers(mirror, "strong", {"1345": {"rate": (1, 2)}})
    write_answers(mirror, "", {"2": {"cal": (0, 1)}})

    found = read_answers(mirror)

    assert (found.etag, found.rows) == ("strong", {"1345": {"rate": (1, 2)}, "2": {"cal": (0, 1)}})


def test_a_damaged_record_is_as_none(mirror, caplog):
    """It is reported, and the next doctor replaces it."""
    write_answers(mirror, "strong", {})
    (mirror / "receipts" / "doctor.json").write_text("{")

    assert read_answers(mirror) == ArchiveAnswers()
    assert "doctor.json" in caplog.text


def test_a_run_says_at_its_end_what_mast_answers_otherwise(doctor, archive, process, tmp_path):
    """As does the status after it; nothing more is asked."""
    doctor()
    runs = Runs(archive, tmp_path / "mirror", process)
    *_, first = runs.run(1)
    archive.oddities = Oddities(keyword_rows="highest")

    *_, second = runs.run(2)

    assert "jwmirror doctor" not in first.summary
    assert "0 of 2 uncal files have a row" in second.summary
    assert any("uncal files" in note for note in mirror_status(runs.mirror, None).notes)


def test_a_run_says_that_etags_are_of_another_kind(doctor, archive, process, tmp_path):
    """By the files that it downloads."""
    doctor()
    archive.oddities = Oddities(etag="weak")

    *_, conclusion = Runs(archive, tmp_path / "mirror", process).run(1)

    assert "found weak" in conclusion.summary


def test_the_keys_of_the_answer_are_documented(configure):
    """docs/commands.md names every key."""
    page = (Path(__file__).parents[2] / "docs" / "commands.md").read_text()

    found = answer("doctor", "--config", configure(UNUSED), code=1)

    assert all(f"`{key}`" in page for key in (*found, *found["checks"][0]))
