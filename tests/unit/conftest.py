"""A small mirror made by hand: one observation, mirrored, recalibrated by one recipe, one run."""

import multiprocessing
import socket
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
import pytest
from astropy.io import fits
from msgspec import structs

from jwmirror.core.model import (
    NEW,
    REPROCESSED,
    VANISHED,
    Chain,
    Change,
    Derivation,
    Entry,
    Failure,
    Input,
    Plan,
    Poll,
    Product,
    Reason,
    Receipt,
    Record,
    References,
    Result,
    ResultFile,
    Wait,
    digest,
    write,
)
from jwmirror.store.generations import Generations
from jwmirror.store.objects import Objects
from jwmirror.store.provenance import Provenance
from jwmirror_simulator.mast import Archive
from jwmirror_simulator.mast.toy_files import toy_program

EXPOSURE = "jw01345001001_02101_00001_nrcb1"
MOSAIC = "jw01345-o001_t001_nircam_clear-f200w-sub160"
RUN = "20260301T120000.000000Z-1"


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
        return Objects(self.root).take(file), size

    def hold(self, filename: str, write_to: Callable[[Path], object], **fields: object) -> Entry:
        """Add an upstream file to the rows."""
        sha256, size = self.take(write_to)
        suffix = filename.rpartition("_")[2].partition(".")[0]
        product = Product(
            uri=f"mast:JWST/product/{filename}",
            filename=filename,
            program=1345,
            observation="o001",
            suffix=suffix,
            size=size,
            cal_ver="1.18.0",
            crds_ctx="jwst_1322.pmap",
            sdp_ver="2025_2",
            date="2025-11-02T10:00:00",
        )
        product = structs.replace(product, **fields)
        path = f"upstream/jw01345/o001/{filename}"
        entry = Entry(path=path, origin="upstream", sha256=sha256, size=size, product=product)
        self.rows[path] = entry
        return entry

    def make(self, derivation: Derivation, filename: str, write_to: Callable) -> Result:
        """Add a recalibrated file of recipe `deep` and its provenance to the rows."""
        sha256, size = self.take(write_to)
        file = ResultFile(filename=filename, sha256=sha256, size=size, identity="1d" * 32)
        key = digest(derivation)
        record = Record(
            key=key,
            derivation=derivation,
            files=(file,),
            seconds=12.5,
            peak_memory=900_000_000,
            made_at="2026-03-01T12:01:00+00:00",
        )
        Provenance(self.root).keep(record)
        path = f"recalibrated/deep/jw01345/o001/{filename}"
        facts = {"key": key, "context": "jwst_1464.pmap", "identity": file.identity}
        self.rows[path] = Entry(path=path, origin="deep", sha256=sha256, size=size, **facts)
        return Result(
            recipe="deep",
            program=1345,
            observation="o001",
            pipeline=derivation.pipeline,
            product=derivation.product,
            key=key,
            files=(file,),
        )

    def publish(self, cause: str = "run of 2026-03-01") -> None:
        """Publish the rows."""
        Generations(self.root).publish(self.rows.values(), cause, {"run": RUN})

    def record(self, name: str, value: object) -> None:
        """Leave a record of the run."""
        write(self.run_folder / name, value)


def image(sky: float, shape: tuple[int, int] = (160, 160)) -> Callable[[Path], None]:
    """A writer of an i2d-like file: stars on a noisy sky, empty in one corner."""
    random = np.random.default_rng(int(sky * 10))
    pixels = random.normal(sky, 0.05, shape).astype("f4")
    rows, columns = np.mgrid[: shape[0], : shape[1]]
    for x, y in random.uniform(10, min(shape) - 10, (12, 2)):
        pixels += 5 * np.exp(-((columns - x) ** 2 + (rows - y) ** 2) / 4)
    pixels[:20, :20] = np.nan
    hdus = fits.HDUList([fits.PrimaryHDU(), fits.ImageHDU(pixels, name="SCI")])
    return lambda path: hdus.writeto(path, overwrite=True)


def derivation(pipeline: str, product: str, input_name: str, **steps: dict) -> Derivation:
    """What a result of the small mirror depends on."""
    return Derivation(
        pipeline=pipeline,
        product=product,
        engine={"jwst": "3.0.0", "stcal": "1.15.0"},
        inputs=(Input(name=input_name, role="science", identity="ab" * 32),),
        parameters={"in_memory": True, "steps": steps},
        references={"flat": ("jwst_nircam_flat_0001.fits", "5a" * 20), "dark": ("N/A", "")},
    )


