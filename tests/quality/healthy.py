"""Healthy programs: calibrated as MAST and as the user would, and again with better references."""

import shutil
from collections.abc import Mapping
from pathlib import Path

from jwmirror.core.model import Recipe
from jwmirror_simulator.operations.calibration import PARAMETERS
from tests.quality.bench import Bench, BenchResult
from tests.quality.programs import BY_NAME, CONTEXTS, IMAGING, observe, write_references
from tests.quality.troubles import multiply

PROGRAMS = {IMAGING: 4, **dict.fromkeys(BY_NAME, 3)}  # of each mode: 315 results
MODES = tuple(PROGRAMS)
FIRST_CHOSEN, FIRST_TESTED = 6001, 7001  # program numbers: thresholds are chosen, then tested
DEEP = {"detector1": {"jump": {"rejection_threshold": 5.0}}}
NEW_FLAT = 1.02  # by which a new flat differs
MOST = 100  # programs of a mode


def calibrate_healthy(
    first: int, folder: Path, programs: Mapping[str, int] = PROGRAMS
) -> dict[str, list[BenchResult]]:
    """Return the results of healthy programs by mode, each result once.

    They are compared with MAST's products, which have other parameters; then, with a new flat, with
    the results before. `programs` is the number of each mode: those of the first mode are called
    `first` and so on, those of the next one MOST higher.
    """
    results: dict[str, list[BenchResult]] = {mode: [] for mode in programs}
    for of_context in CONTEXTS:
        modes = {
            first + MOST * MODES.index(mode) + number: mode
            for mode in of_context
            for number in range(programs.get(mode, 0))
        }
        if modes:
            for result in _calibrate(modes, folder / of_context[0]):
                results[modes[result.program]].append(result)
    return results


def _calibrate(programs: Mapping[int, str], folder: Path) -> list[BenchResult]:
    crds, new = folder / "crds", folder / "crds-new"
    modes = tuple(dict.fromkeys(programs.values()))
    write_references(crds, modes)
    shutil.copytree(crds, new, dirs_exist_ok=True)
    multiply("flat", NEW_FLAT)(new)
    bench, numbers = Bench(folder), tuple(programs)
    for number, mode in programs.items():
        bench.take(observe(mode, number, folder / "sky"))
    operations = PARAMETERS if IMAGING in modes else {}
    mast = Recipe(name="mast", programs=numbers, parameters=operations)
    deep = Recipe(name="deep", programs=numbers, parameters=DEEP)
    runs = [bench.run(crds, mast, deep)]
    bench.take_results("mast")
    runs += [bench.run(crds, deep), bench.run(new, deep)]
    return list({(each.key, each.name): each for run in runs for each in run}.values())
