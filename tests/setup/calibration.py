"""A place to calibrate in: exposures, references, a store, and hooks that misbehave."""

import os
import shutil
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from multiprocessing.connection import Listener
from pathlib import Path
from typing import Any

import pytest

from jwmirror.core.files import sha256_of
from jwmirror.core.model import Chain, Derivation, Entry, Receipt, Recipe, ResultFile
from jwmirror.core.model.association import Associations
from jwmirror.core.model.plan import Cost, JobLimits, Output
from jwmirror.core.model.quality import Measurements
from jwmirror.engine.batch import calibrate
from jwmirror.pipeline.crds_rules import crds_environment
from jwmirror.pipeline.derivation import key_of
from jwmirror.pipeline.identity import downloaded_version
from jwmirror.pipeline.usercode import hooks
from jwmirror.planning.builder import PlanBuilder
from jwmirror.planning.inputs import AvailableFiles, available_files
from jwmirror.planning.plan import plan_exposures
from jwmirror.planning.resolvers.by_environment import Resolvers, resolvers_of
from jwmirror_simulator.crds.context import build_context
from jwmirror_simulator.telescope.exposures import take_exposure
from jwmirror_simulator.telescope.program import demo_program, exposures_of
from tests.setup.plans import association, chains
from tests.setup.records import entry, product

ROOT = Path(__file__).parents[2]
DEEP = Recipe(name="deep", programs=(1345, 1019))
MOSAIC = "jw01345-o001_t001_nircam_clear-f200w-sub160"
HOOKS = """
import os, signal, time
from multiprocessing.connection import Client

def tell_and_sleep(*_):
    with open({pid!r}, "w") as pipe:
        pipe.write(str(os.getpid()))
    time.sleep(60)

def die(*_):
    if not os.path.exists({flag!r}):
        open({flag!r}, "w").close()
        os.kill(os.getpid(), signal.SIGKILL)

def die_twice(*_):
    with open({flag!r}, "a+") as deaths:
        deaths.write("x")
        if deaths.tell() <= 2:
            deaths.flush()
            os.kill(os.getpid(), signal.SIGKILL)

def ask_for_too_much(*_):
    if not os.path.exists({flag!r}):
        open({flag!r}, "w").close()
        bytearray(1 << 60)

def hold_much(*_):
    hold(600_000_000)

def hold_little(*_):
    hold(300_000_000)

def tell_and_wait(*_):
    hold(0)

def map_too_much(*_):
    with open("mapped.tmp", "wb+") as file:
        file.truncate(1 << 24)
        import mmap
        view = mmap.mmap(file.fileno(), 0)
        view[:] = bytes(len(view))

def hold(size):
    held = b"x" * size
    with Client({keeper!r}) as keeper:
        keeper.send(os.getpid())
        keeper.recv()

def crash(*_):
    with open({flag!r}, "a") as crashes:
        crashes.write("x")
    os.kill(os.getpid(), signal.SIGSEGV)

def die_always(*_):
    os.kill(os.getpid(), signal.SIGKILL)

def sleep(*_):
    time.sleep(60)

def fail(*_):
    raise ValueError("no groups left")
"""

SCRIPT = """
import signal, sys
signal.signal(signal.SIGINT, signal.default_int_handler)  # which background jobs come without
sys.path[:0] = [{root!r}]
open('ran', 'a').write('once ')
from pathlib import Path
from jwmirror.core.model import Chain, parse
from jwmirror.engine.batch import calibrate
from tests.setup.calibration import FolderResults
chain = parse(Path('chain.json').read_bytes(), Chain)
receipt = calibrate([chain], FolderResults(Path('objects')), 2, Path('work'), Path('logs'), 60)
print(receipt.failures[0].message)
"""


@dataclass
class FolderResults:
    """A store in a folder and a dict."""

    folder: Path
    results: dict[str, tuple[ResultFile, ...]] = field(default_factory=dict)
    costs: list[Cost] = field(default_factory=list)
    measured: dict[str, Measurements] = field(default_factory=dict)

    def take(self, path: Path) -> str:
        """Move a file in."""
        self.folder.mkdir(parents=True, exist_ok=True)
        sha256 = sha256_of(path)
        shutil.move(path, self.locate(sha256))
        return sha256

    def locate(self, sha256: str) -> Path:
        """Where a file is."""
        return self.folder / sha256

    def recall(self, key: str) -> tuple[ResultFile, ...] | None:
        """A result made before."""
        return self.results.get(key)

    def measurements(self, key: str) -> Measurements | None:
        """What was measured on a result."""
        return self.measured.get(key)

    def store_result(
        self,
        derivation: Derivation,
        outputs: Sequence[Output],
        cost: Cost,
        measurements: Measurements | None,
        chain: Chain,
    ) -> tuple[ResultFile, ...]:
        """Take a result in."""
        files = tuple(self._kept(Path(output.path), output.identity) for output in outputs)
        self.results[key_of(derivation)] = files
        self.costs.append(cost)
        if measurements:
            self.measured[key_of(derivation)] = measurements
        return files

    def _kept(self, path: Path, identity: str) -> ResultFile:
        size = path.stat().st_size
        return ResultFile(filename=path.name, sha256=self.take(path), size=size, identity=identity)


