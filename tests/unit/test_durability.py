"""Durability: bytes are on disk before they get a name, and names before anything needs them."""

import os
from pathlib import Path

import pytest

from jwmirror.core import files
from jwmirror.core.model import ResultFile
from jwmirror.core.model.maintenance import Problem
from jwmirror.core.model.plan import ProvenanceRecord
from jwmirror.core.model.quality import Acceptance
from jwmirror.store.generations import Generations
from jwmirror.store.lock import mirror_lock
from jwmirror.store.losses import Loss, record_loss
from jwmirror.store.maintenance import prune as pruning
from jwmirror.store.maintenance.checkout import check_out
from jwmirror.store.maintenance.prune import prune
from jwmirror.store.maintenance.repair import _quarantine
from jwmirror.store.maintenance.retention import RetentionPolicy
from jwmirror.store.objects import Objects
from jwmirror.store.pins import add_pin, remove_pin
from jwmirror.store.provenance import Provenance, acceptance_path, keep_acceptance
from jwmirror.store.view import build_view
from tests.setup.disk_spy import NAME, REMOVE, SYNC, DiskSpy
from tests.setup.mirrors import store_row
from tests.setup.records import derivation


@pytest.fixture
def disk(monkeypatch) -> DiskSpy:
    """A spy on this process's calls to the disk."""
    return DiskSpy(monkeypatch)


def test_a_replaced_file_is_durable_before_its_name_and_the_name_after(tmp_path, disk):
    """The order is fsync of the file, rename, fsync of the folder."""
    path = tmp_path / "record.json"

    with files.replacing(path) as temporary:
        temporary.write_text("{}")

    assert disk.calls == [
        (SYNC, temporary, None),
        (NAME, path, temporary),
        (SYNC, tmp_path, None),
    ]


def test_a_symlink_is_durable_after_it_is_replaced(tmp_path, disk):
    """`current` names the new view after a power cut, once the publication has ended."""
    files.replace_symlink(tmp_path / "current", "views/000002")

    assert disk.position(SYNC, tmp_path) > disk.position(NAME, tmp_path / "current")


def test_objects_are_durable_before_they_are_named_and_their_folders_after(mirror, disk):
    """No object has empty or torn bytes after a power cut, and none is missing."""
    objects = Objects(mirror)
    for name in ("a", "b"):
        (objects.incoming / name).write_bytes(name.encode())

    objects.add_files(objects.incoming / name for name in ("a", "b"))

    assert disk.named_before_synced(objects.folder) == []
    assert {call.kind for call in disk.calls} == {SYNC, NAME}
    assert disk.folders_left_unsynced(objects.folder) == set()
    made = [disk.position(SYNC, folder) for folder in (objects.folder, mirror)]
    assert min(made) > max(at for at, call in enumerate(disk.calls) if call.kind == NAME)


def test_a_generation_is_durable_before_it_is_named_and_its_name_before_it_is_current(mirror, disk):
    """Manifest and record, their folder, its name, the folders above; then view and CURRENT."""
    row = store_row(mirror, "a", b"1")

    generation = Generations(mirror).publish([row], "one", {})

    named = disk.position(NAME, generation.folder)
    temporary = disk.calls[named].source
    inside = [disk.position(SYNC, temporary)]
    inside += [
        disk.position(NAME, temporary / name) for name in ("generation.json", "manifest.parquet")
    ]
    assert disk.named_before_synced(mirror) == []
    assert max(inside) == inside[0] < named
    view = disk.position(NAME, mirror / "views/000001")
    assert view < disk.position(NAME, mirror / "CURRENT")
    for folder in (mirror / "generations", mirror):
        assert any(call[:2] == (SYNC, folder) for call in disk.calls[named:view])


def test_after_a_publication_every_name_is_durable(mirror, disk):
    """View, CURRENT and `current` included: a power cut afterwards changes nothing."""
    Generations(mirror).publish([store_row(mirror, "a", b"1")], "one", {})

    unsynced = disk.folders_left_unsynced(mirror)

    assert {name for name in unsynced if not name.startswith("objects/incoming")} == set()


