"""Workers: exposures through the real pipelines, in processes that a bad one cannot spoil."""

import os
import shutil
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from multiprocessing.connection import Listener
from pathlib import Path

import numpy as np
import psutil
import pytest
from astropy.io import fits
from astropy.table import Table

from jwmirror.errors import CalibrationError
from jwmirror.files import sha256_of
from jwmirror.recalibrate import hooks
from jwmirror.recalibrate.associations import Association, Associations, Member
from jwmirror.recalibrate.derivation import key_of
from jwmirror.recalibrate.inputs import version_of
from jwmirror.recalibrate.loaded import environment
from jwmirror.recalibrate.members import stock_of
from jwmirror.recalibrate.plan import plan_associations, plan_exposures
from jwmirror.recalibrate.references import Resolver
from jwmirror.recalibrate.stages import Cost, Output, check, run
from jwmirror.recalibrate.worker import ShortOfMemoryError, calibrate
from jwmirror.records import (
    Chain,
    Derivation,
    Entry,
    Plan,
    Product,
    Receipt,
    Recipe,
    ResultFile,
    canonical,
)
from tests.observatory.references.context import build_context
from tests.observatory.telescope.exposures import take
from tests.observatory.telescope.program import demo_program, exposures_of

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

FIXES = """
import sys

def scale(model):
    model.data *= {factor}
    return model

if __name__ == "__main__":
    assert sys.argv[1:], "no file was given"
"""

SCRIPT = """
import sys
sys.path[:0] = [{root!r}]
open('ran', 'a').write('once ')
from pathlib import Path
from jwmirror.records import Chain, parse
from jwmirror.recalibrate.worker import calibrate
from tests.unit.test_worker import Bench
chain = parse(Path('chain.json').read_bytes(), Chain)
receipt = calibrate([chain], Bench(Path('objects')), 2, Path('work'), Path('logs'), 60)
print(receipt.failures[0].message)
"""

KEPT = """
from asdf import get_config, schema
from jwmirror.recalibrate import warm
parse = schema._make_schema_loader()
warm.preload()
kept = schema._make_schema_loader()
names = [name for name in get_config().resource_manager if "/schemas/asdf/core/" in name]
assert len(names) > 10
for name in names:
    assert kept(name) is kept(name) and kept(name) == parse(name), name
"""


@dataclass
class Bench:
    """A store in a folder and a dict."""

    folder: Path
    results: dict[str, tuple[ResultFile, ...]] = field(default_factory=dict)
    costs: list[Cost] = field(default_factory=list)

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

    def keep(
        self, derivation: Derivation, outputs: Sequence[Output], cost: Cost
    ) -> tuple[ResultFile, ...]:
        """Take a result in."""
        files = tuple(self._kept(Path(output.path), output.identity) for output in outputs)
        self.results[key_of(derivation)] = files
        self.costs.append(cost)
        return files

    def _kept(self, path: Path, identity: str) -> ResultFile:
        size = path.stat().st_size
        return ResultFile(filename=path.name, sha256=self.take(path), size=size, identity=identity)


class Keeper(threading.Thread):
    """Kills the largest of some processes when they hold more than a limit, as systems do.

    They report by their pid and then wait. In each round it looks at as many as `rounds` says.
    """

    def __init__(self, listener: Listener, limit: int, rounds: Sequence[int]):
        super().__init__(daemon=True)
        self.listener, self.limit, self.rounds = listener, limit, rounds  # limit: bytes
        self.killed: list[tuple[int, ...]] = []  # per round: what was held by those killed

    def run(self) -> None:
        """See to all rounds."""
        for count in self.rounds:
            links = [self.listener.accept() for _ in range(count)]
            held = {link.recv(): link for link in links}
            sizes = {pid: psutil.Process(pid).memory_full_info().uss for pid in held}
            largest = max(sizes, key=sizes.get)
            is_over = sum(sizes.values()) > self.limit
            self.killed.append((sizes[largest],) if is_over else ())
            if is_over:
                os.kill(largest, signal.SIGKILL)
                held.pop(largest)
            for link in held.values():
                link.send("go on")


