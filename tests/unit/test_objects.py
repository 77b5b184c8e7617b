"""Objects: taken in whole, under the name that their bytes give, once."""

import grp
import hashlib
import os
import stat
from pathlib import Path

import pytest
from msgspec import structs

from jwmirror.core import files
from jwmirror.core.errors import StoreError
from jwmirror.core.model import Product, Version
from jwmirror.store.objects import CLOSED, OPEN, SHARED, Objects, hash_files
from tests.setup.small_disks import PAGE, small_disk  # noqa: F401


@pytest.fixture
def objects(tmp_path: Path) -> Objects:
    """The objects of an empty mirror."""
    return Objects(tmp_path / "mirror")


def arrived(objects: Objects, data: bytes) -> tuple[Path, str]:
    """A finished file in incoming/, and the sha256 of its bytes."""
    sha256 = hashlib.sha256(data).hexdigest()
    file = objects.incoming / f"arrived-{sha256[:8]}"
    file.write_bytes(data)
    return file, sha256


def mode_of(path: Path) -> int:
    """Permission bits."""
    return stat.S_IMODE(path.stat().st_mode)


def test_an_object_stands_under_its_sha256_and_cannot_be_written(objects):
    """A file taken in is found by the sha256 of its bytes, read-only, and left where it was."""
    file, sha256 = arrived(objects, b"ramp")

    taken = objects.add(file)

    place = objects.folder / sha256[:2] / sha256
    assert taken == sha256
    assert place.read_bytes() == b"ramp"
    assert mode_of(place) == 0o444
    assert not file.exists()


def test_equal_bytes_are_kept_once(objects):
    """A second file of equal bytes is dropped, and the first object is not touched."""
    first, sha256 = arrived(objects, b"ramp")
    objects.add(first)
    before = objects.path(sha256).stat()
    second, _ = arrived(objects, b"ramp")

    objects.add(second)

    assert objects.path(sha256).stat().st_ino == before.st_ino
    assert not second.exists()


@pytest.mark.parametrize("standing", [b"whole", b"whole rAmp"])
def test_an_object_that_decayed_gives_way_to_a_sound_one(objects, standing):
    """What stands cut or with wrong bytes under an object's name is replaced by right ones."""
    whole, sha256 = arrived(objects, b"whole ramp")
    objects.path(sha256).parent.mkdir(parents=True)
    objects.path(sha256).write_bytes(standing)

    objects.add(whole)

    assert objects.path(sha256).read_bytes() == b"whole ramp"


def test_an_object_of_another_user_that_we_may_not_read_stays(objects, monkeypatch):
    """Nobody's exclusive object is replaced by a copy that would be somebody else's."""
    first, sha256 = arrived(objects, b"whole ramp")
    objects.add(first)
    inode = objects.path(sha256).stat().st_ino
    second, _ = arrived(objects, b"whole ramp")

    def refuse(path):
        raise PermissionError(13, "Permission denied", str(path))

    monkeypatch.setattr("jwmirror.store.objects.sha256_of", refuse)
    objects.add(second, sha256)

    assert objects.path(sha256).stat().st_ino == inode
    assert not second.exists()


def test_of_equal_bytes_the_stricter_access_counts(objects):
    """Bytes of an exclusive and of a public product are closed, whichever comes first."""
    product = Product(
        uri="mast:JWST/product/a", filename="a", program=1, observation="o001", suffix="uncal"
    )
    file, sha256 = arrived(objects, b"mine")
    hidden = structs.replace(product, exclusive=True)
    objects.add_versions([Version(product=hidden, sha256=sha256, size=4)], [file])
    closed = mode_of(objects.path(sha256))
    file, _ = arrived(objects, b"mine")

    objects.add_versions([Version(product=product, sha256=sha256, size=4)], [file])

    assert closed == mode_of(objects.path(sha256)) == 0o400
    objects.open_to_all(sha256)
    file, _ = arrived(objects, b"mine")
    objects.add_versions([Version(product=hidden, sha256=sha256, size=4)], [file])
    assert mode_of(objects.path(sha256)) == 0o400


