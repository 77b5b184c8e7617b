"""Stages in the warm worker compared with plain jwst: time, and equal arrays."""

import os
from collections.abc import Iterator, Sequence
from contextlib import closing
from dataclasses import replace
from math import inf
from pathlib import Path

import numpy as np
from astropy.io import fits

from benchmarks.recalibration.claims import Claim
from benchmarks.recalibration.peers import call_pipelines, run_strun
from benchmarks.recalibration.place import (
    PROGRAM,
    TIMEOUT_S,
    Place,
    chains_of,
    cpu_seconds,
    open_place,
)
from jwmirror.core.model import Chain, Receipt, Recipe
from jwmirror.engine.batch import ChainRunner
from jwmirror.engine.memory_pool import MemoryPool
from jwmirror.pipeline.crds_rules import crds_environment
from jwmirror.pipeline.identity import science_identity
from jwmirror_simulator.exposure_sets import ExposureSet

PLAIN = Recipe(name="plain", programs=(PROGRAM,), stages=(1, 2))
CHANGED = {"detector1": {"ramp_fit": {"firstgroup": 1}}}
TUNED = {  # something in each stage
    "detector1": {"jump": {"rejection_threshold": 5.0}, "ramp_fit": {"firstgroup": 1}},
    "image2": {"flat_field": {"skip": True}},
    "image3": {"resample": {"pixfrac": 0.8}},
}


def many_small(folder: Path, inputs: ExposureSet) -> Iterator[Claim]:
    """Measure small exposures: the cost of start-up and bookkeeping."""
    offline(inputs)
    place = open_place(folder / "ours", inputs)
    theirs = cpu_seconds(lambda: run_strun(inputs, folder / "strun"))
    ours = cpu_seconds(lambda: place.calibrate(place.chains(PLAIN)))
    yield Claim(
        what=f"{len(inputs.uncals)} exposures, stages 1 and 2, start-up included: "
        f"{ours:.1f} s; one strun per exposure and stage: {theirs:.1f} s",
        found=ours / theirs,
        goal=0.22,
    )


def changed_ramp_fit(folder: Path, inputs: ExposureSet, goal: float) -> Iterator[Claim]:
    """Measure a changed ramp_fit: from kept ramps, in full, and in full by Pipeline.call.

    `goal` limits the ratio of the first to the second.
    """
    offline(inputs)
    keeping = replace(PLAIN, stages=(1,), keep=("ramp",))
    changed = replace(PLAIN, stages=(1,), parameters=CHANGED)
    kept, full = open_place(folder / "kept", inputs), open_place(folder / "full", inputs)
    kept.calibrate(kept.chains(keeping))
    resumed = _warm_cpu(kept, kept.chains(replace(changed, keep=("ramp",))))
    whole = _warm_cpu(full, full.chains(changed))
    second = _warm_cpu(full, full.chains(replace(changed, stages=(1, 2))))
    plain = sum(call_pipelines(inputs, folder / "plain", CHANGED, stages=(1, 2)))
    size = _size(inputs)
    yield Claim(
        what=f"{size}, changed ramp_fit: from kept ramps {resumed:.1f} s; in full {whole:.1f} s",
        found=resumed / whole,
        goal=goal,
    )
    yield Claim(
        what=f"{size}, stages 1 and 2: {whole + second:.1f} s; Pipeline.call in a warm process: "
        f"{plain:.1f} s",
        found=(whole + second) / plain,
        goal=1.02,
    )


def equality(folder: Path, inputs: ExposureSet) -> Iterator[Claim]:
    """Compare three stages with parameters, ours and by Pipeline.call, array by array."""
    offline(inputs)
    place = open_place(folder / "ours", inputs)
    recipe = replace(PLAIN, stages=(1, 2, 3), parameters=TUNED)
    plans, receipts = [], []
    for _ in range(3):
        plans.append(place.plan(recipe, plans, receipts))
        receipts.append(place.calibrate(chains_of(plans[-1])))
    call_pipelines(inputs, folder / "plain", TUNED)
    made = _files(place, receipts)
    differing = [
        f"{name}[{part}]"
        for name, path in made.items()
        for part in _differing(path, folder / "plain" / name)
    ]
    yield Claim(
        what=f"{len(made)} files of stages 1-3 beside Pipeline.call's, arrays that differ: "
        + (", ".join(differing) or "none"),
        found=len(differing),
        goal=0,
    )


def offline(inputs: ExposureSet) -> None:
    """Let CRDS and stpipe use the references of these inputs, offline, from now on."""
    os.environ.update(crds_environment(inputs.crds_root, inputs.context))


def _size(inputs: ExposureSet) -> str:
    shape = fits.getdata(inputs.uncals[0], "SCI").shape
    return f"{len(inputs.uncals)} x {' x '.join(map(str, shape))}"


def _warm_cpu(place: Place, chains: Sequence[Chain]) -> float:
    """Return the CPU seconds of chains in a warm process: one that has refused a first job."""
    assert chains
    mirror = place.results.mirror
    folders = (mirror / "work", mirror / "logs")
    with closing(ChainRunner(place.results, *folders, TIMEOUT_S, MemoryPool(inf))) as runner:
        (refused,) = runner.run([_of_other_engine(chains[0])])
        assert refused.failure
        outcomes = []
        cpu_s = cpu_seconds(lambda: outcomes.extend(runner.run(chains)))
    assert not any(outcome.failure for outcome in outcomes), outcomes
    return cpu_s


def _of_other_engine(chain: Chain) -> Chain:
    """Return a chain that a worker refuses at once: it needs another version of jwst."""
    derivation = replace(chain.derivations[0], engine={"jwst": "0"})
    return replace(chain, derivations=(derivation,), keep=())


def _files(place: Place, receipts: Sequence[Receipt]) -> dict[str, Path]:
    """Return the path of each file made, by name."""
    return {
        file.filename: place.results.locate(file.sha256)
        for receipt in receipts
        for result in receipt.results
        for file in result.files
    }


def _differing(one: Path, other: Path) -> Iterator[str]:
    """Return the extensions whose arrays differ in any bit, or exist in one file only."""
    if other.suffix != ".fits":
        if science_identity(one, other.name) != science_identity(other):
            yield "rows"
        return
    with fits.open(one) as left, fits.open(other) as right:
        if [hdu.name for hdu in left] != [hdu.name for hdu in right]:
            yield "extensions"
            return
        for mine, theirs in zip(left, right, strict=True):
            if mine.is_image and not _equal(mine.data, theirs.data):
                yield mine.name


def _equal(one: np.ndarray | None, other: np.ndarray | None) -> bool:
    if one is None or other is None:
        return one is other
    return (one.dtype, one.shape, one.tobytes()) == (other.dtype, other.shape, other.tobytes())
