"""Functions of the user's between two pipelines: a model in, a model of the same kind out.

The contract. A function gets one open jwst datamodel, as the first pipeline made it (a rate or
rateints after detector1, a cal or calints after image2 and spec2). It may change the model and
return it, or return another of the same class; what it returns is what the second pipeline takes.
It is called once per exposure, in a process of its own, in a private folder. What it raises is
that exposure's failure. It must give the same for the same model: its source is in the key of the
second pipeline's result, and what it reads otherwise is not.

The changed model lives as long as the stage: the mirror keeps the first pipeline's product as it
was, and what the second makes.
"""

import logging
import os
from collections.abc import Iterator, Mapping, Sequence
from importlib import import_module
from pathlib import Path
from typing import Any

from jwmirror.core.errors import CalibrationError
from jwmirror.pipeline import registry
from jwmirror.pipeline.usercode import hooks

FOLLOWS = {  # pipelines that may come next
    "detector1": ("image2", "spec2"),
    "image2": ("image3", "tso3", "coron3", "ami3"),
    "spec2": ("spec3", "tso3"),
}
GOES_ON = {  # endings of what the next pipeline takes
    "detector1": ("_rate.fits", "_rateints.fits"),
    "image2": ("_cal.fits", "_calints.fits"),
    "spec2": ("_cal.fits", "_calints.fits"),
}
ALLOWED = tuple(f"{first}..{second}" for first, nexts in FOLLOWS.items() for second in nexts)

log = logging.getLogger(__name__)


def parameters_for(
    between: Mapping[str, Sequence[str]], exp_type: str
) -> dict[tuple[str, str, str], list[str]]:
    """As parameters of the second pipelines: what is to be run before each on such exposures."""
    own = registry.pipelines_of_exposure(exp_type)
    pairs = {tuple(name.split("..")): functions for name, functions in between.items()}
    return {
        (second, "", hooks.BETWEEN): list(functions)
        for (first, second), functions in pairs.items()
        if first in own and functions
    }


def apply_functions(functions: Sequence[str], names: Sequence[str], folder: Path) -> None:
    """Replace those files of `folder` that come from a pipeline by what the functions make of them.

    What stands there may be a link to the store; the object behind it stays as it is. Modules are
    found as hooks.prepare arranged. CalibrationError where a function fails or breaks the contract.
    """
    endings = tuple(ending for each in GOES_ON.values() for ending in each)
    for name in names if functions else ():
        if name.endswith(endings):
            _apply(functions, folder / name)


def _apply(functions: Sequence[str], path: Path) -> None:
    from stdatamodels.jwst import datamodels

    changed_folder = path.parent / hooks.BETWEEN
    changed_folder.mkdir(exist_ok=True)
    with datamodels.open(path) as model:
        changed = model
        for function in functions:
            log.info("%s on %s", function, path.name)
            changed = _called(function, changed, path.name)
        changed.save(changed_folder / path.name)  # a name in the header is the file's own
    os.replace(changed_folder / path.name, path)


def _called(function: str, model: Any, name: str) -> Any:
    module, _, attribute = function.strip().rpartition(".")
    try:
        changed = getattr(import_module(module), attribute)(model)
    except CalibrationError:
        raise
    except Exception as err:  # whatever the user's code raises
        log.exception("%s", function)
        raise CalibrationError(
            f"{function} failed on {name}: {type(err).__name__}: {err}; nothing was kept."
        ) from err
    if type(changed) is not type(model):
        raise CalibrationError(
            f"{function} on {name}: expected {type(model).__name__} back, as it was given, "
            f"found {'nothing' if changed is None else type(changed).__name__}; let it return the "
            "model."
        )
    return changed


# ---- mistakes --------------------------------------------------------------------------------


def between_mistakes(between: Mapping[str, Sequence[str]], place: str, base: Path) -> Iterator[str]:
    """What is wrong with the functions that a recipe names, without running any."""
    for pair, functions in between.items():
        where = f"{place}.{pair}"
        if pair not in ALLOWED:
            yield f"{where}: nothing goes from one to the other; allowed are {', '.join(ALLOWED)}."
        for function in functions:
            if problem := hooks.function_problem(function, base):
                yield (
                    f"{where}: found {function!r}, expected a function of a module of yours that "
                    f"takes a model and returns it (module.function); {problem}; `jwmirror "
                    "new-step NAME` writes one to start from."
                )
