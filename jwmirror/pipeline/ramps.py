"""Kept ramps: a recalibration that differs in ramp_fit or later begins at the ramp it kept.

The ramp is what all steps of Detector1 before ramp_fit make of a raw exposure. It is a result
under a key of its own, which holds just what it depends on; the key of the rate does not tell
whether it was made from a kept ramp, because it comes out the same.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from jwmirror.core.model import RAMP, Derivation
from jwmirror.pipeline import registry
from jwmirror.pipeline.derivation import engine_versions
from jwmirror.pipeline.usercode import hooks

if TYPE_CHECKING:
    from jwmirror.core.model.plan import Output

FULL, KEEP, RESUME = "full", "keep", "resume"  # how Detector1 is run, as to its ramp
LAST = frozenset({"ramp_fit", "gain_scale"})  # the steps after the ramp is saved
SAVE = "save_calibrated_ramp"
FILE = "_ramp.fits"
AFTER = frozenset({"post_hooks", "save_results", SAVE})  # the pipeline's own, of no effect before


def keeps_ramp(derivation: Derivation, keep: Collection[str]) -> bool:
    """Whether a ramp is to be kept of a derivation, and there is one to keep.

    Not if earlier steps leave files of their own: a run from the ramp would not make them again.
    """
    has_ramp = derivation.pipeline == "detector1" and RAMP in keep
    is_ours = derivation.engine == engine_versions()  # the steps of another jwst are not known here
    if not (has_ramp and is_ours) or _saves(derivation.parameters):
        return False
    return not derivation.parameters["steps"].get("ramp_fit", {}).get("skip")


def _saves(parameters: Mapping[str, Any]) -> bool:
    """Whether files are asked for that stand for what happens before ramp_fit."""
    early = (values for step, values in parameters["steps"].items() if step not in LAST)
    asked = (
        value for values in early for name, value in values.items() if name.startswith("save_")
    )
    return any(asked) or bool(parameters.get(SAVE))


def ramp_derivation(derivation: Derivation) -> Derivation:
    """What the ramp of a Detector1 derivation depends on: the steps before ramp_fit.

    The pipeline's own pars reference is left out: what it says is in the parameters.
    """
    parameters = {k: v for k, v in derivation.parameters.items() if k not in AFTER}
    parameters["steps"] = {
        step: values for step, values in derivation.parameters["steps"].items() if step not in LAST
    }
    types = _types(parameters["steps"])
    references = {
        name: reference
        for name, reference in derivation.references.items()
        if name in types or name.partition(".")[0] in parameters["steps"]
    }
    return replace(
        derivation,
        pipeline=f"{derivation.pipeline}_{RAMP}",
        parameters=parameters,
        references=references,
        hooks=derivation.hooks if hooks.hook_names(parameters) else (),
    )


def _types(steps: Mapping[str, Mapping[str, Any]]) -> set[str]:
    """The reference types, pars types too, of the steps that run."""
    found = set()
    for step, cls in registry.pipeline_class("detector1").step_defs.items():
        if step in steps and not steps[step].get("skip"):
            found |= {*cls.reference_file_types, cls.get_config_reftype()}
    return found


def split_outputs(
    derivation: Derivation, outputs: "Sequence[Output]", ramp: str
) -> "list[tuple[Derivation, tuple[Output, ...]]]":
    """Which outputs of a run belong to which derivation: the ramp, if it was kept, comes first."""
    if ramp != KEEP:
        return [(derivation, tuple(outputs))]
    name = name_of_ramp(derivation)
    saved = tuple(each for each in outputs if Path(each.path).name == name)
    rest = tuple(each for each in outputs if each not in saved)
    return [(ramp_derivation(derivation), saved), (derivation, rest)]


def name_of_ramp(derivation: Derivation) -> str:
    """The file name of the ramp: jw..._nrcb1_ramp.fits."""
    return f"{derivation.product}{FILE}"


def saving_ramp(parameters: Mapping[str, Any]) -> dict[str, Any]:
    """The parameters of a run that leaves its ramp behind as well."""
    return {**parameters, SAVE: True}


def resuming_pipeline(pipeline: type) -> type:
    """The pipeline with all steps before ramp_fit passed by: what it is given went through them.

    What surrounds the steps (parameters, output, metadata) is the pipeline's own, under its name.
    """

    def process(self: Any, ramp: Any) -> Any:
        for name in self.step_defs.keys() - LAST:
            getattr(self, name).run = lambda data: data
        return pipeline.process(self, ramp)

    return type(
        pipeline.__name__, (pipeline,), {"process": process, "__module__": pipeline.__module__}
    )


def resuming_parameters(parameters: Mapping[str, Any]) -> dict[str, Any]:
    """The parameters of a run that begins at a ramp: what comes before the first step was done."""
    return {**parameters, "pre_hooks": []}
