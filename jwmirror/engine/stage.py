"""One stage of one exposure or association, run by `jwst` in this process in a private folder."""

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
from jwmirror.pipeline.identity import science_identity
from jwmirror.pipeline.usercode import between, files, hooks

MADE = (".fits", ".ecsv")  # what a stage's result consists of
SKIPPED = "SKIPPED"

log = logging.getLogger(__name__)


def run_stage(
    derivation: Derivation, folder: Path, base: Path, ramp: str = ramps.FULL
) -> tuple[Output, ...]:
    """Run a derivation's pipeline in `folder`, which holds its inputs under their names.

    What is in the derivation is what runs: parameters are passed whole, and the references used
    are compared with the ones in the key; so are the user's hooks (looked for in `base`) and files,
    before and after. With ramps.KEEP the kept ramp is among the outputs; with ramps.RESUME it is in
    `folder`, and the run begins there. Changes the working directory of the process, and where it
    finds hooks. Raises CalibrationError, or whatever the pipeline raises.
    """
    _check_engine(derivation)
    _check_own(derivation, base)
    parameters = hooks.prepare(derivation, base)
    os.chdir(folder)
    os.environ[NO_PARS] = "true"
    names = [item.name for item in derivation.inputs]
    between.apply_functions(parameters.get(hooks.BETWEEN, ()), names, folder)
    argument = _argument(derivation, folder, ramp)
    present = set(folder.iterdir())
    log.info("%s of %s, key %s", derivation.pipeline, derivation.product, key_of(derivation))
    started = time.monotonic()
    _call(derivation.pipeline, parameters, argument, ramp)
    _check_own(derivation, base)
    log.info("%s took %.1f s", derivation.pipeline, time.monotonic() - started)
    made = sorted(path for path in folder.iterdir() if path not in present)
    made = [path for path in made if is_result(path.name, derivation)]
    check_products(derivation, made)
    return tuple(Output(path=str(path), identity=science_identity(path)) for path in made)


def is_result(filename: str, derivation: Derivation) -> bool:
    """Whether a new file belongs to the result: named as the pipeline does, not left by a hook."""
    names = (derivation.product, *(item.name for item in derivation.inputs))
    starts = tuple(name.partition("_")[0] + "_" for name in names)
    return filename.endswith(MADE) and filename.startswith(starts)


def _check_engine(derivation: Derivation) -> None:
    """The versions in the key must be those that run."""
    if engine_versions() != derivation.engine:
        raise CalibrationError(
            f"{derivation.pipeline} was planned for {derivation.engine}, but installed is "
            f"{engine_versions()}; run again to plan it with the installed versions."
        )


def _check_own(derivation: Derivation, base: Path) -> None:
    """What is the user's own must be, at this moment, what is in the key."""
    hooks.check_hooks(derivation, base)
    files.check_files(derivation)


def _argument(derivation: Derivation, folder: Path, ramp: str) -> str:
    """The file that the pipeline is called with: the exposure, its ramp, or an association."""
    if ramp == ramps.RESUME:
        return ramps.name_of_ramp(derivation)
    if derivation.stage == 1:
        (exposure,) = derivation.inputs
        return exposure.name
    name, content = associations.association_file(derivation)
    (folder / name).write_text(content, encoding="utf-8")
    return name


def _call(name: str, parameters: Mapping[str, Any], argument: str, ramp: str) -> None:
    pipeline = registry.pipeline_class(name)
    if ramp == ramps.KEEP:
        parameters = ramps.saving_ramp(parameters)
    if ramp == ramps.RESUME:
        pipeline, parameters = (
            ramps.resuming_pipeline(pipeline),
            ramps.resuming_parameters(parameters),
        )
    ours = ("steps", hooks.BETWEEN)
    own = {key: value for key, value in parameters.items() if key not in ours}
    own |= registry.SUFFIX.get(name, {})
    steps = json.loads(json.dumps(parameters.get("steps", {})))  # stpipe changes it
    for step in pipeline.step_defs:
        steps.setdefault(step, {})
    pipeline.call(argument, steps=steps, save_results=True, **own)


# ---- was it done as the key says? ------------------------------------------------------------


def check_products(derivation: Derivation, made: list[Path]) -> None:
    """CalibrationError unless something was made, and with the references of the derivation."""
    if not made:
        raise CalibrationError(
            f"{derivation.pipeline} ended well and made no file; its log says why."
        )
    for path in made:
        if path.suffix != ".fits":
            continue
        found = _metadata(path)
        wrong = sorted(_other_references(derivation, found, path.parent))
        if wrong:
            raise CalibrationError(
                f"{path.name} was not made with the references it should be: {'; '.join(wrong)}; "
                "is the reference cache shared with another context?"
            )
        for step in _skipped_without_reason(derivation, found):
            log.warning("%s: step %s did nothing; its log says why", path.name, step)


def _metadata(path: Path) -> dict[str, Any]:
    """Flat metadata of a result: {"meta.ref_file.flat.name": "crds://...", ...}."""
    from stdatamodels.jwst.datamodels.util import read_metadata

    return read_metadata(str(path), flatten=True)


def _other_references(
    derivation: Derivation, found: Mapping[str, Any], folder: Path
) -> Iterator[str]:
    """Types whose name in a header is neither the derivation's nor came with one of its inputs."""
    carried: set[tuple[str, str]] | None = None
    for reftype, allowed in _allowed(derivation).items():
        field = f"meta.ref_file.{reftype}.name"
        used = found.get(field)
        if used is None or used.removeprefix("crds://") in allowed:
            continue
        carried = _carried(derivation, folder) if carried is None else carried
        if (field, used) not in carried:
            yield f"{reftype}: expected {' or '.join(sorted(allowed))}, found {used}"


def _carried(derivation: Derivation, folder: Path) -> set[tuple[str, str]]:
    """What the headers of the inputs name: steps of former stages, maybe under another context."""
    paths = [folder / item.name for item in derivation.inputs if item.name.endswith(".fits")]
    return {
        (field, value)
        for path in paths
        if path.exists() and derivation.stage > 1
        for field, value in _metadata(path).items()
        if field.startswith("meta.ref_file.") and isinstance(value, str)
    }


def _allowed(derivation: Derivation) -> dict[str, set[str]]:
    """What a header may name for each reference type: the last step that used one says it."""
    names = {reftype: {name} for reftype, (name, _) in derivation.references.items()}
    for full, value in by_full_name(derivation.parameters).items():
        reftype = full.rpartition(".")[2].removeprefix(files.OVERRIDE)
        if value and full.endswith(files.OVERRIDE + reftype):
            names.setdefault(reftype, set()).add(value)
    return names


def _skipped_without_reason(derivation: Derivation, found: Mapping[str, Any]) -> Iterator[str]:
    """Steps that were to run, had what they need, and say in the header that they did not."""
    pipeline = registry.pipeline_class(derivation.pipeline)
    for step, values in derivation.parameters.get("steps", {}).items():
        cls = pipeline.step_defs.get(step)
        if cls is None or values.get("skip"):
            continue
        types = registry.reference_types_of(cls)
        wanted = [derivation.references.get(each, ("", ""))[0] for each in types]
        if found.get(f"meta.cal_step.{cls.class_alias}") == SKIPPED and "N/A" not in wanted:
            yield step