def test_many_files_come_back_in_order(objects):
    """The sha256 of many files come back in the order that the files were given in."""
    files = [arrived(objects, f"ramp {n}".encode()) for n in range(40)]

    taken = objects.add_files(file for file, _ in files)

    assert taken == [sha256 for _, sha256 in files]
    assert all(objects.has(sha256, size=len(f"ramp {n}")) for n, sha256 in enumerate(taken))


def test_many_files_leave_no_handle_open(objects):
    """Thousands of files come in at once: each is closed before it is named."""
    files = [arrived(objects, f"ramp {n}".encode())[0] for n in range(300)]
    before = len(os.listdir("/proc/self/fd"))

    objects.add_files(files)

    assert len(os.listdir("/proc/self/fd")) <= before


def test_an_object_is_touched_when_its_bytes_come_in_again(objects):
    """A prune that runs now sees that it is needed."""
    first, sha256 = arrived(objects, b"ramp")
    objects.add(first)
    os.utime(objects.path(sha256), (1, 1))
    second, _ = arrived(objects, b"ramp")

    objects.add(second)

    assert objects.path(sha256).stat().st_mtime > 1e9


@pytest.mark.parametrize(("size", "expected"), [(4, True), (None, True), (5, False)])
def test_an_object_is_known_by_name_and_size(objects, size, expected):
    """A folder in its place is no object."""
    file, sha256 = arrived(objects, b"ramp")
    objects.add(file)
    objects.path("ab" * 32).mkdir(parents=True)

    assert objects.has(sha256, size) is expected
    assert not objects.has("ab" * 32)
    assert not objects.has("cd" * 32)


def test_hashes_come_in_order_and_an_unreadable_file_gives_its_error(tmp_path):
    """Empty files, files of several blocks, and a missing one."""
    contents = {"a": b"", "b": b"x" * ((1 << 22) + 1), "c": b"c"}
    for name, data in contents.items():
        (tmp_path / name).write_bytes(data)
    paths = [tmp_path / name for name in ("c", "missing", "b", "a")]

    found = dict(hash_files(paths))

    assert list(found) == [str(path) for path in paths]
    assert isinstance(found.pop(str(tmp_path / "missing")), FileNotFoundError)
    assert {Path(path).name: sha256 for path, sha256 in found.items()} == {
        name: hashlib.sha256(data).hexdigest() for name, data in contents.items()
    }


def test_restricting_says_whether_anything_was_open(objects):
    """Only open objects are changed; an unknown name is none."""
    file, sha256 = arrived(objects, b"ramp")
    objects.add(file)

    first = objects.restrict_open([sha256, "cd" * 32])
    second = objects.restrict_open([sha256])

    assert (first, second, mode_of(objects.path(sha256))) == (True, False, 0o400)


def test_an_object_whose_mode_only_its_owner_can_set_is_told(objects, monkeypatch):
    """With the command for the owner."""
    file, sha256 = arrived(objects, b"ramp")
    objects.add(file)

    def refuse(handle, mode):
        raise PermissionError(1, "Operation not permitted")

    monkeypatch.setattr(os, "fchmod", refuse)
    with pytest.raises(StoreError, match="let the owner run `chmod 0400`"):
        objects.restrict(sha256)
    objects.open_to_all(sha256)  # it is open: nothing to set


def test_a_file_of_another_file_system_is_taken_in(objects, tmp_path):
    """A result that was computed on a node's own disk gets in as well; no handle is left open."""
    shared = Path("/dev/shm")
    if not shared.is_dir() or shared.stat().st_dev == tmp_path.stat().st_dev:
        pytest.skip("there is no second file system at /dev/shm")
    file = shared / f"jwmirror-{tmp_path.name}"
    file.write_bytes(b"ramp")
    handles = len(os.listdir("/proc/self/fd"))

    sha256 = objects.add(file)

    assert objects.path(sha256).read_bytes() == b"ramp"
    assert not file.exists()
    assert list(objects.incoming.iterdir()) == []
    assert len(os.listdir("/proc/self/fd")) <= handles


