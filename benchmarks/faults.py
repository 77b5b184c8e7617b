"""Wrong files left by curl -C -, aria2c -c, astroquery and jwmirror under the same faults."""

import hashlib
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from jwmirror.archive.transfer import Downloaded, MastDownloader, download_request
from jwmirror.core.model import Product
from jwmirror.net.http import Timeouts
from jwmirror.store.objects import Objects
from jwmirror_simulator.mast import Archive, Oddities, faults
from jwmirror_simulator.mast.faults import Fault
from jwmirror_simulator.mast.toy_files import toy_fits
from tests.setup.records import product

NAME = "jw01345001001_02101_00001_nrcb1_rate.fits"
URI = f"mast:JWST/product/{NAME}"
HERE = f"/api/v0.1/Download/file?uri={URI}"
PIXELS = 512  # along a side: 530 kB
LIMIT_S = 60.0  # for one engine on one fault
TIMEOUTS = Timeouts(read_s=3, attempts=3, backoff_s=0.05, retry_after_s=0.2, keep_from=1)

ASTROQUERY = f"""
import sys
from astroquery.mast import Observations
Observations._session.timeout = Observations.TIMEOUT = 5
status, message, _ = Observations.download_file("{URI}", local_path="{NAME}")
sys.exit(status != "COMPLETE")
"""


@dataclass(frozen=True)
class Trouble:
    """One fault, and whether the right file may arrive in spite of it."""

    name: str
    prepare: Callable[[Archive], None]
    after_a_cut: bool = False  # an earlier run was cut at half of the file


@dataclass(frozen=True)
class Verdict:
    """The file that a program left under its final name, and how the program ended."""

    kept: str  # "right", "WRONG" or "none"
    code: int | None  # exit status; None when it was still at it when time was up

    def __str__(self) -> str:
        return f"{self.kept}, {'no end' if self.code is None else f'exit {self.code}'}"