def test_a_view_is_durable_before_it_is_named(mirror, disk):
    """The links and their folders, then the view's name, then the folder of views."""
    folder = build_view(mirror, 1, [store_row(mirror, "a", b"1")])

    named = disk.position(NAME, folder)
    temporary = disk.calls[named].source
    below = ("", "upstream", "upstream/jw01345", "upstream/jw01345/o001")
    assert all(disk.position(SYNC, temporary / name) < named for name in below)
    assert disk.position(SYNC, folder.parent) > named
    assert disk.position(SYNC, mirror) > named


def test_a_record_of_a_result_is_durable(mirror, disk):
    """Its bytes before its name; its name, and that of its folder, at the end."""
    row = store_row(mirror, "a", b"1")
    file = ResultFile(filename="a", sha256=row.sha256, size=1, identity="i")
    record = ProvenanceRecord(
        key="ab" * 32,
        derivation=derivation(),
        files=(file,),
        seconds=1.0,
        peak_memory=1,
        made_at="2026-01-01T00:00:00+00:00",
    )

    Provenance(mirror).record_once(record)

    folder = mirror / "provenance"
    named = disk.position(NAME, Provenance(mirror).path(record.key))
    assert disk.position(NAME, disk.calls[named].source) < named  # by `write_bytes`, durably
    assert disk.position(SYNC, folder) > named
    assert disk.position(SYNC, mirror) > named


@pytest.fixture
def two_generations(mirror: Path) -> Path:
    """A mirror in which one object is of the first generation only."""
    for data in (b"1", b"22"):
        Generations(mirror).publish([store_row(mirror, "a", data)], "run", {})
    return mirror


def test_a_prune_removes_durably_in_the_order_of_need(two_generations, disk):
    """Tombstone, objects, their folders, then the manifest: a power cut leaves no strays."""
    mirror = two_generations
    (sha256,) = {row.sha256 for row in Generations(mirror).read(1).entries()}
    generation = mirror / "generations/000001"

    prune(mirror, RetentionPolicy(keep_last=1))

    tombstone = disk.position(NAME, generation / "pruned.json")
    removed = disk.position(REMOVE, mirror / "objects/.pruned" / sha256)
    durable = disk.position(SYNC, Objects(mirror).path(sha256).parent)
    manifest = disk.position(REMOVE, generation / "manifest.parquet")
    assert tombstone < removed < durable < manifest < disk.position(SYNC, generation)


def test_an_object_that_is_put_back_is_durable(two_generations, disk, monkeypatch):
    """An interrupted prune had moved it: its name is on disk before the prune goes on."""
    mirror = two_generations
    path = Objects(mirror).path(Generations(mirror).entries()[0].sha256)
    aside = mirror / "objects" / pruning.ASIDE
    aside.mkdir()
    os.rename(path, aside / path.name)

    pruning._restore_interrupted(mirror)

    assert path.read_bytes() == b"22"
    assert disk.position(SYNC, path.parent) > disk.position(NAME, path)


def test_a_pin_is_durable(two_generations, disk):
    """A name in a paper still keeps its generation after a power cut; a removed one does not."""
    mirror = two_generations
    path = mirror / "pins/paper.json"

    add_pin(mirror, "paper", 1)
    added = disk.folders_left_unsynced(mirror) - LOCK_FOLDERS
    remove_pin(mirror, "paper")

    assert added == set()
    assert disk.position(SYNC, mirror) > disk.position(NAME, path)
    assert disk.position(SYNC, path.parent) > disk.position(REMOVE, path)


@pytest.mark.parametrize("mode", ["copy", "symlink", "hardlink"])
def test_a_checkout_is_durable_before_it_is_named_and_its_name_after(mirror, disk, mode, tmp_path):
    """Files, folders, then the name of the whole: it is there, or not."""
    row = store_row(mirror, "a", b"1")
    Generations(mirror).publish([row], "one", {})

    check_out(mirror, 1, tmp_path / "out", mode)

    named = disk.position(NAME, tmp_path / "out")
    temporary = disk.calls[named].source
    inside = [temporary, (temporary / row.path).parent]
    inside += [] if mode == "symlink" else [temporary / row.path]
    assert all(disk.position(SYNC, path) < named for path in inside)
    assert disk.position(SYNC, tmp_path) > named


