"""Files on disk: replaced whole or not at all, hashed, locked, and errors of the disk in words."""

import ctypes
import os
import threading
from hashlib import md5, sha256
from pathlib import Path

import pytest

from jwmirror.core import files
from jwmirror.core.errors import StoreError
from tests.setup.small_disks import PAGE, small_disk  # noqa: F401


def names(folder: Path) -> set[str]:
    """What is in a folder."""
    return {path.name for path in folder.iterdir()}


def test_a_file_is_replaced_with_its_mode(tmp_path):
    """Its folder is made if it does not exist."""
    path = tmp_path / "new" / "folder" / "record.json"

    files.write_bytes(path, b"one", mode=0o444)
    files.write_bytes(path, b"two")

    assert path.read_bytes() == b"two"
    assert path.stat().st_mode & 0o777 == 0o644
    assert names(path.parent) == {"record.json"}


@pytest.mark.parametrize("is_refused", [False, True])
def test_equal_bytes_are_linked_to_or_where_that_is_refused_written(
    tmp_path, monkeypatch, is_refused
):
    """As of a file of another user, with protected_hardlinks."""
    first, second = tmp_path / "first", tmp_path / "second"
    files.write_bytes(first, b"same")

    def refuse(*paths: object) -> None:
        raise PermissionError(1, "Operation not permitted")

    with monkeypatch.context() as patch:
        if is_refused:
            patch.setattr(os, "link", refuse)
        files.write_or_link(second, lambda: [b"sa", b"me"], first)

    assert second.read_bytes() == b"same"
    assert second.samefile(first) is not is_refused
    assert names(tmp_path) == {"first", "second"}


@pytest.mark.parametrize("pieces", [[b"sam"], [b"same", b"s"], [b"sa", b"mE"], []])
def test_other_bytes_are_written_whole(tmp_path, pieces):
    """Also those that begin as the former file, or are its beginning."""
    first, second = tmp_path / "first", tmp_path / "second"
    files.write_bytes(first, b"same")

    files.write_or_link(second, lambda: pieces, first)

    assert second.read_bytes() == b"".join(pieces)
    assert first.read_bytes() == b"same"


def test_an_error_leaves_the_former_file_and_nothing_else(tmp_path):
    """Also no temporary file, however long the name is."""
    path = tmp_path / ("r" * 250)
    files.write_bytes(path, b"former")

    with pytest.raises(ValueError, match="half"), files.replacing(path) as temporary:
        temporary.write_bytes(b"half")
        raise ValueError("half")

    assert path.read_bytes() == b"former"
    assert names(tmp_path) == {path.name}


def test_readers_see_the_former_file_until_the_new_one_is_whole(tmp_path):
    """The temporary file is beside it, hidden."""
    path = tmp_path / "record"
    files.write_bytes(path, b"former")

    with files.replacing(path) as temporary:
        temporary.write_bytes(b"new")
        assert path.read_bytes() == b"former"
        assert temporary.parent == tmp_path and temporary.name.startswith(".record.")

    assert path.read_bytes() == b"new"


def test_an_error_of_the_disk_becomes_one_of_the_store():
    """With the operation, the state after it and the next step; its cause is kept."""
    words = r"ingest: the disk refused .*; all is there; correct"
    with pytest.raises(StoreError, match=words), files.as_store_error("ingest", "all is there"):
        raise OSError(28, "No space left on device")

    with pytest.raises(ValueError, match="other"), files.as_store_error("ingest", "all is there"):
        raise ValueError("other")


def test_digests_are_of_all_bytes(tmp_path):
    """Of the algorithm that is asked for, and again when the file has changed."""
    path, data = tmp_path / "file", b"x" * 3_000_000
    path.write_bytes(data)
    before = files.cached_digest(path), files.cached_digest(path, "md5")
    path.write_bytes(data[:-1] + b"y")

    after = files.cached_digest(path)

    assert before == (sha256(data).hexdigest(), md5(data).hexdigest())
    assert after == files.sha256_of(path) != before[0]


def test_a_symlink_is_pointed_elsewhere(tmp_path):
    """Also where an interrupted attempt of this process left its temporary link."""
    link = tmp_path / "current"
    link.symlink_to("views/000001")
    (tmp_path / f".current.{os.getpid()}").symlink_to("nowhere")

    files.replace_symlink(link, "views/000002")

    assert os.readlink(link) == "views/000002"
    assert names(tmp_path) == {"current"}


def test_a_lock_is_for_one(tmp_path):
    """The second is told that it has none; after the first, it can have it."""
    path = tmp_path / "lock"

    with files.locked(path, make=True) as first, files.locked(path) as second:
        pass
    with files.locked(path) as later:
        pass

    assert (first, second, later) == (True, False, True)
    assert path.stat().st_mode & 0o777 == 0o600
    with pytest.raises(FileNotFoundError), files.locked(tmp_path / "other"):
        pass


@pytest.mark.parametrize("count", [files.MANY_FILES - 1, files.MANY_FILES])
def test_files_are_synced_one_by_one_unless_they_are_many(tmp_path, monkeypatch, count):
    """From a number on, one call for the whole file system is faster."""
    synced: list[Path] = []
    monkeypatch.setattr(files, "sync_path", synced.append)
    monkeypatch.setattr(files, "_sync_file_system", lambda path: True)
    paths = [tmp_path / str(number) for number in range(count)]

    files.sync_many(paths)

    assert len(synced) == (count if count < files.MANY_FILES else 0)


