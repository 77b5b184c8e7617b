"""Subscription events: read, kept as a hint for one poll, and forgotten."""

import json

import pytest
from typer.testing import CliRunner

from jwmirror.archive.events import read_events
from jwmirror.cli import app
from jwmirror.errors import ArchiveError
from jwmirror.store.hints import pending, used

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


@pytest.mark.parametrize("text", ["", "{", "{}", '[{"mission": "JWST"}]', '[{"program": "x"}]'])
def test_what_is_no_list_of_events_is_refused(tmp_path, text):
    """A file of another kind is an error that names it, and leaves no hint."""
    (tmp_path / "x.json").write_text(text)

    with pytest.raises(ArchiveError, match=r"x\.json: expected the JSON list"):
        read_events(tmp_path / "x.json")


def test_ingested_events_are_a_hint_until_they_are_used(tmp_path, attachment):
    """The command leaves the programs for the next poll; once used they are gone."""
    mirror = tmp_path / "mirror"

    done = CliRunner().invoke(app, ["ingest-events", str(attachment), "--mirror", str(mirror)])
    hints = pending(mirror)
    used(hints)

    assert (done.exit_code, list(hints.values())) == (0, [(1345,)])
    assert "program 1345: o001" in done.output
    assert pending(mirror) == {}
