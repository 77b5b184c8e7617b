"""Records of runs that found nothing are deleted, whatever happens meanwhile, and no others."""

import json
from pathlib import Path

import pytest

from jwmirror.core.model import Orders, Poll, SettleResult, write
from jwmirror.core.model.plan import Published, References
from jwmirror.store.maintenance import run_cleanup
from jwmirror.store.maintenance.run_cleanup import merge_unchanged, remove_superseded
from jwmirror.store.runs import RunFiles, last_run, newest_first, number_run
from tests.setup.records import listing, product


def finish(mirror: Path, number: int, **records: object) -> RunFiles:
    """Write the records of a run that found nothing new, or others instead; return its files."""
    files = RunFiles(mirror / f"receipts/runs/2026030{number}T120000.000000Z-1")
    number_run(files.folder)
    whole = {
        "poll": Poll(listings=(listing(program=1),), changes=()),
        "orders": Orders(),
        "settling": SettleResult(),
        "references": References(context="jwst_0001.pmap", server="", files={}),
        "published": Published(generation=1, is_new=False),
    }
    for name, record in (whole | records).items():
        if record is not None:
            write(getattr(files, name), record)
    (mirror / "logs" / files.folder.name).mkdir(parents=True)
    return files


def runs_of(mirror: Path) -> list[str]:
    """The days of the runs with records, or logs, newest first."""
    runs = [path.name for path in newest_first(mirror / "receipts/runs")]
    assert sorted(runs) == sorted(path.name for path in (mirror / "logs").iterdir())
    return [name[7] for name in runs]


class Killed(BaseException):
    """Ends the process at a failpoint."""


@pytest.mark.parametrize("point", ["unchanged: counted", "run: hidden"])
def test_a_kill_while_a_run_is_merged_counts_it_once(tmp_path, monkeypatch, point):
    """The next run finishes the work, and nothing is left of the merged one."""

    def kill(name):
        if name == point:
            raise Killed

    first = finish(tmp_path, 1)
    second = finish(tmp_path, 2, published=None, unchanged=first.folder.name)
    monkeypatch.setattr(run_cleanup, "failpoint", kill)
    with pytest.raises(Killed):
        merge_unchanged(tmp_path, second.folder.name)
    monkeypatch.undo()

    merge_unchanged(tmp_path, newest_first(tmp_path / "receipts/runs")[0].name)

    assert json.loads(first.confirmed.read_text())["runs"] == 1
    assert [path.name for path in first.folder.parent.iterdir()] == [first.folder.name]
    assert runs_of(tmp_path) == ["1"]


def test_a_run_is_not_merged_into_one_that_is_gone(tmp_path):
    """Else the former run would be one without a poll, which counts as killed."""
    first = finish(tmp_path, 1)
    second = finish(tmp_path, 2, published=None, unchanged="20250101T120000.000000Z-1")

    merge_unchanged(tmp_path, second.folder.name)

    assert runs_of(tmp_path) == ["2", "1"]
    assert [path.name for path in newest_first(first.folder.parent)][1] == first.folder.name


OTHER = Poll(listings=(listing(program=1), listing(program=2)), changes=())
KEPT = {  # -> records of the older run, with which it stays
    "it published": {"published": Published(generation=2, is_new=True)},
    "it did not publish": {"published": None},
    "it ordered": {"orders": Orders(products={"jw00001-o001.ab": (product(),)})},
    "it computed": {"attempts": {}},
    "a limit stopped it": {"stopped": {}},
    "it listed more": {"poll": OTHER},
}


@pytest.mark.parametrize("records", KEPT.values(), ids=KEPT)
def test_only_runs_that_found_nothing_are_superseded(tmp_path, records):
    """And the newer one has what later runs read of the older."""
    finish(tmp_path, 1)
    finish(tmp_path, 2, **records)
    finish(tmp_path, 3)
    newest = finish(tmp_path, 4)

    remove_superseded(tmp_path, newest.folder.name)

    assert runs_of(tmp_path) == ["4", "2", "1"]
    assert last_run(tmp_path).id == newest.folder.name


@pytest.mark.parametrize(
    "records",
    [
        {"published": None},
        {"poll": Poll(listings=(), changes=())},
        {"references": References(context="", server="", files={})},
        {"settling": None},
    ],
)
def test_a_run_that_lacks_something_supersedes_none(tmp_path, records):
    """Such as one that ended before it published, or polled only what events named."""
    finish(tmp_path, 1)
    newest = finish(tmp_path, 2, **records)

    remove_superseded(tmp_path, newest.folder.name)

    assert runs_of(tmp_path) == ["2", "1"]
