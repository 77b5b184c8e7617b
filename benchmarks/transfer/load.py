"""The files that are downloaded."""

import hashlib
from dataclasses import dataclass
from pathlib import Path

from jwmirror.core.model import Product
from tests.setup.records import product

MB = 1_000_000
BLOCK = 2880  # bytes; FITS files are whole numbers of them


@dataclass(frozen=True, kw_only=True)
class Load:
    """Files of one size, and the number of connections."""

    count: int
    size: int  # bytes, about
    connections: int

    @property
    def name(self) -> str:
        """Number and size of the files, in words."""
        size = f"{self.size // MB} MB" if self.size >= MB else f"{self.size // 1000} KB"
        return f"{self.count:,} x {size}"

    def make_files(self, folder: Path) -> list[Product]:
        """Write the files into `folder`; return the products that MAST lists of them."""
        names = [f"jw01345001001_02101_{n:05d}_nrcb1_rate.fits" for n in range(self.count)]
        return [fits_file(folder / name, self.size, n) for n, name in enumerate(names)]


def fits_file(path: Path, size: int, seed: int) -> Product:
    """Write a FITS file of about `size` random bytes; return its product as MAST lists it."""
    count = max(1, round(size / BLOCK) - 1)
    cards = ["SIMPLE  =                    T", "BITPIX  =                    8"]
    cards += ["NAXIS   =                    1", f"NAXIS1  = {count * BLOCK:20d}", "END"]
    noise = hashlib.shake_128(str(seed).encode()).digest(BLOCK * min(count, 400))
    data = (noise * (count * BLOCK // len(noise) + 1))[: count * BLOCK]
    body = "".join(f"{card:80}" for card in cards).ljust(BLOCK).encode() + data
    path.write_bytes(body)
    return product(path.name, body)