@pytest.fixture
def empty_mirror(tmp_path: Path) -> SmallMirror:
    """A mirror that nothing was put in yet."""
    return SmallMirror(root=tmp_path / "mirror")


@pytest.fixture
def small_mirror(empty_mirror: SmallMirror) -> SmallMirror:
    """One exposure and its mosaic, upstream and recalibrated; one file failed, one thing waits."""
    mirror = empty_mirror
    uncal = mirror.hold(f"{EXPOSURE}_uncal.fits", image(1.0), checksum="0c" * 16)
    asn = mirror.hold("jw01345-o001_image3_asn.json", lambda path: path.write_text("{}"))
    mirror.hold(f"{MOSAIC}_i2d.fits", image(2.0))
    jump = {"rejection_threshold": 5.0, "skip": False}
    rate = derivation("detector1", EXPOSURE, uncal.filename, jump=jump)
    i2d = derivation("image3", MOSAIC, asn.filename, tweakreg={"abs_refcat": "GAIADR3"})
    results = (
        mirror.make(rate, f"{EXPOSURE}_rate.fits", image(3.0)),
        mirror.make(i2d, f"{MOSAIC}_i2d.fits", image(2.1)),
    )
    mirror.publish()
    _record_run(mirror, uncal, asn, results, (rate, i2d))
    return mirror


def _record_run(mirror, uncal, asn, results, derivations) -> None:
    """What the run that made the small mirror left."""
    reasons = (Reason("checksum", "0a", "0c"), Reason("CAL_VER", "1.17.1", "1.18.0"))
    changes = (
        Change(kind=REPROCESSED, product=uncal.product, reasons=reasons),
        Change(kind=NEW, product=asn.product),
        Change(kind=VANISHED, product=structs.replace(uncal.product, filename="gone_uncal.fits")),
    )
    late = replace(derivations[0], product="late_exposure")
    mirror.record("changes.json", Poll(listings=(), changes=changes, unmatched=("program 9",)))
    mirror.record("references.json", References(context="jwst_1464.pmap", server="s", files={}))
    first = (chain(derivations[0], Reason("new", "", "")), chain(late, reasons[0]))
    waits = (Wait(recipe="deep", product="a3001", why="2 of 9 members are not there yet"),)
    mirror.record("plan-exposures.json", Plan(context="c", batches={"b1": first}, waits=waits))
    second = Plan(context="c", batches={"b2": (chain(derivations[1], reasons[1]),)})
    mirror.record("plan-associations-3.json", second)
    failures = (Failure(name="late_exposure", message="jump: <no> groups left"),)
    keys = tuple(result.key for result in results)
    mirror.record(
        "exposures/b1.json", Receipt(results=results[:1], computed=keys[:1], failures=failures)
    )
    mirror.record("associations-3/b2.json", Receipt(results=results[1:], computed=keys[1:]))


def chain(derivation: Derivation, reason: Reason) -> Chain:
    """A chain of one stage of recipe `deep`."""
    return Chain(
        recipe="deep",
        program=1345,
        observation="o001",
        product=derivation.product,
        derivations=(derivation,),
        reasons=(reason,),
    )


@pytest.fixture(scope="session")
def toys(tmp_path_factory) -> Path:
    """Toy files of program 1345."""
    folder = tmp_path_factory.mktemp("toys")
    toy_program(Archive(folder / "archive"), folder)
    return folder


@pytest.fixture(scope="session")
def port() -> int:
    """A port for all archives that are asked, one after the other: astroquery knows just one."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        return taken.getsockname()[1]


@pytest.fixture(scope="session")
def process() -> Iterator[ProcessPoolExecutor]:
    """A process whose astroquery is ours alone."""
    with ProcessPoolExecutor(1, multiprocessing.get_context("spawn")) as pool:
        yield pool


@pytest.fixture
def archive(tmp_path, port, toys) -> Iterator[Archive]:
    """A served archive of its own for each test."""
    with Archive(tmp_path / "archive", port) as archive:
        archive.publish(*toys.glob("jw*"))
        yield archive