def test_handles_are_closed(tmp_path):
    """Thousands of files are synced and locked by one process."""
    before = len(os.listdir("/proc/self/fd"))

    for _ in range(3):
        files.sync_path(tmp_path)
        files._sync_file_system(tmp_path)
        files.write_bytes(tmp_path / "file", b"")
        with files.locked(tmp_path):
            pass

    assert len(os.listdir("/proc/self/fd")) == before


def test_elsewhere_than_on_linux_files_are_synced_one_by_one(tmp_path, monkeypatch):
    """There is no syncfs."""
    monkeypatch.setattr(files.sys, "platform", "darwin")

    assert files._sync_file_system(tmp_path) is False


class Libc:
    """The C library of a system whose file system has a type, and cannot write everything back."""

    def __init__(self, kind: int, has_errno: bool = True):
        self.kind, self.has_errno = kind, has_errno

    def fstatfs(self, _handle: int, status: ctypes.Array) -> int:
        """Say the type."""
        ctypes.c_long.from_buffer(status).value = self.kind
        return 0

    def syncfs(self, _handle: int) -> int:
        """Fail with EIO."""
        ctypes.set_errno(5 * self.has_errno)
        return -1


def test_a_disk_that_does_not_take_all_is_an_error(tmp_path, monkeypatch):
    """On a file system that is known; on others files are synced one by one."""
    monkeypatch.setattr(files.ctypes, "CDLL", lambda _, use_errno: Libc(0xEF53, use_errno))
    with pytest.raises(OSError, match="Input/output error"):
        files._sync_file_system(tmp_path)

    monkeypatch.setattr(files.ctypes, "CDLL", lambda *_, **__: Libc(0x6969))  # NFS
    assert files._sync_file_system(tmp_path) is False


@pytest.mark.parametrize(
    ("kind", "is_synced"),
    [(0xEF53, True), (0x58465342, True), (0x9123683E, True), (0x01021994, True), (0x6969, False)],
)
def test_a_file_system_of_known_type_is_written_back_as_a_whole(
    tmp_path, monkeypatch, kind, is_synced
):
    """ext4, XFS, btrfs and tmpfs; NFS is not."""
    libc = Libc(kind)
    monkeypatch.setattr(libc, "syncfs", lambda handle: 0, raising=False)
    monkeypatch.setattr(files.ctypes, "CDLL", lambda *_, **__: libc)

    assert files._sync_file_system(tmp_path) is is_synced


def test_a_file_system_that_does_not_tell_its_type_is_not_relied_upon(tmp_path, monkeypatch):
    """Then files are synced one by one."""
    libc = Libc(0xEF53)
    monkeypatch.setattr(libc, "fstatfs", lambda handle, status: -1, raising=False)
    monkeypatch.setattr(files.ctypes, "CDLL", lambda *_, **__: libc)
    synced: list[Path] = []
    monkeypatch.setattr(files, "sync_path", synced.append)
    paths = [tmp_path] * 40

    files.sync_many(iter(paths))

    assert synced == paths


def test_a_file_that_is_replaced_can_be_read_by_all(tmp_path):
    """Unless another mode is asked for; temporary files are made for their owner alone."""
    with files.replacing(tmp_path / "a") as one, files.replacing(tmp_path / "b", 0o400) as other:
        one.write_text("")
        other.write_text("")

    modes = [(tmp_path / name).stat().st_mode & 0o777 for name in ("a", "b")]
    assert modes == [0o644, 0o400]


def test_a_stamp_is_inode_size_and_both_times(tmp_path):
    """As a record of a mirror has them."""
    (tmp_path / "a").write_text("text")
    status = (tmp_path / "a").stat()

    assert files.FileStamp.of(tmp_path / "a") == (
        status.st_ino, 4, status.st_mtime_ns, status.st_ctime_ns,
    )  # fmt: skip


def test_an_unchanged_file_is_hashed_once(tmp_path, monkeypatch):
    """References have gigabytes."""
    (tmp_path / "a").write_text("text")
    first = files.cached_digest(tmp_path / "a")
    monkeypatch.setattr(files.hashlib, "file_digest", None)

    assert files.cached_digest(tmp_path / "a") == first == sha256(b"text").hexdigest()


def test_a_lock_can_be_waited_for(tmp_path):
    """It is then acquired, as soon as the first one ends."""
    path, order = tmp_path / "lock", []

    def wait() -> None:
        with files.locked(path, wait=True) as is_mine:
            order.append(is_mine)

    with files.locked(path, make=True):
        thread = threading.Thread(target=wait)
        thread.start()
        thread.join(0.1)
        order.append("first ends")
    thread.join(10)

    assert order == ["first ends", True]


@pytest.mark.parametrize("inodes", [2, 3])
def test_a_full_disk_names_the_file_that_was_to_be_written(small_disk, inodes):
    """Not the temporary one, whether it has no inode left or no room; nothing is left of it."""
    disk = small_disk(PAGE, inodes)
    (disk / "filler").write_bytes(bytes(PAGE))

    with pytest.raises(OSError, match="No space left on device") as refused:
        files.write_bytes(disk / "receipt.json", b"content")

    assert refused.value.filename == str(disk / "receipt.json")
    assert names(disk) == {"filler"}
