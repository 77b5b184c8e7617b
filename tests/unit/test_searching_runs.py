"""Runs of configs with searches, on the simulated archive: what is mirrored, reported and kept."""

from collections.abc import Iterator
from dataclasses import replace

import pytest
import yaml
from astropy.io import fits

from jwmirror.archive.discovery.record import write_searches
from jwmirror.core.errors import ArchiveError, LimitError
from jwmirror.core.model import Poll, Scope, Selection, read
from jwmirror.core.model.search import SearchRecord
from jwmirror.services.inspect.doctor.examination import examine
from jwmirror.services.inspect.search import search_archive
from jwmirror.services.inspect.status import mirror_status
from jwmirror.services.maintain.adopt import adopt_folder
from jwmirror.store.generations import Generations
from jwmirror.store.runs import add_events, read_undecided, write_undecided
from jwmirror_simulator.mast import Archive
from tests.setup.command_line import run as jwmirror
from tests.setup.runs import Runs
from tests.setup.sky import ARCMIN, cone, publish_exposure, publish_sky, search_for

FIRST = "jw01345001001_02101_00001_nrcb1_rate.fits"
SECOND = "jw01345002001_02101_00001_nrcb1_rate.fits"
OTHER = "jw02107001001_02101_00001_nrcb1_rate.fits"
NEAR, WIDE = search_for(position=cone(80, -69.5)), search_for(position=cone(80, -69.5, 0.1))


@pytest.fixture
def sky(tmp_path, port) -> Iterator[Archive]:
    """A served archive with exposures at known positions."""
    with Archive(tmp_path / "sky", port) as archive:
        publish_sky(archive, tmp_path)
        yield archive


@pytest.fixture
def runs(tmp_path, sky, process) -> Runs:
    """Runs of a config that has searches only, for what is near one position."""
    return Runs(sky, tmp_path / "mirror", process, selections=(), searches=(NEAR,))


def mirrored(runs: Runs, *, selected: bool = True) -> set[str]:
    """The files of the current generation that are selected, or are not any more."""
    entries = Generations(runs.mirror).entries()
    return {entry.filename for entry in entries if bool(entry.deselected) != selected}


def test_what_two_entries_find_is_mirrored_once(runs, sky):
    """A program by number, and two searches that overlap."""
    runs.selections = (Selection(program=1345, observations=(1,)),)
    runs.searches = (NEAR, WIDE)

    runs.run(1)

    assert mirrored(runs) == {FIRST, SECOND, OTHER}
    assert sorted(each.filename for each in sky.downloads()) == [FIRST, SECOND, OTHER]
    near, wide = mirror_status(runs.mirror, None).last_poll.searches
    assert near.startswith("programs[0] (position: 80 -69.5, 0.0166667 deg): 2 programs, 2 files, ")
    assert wide.endswith(": program 1345 (o001, o002); program 2107 (o001)")


def test_the_limit_applies_before_anything_is_fetched(runs, sky):
    """The names that were resolved are kept all the same."""
    runs.searches, runs.fetch_gb = (search_for(targets=("T-02107",), radius=ARCMIN),), 0.0

    with pytest.raises(LimitError, match="program 2107: 1 file"):
        runs.run(1)

    assert sky.downloads() == []
    assert "t-02107" in (runs.mirror / "receipts" / "searches.json").read_text()


def test_a_search_that_finds_nothing_is_named_at_the_end(runs):
    """Nothing is mirrored, and nothing else is wrong."""
    runs.searches = (search_for(position=cone(10, 10)),)

    _, _, conclusion = runs.run(1)

    assert "programs[0] (position: 10 10, 0.0166667 deg): no observation" in conclusion.summary
    assert conclusion.failures == ()


def test_what_one_of_several_programs_has_is_not_reported(runs):
    """A criterion is a mistake only if nothing that was found meets it."""
    some = replace(WIDE, criteria=Selection(program=0, files=("jw01345*", "*_cal.fits")))
    runs.searches = (some,)

    _, _, conclusion = runs.run(1)

    assert mirrored(runs) == {FIRST, SECOND}
    assert read(runs.files(1).poll, Poll).unmatched == (f"programs[0] ({some}): files: *_cal.fits",)
    assert "such product (1)" in conclusion.summary