@dataclass
class Site:
    """Two exposures, their associations, a reference cache, and a folder to work in."""

    root: Path
    cache: Path
    entries: list[Entry]
    bench: Bench
    listener: Listener  # where hooks report what they hold

    @property
    def resolver(self) -> Resolver:
        """Of the one context."""
        return Resolver(self.cache, "jwst_0001.pmap")

    @property
    def associations(self) -> Associations:
        """An image2 for each exposure and an image3 of both."""
        roots = [entry.filename.removesuffix("_uncal.fits") for entry in self.entries[:2]]
        stage2 = [_association("image2", root, f"{root}_rate.fits") for root in roots]
        stage3 = _association("image3", MOSAIC, *(f"{root}_cal.fits" for root in roots))
        return Associations(found=(*stage2, stage3))

    def plan(self, recipe: Recipe = DEEP, count: int = 2) -> list[Chain]:
        """The chains of the first exposures."""
        lookups = (self.resolver, self.bench.recall, lambda *_: None)
        plan = plan_exposures(self.entries[:count], self.associations, [recipe], *lookups, 16)
        assert not plan.failures
        return _chains(plan)

    def calibrate(self, chains: list[Chain], timeout_s: float = 100.0, **more: bool) -> Receipt:
        """Work chains off, two at a time."""
        work, logs = self.root / "work", self.root / "logs"
        return calibrate(chains, self.bench, 2, work, logs, timeout_s, **more)

    def with_hook(self, chain: Chain, hook: str) -> Chain:
        """The chain with a function to be called before its first step."""
        first = chain.derivations[0]
        steps = first.parameters["steps"]
        hooked = {**steps["group_scale"], "skip": False, "pre_hooks": [f"bad_hooks.{hook}"]}
        parameters = {**first.parameters, "steps": {**steps, "group_scale": hooked}}
        known = hooks.sources(parameters, self.root)
        return replace(chain, derivations=(replace(first, parameters=parameters, hooks=known),))


def _association(kind: str, product: str, *members: str) -> Association:
    return Association(
        name=f"{product}_{kind}_asn.json",
        asn_type=kind,
        program=1345,
        candidate="o001",
        product=product,
        members=tuple(Member(name=name, exptype="science") for name in members),
    )


def _chains(plan: Plan) -> list[Chain]:
    return [chain for batch in plan.batches.values() for chain in batch]


def _entry(bench: Bench, path: Path, program: int) -> Entry:
    product = Product(
        uri=path.name, filename=path.name, program=program, observation="o001", suffix="uncal"
    )
    version = version_of(product, path, sha256_of(path), path.stat().st_size)
    assert version.refusal == ""
    bench.take(path)
    return Entry(
        path=f"upstream/{path.name}",
        origin="upstream",
        sha256=version.sha256,
        size=version.size,
        identity=version.identity,
        header=version.header,
        product=product,
    )


@pytest.fixture(scope="module")
def observed(tmp_path_factory) -> tuple[Path, list[Entry], Path]:
    """A reference cache, the rows of two exposures, and the folder of their bytes; made once."""
    root = tmp_path_factory.mktemp("site")
    build_context(root / "crds", detectors=("NRCB1",), filters=("F200W",))
    program = demo_program()
    bench = Bench(root / "objects")
    paths = [take(program, each, root / "taken") for each in exposures_of(program)[:2]]
    return root / "crds", [_entry(bench, path, 1345) for path in paths], bench.folder


@pytest.fixture
def site(observed, tmp_path, monkeypatch) -> Iterator[Site]:
    """The exposures and an empty store of results, with CRDS offline."""
    cache, entries, objects = observed
    for name, value in environment(cache, "jwst_0001.pmap").items():
        monkeypatch.setenv(name, value)
    os.mkfifo(tmp_path / "pid")
    listener = Listener(family="AF_UNIX")
    places = {"flag": str(tmp_path / "died"), "pid": str(tmp_path / "pid")}
    (tmp_path / "bad_hooks.py").write_text(HOOKS.format(keeper=listener.address, **places))
    monkeypatch.chdir(tmp_path)  # where snakemake is called
    shutil.copytree(objects, tmp_path / "objects")
    with listener:
        yield Site(tmp_path, cache, entries, Bench(tmp_path / "objects"), listener)


def files_of(site: Site, receipt: Receipt) -> dict[str, Path]:
    """The files of a receipt's results by name."""
    found = [file for result in receipt.results for file in result.files]
    return {file.filename: site.bench.locate(file.sha256) for file in found}


# ---- the real thing --------------------------------------------------------------------------


