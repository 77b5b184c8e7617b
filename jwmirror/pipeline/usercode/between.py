"""The user's functions between two pipelines: they get a model and return one of the same class.

A function gets one open jwst datamodel, as the first pipeline made it (a rate or rateints after
detector1, a cal or calints after image2 and spec2). It may change the model and return it, or
return another model of the same class; the second pipeline gets the returned model. The function is
called once per exposure, in a separate process and a private folder. An exception is a failure of
that exposure. The function must return the same for the same model: its source is part of the key
of the second pipeline's result, and so are the files that the recipe names for it (`files`). The
function finds these in its working directory. Other files that it reads are not in the key.

The changed model is not stored: the mirror keeps the first pipeline's product unchanged.
"""

import logging
import os
from collections.abc import Iterator, Mapping, Sequence
from importlib import import_module
from pathlib import Path
from typing import Any

from jwmirror.core.errors import CalibrationError
from jwmirror.core.model import Recipe
from jwmirror.pipeline import registry
from jwmirror.pipeline.usercode import hooks
from jwmirror.pipeline.usercode.files import BETWEEN_FILES, file_mistakes

FOLLOWS = {  # pipelines that may follow
    "detector1": ("image2", "spec2"),
    "image2": ("image3", "tso3", "coron3", "ami3"),
    "spec2": ("spec3", "tso3"),
}
PASSED_ON = ("_rate.fits", "_rateints.fits", "_cal.fits", "_calints.fits")  # ends of file names
ALLOWED = tuple(f"{first}..{second}" for first, nexts in FOLLOWS.items() for second in nexts)

log = logging.getLogger(__name__)


def function_parameters(recipe: Recipe, exp_type: str) -> dict[tuple[str, str, str], list[str]]:
    """Return a recipe's functions for exposures of a type, as parameters of the second pipelines.

    The files that they read are a parameter, too.
    """
    own = registry.pipelines_of_exposure(exp_type)
    of_both = {hooks.BETWEEN: recipe.between, BETWEEN_FILES: recipe.between_files}
    return {
        (second, "", parameter): list(names)
        for parameter, by_pair in of_both.items()
        for pair, names in by_pair.items()
        for first, _, second in [pair.partition("..")]
        if first in own and names
    }


def link_files(paths: Sequence[str], folder: Path) -> None:
    """Make the files that functions read available in `folder`, under their names."""
    for path in paths:
        (folder / Path(path).name).symlink_to(path)


def apply_functions(functions: Sequence[str], names: Sequence[str], folder: Path) -> None:
    """Replace the files in `folder` that a pipeline made by the models that the functions return.

    Links to the store are replaced; the objects in the store do not change. hooks.prepare must have
    been called before, so that the functions' modules are found.

    Raises:
        CalibrationError: a function fails, or returns another class.
    """
    for name in names if functions else ():
        if name.endswith(PASSED_ON):
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
            f"{function} on {name}: expected {type(model).__name__} as the returned model, found "
            f"{'nothing' if changed is None else type(changed).__name__}; return the model."
        )
    return changed


# ---- mistakes --------------------------------------------------------------------------------


def between_mistakes(
    between: Mapping[str, Sequence[str]],
    files: Mapping[str, Sequence[str]],
    place: str,
    base: Path,
) -> Iterator[str]:
    """Yield the mistakes in a recipe's functions and their files, without calling any."""
    for pair, paths in files.items():
        yield from _file_mistakes(paths, f"{place}.{pair}.files", base)
    for pair, functions in between.items():
        where = f"{place}.{pair}"
        if pair not in ALLOWED:
            yield f"{where}: not two consecutive pipelines; allowed are {', '.join(ALLOWED)}."
        for function in functions:
            if problem := hooks.function_problem(function, base):
                yield (
                    f"{where}: found {function!r}, expected a function of your own module that "
                    f"takes a model and returns it (module.function); {problem}; `jwmirror "
                    "new-step NAME` writes a template."
                )


def _file_mistakes(paths: Sequence[str], place: str, base: Path) -> Iterator[str]:
    yield from file_mistakes(BETWEEN_FILES, paths, place, base)
    names = [Path(path).name for path in paths]
    for name in sorted({name for name in names if names.count(name) > 1}):
        yield f"{place}: two files are named {name}; a function finds only one."
