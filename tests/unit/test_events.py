"""Subscription events: read, kept as a hint for one poll, and forgotten."""

import json
import os
from pathlib import Path

import pytest
from typer.testing import CliRunner

from jwmirror.archive.events import read_events, scopes_of
from jwmirror.cli import app
from jwmirror.core.errors import ArchiveError
from jwmirror.core.model import Scope
from jwmirror.store.runs import pending_events, remove_events
from tests.conftest import need

EVENT = {
    "event_id": "1",
    "mission": "JWST",
    "fileset": "jw01345001001_02101_00001",
    "filename": "jw01345001001_02101_00001_nrcb1_rate.fits",
    "program": 1345,
    "event_type": "Reprocessed",
    "archived_date": "2026-04-01T10:00:00.707",
    "public_release_date": "2026-04-01T10:00:00",
}


@pytest.fixture
def attachment(tmp_path):
    """A file as MAST attaches it, with an event of another mission too."""
    path = tmp_path / "events.json"
    path.write_text(json.dumps([EVENT, {**EVENT, "mission": "HST", "program": 1}]))
    return path


def test_events_tell_program_and_observation(attachment):
    """JWST's events are taken, each with the observation in its file name."""
    (event,) = read_events(attachment)

    assert (event.program, event.observation, event.event_type) == (1345, "o001", "Reprocessed")


def test_observations_add_up_and_a_name_without_one_names_the_program(tmp_path):
    """Each program comes once, with all its observations, or whole where a file tells none."""
    files = {
        "jw01345-c1001_t002_nircam_clear-f200w_i2d.fits": 1345,
        "jw02107003001_02101_00001_mirimage_cal.fits": 2107,
        "jw02107_odd.fits": 2107,
    }
    events = [{**EVENT, "filename": name, "program": program} for name, program in files.items()]
    (tmp_path / "events.json").write_text(json.dumps([EVENT, EVENT, *events]))

    scopes = scopes_of(read_events(tmp_path / "events.json"))

    assert scopes == (
        Scope(program=1345, observations=("c1001", "o001")),
        Scope(program=2107),
    )


ODD = [
    None,
    [],
    "JWST",
    {},
    {**EVENT, "program": "N/A"},
    {**EVENT, "program": -1},
    {**EVENT, "program": None},
    {**EVENT, "filename": None},
    {**EVENT, "filename": ["x"]},
    {key: value for key, value in EVENT.items() if key != "filename"},
]


@pytest.mark.parametrize("odd", ODD, ids=repr)
def test_an_odd_event_does_not_refuse_the_file(odd, tmp_path, caplog):
    """It is left out with a warning; the others count."""
    path = tmp_path / "events.json"
    path.write_text(json.dumps([odd, EVENT]))

    (event,) = read_events(path)

    assert event.program == 1345
    assert "1 events without a program and the name of a file are left out" in caplog.text


OTHERS = [
    {**EVENT, "mission": "HST", "program": "GO-1"},
    {"mission": "TESS"},
    {"mission": "hst", "filename": 1},
]


@pytest.mark.parametrize("other", OTHERS, ids=repr)
def test_events_of_other_missions_may_have_any_form(other, tmp_path, caplog):
    """They are counted, and left out."""
    path = tmp_path / "events.json"
    path.write_text(json.dumps([other, EVENT]))

    assert len(read_events(path)) == 1
    assert "1 events of other missions are left out" in caplog.text


def test_numbers_may_be_texts_and_fields_that_say_less_may_be_missing(tmp_path):
    """A program is understood in each spelling."""
    event = {"mission": "jwst", "filename": EVENT["filename"], "program": "01345"}
    (tmp_path / "events.json").write_text(json.dumps([event]))

    (read,) = read_events(tmp_path / "events.json")

    assert (read.program, read.observation) == (1345, "o001")


def test_the_recorded_events_are_read():
    """As MAST sent them."""
    recorded = Path(os.environ.get("JWMIRROR_REAL_DATA", "")) / "recorded"
    need("" if recorded.is_dir() else "JWMIRROR_REAL_DATA names no folder of recorded answers")

    events = read_events(recorded / "mast_subscription_event_JWST.json")

    assert [(e.program, e.observation) for e in events] == [
        (5893, "o001"),
        (5105, "o001"),
        (5105, "o012"),
    ]


@pytest.mark.parametrize("text", ["", "{", "{}", '[{"mission": "JWST"}]', '[{"program": "x"}]'])
def test_what_is_no_list_of_events_is_refused(tmp_path, text):
    """A file of another kind is an error that names it, and leaves no hint."""
    (tmp_path / "x.json").write_text(text)

    with pytest.raises(ArchiveError, match=r"x\.json: expected the JSON list"):
        read_events(tmp_path / "x.json")


def test_ingested_events_are_a_hint_until_they_are_used(tmp_path, attachment):
    """The command leaves program and observations for the next poll; once used they are gone."""
    mirror = tmp_path / "mirror"
    mirror.mkdir()

    done = CliRunner().invoke(app, ["ingest-events", str(attachment), "--mirror", str(mirror)])
    hints = pending_events(mirror)
    remove_events(hints)

    assert (done.exit_code, list(hints.values())) == (
        0,
        [(Scope(program=1345, observations=("o001",)),)],
    )
    assert "program 1345: o001" in done.output
    assert pending_events(mirror) == {}


def test_events_that_name_nothing_are_no_hint(tmp_path):
    """An empty list limits nothing, and the command says so."""
    (tmp_path / "none.json").write_text("[]")

    words = ["ingest-events", str(tmp_path / "none.json"), "--mirror", str(tmp_path)]
    done = CliRunner().invoke(app, words)

    assert "events read: 0; the next run asks for everything" in done.output
    assert pending_events(tmp_path) == {}


def test_events_that_name_nothing_need_no_mirror(tmp_path, monkeypatch):
    """Without a config and without a mirror the command succeeds, since it stores nothing."""
    monkeypatch.chdir(tmp_path)
    Path("none.json").write_text("[]")

    done = CliRunner().invoke(app, ["ingest-events", "none.json"])

    assert done.exit_code == 0, done.output
    assert "events read: 0; the next run asks for everything" in done.output


def test_events_that_name_a_program_need_a_mirror(tmp_path, attachment, monkeypatch):
    """Without a config and without a mirror there is no place to store them: exit code 2."""
    monkeypatch.chdir(tmp_path)

    done = CliRunner().invoke(app, ["ingest-events", str(attachment)])

    assert done.exit_code == 2
