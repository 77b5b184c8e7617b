"""The programs that are compared; each returns the seconds that it takes for all files."""

import hashlib
import os
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import urllib3

from benchmarks.transfer.load import Load
from jwmirror.archive.transfer import Downloaded, MastDownloader, download_request
from jwmirror.core.model import Product

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