def test_a_damaged_file_is_moved_away_durably(mirror, disk):
    """Its new name, and that its old one is free."""
    mirror.mkdir()
    (mirror / "objects").mkdir()
    damaged = mirror / "objects/x"
    damaged.write_bytes(b"x")

    place = _quarantine(mirror, Problem(kind="object", path="objects/x", expected="y", found="x"))

    named = disk.position(NAME, mirror / place)
    assert disk.position(SYNC, mirror / "quarantine") > named
    assert disk.position(SYNC, damaged.parent) > named
    assert (mirror / f"{place}.reason").read_text() == "objects/x: expected y, found x\n"


def test_a_mark_of_an_invalid_result_is_durable(mirror, disk):
    """A wrong result does not come back after a power cut."""
    mirror.mkdir()
    Provenance(mirror).invalidate(["5a" * 32], "wrong")

    mark = next(call.path for call in disk.calls if call.kind == NAME)
    assert disk.named_before_synced(mirror) == []
    assert disk.position(SYNC, mark.parent.parent) > disk.position(NAME, mark)


def test_an_acceptance_is_durable(mirror, disk):
    """A result that a user accepted is not held back after a power cut."""
    mirror.mkdir()
    acceptance = Acceptance(
        key="5a" * 32,
        recipe="deep",
        product="x",
        pipeline="p",
        caveats=(),
        because="b",
        who="me",
        accepted_at="t",
    )

    keep_acceptance(mirror, acceptance)

    named = disk.position(NAME, acceptance_path(mirror, acceptance.key))
    assert disk.position(SYNC, mirror) > named
    assert disk.named_before_synced(mirror) == []


LOCK_FOLDERS = {"locks/publishing"}  # who has the lock does not outlive the machine's start


def test_a_recorded_loss_is_durable(mirror, disk):
    """Else the next run would not publish again."""
    mirror.mkdir()
    loss = Loss(sha256="5a" * 32, size=1, path="a", why="gone at MAST", found_at="2026-01-01")

    record_loss(mirror, loss)

    path = mirror / "losses" / f"{loss.sha256}.json"
    assert disk.position(SYNC, mirror) > disk.position(NAME, path)
    assert disk.named_before_synced(mirror) == []


def test_the_folder_of_a_lock_is_durable(mirror, disk):
    """It exists once, whoever looks."""
    with mirror_lock(mirror, "run"):
        pass

    folder = mirror / "locks/publishing"
    assert disk.position(SYNC, folder.parent) > disk.position(NAME, folder)


def test_a_view_that_is_made_of_a_spare_one_is_durable_before_it_is_named(mirror, disk):
    """Folders with new links, and those from which links were removed."""
    a, b, c = (store_row(mirror, n, n.encode(), f"upstream/jw01345/o00{n}") for n in "123")
    for rows in ([a, b], [a], [a, b], [b, c]):
        Generations(mirror).publish(rows, "run", {})

    named = disk.position(NAME, mirror / "views/000004")
    temporary = disk.calls[named].source
    removed = disk.position(REMOVE, temporary / a.path)
    for row in (b, c):
        assert (mirror / "current" / row.path).is_symlink()
    assert not (mirror / "current" / a.path).exists()
    assert removed < disk.position(SYNC, temporary / "upstream/jw01345") < named
    assert removed < disk.position(SYNC, (temporary / c.path).parent) < named


def test_a_view_from_which_a_link_was_removed_is_durable_before_it_is_named(mirror, disk):
    """Of a folder that has others left."""
    a, b = (store_row(mirror, name, name.encode()) for name in "ab")
    for rows in ([a], [a, b], [a], [b]):
        Generations(mirror).publish(rows, "run", {})

    named = disk.position(NAME, mirror / "views/000004")
    temporary = disk.calls[named].source
    removed = disk.position(REMOVE, temporary / a.path)
    assert removed < disk.position(SYNC, (temporary / a.path).parent) < named