def test_the_first_empty_answer_of_a_changed_search_deselects_nothing(runs):
    """MAST's table may have been empty for the moment; the second one in a row counts."""
    runs.run(1)
    runs.searches = (search_for(position=cone(10, 10)),)

    _, _, conclusion = runs.run(2)

    assert mirrored(runs) == {FIRST, OTHER}
    assert "no file counts as deselected until the next run finds none, too" in conclusion.summary

    runs.run(3)

    assert mirrored(runs, selected=False) == {FIRST, OTHER}


def test_an_unknown_name_ends_the_run_with_an_error_and_deselects_nothing(runs):
    """What the config selects otherwise is published; corrected, the rest is deselected."""
    runs.run(1)
    unknown = search_for(targets=("Jupiter",), radius=ARCMIN)
    runs.searches = (unknown, search_for(categories=("COM",)))

    _, _, conclusion = runs.run(2)

    (failure,) = conclusion.failures
    assert failure.name == "MAST's listing, programs[0]"
    assert "knows no target 'Jupiter'" in failure.message
    assert {FIRST, OTHER} < mirrored(runs) and len(mirrored(runs)) == 3
    last = mirror_status(runs.mirror, None).last_poll
    assert [bool(doubt.since) for doubt in last.doubts] == [True]
    assert ": 0 programs (a part of the search failed), 0 files, 0 B" in last.searches[0]

    runs.searches = runs.searches[1:]
    runs.run(3)

    assert mirrored(runs, selected=False) == {FIRST, OTHER}


def test_what_is_undecided_stays_so_while_a_search_fails(runs):
    """Since when, too; a file that is not selected any more is not undecided."""
    runs.run(1)
    undecided = {f"mast:JWST/product/{FIRST}": "2026-01-01T00:00:00+00:00"}
    write_undecided(runs.mirror, undecided)
    unknown = search_for(targets=("Jupiter",), radius=ARCMIN)
    runs.searches = (unknown, search_for(categories=("COM",)))
    runs.run(2)
    during = read_undecided(runs.mirror)
    runs.searches = runs.searches[1:]

    runs.run(3)

    assert (during, read_undecided(runs.mirror)) == (undecided, {})


def test_a_run_without_any_answer_fails(runs):
    """It is not taken for a config that selects nothing."""
    runs.searches = (search_for(targets=("Jupiter",), radius=ARCMIN),)

    with pytest.raises(ArchiveError, match=r"programs\[0\]: MAST's name resolver knows no target"):
        runs.run(1)


def test_what_moves_out_of_the_circle_stays_selected(runs, sky):
    """It is reported in each run, and reprocessed files arrive."""
    runs.run(1)
    sky.reprocess(OTHER, lambda path: fits.setval(path, "TARG_RA", value=200.0))

    runs.run(2)
    runs.run(3)

    poll = read(runs.files(3).poll, Poll)
    assert any("not any more: program 2107 (o001)" in line for line in poll.searches)
    assert mirrored(runs) == {FIRST, OTHER}
    assert read(runs.files(2).poll, Poll).changes[0].kind == "reprocessed"


def test_a_program_that_mast_knows_no_more_says_how_to_forget_it(runs):
    """Its number is not in the config, so it cannot be corrected there."""
    record = SearchRecord(found={NEAR.key: {"1345": ("o001",), "9999": ("o001",)}})
    write_searches(runs.mirror, record)

    _, _, conclusion = runs.run(1)

    (failure,) = conclusion.failures
    assert failure.name == "MAST's listing, program 9999"
    assert failure.message.endswith("run `jwmirror search --again`.")
    assert mirrored(runs) == {FIRST, OTHER}


def test_what_is_observed_later_is_mirrored_and_named(runs, sky, tmp_path):
    """A new program in the circle, too."""
    runs.run(1)
    root = "jw09000001001_02101_00001_nrcb1"
    publish_exposure(sky, tmp_path, root, 80.0, -69.5, "GO", "NONE")

    runs.run(2)

    lines = mirror_status(runs.mirror, None).last_poll.searches
    assert "programs[0]: new since the last run: program 9000 (o001)" in lines
    assert f"{root}_rate.fits" in mirrored(runs)


