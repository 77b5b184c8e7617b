"""One stage of one exposure or association, run by jwst in this process, in a private folder."""

import json
import logging
import os
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

from jwmirror.core.errors import CalibrationError
from jwmirror.core.files import path_below
from jwmirror.core.model import Derivation
from jwmirror.core.model.derivation import single_step
from jwmirror.core.model.plan import Output
from jwmirror.core.model.quality import Measurements
from jwmirror.engine.measuring import StageObserver
from jwmirror.engine.star_queries import answer_star_queries
from jwmirror.pipeline import ramps, registry
from jwmirror.pipeline.associations.writing import association_file
from jwmirror.pipeline.child_environment import NO_PARS
from jwmirror.pipeline.derivation import by_full_name, engine_versions, key_of
from jwmirror.pipeline.engine_content import engine_code
from jwmirror.pipeline.identity import science_identity
from jwmirror.pipeline.measure.steps import NOTHING, Metadata
from jwmirror.pipeline.usercode import between, files, hooks

MADE = (".fits", ".ecsv")  # what a stage's result consists of

log = logging.getLogger(__name__)


def run_stage(
    derivation: Derivation,
    folder: Path,
    base: Path,
    ramp_mode: str = ramps.FULL,
    on_step: Callable[[str], None] = lambda step: None,
) -> tuple[tuple[Output, ...], Measurements]:
    """Run a derivation's pipeline in `folder`, which contains its inputs under their names.

    Return the files that it made, and what was measured on them. `on_step` is called with the name
    of each step that begins. The pipeline gets every parameter of the derivation. The references
    that it used are compared with those in the key. The code of jwst, and the user's hooks (looked
    for in `base`) and files are compared before and after. With ramps.KEEP the ramp is among the
    outputs; with ramps.RESUME the ramp is in `folder`, and the run begins with it. Changes the
    working directory and the module search of this process.

    Raises:
        CalibrationError: a comparison fails. The pipeline may raise any other exception.
    """
    _check_engine(derivation)
    _check_own(derivation, base)
    parameters = hooks.prepare(derivation, base)
    os.chdir(folder)
    os.environ[NO_PARS] = "true"
    names = [item.name for item in derivation.inputs]
    between.link_files(parameters.get(files.BETWEEN_FILES, ()), folder)
    between.apply_functions(parameters.get(hooks.BETWEEN, ()), names, folder)
    answer_star_queries(derivation, folder)
    arguments = _arguments(derivation, folder, ramp_mode)
    present = set(folder.iterdir())
    log.info("%s of %s, key %s", derivation.pipeline, derivation.product, key_of(derivation))
    started = time.monotonic()
    observer = StageObserver(on_step)
    with observer.listening():
        for argument in arguments:
            _call(derivation.pipeline, parameters, argument, ramp_mode, observer)
    _check_engine(derivation)
    _check_own(derivation, base)
    log.info("%s took %.1f s", derivation.pipeline, time.monotonic() - started)
    made = sorted(path for path in folder.iterdir() if path not in present)
    made = [path for path in made if is_result(path.name, derivation)]
    products = check_products(derivation, made)
    before = next(_metadata_of_inputs(derivation, folder), NOTHING)
    outputs = tuple(Output(path=str(path), identity=science_identity(path)) for path in made)
    return outputs, observer.measure(derivation, made, list(products.values()), before)


def is_result(filename: str, derivation: Derivation) -> bool:
    """Return whether a new file belongs to the result: hooks may leave files of other names."""
    stems = (item.name.rpartition(".")[0] for item in derivation.inputs)
    names = (derivation.product, *stems)
    starts = tuple(name.partition("_")[0] + "_" for name in names)
    return filename.endswith(MADE) and filename.startswith(starts)


def _check_engine(derivation: Derivation) -> None:
    """Raise CalibrationError unless the code in the key is installed, and was imported."""
    on_disk = {name: code.version for name, code in engine_code().items()}
    for found, what in ((engine_versions(), "imported"), (on_disk, "installed")):
        if found != derivation.engine:
            raise CalibrationError(
                f"{derivation.pipeline} was planned for {derivation.engine}, but {what} is "
                f"{found}; nothing was stored; run again to plan it with the installed code."
            )


def _check_own(derivation: Derivation, base: Path) -> None:
    """Raise CalibrationError unless the user's hooks and files are those in the key."""
    hooks.check_hooks(derivation, base)
    files.check_files(derivation)


def _arguments(derivation: Derivation, folder: Path, ramp_mode: str) -> list[str]:
    """Return the file that the pipeline is called with: exposure, ramp or association.

    A step that is run alone is called with each input, unless it combines them.
    """
    if ramp_mode == ramps.RESUME:
        return [ramps.name_of_ramp(derivation)]
    is_alone = bool(single_step(derivation.pipeline))
    if derivation.stage == 1 or (is_alone and derivation.pipeline not in registry.COMBINING):
        return [item.name for item in derivation.inputs]
    name, content = association_file(derivation)
    path = path_below(folder, name, "an association", CalibrationError)
    with open(path, "x", encoding="utf-8") as file:  # a member of that name is a link to the store
        file.write(content)
    return [name]


