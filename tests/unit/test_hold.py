"""A held view: runs publish beside it, and it stays until it is released."""

import os
import shutil

import pytest

from jwmirror.core.errors import StoreError
from jwmirror.core.failpoints import VARIABLE
from jwmirror.core.jsonio import write
from jwmirror.core.model.maintenance import Hold
from jwmirror.services.inspect.status import mirror_status
from jwmirror.services.maintain.generations import release_view, roll_back_to
from jwmirror.services.start.summary import summary_lines
from jwmirror.store.generations import Generations
from jwmirror.store.maintenance.prune import prune
from jwmirror.store.maintenance.retention import RetentionPolicy
from jwmirror.store.maintenance.rollback import release, roll_back
from jwmirror.store.maintenance.verify import verify
from jwmirror.store.pins import HOLD_RECORD, read_hold
from jwmirror_simulator.observatory import Observatory
from tests.setup.command_line import answer, run
from tests.setup.mirrors import store_row
from tests.setup.runs import Runs
from tests.unit.test_generation_parts import publish
from tests.unit.test_generations import seen

HELD = Hold(who="ann", since="2026-03-01T10:00:00+00:00", reason="bad flat")

NEWEST = "the newest, which the hold of ann keeps from being shown"


def number(mirror) -> int:
    """The number of the current generation."""
    return Generations(mirror).current().number


def test_publication_leaves_a_held_view_alone(mirror):
    """The generation is there and can be read; CURRENT, the link and the bytes are as before."""
    publish(mirror, (b"1",), (b"2",))
    roll_back(mirror, 1, hold=HELD)
    before = seen(mirror)

    new = Generations(mirror).publish([store_row(mirror, "a", b"3")], "next", {})

    assert (new.number, new.parent, number(mirror)) == (3, 1, 1)
    assert seen(mirror) == before == {"upstream/jw01345/o001/a": b"1"}
    assert os.readlink(mirror / "current") == "views/000001"
    assert verify(mirror, full=True).problems == ()


def test_the_same_state_is_published_once_while_the_view_is_held(mirror):
    """Another state follows the held generation, too."""
    publish(mirror, (b"1",))
    roll_back(mirror, 1, hold=HELD)

    found = [
        Generations(mirror).publish([store_row(mirror, "a", data)], "next", {})
        for data in (b"2", b"2", b"3")
    ]

    assert [(each.number, each.parent) for each in found] == [(2, 1), (2, 1), (3, 1)]


def test_after_the_release_the_next_publication_is_shown(mirror):
    """It is the generation that exists, without a copy of it."""
    publish(mirror, (b"1",))
    roll_back(mirror, 1, hold=HELD)
    rows = [store_row(mirror, "a", b"2")]
    Generations(mirror).publish(rows, "next", {})

    ended = release(mirror)
    still = number(mirror)
    Generations(mirror).publish(rows, "next", {})

    assert (ended.hold, ended.generation, ended.newer, still) == (HELD, 1, (2,), 1)
    assert (number(mirror), read_hold(mirror)) == (2, None)
    assert seen(mirror) == {"upstream/jw01345/o001/a": b"2"}


def test_a_hold_outlives_other_rollbacks(mirror):
    """The current generation can be held, too; a later hold replaces the reason."""
    publish(mirror, (b"1",), (b"2",))
    roll_back(mirror, 2, hold=HELD)

    plain = roll_back(mirror, 1)
    again = roll_back_to(mirror, "current", 0, dry_run=False, hold=True, reason="for the talk")

    assert (plain.hold, number(mirror)) == (HELD, 1)
    assert again.hold == read_hold(mirror)
    assert (again.hold.reason, again.hold.since > HELD.since) == ("for the talk", True)


def test_a_rollback_that_fails_halfway_is_held(mirror, monkeypatch):
    """Otherwise the next run would undo it, although the user asked that it does not."""
    publish(mirror, (b"1",), (b"2",))
    monkeypatch.setenv(VARIABLE, "publish: CURRENT replaced=EIO")

    with pytest.raises(StoreError, match="rollback: the disk refused it"):
        roll_back(mirror, 1, hold=HELD)

    assert (number(mirror), read_hold(mirror)) == (1, HELD)


def test_a_dry_run_neither_holds_nor_releases(mirror):
    """It shows both."""
    publish(mirror, (b"1",), (b"2",))
    planned = roll_back_to(mirror, "1", 0, dry_run=True, hold=True)
    assert (planned.hold is not None, read_hold(mirror), number(mirror)) == (True, None, 2)
    roll_back(mirror, 1, hold=HELD)

    assert release_view(mirror, 0, dry_run=True).hold == HELD

    assert read_hold(mirror) == HELD


