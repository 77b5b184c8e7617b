"""`jwmirror doctor`: the checks of this machine: file system, disk, clock, and servers' answers."""

import fcntl
import os
import time
from pathlib import Path

import pytest
from urllib3.exceptions import HTTPError, ProxyError, SSLError

from jwmirror.core.folders import temporary_folder
from jwmirror.report.diagnosis import Check
from jwmirror.services.inspect.doctor.disk import disk_checks, file_system_checks
from jwmirror.services.inspect.doctor.servers import (
    Contact,
    clock_checks,
    contact,
    server_check,
)
from tests.setup.file_server import FileServer, body, file_server  # noqa: F401
from tests.setup.records import product

GB = 10**9


def outcomes(folder: Path) -> dict[str, str]:
    """Return the outcome of each check of a folder's file system."""
    return {check.subject: check.outcome for check in file_system_checks(folder)}


# ---- the file system --------------------------------------------------------------------------


def test_a_local_file_system_does_all_that_a_mirror_needs(tmp_path):
    """Nothing is left of what was tried, also not of a doctor that was killed."""
    (tmp_path / ".doctor-killed").mkdir()

    assert set(outcomes(tmp_path).values()) == {"ok"}
    assert os.listdir(tmp_path) == []


def refuse(*args: object, **kwargs: object) -> None:
    """Refuse an operation, as a file system without it does."""
    raise PermissionError(1, "Operation not permitted")


def replace_in_two_steps(source: Path, target: Path) -> None:
    """Replace a file so that it is absent for a moment."""
    content = Path(source).read_bytes()
    Path(target).unlink()
    time.sleep(0.01)
    Path(target).write_bytes(content)


@pytest.mark.parametrize(
    ("module", "name", "fault", "subject", "outcome"),
    [
        (os, "symlink", refuse, "symbolic links", "fail"),
        (os, "link", refuse, "hard links", "fail"),
        (os, "link", lambda *names: Path(names[1]).write_text("copy"), "hard links", "fail"),
        (os, "replace", replace_in_two_steps, "renames", "fail"),
        (fcntl, "flock", refuse, "locks", "warn"),
        (fcntl, "flock", lambda *lock: None, "locks", "warn"),
        (Path, "chmod", lambda path, mode: None, "permissions", "warn"),
    ],
)
def test_what_a_file_system_cannot_do_is_seen(
    tmp_path, monkeypatch, module, name, fault, subject, outcome
):
    """A mirror works without locks and permissions, with less; not without the others."""
    monkeypatch.setattr(module, name, fault)

    assert outcomes(tmp_path)[subject] == outcome


def test_folders_of_live_processes_stay(tmp_path):
    """Two doctors do not remove each other's folder."""
    with temporary_folder(tmp_path, ".doctor-") as other:
        outcomes(tmp_path)

        assert other.is_dir()


# ---- the disk ---------------------------------------------------------------------------------


def test_a_disk_without_room_for_a_run_is_seen(tmp_path):
    """What a run would fetch, and what is to stay free, count together."""
    free = os.statvfs(tmp_path).f_bavail * os.statvfs(tmp_path).f_frsize
    missing = [product(size=free // 2)]

    (small, *_), (large, *_) = (
        list(disk_checks(tmp_path, keep, missing)) for keep in (0, free // 2 + 2 * GB)
    )

    assert (small.outcome, large.outcome) == ("ok", "fail")
    assert "archive.keep_free_gb" in large.step


def test_few_free_inodes_are_a_warning(tmp_path, monkeypatch):
    """A file system without a count of inodes has no limit."""
    status = os.statvfs(tmp_path)

    def checks(files: int, free: int) -> list[str]:
        counted = os.statvfs_result((*status[:5], files, free, free, *status[8:]))
        monkeypatch.setattr(os, "statvfs", lambda path: counted)
        return [check.subject for check in disk_checks(tmp_path, 0, None)]

    assert checks(files=1000, free=10) == ["disk", "inodes"]
    assert checks(files=0, free=0) == ["disk"]


# ---- servers ----------------------------------------------------------------------------------


def visit(server: FileServer) -> Contact:
    """Return the contact with a server's only file."""
    return contact(f"{server.url}/file")


def dated(seconds: float) -> object:
    """Answer with a Date that is some seconds ahead."""

    def reply(handler):
        handler.send_response_only(200)
        handler.send_header("Date", handler.date_time_string(time.time() + seconds))
        handler.send_header("Content-Length", "0")
        handler.end_headers()

    return reply


@pytest.mark.parametrize(
    ("ahead_s", "outcome", "words"),
    [(5, "ok", "agrees with that of"), (7200, "warn", "behind"), (-7200, "warn", "ahead of")],
)
def test_the_clock_is_compared_with_the_date_of_servers(server, ahead_s, outcome, words):
    """A difference of more than a minute is a warning."""
    server.put("file", dated(ahead_s))

    (check,) = clock_checks(visit(server))

    assert (check.outcome, words in check.found) == (outcome, True)


def test_servers_without_a_date_say_nothing_about_the_clock(server):
    """There is no check then."""
    server.put("file", lambda handler: (handler.send_response_only(204), handler.end_headers()))

    assert list(clock_checks(visit(server))) == []


def test_a_server_that_answers_is_ok_whatever_the_page(server):
    """The status of a page at the top does not matter, unless it is the server's own error."""
    server.put("file", body(b"", 404), body(b"", 500))

    checks = [server_check("CRDS", visit(server), "references.url") for _ in range(2)]

    assert [check.outcome for check in checks] == ["ok", "fail"]


def test_a_web_page_in_place_of_data_is_maintenance(server):
    """CRDS has a page at its top; the check of MAST asks for data."""
    server.put("file", body(b"<html><title>Down until noon</title></html>"))
    made = visit(server)

    mast = server_check("MAST", made, "archive.url")
    crds = server_check("CRDS", made, "references.url", has_pages=True)

    assert (mast.outcome, crds.outcome) == ("fail", "ok")
    assert "Down until noon" in mast.found


def failed(error: Exception, url: str = "https://mast.invalid/") -> Check:
    """Return the check of a server that could not be asked."""
    return server_check("MAST", Contact(url=url, host="mast.invalid", error=error), "archive.url")


def test_the_next_step_is_that_for_the_cause(monkeypatch):
    """By the class of the error: certificates, proxy, or network."""
    for name in ("HTTPS_PROXY", "https_proxy", "ALL_PROXY", "all_proxy"):
        monkeypatch.delenv(name, raising=False)

    assert "SSL_CERT_FILE" in failed(SSLError("certificate verify failed")).step
    assert "HTTPS_PROXY" in failed(ProxyError("refused", OSError())).step
    assert "archive.url" in failed(HTTPError("no such host")).step


def test_a_proxy_is_named_without_its_password(archive, monkeypatch):
    """Where an answer came through one, and where it did not let anything through."""
    for name in ("HTTP_PROXY", "http_proxy"):
        monkeypatch.setenv(name, archive.url.replace("//", "//ann:secret@"))
    reached = server_check("MAST", contact("http://mast.invalid/whoami"), "archive.url")
    refused = server_check("MAST", contact("http://mast.invalid/other"), "archive.url")

    assert "through the proxy 127.0.0.1" in reached.found
    assert "secret" not in str((reached, refused))
