"""States of steps: what the headers of products say, and which states the mode explains."""

import math
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass

from jwmirror.core.model import Derivation
from jwmirror.pipeline import registry

COMPLETE, SKIPPED, FAILED = "COMPLETE", "SKIPPED", "FAILED"
STATES = (COMPLETE, FAILED, SKIPPED)  # of several products, the first of these counts
CAL_STEP = {  # class_alias of a step: its name in meta.cal_step, where that is another one
    "align_refs": "align_psfs",
    "dark_current": "dark_sub",
    "master_background_mos": "master_background",
    "resample_spec": "resample",
    "stack_refs": "stack_psfs",
}

Metadata = Mapping[str, object]  # of a file: {"meta.cal_step.flat_field": "COMPLETE", ...}
NOTHING: Metadata = {}


@dataclass(frozen=True)
class Exemption:
    """Data for which a step does nothing by design, although it is not set to be skipped."""

    step: str
    exp_type: str = ""  # begins EXP_TYPE
    groups: float = math.inf  # at most, in each integration
    exposures: float = math.inf  # at most; detectors of one exposure count as one
    unless: str = ""  # a parameter of the step: if it is set, there is something to do
    without: str = ""  # a role: if an input has that role, there is something to do
    is_failure: bool = False  # jwst says FAILED, and not only SKIPPED


# Source: the classes of these steps in jwst 3.0.0.
EXEMPTIONS = (
    Exemption("group_scale"),  # nothing to do if FRMDIVSR equals NFRAMES
    Exemption("gain_scale"),  # nothing to do unless the gain reference has GAINFACT
    Exemption("emicorr"),  # no correction for most subarrays and readout patterns
    Exemption("firstframe", groups=3),
    Exemption("lastframe", groups=2),
    Exemption("rscd"),  # no entry for the subarray, or fewer than 3 groups
    Exemption("refpix"),  # subarrays without reference pixels
    Exemption("jump", groups=2),
    Exemption("charge_migration", groups=2),
    Exemption("picture_frame"),  # full frames with at least two groups only
    Exemption("pathloss", exp_type="MIR_"),  # point sources only
    Exemption("pathloss", exp_type="NIS_SOSS"),  # no time series
    Exemption("wavecorr"),  # point sources only
    Exemption("flat_field", exp_type="NRS_"),  # not of lamps and verification images
    Exemption("extract_1d", exp_type="NIS_SOSS"),  # filter CLEAR and two subarrays only
    Exemption("targ_centroid"),  # without an acquisition image
    Exemption("master_background"),  # stage 2 has subtracted a background
    Exemption(  # no background was observed
        "master_background", without="background", unless="user_background", is_failure=True
    ),
    Exemption("master_background_mos", is_failure=True),  # no slits on the background
    Exemption("spectral_leak"),  # bands 1B and 3A of point sources only
    Exemption("outlier_detection", exposures=1),
    Exemption("tweakreg", exposures=1, unless="abs_refcat", is_failure=True),  # none to align with
)


def step_states(
    pipeline: str, products: Sequence[Metadata], before: Metadata = NOTHING
) -> dict[str, str]:
    """Return the state of each step of a pipeline that its products name.

    A step is judged by the product that shows it: COMPLETE in one file outweighs what other files
    say, because not all are made after all steps. `before` is the metadata of an input: what it
    says too, unless it is COMPLETE, comes from an earlier stage, and is left out.
    """
    states = {}
    for step, cls in registry.steps_of(pipeline).items():
        field = f"meta.cal_step.{CAL_STEP.get(cls.class_alias, cls.class_alias)}"
        state = _first_state(metadata.get(field) for metadata in products)
        if state and (state == COMPLETE or before.get(field) != state):
            states[step] = state
    return states


def _first_state(values: Iterable[object]) -> str:
    present = set(values)
    return next((state for state in STATES if state in present), "")


def notable_states(
    derivation: Derivation,
    states: Mapping[str, str],
    wanted: Collection[str],
    metadata: Metadata,
) -> dict[str, str]:
    """Return the states without those of steps that did nothing for a known reason.

    The reasons: it is not among the steps that are `wanted` (neither the parameters nor the
    pipeline set them to be skipped), it has no reference file, or an exemption for these data.
    """
    types = registry.types_by_step(derivation.pipeline)
    lacking = {name for name, (file, _) in derivation.references.items() if file == "N/A"}
    return {
        step: state
        for step, state in states.items()
        if state != SKIPPED or (step in wanted and not lacking & {*types[step]})
        if state == COMPLETE or not _is_exempt(step, state, derivation, metadata)
    }


def _is_exempt(step: str, state: str, derivation: Derivation, metadata: Metadata) -> bool:
    roles = {item.role for item in derivation.inputs}
    exposures = len({exposure_of(item.name) for item in derivation.inputs})
    groups = metadata.get("meta.exposure.ngroups")
    parameters = derivation.parameters.get("steps", {}).get(step, {})
    return any(
        exemption.step == step
        and (state == SKIPPED or exemption.is_failure)
        and str(metadata.get("meta.exposure.type", "")).startswith(exemption.exp_type)
        and (groups if isinstance(groups, int) else math.inf) <= exemption.groups
        and exposures <= exemption.exposures
        and not parameters.get(exemption.unless)
        and exemption.without not in roles
        for exemption in EXEMPTIONS
    )


def exposure_of(filename: str) -> str:
    """Return the part of a file name that all detectors and segments of an exposure share."""
    return "_".join(filename.split("_")[:3]).partition("-seg")[0]