def test_events_do_not_keep_a_run_from_what_is_new(runs, sky, tmp_path):
    """Without news, they limit the poll, and its lines say so."""
    runs.run(1)
    root = "jw09000001001_02101_00001_nrcb1"
    publish_exposure(sky, tmp_path, root, 80.0, -69.5, "GO", "NONE")
    add_events(runs.mirror, [Scope(program=1345, observations=("o001",))])

    runs.run(2)

    assert f"{root}_rate.fits" in mirrored(runs)
    assert not any((runs.mirror / "receipts" / "events").iterdir())

    add_events(runs.mirror, [Scope(program=1345, observations=("o001",))])
    runs.run(3)

    (line,) = read(runs.files(3).poll, Poll).searches
    assert ": 3 programs (2 of them not listed now), 1 file, " in line


def test_what_a_run_beyond_the_limit_found_is_new_to_the_next(runs, sky, tmp_path):
    """The run that mirrors a program names it."""
    runs.run(1)
    root = "jw09000001001_02101_00001_nrcb1"
    publish_exposure(sky, tmp_path, root, 80.0, -69.5, "GO", "NONE")
    runs.fetch_gb = 0.0
    with pytest.raises(LimitError):
        runs.run(2)
    runs.fetch_gb = None

    runs.run(3)

    lines = read(runs.files(3).poll, Poll).searches
    assert "programs[0]: new since the last run: program 9000 (o001)" in lines


def test_a_narrower_circle_deselects_files(runs):
    """As fewer observations in the config do."""
    runs.searches = (WIDE,)
    runs.run(1)
    runs.searches = (NEAR,)

    runs.run(2)

    assert mirrored(runs) == {FIRST, OTHER}
    assert mirrored(runs, selected=False) == {SECOND}


# ---- commands --------------------------------------------------------------------------------


@pytest.fixture
def config(tmp_path, sky, runs):
    """The file of a config with one search by name."""
    sky.positions["m 101"] = (80.0, -69.5)
    content = {
        "mirror": str(runs.mirror),
        "archive": {"url": sky.url},
        "programs": [{"targets": "M 101", "radius": "1 arcmin"}],
    }
    path = tmp_path / "config.yaml"
    path.write_text(yaml.safe_dump(content))
    return path


def test_search_shows_what_is_found_and_records_it_if_asked(config, sky, runs, process):
    """With --again, another answer of the resolver is taken."""
    ask = lambda again: process.submit(search_archive, config, again, 0.0).result(timeout=60)  # noqa: E731

    page = ask(False)
    assert not (runs.mirror / "receipts").exists()
    ask(True)
    sky.positions["m 101"] = (80.2, -69.5)
    kept, moved = ask(False), ask(True)

    (found,) = page.found.values()
    assert found == {"1345": ("o001",), "2107": ("o001",)} == next(iter(kept.found.values()))
    assert next(iter(moved.found.values())) == {"1345": ("o002",)}
    assert "2 programs, 2 files" in page.lines[0]
    assert (page.targets["M 101"].ra, moved.targets["M 101"].ra) == (80.0, 80.2)


def test_doctor_tries_the_searches(config, sky, process):
    """And the tables of what they find; a name that is not known is a failure."""
    found = process.submit(examine, config).result(timeout=120)
    sky.positions.clear()
    (config.parent / "mirror" / "receipts" / "searches.json").unlink(missing_ok=True)
    unknown = process.submit(examine, config).result(timeout=120)

    subjects = {check.subject: check for check in found.checks}
    (search,) = [check for subject, check in subjects.items() if "programs[0]" in subject]
    assert (search.outcome, search.found) == ("ok", "targets: M 101: 2 programs")
    assert "rows of 2107" in subjects
    (failed,) = [check for check in unknown.checks if "knows no target" in check.found]
    assert failed.step.startswith("correct `programs` in the config; or, if MAST did not answer, ")


def test_nothing_is_adopted_while_a_search_fails(config, sky, process, tmp_path):
    """Files that it would select would be called unknown to MAST."""
    sky.positions.clear()

    with pytest.raises(ArchiveError, match=r"programs\[0\] failed, .*; nothing was adopted"):
        process.submit(adopt_folder, config, tmp_path, 0.0, True).result(timeout=60)


def test_check_notes_commissioning_and_asks_nobody(config, sky):
    """The searches are named."""
    content = yaml.safe_load(config.read_text())
    content["programs"] = [1345, {"category": "COM", "products": ["cal"]}]
    config.write_text(yaml.safe_dump(content))
    sky.requests.clear()

    page = jwmirror("check", "--config", config)

    assert "programs 1345, [category: COM]" in page
    assert "data of commissioning (COM) may not be suitable for science" in page
    assert "programs that are found are mirrored without their associations" in page
    assert sky.requests == []