@dataclass
class CalibrationFolder:
    """Two exposures, their associations, a reference cache, and a folder to work in."""

    root: Path
    cache: Path
    entries: list[Entry]
    store: FolderResults
    listener: Listener  # where hooks report what they hold

    @property
    def resolvers(self) -> Resolvers:
        """Of the one context."""
        return resolvers_of(self.cache, "jwst_0001.pmap")

    @property
    def associations(self) -> Associations:
        """An image2 for each exposure and an image3 of both."""
        roots = [entry.filename.removesuffix("_uncal.fits") for entry in self.entries[:2]]
        stage2 = [association("image2", root, f"{root}_rate.fits") for root in roots]
        stage3 = association("image3", MOSAIC, *(f"{root}_cal.fits" for root in roots))
        return Associations(found=(*stage2, stage3))

    def plan(self, recipe: Recipe = DEEP, count: int = 2) -> list[Chain]:
        """The chains of the first exposures."""
        builder = self.builder(available_files(self.entries[:count]))
        plan_exposures(builder, self.associations, [recipe])
        plan = builder.build(JobLimits(exposures=16))
        assert not plan.failures
        return chains(plan)

    def builder(self, available: AvailableFiles) -> PlanBuilder:
        """A builder of a plan, which finds the results of this folder; none is published."""
        return PlanBuilder(available, self.resolvers, self.store.recall, lambda *_: None)

    def calibrate(self, chains: list[Chain], timeout_s: float = 100.0, **more: Any) -> Receipt:
        """Work chains off, two at a time."""
        work, logs = self.root / "work", self.root / "logs"
        return calibrate(chains, self.store, 2, work, logs, timeout_s, **more)

    def with_hook(self, chain: Chain, hook: str) -> Chain:
        """The chain with a function to be called before its first step."""
        first = chain.derivations[0]
        steps = first.parameters["steps"]
        hooked = {**steps["group_scale"], "skip": False, "pre_hooks": [f"bad_hooks.{hook}"]}
        parameters = {**first.parameters, "steps": {**steps, "group_scale": hooked}}
        known = hooks.hook_sources(parameters, self.root)
        return replace(chain, derivations=(replace(first, parameters=parameters, hooks=known),))


def exposure_row(path: Path) -> Entry:
    """Return the manifest row of an uncal file, with its identity and header."""
    uncal = product(path.name)
    version = downloaded_version(uncal, path, sha256_of(path), path.stat().st_size)
    assert version.refusal == ""
    facts = {"sha256": version.sha256, "size": version.size, "identity": version.identity}
    return entry(uncal, header=version.header, **facts)


def stored_exposure(store: FolderResults, path: Path) -> Entry:
    """Move an uncal file into a store and return its row."""
    row = exposure_row(path)
    store.take(path)
    return row


@pytest.fixture(scope="module")
def observed(tmp_path_factory) -> tuple[Path, list[Entry], Path]:
    """A reference cache, the rows of two exposures, and the folder of their bytes; made once."""
    root = tmp_path_factory.mktemp("observed")
    build_context(root / "crds", detectors=("NRCB1",), filters=("F200W",))
    program = demo_program()
    store = FolderResults(root / "objects")
    paths = [take_exposure(program, each, root / "taken") for each in exposures_of(program)[:2]]
    return root / "crds", [stored_exposure(store, path) for path in paths], store.folder


@pytest.fixture
def folder(observed, tmp_path, monkeypatch) -> Iterator[CalibrationFolder]:
    """The exposures and an empty store of results, with CRDS offline."""
    cache, entries, objects = observed
    for name, value in crds_environment(cache, "jwst_0001.pmap").items():
        monkeypatch.setenv(name, value)
    os.mkfifo(tmp_path / "pid")
    listener = Listener(family="AF_UNIX")
    places = {"flag": str(tmp_path / "died"), "pid": str(tmp_path / "pid")}
    (tmp_path / "bad_hooks.py").write_text(HOOKS.format(keeper=listener.address, **places))
    monkeypatch.chdir(tmp_path)  # where snakemake is called
    shutil.copytree(objects, tmp_path / "objects")
    with listener:
        yield CalibrationFolder(
            tmp_path, cache, entries, FolderResults(tmp_path / "objects"), listener
        )


def files_of(folder: CalibrationFolder, receipt: Receipt) -> dict[str, Path]:
    """The files of a receipt's results by name."""
    found = [file for result in receipt.results for file in result.files]
    return {file.filename: folder.store.locate(file.sha256) for file in found}