def test_two_exposures_become_a_mosaic_that_is_remembered(site):
    """Stages 1 to 3 as the recipe says, one job each; a second time nothing is computed."""
    recipe = replace(DEEP, parameters={"image3": {"source_catalog": {"snr_threshold": 9}}})
    chains = site.plan(recipe)
    first = site.calibrate(chains)
    lookups = (site.resolver, site.bench.recall, lambda *_: None)
    stock = stock_of(site.entries, first.results)
    mosaic = _chains(plan_associations(stock, site.associations, [recipe], *lookups, 16, stage=3))

    second = site.calibrate(mosaic)
    again = site.calibrate([*chains, *mosaic])

    assert first.failures == second.failures == ()
    assert len(first.computed) == 4
    made = files_of(site, second)
    assert {f"{MOSAIC}_i2d.fits", f"{MOSAIC}_cat.ecsv", f"{MOSAIC}_segm.fits"} <= set(made)
    assert len(Table.read(made[f"{MOSAIC}_cat.ecsv"], format="ascii.ecsv")) > 20
    assert fits.getval(made[f"{MOSAIC}_i2d.fits"], "S_TWKREG") == "COMPLETE"
    assert again.computed == ()
    assert len(again.results) == 5
    assert list((site.root / "work").iterdir()) == []
    assert all(cost.peak_memory > 1e8 and cost.seconds > 0.1 for cost in site.bench.costs)
    assert sorted(each.peak_memory for each in first.spent) == sorted(
        cost.peak_memory for cost in site.bench.costs[:4]
    )
    assert {each.product for each in first.spent} == {result.product for result in first.results}
    assert again.spent == ()


def test_a_script_without_guard_is_run_once(site):
    """Snakemake's scripts are top-level code; the workers never import them again."""
    chain = site.with_hook(site.plan(count=1)[0], "fail")
    (site.root / "chain.json").write_text(canonical(chain))
    script = site.root / "script.py"
    script.write_text(SCRIPT.format(root=str(ROOT)))

    done = subprocess.run(
        [sys.executable, script], cwd=site.root, capture_output=True, text=True, check=True
    )

    assert (site.root / "ran").read_text() == "once "
    assert "no groups left" in done.stdout


def test_one_bad_exposure_spoils_only_itself(site):
    """A pipeline that raises fails with its words and the place of its log; the other is made."""
    bad, good = site.plan(replace(DEEP, stages=(1,)))

    receipt = site.calibrate([site.with_hook(bad, "fail"), good])

    (failure,) = receipt.failures
    assert failure.name == f"deep/{bad.product}"
    assert "detector1: ValueError: no groups left" in failure.message
    assert "Traceback" in (site.root / "logs" / f"{bad.product}.log").read_text()
    assert [result.product for result in receipt.results] == [good.product]


@pytest.mark.parametrize("hook", ["die", "ask_for_too_much"])
def test_a_stage_that_found_no_memory_is_tried_once_more(site, hook):
    """Killed the first time, or refused what it asked for; the second time it goes well."""
    (chain,) = site.plan(replace(DEEP, stages=(1,)), count=1)

    receipt = site.calibrate([site.with_hook(chain, hook)])

    assert receipt.failures == ()
    assert len(receipt.computed) == 1
    assert (site.root / "died").exists()


def test_of_two_that_hold_too_much_the_larger_is_killed_and_made_alone(site):
    """By what they really hold: the other goes on untouched, then the first has all the room."""
    large, other = site.plan(replace(DEEP, stages=(1,)))
    keeper = Keeper(site.listener, limit=800_000_000, rounds=(2, 1))
    keeper.start()

    receipt = site.calibrate(
        [site.with_hook(large, "hold_much"), site.with_hook(other, "hold_little")]
    )

    assert receipt.failures == ()
    assert list(map(len, keeper.killed)) == [1, 0]
    assert keeper.killed[0][0] > 600_000_000
    assert [each.product for each in receipt.spent] == [large.product, other.product, large.product]
    assert len(receipt.computed) == len(site.bench.costs) == 2


