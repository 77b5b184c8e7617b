"""A lock that another process takes over: from then on nothing is published or deleted."""

import os
from dataclasses import replace
from pathlib import Path

import pytest

from jwmirror.core.errors import StoreError
from jwmirror.store import generations
from jwmirror.store.generations import Generations
from jwmirror.store.lock import FREE, PUBLISHING_LOCK, LockOwner, MirrorLock, mirror_lock
from jwmirror.store.maintenance import prune as pruning
from jwmirror.store.maintenance.prune import prune
from jwmirror.store.maintenance.retention import RetentionPolicy
from jwmirror.store.maintenance.rollback import roll_back
from jwmirror.store.pins import add_pin
from tests.setup.mirrors import store_row

LAST = RetentionPolicy(keep_last=1)


def lose(mirror: Path) -> None:
    """Let another process take the lock over."""
    (held,) = (mirror / "locks" / PUBLISHING_LOCK).iterdir()
    held.rename(held.with_name("other~host"))


def give_back(mirror: Path) -> None:
    """Let the other process release the lock."""
    (held,) = (mirror / "locks" / PUBLISHING_LOCK).iterdir()
    held.rename(held.with_name(FREE))


@pytest.fixture
def published(mirror: Path) -> Path:
    """A mirror of three generations, two of which name an object that no other needs."""
    for data in (b"1", b"22", b"333"):
        Generations(mirror).publish([store_row(mirror, "a", data)], "run", {})
    return mirror


def pointers(mirror: Path) -> tuple[str, str]:
    """What CURRENT and `current` name."""
    return (mirror / "CURRENT").read_text(), str((mirror / "current").readlink())


def contents(mirror: Path) -> set[bytes]:
    """The bytes of all objects."""
    return {path.read_bytes() for path in (mirror / "objects").glob("??/*")}


def test_a_publication_whose_lock_was_lost_does_not_become_current(published):
    """The check raises when generation and view are built: CURRENT and `current` stay."""
    before = pointers(published)

    def check() -> None:
        assert (published / "views/000004").is_dir()
        raise StoreError("lost")

    with pytest.raises(StoreError, match="lost"):
        Generations(published).publish([store_row(published, "a", b"4")], "late", {}, check)

    assert pointers(published) == before


def test_a_lock_that_is_lost_while_the_view_is_built_stops_the_publication(published, monkeypatch):
    """The last moment in which it is asked is after the view, before CURRENT."""
    before, build = pointers(published), generations.build_view

    def slow(*args):
        lose(published)
        return build(*args)

    monkeypatch.setattr(generations, "build_view", slow)
    with (
        pytest.raises(StoreError, match="taken over by another process"),
        mirror_lock(published, "run") as lock,
    ):
        Generations(published).publish([store_row(published, "a", b"4")], "late", {}, lock.check)

    assert pointers(published) == before


def test_a_prune_that_loses_its_lock_while_it_plans_removes_nothing(published, monkeypatch):
    """Generations, their views and objects all stay."""
    plan = pruning.plan_pruning

    def slow(*args):
        made = plan(*args)
        lose(published)
        return made

    monkeypatch.setattr(pruning, "plan_pruning", slow)
    with pytest.raises(StoreError, match="taken over"):
        prune(published, LAST)

    assert len(Generations(published).unpruned()) == 3
    assert contents(published) == {b"1", b"22", b"333"}


@pytest.mark.parametrize("checks", [1, 2])
def test_a_prune_that_loses_its_lock_between_objects_leaves_the_rest(
    published, monkeypatch, checks
):
    """Each object is removed only while the lock is ours; the next prune removes the rest."""
    check, count = MirrorLock.check, 0

    def lost_after(lock: MirrorLock) -> None:
        nonlocal count
        count += 1
        if count > checks and count <= checks + 1:
            lose(published)
        check(lock)

    monkeypatch.setattr(MirrorLock, "check", lost_after)
    with pytest.raises(StoreError, match="taken over"):
        prune(published, LAST)
    left = contents(published)
    monkeypatch.setattr(MirrorLock, "check", check)
    give_back(published)
    prune(published, LAST)

    assert len(left) == 4 - checks
    assert contents(published) == {b"333"}


def test_a_rollback_that_loses_its_lock_changes_nothing(published, monkeypatch):
    """It is asked after the view is there, before CURRENT."""
    before, build = pointers(published), generations.build_view

    def slow(*args):
        lose(published)
        return build(*args)

    monkeypatch.setattr(generations, "build_view", slow)
    with pytest.raises(StoreError, match="taken over by another process"):
        roll_back(published, 1)

    assert pointers(published) == before


def test_a_lock_that_is_ours_passes_its_check_and_a_lost_one_does_not(published):
    """The error names the work and what to do."""
    with (
        pytest.raises(StoreError, match=r"of prune: taken over.*run again"),
        mirror_lock(published, "prune") as lock,
    ):
        lock.check()
        lose(published)
        lock.check()


def test_a_release_of_a_lost_lock_says_so(published):
    """The work before it may have overlapped with another process's."""
    with pytest.raises(StoreError, match="taken over"), mirror_lock(published, "run"):
        lose(published)


def test_a_name_that_cannot_be_pinned_is_told_without_waiting(published):
    """Also while a run has the lock."""
    with mirror_lock(published, "run"), pytest.raises(StoreError, match="nothing was pinned"):
        add_pin(published, "a b", 1)


def test_a_hidden_file_beside_the_owner_is_not_the_owner(published):
    """Network file systems leave .nfs files there: a dead owner's lock is still taken over."""
    dead = replace(LockOwner.here(), pid=2**22, started="1")
    folder = published / "locks" / PUBLISHING_LOCK
    with mirror_lock(published, "first") as lock:
        lock.path.rename(folder / dead.name)
        (folder / ".nfs0001").touch()

        with mirror_lock(published, "second") as second:
            second.check()

    assert {path.name for path in folder.iterdir()} == {FREE, ".nfs0001"}


def test_a_lock_leaves_no_handle_open(published):
    """A run takes it many times."""
    before = len(os.listdir("/proc/self/fd"))

    for _ in range(3):
        with mirror_lock(published, "run"):
            pass

    assert len(os.listdir("/proc/self/fd")) <= before