def test_a_damaged_record_holds_until_it_is_released(mirror):
    """Nothing is published; verify names it."""
    publish(mirror, (b"1",))
    roll_back(mirror, 1, hold=HELD)
    (mirror / HOLD_RECORD).write_text("{")

    with pytest.raises(StoreError, match="`jwmirror release` removes it"):
        Generations(mirror).publish([store_row(mirror, "a", b"2")], "next", {})
    (problem,) = verify(mirror).problems
    ended = release(mirror)

    assert (problem.kind, problem.path, number(mirror)) == ("hold", HOLD_RECORD, 1)
    assert (ended.hold, read_hold(mirror), verify(mirror).problems) == (None, None, ())


# ---- runs and commands -------------------------------------------------------------------------


@pytest.fixture
def runs(tmp_path, built_observatory, port, process):
    """A served observatory, and a mirror that is empty."""
    shutil.copytree(built_observatory, tmp_path / "observatory")
    observatory = Observatory.open(tmp_path / "observatory")
    with observatory.serve(port):
        yield Runs(observatory.archive, tmp_path / "mirror", process)


def test_runs_go_on_while_the_view_is_held(runs):
    """They publish once what MAST changed, and say so; so do status and log."""
    archive = runs.archive
    name = next(name for name in archive.filenames() if "o001" in name and "asn.json" in name)
    copy = runs.mirror.parent / name
    copy.write_bytes(archive.path(name).read_bytes() + b" ")
    runs.run(1)
    roll_back_to(runs.mirror, "1", 0, dry_run=False, hold=True, reason="paper")
    archive.reprocess(name, copy)

    first, _, conclusion = runs.run(2)
    write(runs.files(2).published, first)
    second, _, _ = runs.run(3)
    write(runs.files(3).published, second)
    status = mirror_status(runs.mirror, None)
    lines = list(summary_lines(runs.mirror, runs.files(2).folder.name, is_complete=True))

    assert (first.generation, first.is_new) == (2, True)
    assert (second.generation, second.is_new, number(runs.mirror)) == (2, False, 1)
    assert "generation 2 is new: MAST reprocessed" in conclusion.summary
    assert "generation 1 stays the current one (held by" in conclusion.summary
    assert [line for line in lines if line.startswith("Held: generation 1 stays")]
    assert status.hold.reason == "paper"
    assert status.notes[0] == "generation 2 of the last run is not shown, because the view is held."
    assert len(status.undone) == 1
    release(runs.mirror)
    third, _, after = runs.run(4)
    assert (third.generation, third.is_new, number(runs.mirror)) == (2, True, 2)
    assert "held" not in after.summary


def test_the_site_says_that_the_view_is_held(runs):
    """On its first page."""
    runs.run(1)
    roll_back_to(runs.mirror, "1", 0, dry_run=False, hold=True, reason="<b>paper")

    _, page, _ = runs.run(2)

    text = page.read_text()
    assert "generation 1 stays the current one (held by" in text
    assert "&lt;b&gt;paper" in text and "<b>paper" not in text


def test_the_commands_say_who_holds_the_view(small_mirror):
    """And since when, and why."""
    rows = list(Generations(small_mirror.root).entries())[:-1]
    Generations(small_mirror.root).publish(rows, "less", {})
    at = ("--mirror", small_mirror.root)
    assert "add --hold" in " ".join(run("rollback", 1, "--reason", "x", *at, code=2).split())

    page = " ".join(run("rollback", 1, "--hold", "--reason", "bad flat", *at).split())

    assert "generation 1 is now the current one, instead of 2" in page
    assert ": bad flat; runs publish generations without showing them" in page
    assert "undoes" not in page
    for command in ("status", "log"):
        shown = " ".join(run(command, *at).split())
        assert "held: generation 1 stays the current one (held by" in shown
        assert answer(command, *at)["hold"]["reason"] == "bad flat"
    released = answer("release", *at)
    assert (released["hold"]["reason"], released["newer"]) == ("bad flat", [2])
    assert "`jwmirror rollback 2 --mirror" in run("release", *at)
    assert answer("status", *at)["hold"] is None


def test_prune_keeps_what_the_hold_does_not_show_yet(mirror):
    """The held generation, and the newest one: the next run after the release makes it current."""
    publish(mirror, (b"1",), (b"22",))
    roll_back(mirror, 1, hold=HELD)
    for data in (b"333", b"4444"):
        Generations(mirror).publish([store_row(mirror, "a", data)], "next", {})

    done = prune(mirror, RetentionPolicy(keep_days=0))

    assert done.kept == {"1": "current", "4": NEWEST}
    assert done.generations == (2, 3)
    assert seen(mirror) == {"upstream/jw01345/o001/a": b"1"}
    release(mirror)
    rows = [store_row(mirror, "a", b"4444")]
    assert Generations(mirror).publish(rows, "next", {}).number == number(mirror) == 4
    assert verify(mirror, full=True).problems == ()


def test_prune_removes_nothing_while_a_damaged_record_holds_the_view(mirror):
    """What is held is not known then."""
    publish(mirror, (b"1",), (b"2",))
    (mirror / HOLD_RECORD).write_text("{")

    with pytest.raises(StoreError, match="`jwmirror release` removes it"):
        prune(mirror, RetentionPolicy(keep_last=1))

    assert len(Generations(mirror).unpruned()) == 2