def test_what_is_killed_alone_waits_for_a_job_with_more_memory(site):
    """Its job ends without a receipt; the next one makes only what was killed."""
    short, other = site.plan(replace(DEEP, stages=(1,)))
    chains = [site.with_hook(short, "die_twice"), other]

    with pytest.raises(ShortOfMemoryError, match=f"deep/{short.product}: killed also when") as told:
        site.calibrate(chains, more_may_come=True)
    kept = len(site.bench.costs)
    receipt = site.calibrate(chains, more_may_come=True)

    assert told.value.names == [f"deep/{short.product}"] and kept == 1
    assert receipt.failures == ()
    assert [each.product for each in receipt.spent] == [short.product]
    assert {result.product for result in receipt.results} == {short.product, other.product}


def test_a_crash_is_not_taken_for_want_of_memory(site):
    """It would crash again: it is tried once, and told; no job with more memory is asked for."""
    (chain,) = site.plan(replace(DEEP, stages=(1,)), count=1)

    receipt = site.calibrate([site.with_hook(chain, "crash")], more_may_come=True)

    assert "ended without a word (Segmentation fault)" in receipt.failures[0].message
    assert (site.root / "died").read_text() == "x"


def test_killed_and_late_stages_are_told_as_such(site):
    """What killed it, what it took, and what to change."""
    killed, late = site.plan(replace(DEEP, stages=(1,)))
    chains = [site.with_hook(killed, "die_always"), site.with_hook(late, "sleep")]

    receipt = site.calibrate(chains, timeout_s=3)

    told = {failure.name: failure.message for failure in receipt.failures}
    assert (
        "was killed, as for want of memory (Killed; peak memory 0."
        in told[f"deep/{killed.product}"]
    )
    assert "took longer than 3 s" in told[f"deep/{late.product}"]
    assert receipt.results == ()


def test_nobody_waits_for_a_process_that_answers_nonsense(site):
    """It is stopped, and what waits for it fails and says why."""
    (chain,) = site.plan(replace(DEEP, stages=(1,)), count=1)
    babbler = site.root / "python"
    babbler.write_text("#!/bin/sh\nread job\necho nonsense\nexec sleep 60\n")
    babbler.chmod(0o755)

    receipt = site.calibrate([replace(chain, python=str(babbler))])

    assert "it answered what is no ending of a stage" in receipt.failures[0].message


def test_two_recipes_with_one_key_compute_it_once(site):
    """Equal derivations of one exposure follow each other."""
    (chain,) = site.plan(replace(DEEP, stages=(1,)), count=1)

    receipt = site.calibrate([chain, replace(chain, recipe="quick")])

    assert len(receipt.computed) == 1
    assert [result.recipe for result in receipt.results] == ["deep", "quick"]


def test_other_references_than_in_the_key_are_found(site, tmp_path):
    """A result whose header names another flat than the derivation is not accepted."""
    (chain,) = site.plan(count=1)
    image2 = chain.derivations[1]
    from stdatamodels.jwst import datamodels

    with datamodels.ImageModel((4, 4)) as model:
        model.meta.ref_file.flat.name = "crds://jwst_nircam_flat_9999.fits"
        model.save(tmp_path / "x_cal.fits")

    with pytest.raises(CalibrationError, match=r"flat: expected jwst_nircam_flat_\d+.*_9999"):
        check(image2, [tmp_path / "x_cal.fits"])


def test_another_engine_than_in_the_key_does_not_run(site):
    """Planned before an upgrade, run after it: the result would not be what its key says."""
    (chain,) = site.plan(count=1)
    older = replace(chain.derivations[0], engine={"jwst": "1.20.2"})

    with pytest.raises(CalibrationError, match=r"planned for .*1\.20\.2"):
        run(older, site.root, site.root)


def test_schemas_that_are_kept_are_as_they_were_parsed():
    """A warm process has written and read files by them, and they have not changed."""
    subprocess.run([sys.executable, "-c", KEPT], cwd=ROOT, check=True)


# ---- the user's own hooks and files ----------------------------------------------------------


@pytest.mark.parametrize("kind", ["function", "script"])
def test_a_hook_really_runs_and_its_source_is_in_the_key(site, kind):
    """Given relative to where snakemake is called; edited, it gives another key and result."""
    hook = {"function": "fixes.scale", "script": "python fixes.py {0}"}[kind]
    asked = {"detector1": {"gain_scale": {"post_hooks": [hook]}}}
    recipe = replace(DEEP, stages=(1,), parameters=asked)
    signals, keys = [], []
    for factor in ("1.0", "2.0", "3.0"):
        (site.root / "fixes.py").write_text(FIXES.format(factor=factor))
        receipt = site.calibrate(site.plan(recipe, count=1))
        assert receipt.failures == ()
        keys += receipt.computed
        made = files_of(site, receipt)
        (rate,) = (path for name, path in made.items() if "_rate." in name)
        signals.append(np.nansum(fits.getdata(rate, "SCI"), dtype=float))

    assert len(set(keys)) == 3
    assert len(made) == 2  # rate and rateints: not what stpipe writes for the script
    if kind == "function":
        assert np.allclose(np.array(signals) / signals[0], [1, 2, 3], rtol=1e-5)


