"""Kept ramps: if only ramp_fit or later steps change, recalibration starts from the ramp.

The ramp is the product of all steps of Detector1 before ramp_fit. It is a separate result; its key
contains only what these steps depend on. The key of the rate is the same with and without a kept
ramp, because the rate is the same.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from jwmirror.core.model import Derivation
from jwmirror.core.model.plan import Output
from jwmirror.core.model.quality import Measurements
from jwmirror.core.model.stored import RAMP
from jwmirror.pipeline import registry
from jwmirror.pipeline.derivation import engine_versions
from jwmirror.pipeline.usercode import hooks

FULL, KEEP, RESUME = "full", "keep", "resume"  # Detector1: whole, with its ramp, from its ramp
LAST = frozenset({"ramp_fit", "gain_scale"})  # the steps after the ramp is saved
SAVE = "save_calibrated_ramp"
FILE = "_ramp.fits"
AFTER = frozenset({"post_hooks", "save_results", SAVE})  # of the pipeline: no effect on the ramp


def keeps_ramp(derivation: Derivation, keep: Collection[str]) -> bool:
    """Return whether the ramp of a derivation is to be kept.

    It is not if earlier steps save files, because a run from the ramp would not make them again.
    """
    has_ramp = derivation.pipeline == "detector1" and RAMP in keep
    is_ours = derivation.engine == engine_versions()  # another jwst may have other steps
    if not (has_ramp and is_ours) or _saves(derivation.parameters):
        return False
    return not derivation.parameters["steps"].get("ramp_fit", {}).get("skip")


def _saves(parameters: Mapping[str, Any]) -> bool:
    """Return whether steps before ramp_fit save files."""
    saves = [
        value
        for step, values in parameters["steps"].items()
        for name, value in values.items()
        if step not in LAST and name.startswith("save_")
    ]
    return any(saves) or bool(parameters.get(SAVE))


def ramp_derivation(derivation: Derivation) -> Derivation:
    """Return the derivation of the ramp: that of the steps of Detector1 before ramp_fit.

    The pipeline's own parameter reference is left out, because its values are in the parameters.
    """
    steps = {k: v for k, v in derivation.parameters["steps"].items() if k not in LAST}
    parameters = {k: v for k, v in derivation.parameters.items() if k not in AFTER}
    parameters["steps"] = steps
    types = _types(steps)
    references = {
        name: reference
        for name, reference in derivation.references.items()
        if name in types or name.partition(".")[0] in steps
    }
    return replace(
        derivation,
        pipeline=f"{derivation.pipeline}_{RAMP}",
        parameters=parameters,
        references=references,
        hooks=derivation.hooks if hooks.hook_names(parameters) else (),
    )


def _types(steps: Mapping[str, Mapping[str, Any]]) -> set[str]:
    """Return the types of references and parameter references of the steps that run."""
    types = set()
    for step, cls in registry.pipeline_class("detector1").step_defs.items():
        if step in steps and not steps[step].get("skip"):
            types |= {*cls.reference_file_types, cls.get_config_reftype()}
    return types


def split_outputs(
    derivation: Derivation, outputs: Sequence[Output], ramp_mode: str
) -> list[tuple[Derivation, tuple[Output, ...]]]:
    """Return the outputs of a run by derivation; that of the ramp, if it was kept, is first."""
    if ramp_mode != KEEP:
        return [(derivation, tuple(outputs))]
    name = name_of_ramp(derivation)
    saved = tuple(output for output in outputs if Path(output.path).name == name)
    rest = tuple(output for output in outputs if output not in saved)
    return [(ramp_derivation(derivation), saved), (derivation, rest)]


def measurements_of_part(
    part: Derivation, outputs: Sequence[Output], measured: Measurements
) -> Measurements:
    """Return what was measured on these outputs; of a ramp, only what concerns its steps."""
    names = {Path(output.path).name for output in outputs}
    measured = replace(
        measured, files={name: found for name, found in measured.files.items() if name in names}
    )
    if not part.pipeline.endswith(f"_{RAMP}"):
        return measured
    return replace(
        measured,
        steps={step: state for step, state in measured.steps.items() if step not in LAST},
        fallbacks=tuple(item for item in measured.fallbacks if item.step not in LAST),
    )


def name_of_ramp(derivation: Derivation) -> str:
    """Return the file name of the ramp: jw..._nrcb1_ramp.fits."""
    return f"{derivation.product}{FILE}"


def resuming_pipeline(pipeline: Any) -> Any:
    """Return a subclass of a pipeline that takes a ramp and omits all steps before ramp_fit.

    Parameters, output and metadata are handled by the pipeline itself, under its name.
    """

    def process(self: Any, ramp: Any) -> Any:
        for name in self.step_defs.keys() - LAST:
            getattr(self, name).run = lambda data: data
        return pipeline.process(self, ramp)

    return registry.with_process(pipeline, process)
