"""What a downloaded file must be: whole, of the kind that its name says, and as it was listed."""

import hashlib
from dataclasses import replace
from pathlib import Path

import pytest

from jwmirror.core.errors import RejectedError
from jwmirror.net.download import check_download, download
from jwmirror.net.http import HttpClient
from jwmirror.net.integrity import check_readable
from jwmirror.net.quarantine import move_to_quarantine
from jwmirror.net.request import DownloadedFile, DownloadRequest
from tests.setup.file_server import HASTY, body, file_server, small_image  # noqa: F401

ASN = b'{"asn_type": "image3", "products": []}'
BAD = b"no FITS file"
READABLE = {
    "a_asn.json": [ASN],
    "a.json": [b"{}", b' {"a": 1}'],
    "a.csv": [b"a,b\n1,2\n", "ü\n".encode()],
    "a.ecsv": [b"# %ECSV 1.0\n"],
    "a.ECSV": [b"# %ECSV 1.0\n"],
    "a.jpg": [b"\xff\xd8"],
    "a": [b"x"],
}
UNREADABLE = {
    "a.jpg": [(b"", "content")],
    "a": [(b"<!DOCTYPE html>", "content"), (b"\n <HTML>", "content"), (b"<?xml?>", "content")],
    "a.csv": [
        (b"<head>", "content"),
        (b" \n", "text"),
        (b' {"error": 1}', "text"),
        (b"a\0b", "text"),
        (b"\xff\xfe", "text"),
    ],
    "a.ecsv": [(b"%ECSV 1.0", "start of ECSV"), (b'{"e": 1}', "text")],
    "a.json": [(b"[1]", "JSON"), (b'{"a"', "JSON"), (b"[" * 100_000, "JSON")],
    "a_asn.json": [(b'{"error": "busy"}', "association"), (b"{}", "association")],
    "a.fits": [(b"SIMPLE  = ", "length in bytes")],
    "a.FITS": [(b"SIMPLE  = ", "length in bytes")],
}


@pytest.mark.parametrize(("name", "data"), [(n, d) for n, each in READABLE.items() for d in each])
def test_a_file_of_its_kind_is_accepted(tmp_path, name, data):
    """The ending says the kind, in either case; unknown kinds are only not empty, and no pages."""
    (tmp_path / "file").write_bytes(data)

    check_readable(tmp_path / "file", name)


@pytest.mark.parametrize(
    ("name", "data", "what"), [(n, d, w) for n, each in UNREADABLE.items() for d, w in each]
)
def test_another_kind_is_rejected_with_what_was_found(tmp_path, name, data, what):
    """Error pages, empty files, torn ones; the error has the file's name."""
    (tmp_path / "file").write_bytes(data)

    with pytest.raises(RejectedError) as raised:
        check_readable(tmp_path / "file", name)

    assert raised.value.filename == name
    if what != "length in bytes":
        assert raised.value.what == what


@pytest.mark.parametrize(
    ("name", "data", "found"),
    [
        ("a.csv", b"<html>\xff", "a web page: '<html>\ufffd'"),
        ("a.csv", b"<html>" + b"x" * 50, f"a web page: '<html>{'x' * 34}'"),
        ("a.csv", b'{"error": 1}', """'{"error": 1}'"""),
        ("a.ecsv", b"%ECSV 1.0 is odd", "'%ECSV 1'"),
        ("a.json", b"[1]", "list"),
        ("a_asn.json", b'{"b": 1, "a": 2}', "['a', 'b']"),
    ],
)
def test_the_error_shows_how_the_file_begins(tmp_path, name, data, found):
    """Whatever its bytes are, and at most 40 of them."""
    (tmp_path / "file").write_bytes(data)

    with pytest.raises(RejectedError) as raised:
        check_readable(tmp_path / "file", name)

    assert raised.value.found == found


@pytest.fixture
def arrived(tmp_path: Path) -> DownloadedFile:
    """A file that is as it was announced and listed."""
    (tmp_path / "file").write_bytes(ASN)
    return DownloadedFile(
        path=tmp_path / "file", size=len(ASN), sha256="5a", checksum="c1", announced=str(len(ASN))
    )


LISTED = DownloadRequest(filename="a_asn.json", url="http://x/a", size=len(ASN), checksum="c1")


def test_a_file_as_listed_passes(arrived):
    """Also where the listing or the server says less."""
    check_download(LISTED, arrived)
    check_download(replace(LISTED, size=None, checksum=None), arrived)
    check_download(LISTED, replace(arrived, announced=None, encoding="identity"))