def test_a_function_between_stages_changes_what_the_second_one_takes(site):
    """The cal is of the changed rate; the rate serves all recipes; a failure is the exposure's."""
    (site.root / "fixes.py").write_text(FIXES.format(factor="2.0"))
    between = {"detector1..image2": ("fixes.scale",)}
    sums = {}
    for recipe in (DEEP, replace(DEEP, name="scaled", between=between)):
        receipt = site.calibrate(site.plan(recipe, count=1))
        assert receipt.failures == ()
        for name, path in files_of(site, receipt).items():
            suffix = name.rpartition("_")[2]
            sums[recipe.name, suffix] = np.nansum(fits.getdata(path, "SCI"), dtype=float)
    (site.root / "fixes.py").write_text("def scale(model): ...\n")
    broken = site.calibrate(site.plan(replace(DEEP, name="broken", between=between), count=1))

    assert len(site.bench.results) == 3  # one rate for all recipes, and a cal each
    assert np.isclose(sums["scaled", "cal.fits"] / sums["deep", "cal.fits"], 2, rtol=1e-5)
    assert "fixes.scale on " in broken.failures[0].message
    assert "found nothing; let it return the model" in broken.failures[0].message


def test_a_hook_that_was_edited_after_the_plan_does_not_run(site):
    """The exposure fails, and says to plan anew; nothing is kept."""
    (chain,) = site.plan(replace(DEEP, stages=(1,)), count=1)
    hooked = site.with_hook(chain, "fail")
    with open(site.root / "bad_hooks.py", "a") as file:
        file.write("# edited\n")

    receipt = site.calibrate([hooked])

    assert "hook bad_hooks.fail is not the one" in receipt.failures[0].message
    assert site.bench.results == {}


def test_an_override_is_used_from_its_place_and_refused_when_it_changed(site):
    """A relative path; the header names the file, the key its content."""
    (flat,) = (site.cache / "references/jwst/nircam").glob("*_flat_*.fits")
    shutil.copy(flat, site.root / "mine.fits")
    asked = {"image2": {"flat_field": {"override_flat": "mine.fits"}}}
    chains = site.plan(replace(DEEP, parameters=asked), count=1)

    good = site.calibrate(chains)
    fits.setval(site.root / "mine.fits", "AUTHOR", value="me")
    site.bench.results.clear()
    changed = site.calibrate(chains)

    (cal,) = (path for name, path in files_of(site, good).items() if "_cal." in name)
    assert fits.getval(cal, "R_FLAT") == str(site.root / "mine.fits")
    assert "flat_field.override_flat) is not the file" in changed.failures[0].message


def test_an_interrupt_stops_what_runs(site):
    """Ctrl-C in a worker with a long stage: it ends at once, and so does the stage."""
    (chain,) = site.plan(replace(DEEP, stages=(1,)), count=1)
    (site.root / "chain.json").write_text(canonical(site.with_hook(chain, "tell_and_sleep")))
    script = site.root / "script.py"
    script.write_text(SCRIPT.format(root=str(ROOT)))
    process = subprocess.Popen([sys.executable, script], cwd=site.root, stderr=subprocess.PIPE)

    with open(site.root / "pid") as told:  # a named pipe: waits for the stage
        pid = int(told.read())
    process.send_signal(signal.SIGINT)
    _, said = process.communicate(timeout=120)  # half a second, or on a busy machine more

    assert b"KeyboardInterrupt" in said
    with pytest.raises(ProcessLookupError):
        os.kill(pid, 0)


def test_a_stage_that_made_nothing_is_no_success(site):
    """A pipeline that ends well without a file has failed."""
    (chain,) = site.plan(count=1)

    with pytest.raises(CalibrationError, match="made no file"):
        check(chain.derivations[0], [])