def _call(
    name: str,
    parameters: Mapping[str, Any],
    argument: str,
    ramp_mode: str,
    observer: StageObserver,
) -> None:
    given = json.loads(json.dumps(parameters.get("steps", {})))  # stpipe changes it
    if step := single_step(name):
        _, suffix = registry.SINGLE_STEPS[name]
        cls = observer.observed(registry.steps_of(name)[step])
        cls.call(argument, save_results=True, suffix=suffix, **given[step])
        return
    pipeline = registry.pipeline_class(name)
    if ramp_mode == ramps.KEEP:
        parameters = {**parameters, ramps.SAVE: True}
    if ramp_mode == ramps.RESUME:
        pipeline = ramps.resuming_pipeline(pipeline)
        parameters = {**parameters, "pre_hooks": []}  # they ran before the ramp was saved
    ours = ("steps", *hooks.OURS)
    own = {key: value for key, value in parameters.items() if key not in ours}
    own |= registry.SUFFIX.get(name, {})
    steps = {step: given.get(step, {}) for step in (*given, *pipeline.step_defs)}
    observer.observed(pipeline).call(argument, steps=steps, save_results=True, **own)


# ---- comparison of the products with the key ---------------------------------------------------


def check_products(derivation: Derivation, made: list[Path]) -> dict[str, Metadata]:
    """Return the metadata of each FITS file that jwst's data models wrote.

    Other FITS files (saved by a step as it is, or written by a hook) belong to the result, too.

    Raises:
        CalibrationError: there are no products, a product is not a file of jwst's data models, or
            some were made with other references.
    """
    if not made:
        raise CalibrationError(
            f"{derivation.pipeline} ended without an error, but made no file; its log says why."
        )
    contents = {path.name: _metadata(path) for path in made if path.suffix == ".fits"}
    products = {name: metadata for name, metadata in contents.items() if metadata is not None}
    _check_models(derivation, products, [name for name in contents if name not in products])
    for name, metadata in products.items():
        wrong = sorted(_other_references(derivation, metadata, made[0].parent))
        if wrong:
            raise CalibrationError(
                f"{name} was not made with the references it should be: {'; '.join(wrong)}; "
                "is the reference cache shared with another context?"
            )
    return products


def _check_models(
    derivation: Derivation, products: Mapping[str, Metadata], others: list[str]
) -> None:
    """Raise CalibrationError if a product, or everything, is not a file of jwst's data models."""
    wrong = [name for name in others if registry.is_product(name)]
    if others and not products:
        wrong = others
    if wrong:
        raise CalibrationError(
            f"{derivation.pipeline}: {', '.join(wrong)}: expected a file of jwst's data models, "
            "found one without ASDF extension or DATAMODL; nothing was stored; does a hook "
            "replace the product? A hook may write further files, under other suffixes."
        )


def _metadata(path: Path) -> Metadata | None:
    """Return the flat metadata of a file: {"meta.ref_file.flat.name": "crds://...", ...}.

    None if jwst's data models did not write it: it has no ASDF extension, or names no model.
    """
    from astropy.io import fits
    from stdatamodels.jwst.datamodels.util import read_metadata

    with fits.open(path, memmap=False) as hdus:
        is_model = "ASDF" in hdus and "DATAMODL" in hdus[0].header
    return read_metadata(str(path), flatten=True) if is_model else None


def _other_references(
    derivation: Derivation, metadata: Mapping[str, Any], folder: Path
) -> Iterator[str]:
    """Yield the references in a header that neither the derivation nor its inputs name."""
    carried: set[tuple[str, str]] | None = None
    for reftype, allowed in _allowed(derivation).items():
        field = f"meta.ref_file.{reftype}.name"
        used = metadata.get(field)
        if used is None or used.removeprefix("crds://") in allowed:
            continue
        carried = _carried(derivation, folder) if carried is None else carried
        if (field, used) not in carried:
            yield f"{reftype}: expected {' or '.join(sorted(allowed))}, found {used}"


def _carried(derivation: Derivation, folder: Path) -> set[tuple[str, str]]:
    """Return the references in the inputs' headers: earlier stages may have had another context."""
    return {
        (field, value)
        for metadata in _metadata_of_inputs(derivation, folder)
        for field, value in metadata.items()
        if field.startswith("meta.ref_file.") and isinstance(value, str)
    }


def _metadata_of_inputs(derivation: Derivation, folder: Path) -> Iterator[Metadata]:
    """Yield the metadata of the inputs that an earlier stage made."""
    paths = [folder / item.name for item in derivation.inputs if item.name.endswith(".fits")]
    contents = (_metadata(path) for path in paths if path.exists() and derivation.stage > 1)
    return (metadata for metadata in contents if metadata is not None)


def _allowed(derivation: Derivation) -> dict[str, set[str]]:
    """Return the names that a header may have for each type; the last step to use one sets it."""
    names = {reftype: {name} for reftype, (name, _) in derivation.references.items()}
    for parameter, value in by_full_name(derivation.parameters).items():
        reftype = parameter.rpartition(".")[2].removeprefix(files.OVERRIDE)
        if value and parameter.endswith(files.OVERRIDE + reftype):
            names.setdefault(reftype, set()).add(value)
    return names