@pytest.mark.parametrize(
    ("changes", "what", "expected"),
    [
        ({"encoding": "gzip"}, "Content-Encoding", "identity"),
        ({"announced": "99"}, "size in bytes", "99 (Content-Length)"),
        ({"checksum": "c2"}, "MD5", "c1 (listed by MAST)"),
    ],
)
def test_a_file_that_is_not_as_announced_or_listed_is_rejected(arrived, changes, what, expected):
    """Each fact counts."""
    with pytest.raises(RejectedError) as raised:
        check_download(LISTED, replace(arrived, **changes))

    assert (raised.value.what, raised.value.expected) == (what, expected)


def test_sizes_of_disk_and_listing_count(arrived):
    """Bytes that are in the hash, and not in the file; and another size than listed."""
    arrived.path.write_bytes(ASN + b"\n")
    with pytest.raises(RejectedError, match=r"\(received\)"):
        check_download(LISTED, arrived)

    arrived.path.write_bytes(ASN)
    with pytest.raises(RejectedError, match=r"size in bytes .*\(listed by MAST\)"):
        check_download(replace(LISTED, size=9), arrived)


def test_only_what_must_be_read_is_read(arrived):
    """References of CRDS may be of any kind."""
    arrived.path.write_bytes(b"<html>".ljust(len(ASN)))

    check_download(replace(LISTED, must_read=False), arrived)
    with pytest.raises(RejectedError, match="web page"):
        check_download(LISTED, arrived)


@pytest.mark.parametrize("name", ["jw_a.fits", "../" + "x" * 300 + ".fits", ".hidden.fits"])
def test_a_rejected_file_is_private_and_has_a_safe_name(server, tmp_path, name):
    """It may be of an exclusive product; its reason is beside it."""
    server.put("file", body(BAD))
    request = DownloadRequest(filename=name, url=f"{server.url}/file")
    incoming, quarantine = tmp_path / "in", tmp_path / "quarantine"
    incoming.mkdir()

    with pytest.raises(RejectedError):
        download(HttpClient(1, HASTY), request, incoming, quarantine)

    rejected, reason = sorted(quarantine.iterdir(), key=lambda path: path.suffix, reverse=True)
    assert rejected.read_bytes() == BAD
    assert rejected.stat().st_mode & 0o777 == 0o600
    assert len(rejected.name) < 200 and not rejected.name.startswith(".")
    assert reason.name == f"{rejected.name}.reason" and "SIMPLE" in reason.read_text()
    assert list(incoming.iterdir()) == [] and not (tmp_path / "x").exists()
    assert len(server.requests) == 2  # the same wrong bytes twice


def test_without_a_quarantine_a_rejected_file_is_deleted(server, tmp_path):
    """As for references."""
    server.put("file", body(BAD))
    request = DownloadRequest(filename="a.fits", url=f"{server.url}/file")

    with pytest.raises(RejectedError):
        download(HttpClient(1, HASTY), request, tmp_path)

    assert list(tmp_path.iterdir()) == []


def reject(server, folder: Path, name: str, **options: object) -> Path:
    """Download something else under a file's name, and return the folder that it was moved to."""
    server.put("file", body(BAD, ETag='"v1"'))
    request = DownloadRequest(filename=name, url=f"{server.url}/file", key="k", **options)
    folder.mkdir(exist_ok=True)
    with pytest.raises(RejectedError):
        client = HttpClient(1, replace(HASTY, keep_from=1))
        download(client, request, folder, folder.parent / "a" / "quarantine")
    assert list(folder.iterdir()) == []
    return folder.parent / "a" / "quarantine"


def test_the_name_in_quarantine_is_the_file_s_with_its_sha256(server, tmp_path, caplog):
    """Other characters are replaced, long names cut; more than one file may be there."""
    caplog.set_level("INFO", logger="jwmirror")
    quarantine = reject(server, tmp_path / "in", "a b/c.fits")
    reject(server, tmp_path / "in", f"{'x' * 300}.fits")

    sha256 = hashlib.sha256(BAD).hexdigest()
    names = {path.name for path in quarantine.iterdir() if path.suffix == ".rejected"}
    assert names == {f"a_b_c.fits.{sha256[:12]}.rejected", f"{'x' * 150}.{sha256[:12]}.rejected"}
    assert caplog.messages[0] == (
        "start of FITS of a b/c.fits: expected SIMPLE  =, got 'no FITS f'; it is fetched again "
        "from its first byte"
    )


def test_a_file_in_quarantine_is_made_private(arrived, tmp_path):
    """Whatever its mode was."""
    arrived.path.chmod(0o644)

    error = RejectedError("a.fits", "size", 2, 1)
    move_to_quarantine(arrived.path, arrived.sha256, error, tmp_path / "q")

    assert (tmp_path / "q" / "a.fits.5a.rejected").stat().st_mode & 0o777 == 0o600
    assert (tmp_path / "q" / "a.fits.5a.rejected.reason").read_text() == f"{error}\n"
