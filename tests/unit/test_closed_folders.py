"""Folders of files under way, logs and records with numbers are closed, whatever the umask is."""

import grp
import os
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from jwmirror.core.errors import ClosedError, RejectedError, StoreError
from jwmirror.core.files import make_private, open_to_all, restrict
from jwmirror.core.jsonio import read, write
from jwmirror.net.quarantine import move_to_quarantine
from jwmirror.net.staging import staging_folder
from jwmirror.services.run.results import ResultStore
from jwmirror.services.run.session import RUN_ID, RunSession
from jwmirror.store.objects import Objects
from jwmirror.store.provenance import Provenance
from jwmirror.store.runs import close_measurements, read_if_written, write_held_back
from tests.setup import command_line

GROUP = grp.getgrgid(os.getgid()).gr_name


@pytest.fixture(autouse=True)
def umask_of_0(monkeypatch) -> Iterator[None]:
    """Each call has to say itself who may read; the id of a run does not stay."""
    monkeypatch.setenv(RUN_ID, "")
    monkeypatch.delenv(RUN_ID)
    before = os.umask(0)
    yield
    os.umask(before)


def mode(path: Path) -> int:
    """Permissions of a file or folder."""
    return path.stat().st_mode & 0o777


def stage(mirror: Path) -> None:
    """Fetch nothing."""
    with staging_folder(mirror / "objects" / "incoming", ()):
        pass


def reject(mirror: Path) -> None:
    """Refuse a file."""
    file = mirror / "file"
    file.write_bytes(b"wrong")
    move_to_quarantine(file, "5a" * 32, RejectedError("a", "md5", "1", "2"), mirror / "quarantine")


def run(mirror: Path, group: str | None = None) -> None:
    """Begin a run and end it."""
    session = RunSession(mirror, wait=False, group=group)
    session.begin()
    session.end()


MAKERS: dict[str, Callable[[Path], object]] = {
    "objects/incoming": lambda mirror: Objects(mirror).incoming,
    "./objects/incoming": stage,
    "quarantine": reject,
    "work": run,
    "logs": run,
    "receipts/measurements": run,
}


@pytest.mark.parametrize("is_old", [False, True])
@pytest.mark.parametrize("folder", MAKERS)
def test_only_the_owner_can_enter_a_folder_of_files_under_way(tmp_path, folder, is_old):
    """Also one that an earlier version left open; the mirror itself stays as it is."""
    mirror = tmp_path / "mirror"
    mirror.mkdir()
    (mirror / "JWMIRROR").touch()
    if is_old:
        (mirror / folder).mkdir(parents=True)

    MAKERS[folder](mirror)

    assert mode(mirror / folder) == 0o700
    assert mode(mirror) == 0o777


def test_a_folder_is_private_from_its_first_moment(tmp_path, monkeypatch):
    """Its mode is set by the call that makes it."""
    monkeypatch.setattr(Path, "chmod", lambda path, mode: pytest.fail("set later"))

    assert mode(make_private(tmp_path / "above" / "private")) == 0o700


@pytest.mark.parametrize(("group", "expected"), [(None, [0o700, 0o600]), (GROUP, [0o750, 0o640])])
def test_a_run_closes_the_records_of_earlier_versions(tmp_path, group, expected):
    """A group that the config names may read them."""
    mirror = tmp_path / "mirror"
    records = [
        mirror / "receipts" / "quality.json",
        mirror / "receipts" / "runs" / "20260301T120000.000000Z-1" / "held-back.json",
    ]
    for path in records:
        write(path, ())
    (mirror / "JWMIRROR").touch()

    run(mirror, group)

    modes = [mode(mirror / "logs"), *map(mode, records)]
    assert modes == [expected[0], expected[1], expected[1]]
    assert mode(mirror / "work") == 0o700


@pytest.mark.skipif(os.geteuid() != 0, reason="needs root to become another user")
def test_a_run_of_another_account_ends_with_a_message(tmp_path, capfd):
    """Members of a group may share a folder; the runs of one mirror are made by one account."""
    mirror = tmp_path / "mirror"
    mirror.mkdir()
    run(mirror)

    if (child := os.fork()) == 0:
        os.chdir(mirror)
        os.setuid(65534)
        try:
            close_measurements(Path(), None)  # which a run does first
        except StoreError as error:
            os.write(2, str(error).encode())
        finally:
            os._exit(0)
    os.waitpid(child, 0)

    assert "one account makes all runs of a mirror" in capfd.readouterr().err


@pytest.mark.parametrize(("group", "expected"), [(None, 0o600), (GROUP, 0o640)])
def test_what_a_run_holds_back_is_closed(tmp_path, group, expected):
    """Nobody has decided who may read it."""
    write_held_back(tmp_path, tmp_path, (), group)

    assert mode(tmp_path / "held-back.json") == expected


def test_a_run_whose_group_does_not_exist_does_not_begin(tmp_path):
    """The message names the key of the config."""
    with pytest.raises(SystemExit, match=r"no-such-group \(archive.group in the config\)"):
        run(tmp_path / "mirror", "no-such-group")


@pytest.mark.parametrize("change", [restrict, open_to_all])
def test_who_may_read_the_target_of_a_link_is_never_changed(tmp_path, change):
    """Who can write into the mirror could put a link to a file of its owner there."""
    target, link = tmp_path / "target", tmp_path / "link"
    target.write_text("mine")
    target.chmod(0o604)
    link.symlink_to(target)

    with pytest.raises(StoreError, match="expected a file, found a link"):
        change(link)

    assert mode(target) == 0o604


def test_a_record_of_another_user_is_refused_with_the_reason(tmp_path, monkeypatch):
    """A record of a run is left out instead, and the log says so."""
    path = tmp_path / "record.json"
    write(path, ())

    def refuse(*words: object) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(os, "open", refuse)
    with pytest.raises(ClosedError, match="measured on exclusive data") as error:
        read(path, tuple[()])
    assert read_if_written(path, tuple[()]) is None
    assert isinstance(error.value, StoreError)


def test_commands_that_read_go_on_without_the_records_of_closed_results(small_mirror, monkeypatch):
    """A second user sees what the view shows: status, explain, and the results as they are."""
    (row,) = [row for row in small_mirror.rows.values() if row.key and "_i2d" in row.filename]

    def refuse(provenance: Provenance, key: str) -> None:
        raise ClosedError(provenance.path(key))

    monkeypatch.setattr(Provenance, "read", refuse)
    status = command_line.run("status", "--mirror", small_mirror.root)
    explained = command_line.run("explain", row.filename, "--mirror", small_mirror.root)
    files = ResultStore(small_mirror.root).recall(row.key)

    assert "i2d 1" in status and row.filename in explained
    assert [file.sha256 for file in files or ()] == [row.sha256]
    assert ResultStore(small_mirror.root).recall("0" * 64) is None