def test_a_group_may_read_exclusive_objects_and_nobody_else(tmp_path):
    """With a group configured, exclusive objects are 0440 and its own; released, 0444."""
    group = grp.getgrgid(os.getgid()).gr_name
    objects = Objects(tmp_path / "mirror", group)
    file, sha256 = arrived(objects, b"ramp")

    objects.add(file, sha256, CLOSED)
    taken = mode_of(objects.path(sha256))
    objects.open_to_all(sha256)
    released = mode_of(objects.path(sha256))
    objects.restrict(sha256)

    assert (taken, released, mode_of(objects.path(sha256))) == (0o440, 0o444, 0o440)
    assert objects.path(sha256).group() == group


def test_a_group_that_is_not_there_is_told(tmp_path):
    """A wrong group ends in an error that names it and the config's key."""
    objects = Objects(tmp_path / "mirror", "no-such-group")
    file, sha256 = arrived(objects, b"ramp")

    with pytest.raises(StoreError, match=r"no-such-group \(archive.group"):
        objects.add(file, sha256, CLOSED)


def test_many_files_are_made_durable_by_one_call(tmp_path, monkeypatch):
    """A group goes through syncfs where the file system is known; few files one by one."""
    called = []
    monkeypatch.setattr(files, "_sync_file_system", lambda path: called.append(path) or True)
    monkeypatch.setattr(files, "sync_path", called.append)
    paths = [tmp_path / str(n) for n in range(files.MANY_FILES)]

    files.sync_many(paths)
    files.sync_many(paths[:2])

    assert called == [paths[0], *paths[:2]]


def test_a_file_system_that_promises_nothing_is_synced_file_by_file(tmp_path, monkeypatch):
    """On an unknown kind of file system each file gets its own fsync."""
    monkeypatch.setattr(files, "SYNCED_BY_SYNCFS", ())
    paths = [tmp_path / str(n) for n in range(files.MANY_FILES)]
    for path in paths:
        path.touch()
    synced = []
    monkeypatch.setattr(files, "sync_path", synced.append)

    files.sync_many(paths)

    assert synced == paths


# ---- part by part ------------------------------------------------------------------------------


def test_files_of_many_tasks_and_groups_come_in_whole_and_in_order(objects, monkeypatch):
    """Some with their sha256, which is believed; others are hashed."""
    monkeypatch.setattr("jwmirror.store.objects.GROUP", 5)
    monkeypatch.setattr("jwmirror.store.objects.CHUNK", 2)
    files_ = [arrived(objects, bytes([n]) * n) for n in range(12)]
    given = [file if n % 2 else (file, sha256) for n, (file, sha256) in enumerate(files_)]
    given[0] = (files_[0][0], "ab" * 32)

    taken = objects.add_files(given)

    assert taken == ["ab" * 32, *(sha256 for _, sha256 in files_[1:])]
    assert [objects.path(name).stat().st_size for name in taken] == list(range(12))
    assert list(objects.incoming.iterdir()) == []


@pytest.mark.parametrize("count", [0, 1, 2, 3, 64, 65, 130])
def test_all_files_are_hashed_in_order(tmp_path, monkeypatch, count):
    """However they are divided among threads."""
    monkeypatch.setattr("jwmirror.store.objects.os.cpu_count", lambda: None)
    monkeypatch.setattr("jwmirror.store.objects.CHUNK", 2)
    paths = [tmp_path / f"{n:03d}" for n in range(count)]
    for n, path in enumerate(paths):
        path.write_bytes(bytes(n))

    expected = [(str(path), hashlib.sha256(path.read_bytes()).hexdigest()) for path in paths]
    assert list(hash_files(iter(paths))) == expected


def test_the_modes_of_objects_are_those_of_the_documentation(objects):
    """Read-only, for all, for the owner, or for the owner and a group."""
    assert (OPEN, CLOSED, SHARED) == (0o444, 0o400, 0o440)
    assert objects.incoming == objects.folder / "incoming"
    assert objects.path("ab" * 32) == objects.folder / "ab" / ("ab" * 32)
    for mode in (OPEN, CLOSED):
        file, _ = arrived(objects, str(mode).encode())
        assert mode_of(objects.path(objects.add(file, mode=mode))) == mode


