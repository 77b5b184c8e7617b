"""What can go wrong with a download, each as a row of docs/reliability.md."""

import hashlib
import os
import resource
import shutil
import socket
import ssl
import subprocess
import threading
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass, field, replace
from pathlib import Path
from unittest import mock

from astropy.io import fits
from msgspec import structs

from jwmirror.core.model import Product
from jwmirror.net import request
from jwmirror.net.http import Timeouts
from jwmirror.net.resume_record import resume_key
from jwmirror_simulator.mast import Archive, Oddities, faults
from jwmirror_simulator.mast.faults import Fault
from tests.reliability import quotas
from tests.reliability.quotas import quota

TIMEOUTS = Timeouts(
    connect_s=5,
    read_s=5,
    attempts=3,
    bodies=3,
    backoff_s=0.01,
    retry_after_s=0.02,
    keep_from=100_000,
)
# Where waiting is what is tested:
NOT_WITH_SLOTH = replace(TIMEOUTS, read_s=0.3)
NOT_WITH_SILENCE = replace(TIMEOUTS, read_s=0.3)
NOBODY = 65534


@dataclass(kw_only=True)
class Scene:
    """An archive with one file, the product as listed, and the folder of a fetch to come."""

    archive: Archive
    product: Product
    into: Path
    timeouts: Timeouts = TIMEOUTS
    around: AbstractContextManager = field(default_factory=nullcontext)  # while it is fetched

    @property
    def name(self) -> str:
        """The file."""
        return self.product.uri.rpartition("/")[2]

    @property
    def half(self) -> int:
        """Bytes of half the file."""
        return self.archive.holding(self.name).size // 2

    def fault(self, fault: Fault) -> None:
        """Let something go wrong with the responses for the file."""
        self.archive.fault(self.name, fault)

    def listed(self, **facts: object) -> None:
        """Let the listing say something else."""
        self.product = structs.replace(self.product, **facts)


Trouble = Callable[[Scene], None]


def _on_the_wire(make: Callable[[Scene], Fault]) -> Trouble:
    return lambda scene: scene.fault(make(scene))


def _odd(**switches: object) -> Trouble:
    def trouble(scene: Scene) -> None:
        scene.archive.oddities = Oddities(**switches)

    return trouble


def _for(timeouts: Timeouts, fault: Callable[[], Fault]) -> Trouble:
    def trouble(scene: Scene) -> None:
        scene.timeouts = timeouts
        scene.fault(fault())

    return trouble


def _other_pixels(path: Path) -> None:
    with fits.open(path, mode="update") as hdus:
        hdus["SCI"].data[0, 0] ^= 1


def _newer_file(scene: Scene) -> None:
    """The file is reprocessed after the listing was made; its length stays."""
    scene.archive.reprocess(scene.name, _other_pixels)


def _newer_listing(scene: Scene) -> None:
    """The listing tells of a version that the file server does not have yet."""
    coming = faults.wrong_bytes().spoil
    response = coming(_whole(scene))
    scene.listed(checksum=hashlib.md5(response.body, usedforsecurity=False).hexdigest())


def _whole(scene: Scene):
    from jwmirror_simulator.mast.api.messages import Response

    return Response(body=scene.archive.path(scene.name).read_bytes())


def _withheld(scene: Scene) -> None:
    scene.archive.restrict(scene.name, "2099-01-01T00:00:00.000")
    scene.listed(exclusive=True, release_date="2099-01-01T00:00:00.000")


def _elsewhere(scene: Scene) -> None:
    """Another server has the file; the scene's archive just says where."""
    other = Archive(scene.archive.folder.path).start()
    scene.around = _stopping(other.stop)
    target = f"{other.url}/api/v0.1/Download/file?uri={scene.product.uri}"
    scene.fault(faults.redirect_to(target))


def _loop(scene: Scene) -> None:
    here = f"/api/v0.1/Download/file?uri={scene.product.uri}"
    scene.fault(faults.redirect_to(f"{scene.archive.url}{here}"))


def _bad_certificate(scene: Scene) -> None:
    """The server that is redirected to has a certificate that nobody vouches for."""
    port, stop = untrusted_server(scene.into.parent)
    scene.around = _stopping(stop)
    scene.fault(faults.redirect_to(f"https://127.0.0.1:{port}/file"))