def _wire(make: Callable[[int], Fault]) -> Callable[[Archive], None]:
    return lambda archive: archive.fault(NAME, make(archive.holding(NAME).size // 2))


def _odd(**switches: object) -> Callable[[Archive], None]:
    return lambda archive: setattr(archive, "oddities", Oddities(**switches))


def _republish(archive: Archive) -> None:
    """Give the file new bytes of the same size under the same name; the listing shows this."""
    archive.reprocess(NAME, _flip)


def _flip(path: Path) -> None:
    from astropy.io import fits

    with fits.open(path, mode="update") as hdus:
        hdus["SCI"].data[0, 0] ^= 1
        hdus["SCI"].data[-1, -1] ^= 1


TROUBLES = [
    Trouble("nothing", lambda archive: None),
    Trouble("cut, with Content-Length", _wire(lambda half: faults.truncate_after(half))),
    Trouble("cut, no Content-Length", _wire(lambda half: faults.truncate_after(half, "none"))),
    Trouble("reset mid-body", _wire(lambda half: faults.reset_after(half))),
    Trouble("Content-Length too large", _wire(lambda half: faults.length_too_large())),
    Trouble("Content-Length too small", _wire(lambda half: faults.length_too_small())),
    Trouble("HTML page, status 200", _wire(lambda half: faults.html_page())),
    Trouble("JSON error, status 200", _wire(lambda half: faults.json_page())),
    Trouble("empty", _wire(lambda half: faults.empty_body())),
    Trouble("right length, wrong bytes", _wire(lambda half: faults.wrong_bytes())),
    Trouble("duplicate bytes", _wire(lambda half: faults.duplicate_bytes())),
    Trouble("gzip Content-Encoding", _wire(lambda half: faults.compressed())),
    Trouble("404", _wire(lambda half: faults.status(404))),
    Trouble("503, once", _wire(lambda half: faults.unavailable(1))),
    Trouble("redirect loop", _wire(lambda half: faults.redirect_to(HERE))),
    Trouble("resumed: nothing else", lambda archive: None, after_a_cut=True),
    Trouble("resumed: reprocessed, same size", _republish, after_a_cut=True),
    Trouble("resumed: other bytes, old ETag", _wire(lambda h: faults.other_rest()), True),
    Trouble("resumed: wrong Content-Range", _wire(lambda h: faults.wrong_content_range(-1)), True),
    Trouble("resumed: no Range support", _odd(ranges=200), True),
    Trouble("resumed: 416", _wire(lambda half: faults.unsatisfiable()), True),
    Trouble("resumed: weak ETag", _odd(etag="weak"), True),
]


def with_curl(archive: Archive, folder: Path) -> int | None:
    """Download with `curl -C -` and its own retries."""
    words = ["curl", "-fsSL", "--retry", "2", "--retry-delay", "1", "-C", "-", "-o", NAME]
    return _ended([*words, download_request(listed(archive), archive.url).url], folder)


def with_aria2(archive: Archive, folder: Path) -> int | None:
    """Download with `aria2c -c` and its own retries."""
    words = ["aria2c", "-q", "-c", "-m", "3", "--retry-wait=1", "-o", NAME]
    return _ended([*words, download_request(listed(archive), archive.url).url], folder)


def with_astroquery(archive: Archive, folder: Path) -> int | None:
    """Download one file with astroquery."""
    config = folder / "config"
    config.mkdir(exist_ok=True)
    (config / "astroquery.cfg").write_text(f"[mast]\nserver = {archive.url}\n")
    environment = os.environ | {"ASTROPY_CONFIG_DIR": str(config)}
    return _ended([sys.executable, "-c", ASTROQUERY], folder, environment)


def with_jwmirror(archive: Archive, folder: Path) -> int | None:
    """Download with jwmirror and store the object that the view would show."""
    product, mirror = listed(archive), folder / "mirror"
    objects = Objects(mirror)
    transfer = MastDownloader(archive.url, timeouts=TIMEOUTS)
    (found,) = transfer.download([product], objects.incoming, mirror / "quarantine")
    if not isinstance(found, Downloaded):
        return 1
    shutil.copy(objects.path(objects.add(found.path, found.sha256)), folder / NAME)
    return 0


ENGINES = {
    "jwmirror": with_jwmirror,
    "curl -C -": with_curl,
    "aria2c -c": with_aria2,
    "astroquery": with_astroquery,
}


def listed(archive: Archive) -> Product:
    """Return the file as in the archive's listing."""
    held = archive.holding(NAME)
    return product(NAME, size=held.size, checksum=held.md5)


def _ended(words: list[str], folder: Path, environment: dict | None = None) -> int | None:
    try:
        ran = subprocess.run(
            words, cwd=folder, env=environment, capture_output=True, timeout=LIMIT_S
        )
    except subprocess.TimeoutExpired:
        return None
    return ran.returncode


def verdict(trouble: Trouble, engine: Callable[[Archive, Path], int | None]) -> Verdict:
    """Run one program under one fault in a new folder."""
    with tempfile.TemporaryDirectory() as root:
        folder = Path(root) / "here"
        folder.mkdir()
        with Archive(Path(root) / "archive") as archive:
            archive.publish(toy_fits(Path(root), NAME, pixels=PIXELS))
            if trouble.after_a_cut:
                archive.fault(NAME, faults.truncate_after(archive.holding(NAME).size // 2))
                engine(archive, folder)
                archive.clear_faults()
            trouble.prepare(archive)
            code = engine(archive, folder)
            return Verdict(_kept(folder / NAME, archive, code), code)


def _kept(file: Path, archive: Archive, code: int | None) -> str:
    """Return the file under its final name; None if the program marks it as unfinished."""
    unfinished = file.with_name(f"{NAME}.aria2").exists()
    if not file.exists() or unfinished:
        return "none"
    found = hashlib.md5(file.read_bytes(), usedforsecurity=False).hexdigest()
    if found == archive.holding(NAME).md5:
        return "right"
    return "WRONG" if code == 0 else "partial"


def main() -> None:
    """Print the table: WRONG is a wrong file reported as complete, partial an unfinished one."""
    there = {name: engine for name, engine in ENGINES.items() if _is_there(name)}
    width = max(len(trouble.name) for trouble in TROUBLES)
    print(f"{'':{width}}  " + "".join(f"{name:18}" for name in there))
    wrong = dict.fromkeys(there, 0)
    for trouble in TROUBLES:
        found = {name: verdict(trouble, engine) for name, engine in there.items()}
        for name, each in found.items():
            wrong[name] += each.kept == "WRONG"
        cells = "".join(f"{each!s:18}" for each in found.values())
        print(f"{trouble.name:{width}}  {cells}", flush=True)
    print(f"{'wrong, called complete':{width}}  " + "".join(f"{n!s:18}" for n in wrong.values()))


def _is_there(name: str) -> bool:
    program = name.split(maxsplit=1)[0]
    return program in ("jwmirror", "astroquery") or shutil.which(program) is not None


if __name__ == "__main__":
    main()
