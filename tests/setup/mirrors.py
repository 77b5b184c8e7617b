"""Mirrors on disk for tests: a small one made by hand, rows with bytes, and damage to files."""

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path, PurePosixPath

import numpy as np
from astropy.io import fits

from jwmirror.core.files import sha256_of
from jwmirror.core.model import Derivation, Entry, Result, ResultFile, digest, write
from jwmirror.core.model.plan import ProvenanceRecord
from jwmirror.core.model.quality import Measurements
from jwmirror.store.generations import Generations
from jwmirror.store.objects import Objects
from jwmirror.store.provenance import Provenance
from tests.setup import records

EXPOSURE = "jw01345001001_02101_00001_nrcb1"
MOSAIC = "jw01345-o001_t001_nircam_clear-f200w-sub160"
RUN = "20260301T120000.000000Z-1"
OBSERVATION = "upstream/jw01345/o001"  # a folder of the view


def store_row(
    mirror: Path, name: str, data: bytes, folder: str = OBSERVATION, **fields: object
) -> Entry:
    """Store bytes in a mirror and return an upstream row of them, not yet published."""
    file = Objects(mirror).incoming / name
    file.write_bytes(data)
    path = str(PurePosixPath(folder, name))
    sha256 = Objects(mirror).add(file)
    facts = {"product": records.product(name), **fields}
    return Entry(path=path, origin="upstream", sha256=sha256, size=len(data), **facts)


def overwrite(path: Path, data: bytes) -> None:
    """Put other bytes into a read-only file."""
    path.chmod(0o644)
    path.write_bytes(data)


def flip_bit(path: Path, bit: int) -> None:
    """Change one bit of a read-only file; bits are counted again from the start past its end."""
    data = bytearray(path.read_bytes())
    data[bit // 8 % len(data)] ^= 1 << bit % 8
    overwrite(path, bytes(data))


def wrong_objects(mirror: Path) -> list[str]:
    """Return the names of the objects whose bytes have another sha256."""
    objects = (mirror / "objects").glob("[0-9a-f][0-9a-f]/*")
    return [path.name for path in objects if sha256_of(path) != path.name]


@dataclass(kw_only=True)
class SmallMirror:
    """A mirror on disk, and the rows of its current generation."""

    root: Path
    rows: dict[str, Entry] = field(default_factory=dict)

    @property
    def run_folder(self) -> Path:
        """Where the one run left its records."""
        return self.root / "receipts" / "runs" / RUN

    def take(self, write_to: Callable[[Path], object]) -> tuple[str, int]:
        """Take in the file that `write_to` writes; its sha256 and size in bytes."""
        file = Objects(self.root).incoming / "made"
        write_to(file)
        size = file.stat().st_size
        return Objects(self.root).add(file), size

    def hold(self, filename: str, write_to: Callable[[Path], object], **fields: object) -> Entry:
        """Add an upstream file to the rows."""
        sha256, size = self.take(write_to)
        pedigree = {"cal_ver": "1.18.0", "crds_ctx": "jwst_1322.pmap", "sdp_ver": "2025_2"}
        given = {"size": size, "date": "2025-11-02T10:00:00", **pedigree}
        product = records.product(filename, **given | fields)
        entry = records.entry(product, sha256=sha256, size=size)
        self.rows[entry.path] = entry
        return entry

    def make(
        self, derivation: Derivation, filename: str, write_to: Callable, **measured: float
    ) -> Result:
        """Add a recalibrated file of recipe `deep` and its provenance to the rows."""
        sha256, size = self.take(write_to)
        file = ResultFile(filename=filename, sha256=sha256, size=size, identity="1d" * 32)
        key = digest(derivation)
        sums = {row.filename: row.sha256 for row in self.rows.values()}
        inputs = tuple(replace(each, sha256=sums.get(each.name, "")) for each in derivation.inputs)
        record = ProvenanceRecord(
            key=key,
            derivation=replace(derivation, inputs=inputs),
            files=(file,),
            seconds=12.5,
            peak_memory=900_000_000,
            made_at="2026-03-01T12:01:00+00:00",
            measurements=Measurements(
                instrument="NIRCAM", exp_type="NRC_IMAGE", steps={}, files={filename: measured}
            )
            if measured
            else None,
        )
        Provenance(self.root).record_once(record)
        path = f"recalibrated/deep/jw01345/o001/{filename}"
        facts = {"key": key, "context": "jwst_1464.pmap", "identity": file.identity}
        self.rows[path] = Entry(path=path, origin="deep", sha256=sha256, size=size, **facts)
        return records.result(derivation.pipeline, derivation.product, file, key=key)

    def publish(self, cause: str = "run of 2026-03-01") -> None:
        """Publish the rows."""
        Generations(self.root).publish(self.rows.values(), cause, {"run": RUN})

    def record(self, name: str, value: object) -> None:
        """Leave a record of the run."""
        write(self.run_folder / name, value)


def image_writer(sky: float, shape: tuple[int, int] = (160, 160)) -> Callable[[Path], None]:
    """A writer of an i2d-like file: stars on a noisy sky, empty in one corner."""
    random = np.random.default_rng(int(sky * 10))
    pixels = random.normal(sky, 0.05, shape).astype("f4")
    rows, columns = np.mgrid[: shape[0], : shape[1]]
    for x, y in random.uniform(10, min(shape) - 10, (12, 2)):
        pixels += 5 * np.exp(-((columns - x) ** 2 + (rows - y) ** 2) / 4)
    pixels[:20, :20] = np.nan
    hdus = fits.HDUList([fits.PrimaryHDU(), fits.ImageHDU(pixels, name="SCI")])
    return lambda path: hdus.writeto(path, overwrite=True)


def made_from(pipeline: str, product: str, input_name: str, **steps: dict) -> Derivation:
    """Return what a result of the small mirror depends on."""
    return records.derivation(
        pipeline,
        product,
        engine={"jwst": "3.0.0", "stcal": "1.15.0"},
        inputs=(records.science(input_name, "ab" * 32),),
        parameters={"in_memory": True, "steps": steps},
        references={"flat": ("jwst_nircam_flat_0001.fits", "5a" * 20), "dark": ("N/A", "")},
    )