def _escaping(scene: Scene) -> None:
    """The listing's file name leads out of the mirror, and the bytes are wrong."""
    scene.listed(filename="../../../escaped_rate.fits")
    scene.fault(faults.wrong_bytes())


def _full_disk(scene: Scene) -> None:
    """The disk takes no more bytes: the kernel's own device for that stands for the file."""
    (scene.into / f"{resume_key(scene.product)}.part").unlink(missing_ok=True)
    scene.around = mock.patch.object(
        request, "_open_private", lambda path, flags: os.open("/dev/full", os.O_WRONLY)
    )


def _quota(scene: Scene) -> None:
    """The kernel grants no more than a part of the file; of a small one, not even its name."""
    scene.around = quota(scene.into, scene.half // 2)


def _limit(scene: Scene) -> None:
    """A limit ends the file when it has grown to half its length."""
    scene.around = _file_size_limit(scene.half)


def _read_only(scene: Scene) -> None:
    for leftover in scene.into.iterdir():
        leftover.unlink()
    scene.around = _closed_to_all(scene.into)


def _always_and_once(name: str, make: Callable[[Scene, int | None], Fault]) -> dict[str, Trouble]:
    return {
        f"{name}, always": _on_the_wire(lambda scene: make(scene, None)),
        f"{name}, once": _on_the_wire(lambda scene: make(scene, 1)),
    }


def _status(code: int) -> dict[str, Trouble]:
    return _always_and_once(f"status {code}", lambda _, times: faults.status(code, times))


ROWS: dict[str, Trouble] = {
    "nothing": lambda scene: None,
    **_always_and_once(
        "truncated, with Content-Length", lambda s, n: faults.truncate_after(s.half // 2, times=n)
    ),
    **_always_and_once(
        "truncated, without Content-Length",
        lambda s, n: faults.truncate_after(s.half // 2, "none", n),
    ),
    **_always_and_once(
        "truncated, chunked", lambda s, n: faults.truncate_after(s.half // 2, "chunked", n)
    ),
    **_always_and_once("reset mid-body", lambda s, n: faults.reset_after(1000, n)),
    **_always_and_once("Content-Length too large", lambda s, n: faults.length_too_large(times=n)),
    **_always_and_once("Content-Length too small", lambda s, n: faults.length_too_small(times=n)),
    "no Content-Length": _on_the_wire(lambda s: faults.without_length()),
    "chunked": _on_the_wire(lambda s: faults.without_length("chunked")),
    **_always_and_once("HTML page with status 200", lambda s, n: faults.html_page(n)),
    **_always_and_once("JSON error with status 200", lambda s, n: faults.json_page(n)),
    **_always_and_once("empty", lambda s, n: faults.empty_body(n)),
    **_always_and_once("right length, wrong bytes", lambda s, n: faults.wrong_bytes(n)),
    **_always_and_once("duplicate bytes", lambda s, n: faults.duplicate_bytes(times=n)),
    **_always_and_once("gzip Content-Encoding", lambda s, n: faults.compressed(n)),
    **_always_and_once("endless", lambda s, n: faults.endless(times=n)),
    **_always_and_once("endless, chunked", lambda s, n: faults.endless("chunked", n)),
    **_always_and_once("endless page of status 404", lambda s, n: faults.endless_page(404, n)),
    **_always_and_once("endless page of status 503", lambda s, n: faults.endless_page(503, n)),
    "MD5 in the listing wrong": lambda scene: scene.listed(checksum="0" * 32),
    "size in the listing wrong": lambda scene: scene.listed(size=scene.half),
    "file newer than the listing": _newer_file,
    "listing newer than the file": _newer_listing,
    "changed mid-file, new ETag": _on_the_wire(lambda s: faults.changes_midway(s.half)),
    "changed mid-file, rest sent as 206": _on_the_wire(
        lambda s: faults.changes_midway(s.half, honest=False)
    ),
    "rest of another version, old ETag": _on_the_wire(lambda s: faults.other_rest()),
    "weak ETag": _odd(etag="weak"),
    "no ETag": _odd(etag="none"),
    "another ETag at each request": _odd(etag="random"),
    "two replicas with different ETags": _odd(etag="replicas"),
    "one ETag for all versions": _odd(etag="constant"),
    "no Range support": _odd(ranges=200),
    **{f"Range refused with {code}": _odd(ranges=code) for code in (400, 403, 405, 501)},
    "206 with wrong Content-Range": _on_the_wire(lambda s: faults.wrong_content_range()),
    "206 without Content-Range": _on_the_wire(lambda s: faults.without_header("Content-Range")),
    "416": _on_the_wire(lambda s: faults.unsatisfiable()),
    "withheld until 2099": _withheld,
    **_status(401),
    **_status(403),
    **_status(404),
    **_status(408),
    **_always_and_once("429, Retry-After in seconds", lambda s, n: faults.busy(429, 1, n)),
    **_always_and_once("429, Retry-After a date", lambda s, n: faults.busy(429, faults.soon(9), n)),
    "429, Retry-After nonsense, once": _on_the_wire(lambda s: faults.busy(429, "later", 1)),
    **_status(500),
    **_status(502),
    **_always_and_once("503, Retry-After in seconds", lambda s, n: faults.busy(503, 3600, n)),
    **_status(504),
    "redirect loop": _loop,
    "redirect to another host": _elsewhere,
    "slow body": _for(NOT_WITH_SLOTH, lambda: faults.crawl()),
    "slow body, once": _for(NOT_WITH_SLOTH, lambda: faults.crawl(times=1)),
    "silence": _for(NOT_WITH_SILENCE, lambda: faults.silence(0.5)),
    "silence, once": _for(NOT_WITH_SILENCE, lambda: faults.silence(0.5, 1)),
    "unknown host": _on_the_wire(lambda s: faults.unknown_host()),
    "self-made certificate": _bad_certificate,
    "disk full": _full_disk,
    "quota exceeded": _quota,
    "limit of file size": _limit,
    "read-only folder": _read_only,
    "file name that would escape": _escaping,
}


def lacking(name: str) -> tuple[str, str]:
    """What a row needs: what is not installed here, and what this machine does not allow; or ""."""
    if "certificate" in name and not shutil.which("openssl"):
        return "openssl is not installed", ""
    if name.startswith("quota"):
        return quotas.absent(), "" if quotas.absent() else quotas.refused()
    return "", ""


# ---- surroundings ----------------------------------------------------------------------------


@contextmanager
def _stopping(stop: Callable[[], None]) -> Iterator[None]:
    try:
        yield
    finally:
        stop()


@contextmanager
def _file_size_limit(size: int) -> Iterator[None]:
    """No file can grow beyond `size` bytes."""
    former = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, former[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, former)


@contextmanager
def _closed_to_all(folder: Path) -> Iterator[None]:
    """Nobody may write into a folder; root, whom no mode stops, becomes somebody else."""
    user = os.geteuid()
    scene = folder.parents[3]  # which the servers in this process go on to read
    for path in (scene, *scene.rglob("*")):
        path.chmod(path.stat().st_mode | (0o055 if path.is_dir() else 0o044))
    folder.chmod(0o555)
    if user == 0:
        os.seteuid(NOBODY)
    try:
        yield
    finally:
        os.seteuid(user)
        folder.chmod(0o755)


def untrusted_server(folder: Path) -> tuple[int, Callable[[], None]]:
    """A TLS server with a certificate it signed itself; its port, and what stops it."""
    key, certificate = folder / "key.pem", folder / "certificate.pem"
    words = "openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 2"
    files = ["-subj", "/CN=127.0.0.1", "-keyout", str(key), "-out", str(certificate)]
    subprocess.run([*words.split(), *files], check=True, capture_output=True)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)
    listener = socket.create_server(("127.0.0.1", 0))

    def accept() -> None:
        while True:
            try:
                with context.wrap_socket(listener.accept()[0], server_side=True) as connection:
                    connection.recv(1)
            except ssl.SSLError:
                continue
            except OSError:
                return

    threading.Thread(target=accept, daemon=True).start()

    def stop() -> None:
        listener.shutdown(socket.SHUT_RDWR)
        listener.close()

    return listener.getsockname()[1], stop
