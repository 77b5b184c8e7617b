"""Downloads from nginx on loopback: jwmirror (verifies), curl (does not) and astroquery.

Two lower limits are shown. `hashes alone` is the cost of verification: sha256 and MD5 of the same
bytes in memory, on every core. `urllib3 alone` downloads the files with jwmirror's HTTP client and
as many connections, without any check and without fsync.
"""

import argparse
import hashlib
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import urllib3

from benchmarks.nginx import nginx
from jwmirror.archive.transfer import Downloaded, MastDownloader, download_request
from jwmirror.core.model import Product
from tests.setup.records import product

MB = 1_000_000
BLOCK = 2880  # bytes; FITS files are whole numbers of them

ASTROQUERY = """
import sys, time
from astropy.table import Table
from astroquery.mast import Observations
names = sys.argv[1:]
table = Table({"dataURI": [f"mast:JWST/product/{name}" for name in names]})
table["obs_collection"], table["obs_id"], table["productFilename"] = "JWST", "toy", names
began = time.monotonic()
manifest = Observations.download_products(table)
seconds = time.monotonic() - began
assert set(manifest["Status"]) == {"COMPLETE"}
print("seconds", seconds)
"""


@dataclass(frozen=True, kw_only=True)
class Load:
    """Files of one size, and the number of connections."""

    name: str
    count: int
    size: int  # bytes, about
    connections: int
    goal: float  # wall against curl's
    times_astroquery: float | None = None  # as fast as astroquery's serial downloads