def test_versions_come_in_with_the_access_of_their_products(objects):
    """Each in its own mode, whatever the order."""
    base = Product(uri="u", filename="a", program=1, observation="o001", suffix="uncal")
    files_, versions = [], []
    for number in range(4):
        file, sha256 = arrived(objects, b"x" * (number + 1))
        item = structs.replace(base, exclusive=number % 2 == 1)
        files_.append(file)
        versions.append(Version(product=item, sha256=sha256, size=number + 1))

    objects.add_versions(versions, files_)

    assert [mode_of(objects.path(version.sha256)) for version in versions] == [OPEN, CLOSED] * 2


def test_an_object_that_is_shared_right_is_not_shared_again(tmp_path, monkeypatch):
    """Only another mode or another group is set."""
    group = grp.getgrgid(os.getgid()).gr_name
    objects = Objects(tmp_path / "mirror", group)
    file, sha256 = arrived(objects, b"ramp")
    objects.add(file, sha256, CLOSED)
    changes = []
    monkeypatch.setattr(os, "fchmod", lambda handle, mode: changes.append(mode))
    monkeypatch.setattr(os, "fchown", lambda handle, user, number: changes.append(number))
    other = next(each for each in grp.getgrall() if each.gr_gid != os.getgid())

    objects.restrict(sha256)
    assert changes == []
    Objects(tmp_path / "mirror", other.gr_name).restrict(sha256)
    assert changes == [other.gr_gid, 0o440]
    Objects(tmp_path / "mirror").restrict(sha256)
    assert changes == [other.gr_gid, 0o440, 0o400]


def test_restricting_twice_or_opening_what_is_open_changes_no_mode(objects, monkeypatch):
    """Only the owner could."""
    file, sha256 = arrived(objects, b"ramp")
    objects.add(file, sha256, CLOSED)
    monkeypatch.setattr(os, "fchmod", lambda *words: pytest.fail("set"))

    objects.restrict(sha256)


@pytest.mark.parametrize(("error", "is_kept"), [(PermissionError, True), (OSError, False)])
def test_an_object_that_cannot_be_read_is_replaced_unless_it_is_another_user_s(
    objects, monkeypatch, error, is_kept
):
    """A disk may not be able to read it any more."""
    first, sha256 = arrived(objects, b"ramp")
    objects.add(first)
    inode = objects.path(sha256).stat().st_ino
    second, _ = arrived(objects, b"ramp")

    def fail(path):
        raise error(5, "Input/output error")

    monkeypatch.setattr("jwmirror.store.objects.sha256_of", fail)
    objects.add(second, sha256)

    assert (objects.path(sha256).stat().st_ino == inode) is is_kept
    assert not second.exists()


def test_an_object_of_another_user_is_used_though_it_cannot_be_touched(objects, monkeypatch):
    """Its bytes are right."""
    first, sha256 = arrived(objects, b"ramp")
    objects.add(first)
    inode = objects.path(sha256).stat().st_ino
    second, _ = arrived(objects, b"ramp")

    def refuse(path, **times):
        raise PermissionError(1, "Operation not permitted")

    monkeypatch.setattr(os, "utime", refuse)
    objects.add(second, sha256)

    assert objects.path(sha256).stat().st_ino == inode


def test_a_file_that_is_copied_to_the_store_is_removed_and_leaves_no_handle(objects, tmp_path):
    """As one of another file system is."""
    (tmp_path / "file").write_bytes(b"ramp")
    folder, before = objects.incoming, len(os.listdir("/proc/self/fd"))

    copy = Path(objects._copied_here(str(tmp_path / "file")))

    assert len(os.listdir("/proc/self/fd")) == before
    assert copy.parent == folder and copy.read_bytes() == b"ramp"
    assert not (tmp_path / "file").exists()


def test_a_full_disk_keeps_nothing_of_a_file_of_another_disk(tmp_path, small_disk):
    """The file stays where it was; the error names it, and the copy that did not fit."""
    (tmp_path / "file").write_bytes(bytes(9 * PAGE))
    objects = Objects(small_disk(8 * PAGE, 20))

    with pytest.raises(StoreError, match=f"No space left on device: '{tmp_path}/file' -> '.*inco"):
        objects.add(tmp_path / "file")

    assert (tmp_path / "file").exists() and list(objects.incoming.iterdir()) == []
