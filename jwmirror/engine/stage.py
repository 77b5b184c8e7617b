"""One stage of one exposure or association, run by jwst in this process, in a private folder."""

import json
import logging
import os
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from jwmirror.core.errors import CalibrationError
from jwmirror.core.model import Derivation
from jwmirror.core.model.plan import Output
from jwmirror.pipeline import associations, ramps, registry
from jwmirror.pipeline.child_environment import NO_PARS
from jwmirror.pipeline.derivation import by_full_name, engine_versions, key_of
from jwmirror.pipeline.engine_content import engine_code
from jwmirror.pipeline.identity import science_identity
from jwmirror.pipeline.usercode import between, files, hooks

MADE = (".fits", ".ecsv")  # what a stage's result consists of
SKIPPED = "SKIPPED"

log = logging.getLogger(__name__)


def run_stage(
    derivation: Derivation, folder: Path, base: Path, ramp_mode: str = ramps.FULL
) -> tuple[Output, ...]:
    """Run a derivation's pipeline in `folder`, which contains its inputs under their names.

    The pipeline gets every parameter of the derivation. The references that it used are compared
    with those in the key. The code of jwst, and the user's hooks (looked for in `base`) and files
    are compared before and after. With ramps.KEEP the ramp is among the outputs; with ramps.RESUME
    the ramp is in `folder`, and the run begins with it. Changes the working directory and the
    module search of this process.

    Raises:
        CalibrationError: a comparison fails. The pipeline may raise any other exception.
    """
    _check_engine(derivation)
    _check_own(derivation, base)
    parameters = hooks.prepare(derivation, base)
    os.chdir(folder)
    os.environ[NO_PARS] = "true"
    names = [item.name for item in derivation.inputs]
    between.apply_functions(parameters.get(hooks.BETWEEN, ()), names, folder)
    argument = _argument(derivation, folder, ramp_mode)
    present = set(folder.iterdir())
    log.info("%s of %s, key %s", derivation.pipeline, derivation.product, key_of(derivation))
    started = time.monotonic()
    _call(derivation.pipeline, parameters, argument, ramp_mode)
    _check_engine(derivation)
    _check_own(derivation, base)
    log.info("%s took %.1f s", derivation.pipeline, time.monotonic() - started)
    made = sorted(path for path in folder.iterdir() if path not in present)
    made = [path for path in made if is_result(path.name, derivation)]
    check_products(derivation, made)
    return tuple(Output(path=str(path), identity=science_identity(path)) for path in made)


def is_result(filename: str, derivation: Derivation) -> bool:
    """Return whether a new file belongs to the result: hooks may leave files of other names."""
    names = (derivation.product, *(item.name for item in derivation.inputs))
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


def _argument(derivation: Derivation, folder: Path, ramp_mode: str) -> str:
    """Return the file that the pipeline is called with: exposure, ramp or association."""
    if ramp_mode == ramps.RESUME:
        return ramps.name_of_ramp(derivation)
    if derivation.stage == 1:
        (exposure,) = derivation.inputs
        return exposure.name
    name, content = associations.association_file(derivation)
    (folder / name).write_text(content, encoding="utf-8")
    return name


def _call(name: str, parameters: Mapping[str, Any], argument: str, ramp_mode: str) -> None:
    pipeline = registry.pipeline_class(name)
    if ramp_mode == ramps.KEEP:
        parameters = {**parameters, ramps.SAVE: True}
    if ramp_mode == ramps.RESUME:
        pipeline = ramps.resuming_pipeline(pipeline)
        parameters = {**parameters, "pre_hooks": []}  # they ran before the ramp was saved
    ours = ("steps", *hooks.OURS)
    own = {key: value for key, value in parameters.items() if key not in ours}
    own |= registry.SUFFIX.get(name, {})
    steps = json.loads(json.dumps(parameters.get("steps", {})))  # stpipe changes it
    for step in pipeline.step_defs:
        steps.setdefault(step, {})
    pipeline.call(argument, steps=steps, save_results=True, **own)


# ---- comparison of the products with the key ---------------------------------------------------


def check_products(derivation: Derivation, made: list[Path]) -> None:
    """Raise CalibrationError unless there are products, made with the derivation's references."""
    if not made:
        raise CalibrationError(
            f"{derivation.pipeline} ended without an error, but made no file; its log says why."
        )
    for path in made:
        if path.suffix != ".fits":
            continue
        metadata = _metadata(path)
        wrong = sorted(_other_references(derivation, metadata, path.parent))
        if wrong:
            raise CalibrationError(
                f"{path.name} was not made with the references it should be: {'; '.join(wrong)}; "
                "is the reference cache shared with another context?"
            )
        for step in _skipped_without_reason(derivation, metadata):
            log.warning("%s: step %s did nothing; its log says why", path.name, step)


def _metadata(path: Path) -> dict[str, Any]:
    """Return the flat metadata of a file: {"meta.ref_file.flat.name": "crds://...", ...}."""
    from stdatamodels.jwst.datamodels.util import read_metadata

    return read_metadata(str(path), flatten=True)


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
    paths = [folder / item.name for item in derivation.inputs if item.name.endswith(".fits")]
    return {
        (field, value)
        for path in paths
        if path.exists() and derivation.stage > 1
        for field, value in _metadata(path).items()
        if field.startswith("meta.ref_file.") and isinstance(value, str)
    }


def _allowed(derivation: Derivation) -> dict[str, set[str]]:
    """Return the names that a header may have for each type; the last step to use one sets it."""
    names = {reftype: {name} for reftype, (name, _) in derivation.references.items()}
    for parameter, value in by_full_name(derivation.parameters).items():
        reftype = parameter.rpartition(".")[2].removeprefix(files.OVERRIDE)
        if value and parameter.endswith(files.OVERRIDE + reftype):
            names.setdefault(reftype, set()).add(value)
    return names


def _skipped_without_reason(derivation: Derivation, metadata: Mapping[str, Any]) -> Iterator[str]:
    """Yield the steps that had their references and yet were skipped, by the header."""
    pipeline = registry.pipeline_class(derivation.pipeline)
    for step, values in derivation.parameters.get("steps", {}).items():
        cls = pipeline.step_defs.get(step)
        if cls is None or values.get("skip"):
            continue
        types = registry.reference_types_of(cls)
        wanted = [derivation.references.get(each, ("", ""))[0] for each in types]
        if metadata.get(f"meta.cal_step.{cls.class_alias}") == SKIPPED and "N/A" not in wanted:
            yield step