def fits_file(path: Path, size: int, seed: int) -> Product:
    """Return a FITS file of about `size` random bytes, and its product as MAST lists it."""
    count = max(1, round(size / BLOCK) - 1)
    cards = ["SIMPLE  =                    T", "BITPIX  =                    8"]
    cards += ["NAXIS   =                    1", f"NAXIS1  = {count * BLOCK:20d}", "END"]
    noise = hashlib.shake_128(str(seed).encode()).digest(BLOCK * min(count, 400))
    data = (noise * (count * BLOCK // len(noise) + 1))[: count * BLOCK]
    body = "".join(f"{card:80}" for card in cards).ljust(BLOCK).encode() + data
    path.write_bytes(body)
    return product(path.name, body)


def with_jwmirror(url: str, products: list[Product], load: Load, into: Path) -> float:
    """Return the seconds for all files: each complete, hashed twice and read as FITS."""
    began = time.monotonic()
    transfer = MastDownloader(url, downloads=load.connections)
    outcomes = list(transfer.download(products, into, into / "quarantine"))
    seconds = time.monotonic() - began
    assert all(isinstance(each, Downloaded) for each in outcomes), outcomes[0]
    return seconds


def hashes_alone(url: str, products: list[Product], load: Load, into: Path) -> float:
    """Return the seconds for both hashes of as many bytes, one thread per core, no download."""
    data = bytes(load.size)

    def hash_one(_: Product) -> None:
        hashlib.sha256(data)
        hashlib.md5(data, usedforsecurity=False)

    with ThreadPoolExecutor(os.cpu_count()) as threads:
        began = time.monotonic()
        list(threads.map(hash_one, products))
        return time.monotonic() - began


def urllib3_alone(url: str, products: list[Product], load: Load, into: Path) -> float:
    """Return the seconds for urllib3 in threads to write as many bodies to files, unchecked."""
    client = urllib3.PoolManager(maxsize=load.connections, block=True)

    def bring(product: Product) -> None:
        answer = client.request("GET", download_request(product, url).url, preload_content=False)
        with open(into / product.filename, "wb", buffering=0) as file:
            for block in answer.stream(1 << 18):
                file.write(block)
        answer.release_conn()

    with ThreadPoolExecutor(load.connections) as threads:
        began = time.monotonic()
        list(threads.map(bring, products))
        return time.monotonic() - began


def with_curl(url: str, products: list[Product], load: Load, into: Path) -> float:
    """Return the seconds for `curl --parallel`, which verifies nothing."""
    lines = [
        f'url = "{download_request(p, url).url}"\noutput = "{into / p.filename}"' for p in products
    ]
    (into / "urls").write_text("\n".join(lines))
    began = time.monotonic()
    words = [
        "curl",
        "-sf",
        "--no-progress-meter",
        "--parallel",
        "--parallel-max",
        str(load.connections),
    ]
    subprocess.run([*words, "-K", str(into / "urls")], check=True, stderr=subprocess.DEVNULL)
    return time.monotonic() - began


def with_astroquery(url: str, products: list[Product], load: Load, into: Path) -> float:
    """Return the seconds for astroquery's serial downloads, without its import."""
    (into / "config").mkdir()
    (into / "config" / "astroquery.cfg").write_text(f"[mast]\nserver = {url}\n")
    ran = subprocess.run(
        [sys.executable, "-c", ASTROQUERY, *[product.filename for product in products]],
        cwd=into,
        env=os.environ | {"ASTROPY_CONFIG_DIR": str(into / "config")},
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
        check=True,
    )
    return float(ran.stdout.rpartition("seconds ")[2])


def measure(load: Load, rounds: int) -> list[str]:
    """Run each program in turn, `rounds` times; print the best of each; return missed goals."""
    engines: dict[str, Callable] = {
        "curl": with_curl,
        "jwmirror": with_jwmirror,
        "hashes alone": hashes_alone,
        "urllib3 alone": urllib3_alone,
    }
    if load.times_astroquery:
        engines["astroquery"] = with_astroquery
    best: dict[str, float] = {}
    with tempfile.TemporaryDirectory() as folder:
        offered = Path(folder) / "offered"
        offered.mkdir()
        names = [f"jw01345001001_02101_{n:05d}_nrcb1_rate.fits" for n in range(load.count)]
        products = [fits_file(offered / name, load.size, n) for n, name in enumerate(names)]
        with nginx(offered, Path(folder) / "nginx") as url:
            for _ in range(rounds):
                for name, engine in engines.items():
                    with tempfile.TemporaryDirectory(dir=folder) as into:
                        seconds = engine(url, products, load, Path(into))
                    best[name] = min(seconds, best.get(name, seconds))
    return _tell(load, best)


def _tell(load: Load, best: dict[str, float]) -> list[str]:
    print(f"{load.name}, {load.connections} connections")
    for name, seconds in best.items():
        rate = load.count * load.size / seconds / MB
        ratio = seconds / best["curl"]
        print(f"  {name:14} {seconds:8.2f} s {rate:8.0f} MB/s  {ratio:6.2f} x curl")
    ratio = best["jwmirror"] / best["curl"]
    goals = [(f"{ratio:.2f} x curl's time, at most {load.goal}", ratio <= load.goal)]
    if load.times_astroquery:
        times = best["astroquery"] / best["jwmirror"]
        words = f"{times:.1f} x as fast as astroquery, at least {load.times_astroquery}"
        goals.append((words, times >= load.times_astroquery))
    for words, holds in goals:
        print(f"  {words}: {'holds' if holds else 'MISSED'}")
    return [f"{load.name}: {words}" for words, holds in goals if not holds]


def main() -> str | None:
    """Compare the programs on many small and on few large files; return missed goals."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--large", type=int, default=1000, help="MB of each large file")
    parser.add_argument("--rounds", type=int, default=3)
    asked, _ = parser.parse_known_args()
    size = asked.large * MB
    loads = [
        Load(
            name="1,000 x 100 KB",
            count=1000,
            size=MB // 10,
            connections=8,
            goal=1.5,
            times_astroquery=8,
        ),
        Load(
            name=f"4 x {asked.large} MB",
            count=4,
            size=size,
            connections=4,
            goal=1,
        ),
    ]
    try:
        missed = [goal for load in loads for goal in measure(load, asked.rounds)]
    except FileNotFoundError as err:
        print(f"skipped: {err}; this benchmark needs nginx and curl")
        return None
    return "; ".join(missed) or None


if __name__ == "__main__":
    sys.exit(main())
