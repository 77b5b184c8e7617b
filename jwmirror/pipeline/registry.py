"""Pipelines of jwst: for each type of exposure, their classes, and their reference types."""

import re
from collections.abc import Callable
from functools import cache
from typing import Any

from jwmirror.core.model.derivation import STAGES, single_step, whole_pipeline
from jwmirror.pipeline.parameters.vocabulary import allowed_values

# the config's name: class in jwst.pipeline (detector1: Detector1Pipeline)
PIPELINES = {name: f"{name.capitalize()}Pipeline" for name in STAGES}

# steps that may be run alone: the suffixes of the products that they take, and of what they make
SINGLE_STEPS = {
    "spec2.extract_1d": (("s2d", "s3d"), "x1d"),
    "spec3.extract_1d": (("s2d", "s3d"), "x1d"),
    "spec3.cube_build": (("crf",), "s3d"),
    "image3.source_catalog": (("i2d",), "cat"),
}
COMBINING = frozenset({"spec3.cube_build"})  # take all products of an association
STEP_INPUTS = frozenset({"s2d", "s3d", "i2d"})  # those that are taken from MAST, too

NO_TYPE = "N/A"  # among the values of EXP_TYPE in the schema of stdatamodels
STAGE_1_MAKES = frozenset({"rate", "rateints", "ramp", "dark"})  # suffixes
# suffixes of what jwst's pipelines are run for, always written by its data models; steps may save
# other files as they are. Source: "Data product types" of jwst's documentation
PRODUCT_SUFFIXES = (
    "cal calints bsub bsubints crf crfints i2d s2d s3d x1d x1dints c1d segm psfstack psfalign "
    "psfsub ami-oi amimulti-oi aminorm-oi"
)
PRODUCTS = STAGE_1_MAKES.union(PRODUCT_SUFFIXES.split())
COMBINED = re.compile(r"jw\d{5}-[oacrs]\d{3,4}_")  # begins the names of products of stage 3
TIME_SERIES = ("tso-", "tso3")  # begin the asn_types whose members keep their integrations
SUFFIX = {"dark": {"suffix": "dark"}}  # of MAST's product, if it is not the default of the class
NIR_ONLY = frozenset({"superbias"})
MIRI_ONLY = frozenset({"emicorr", "firstframe", "lastframe", "reset", "rscd"})


def pipelines_of_exposure(exp_type: str) -> tuple[str, ...]:
    """Return the pipelines of an exposure up to stage 2; empty for an unknown type."""
    return pipelines_by_exposure().get(exp_type.upper(), ())


@cache
def pipelines_by_exposure() -> dict[str, tuple[str, ...]]:
    """Return the pipelines from the raw exposure on by EXP_TYPE, from the lists of jwst.

    Exposures of the other types that stdatamodels knows (flats, lamps) get a stage 2 only if they
    have an association. Importing the lists takes seconds.
    """
    from jwst.lib import exposure_types as lists

    pipelines: dict[str, tuple[str, ...]] = {
        exp_type: ("dark",) if "DARK" in exp_type else ("detector1",)
        for exp_type in allowed_values("exp_type")
        if exp_type != NO_TYPE
    }
    for exp_types, names in (
        (lists.IMAGING_TYPES, ("detector1", "image2")),
        (lists.SPEC_TYPES, ("detector1", "spec2")),
        (lists.FGS_GUIDE_EXP_TYPES, ("guider",)),
    ):
        pipelines |= dict.fromkeys(map(str.upper, exp_types), names)
    return pipelines


def stage_that_makes(filename: str) -> int:
    """Return the stage that makes a file, by its name: 1 for rate, 2 for cal, 3 for i2d..."""
    if COMBINED.match(filename):
        return 3
    return 1 if filename.rpartition("_")[2].partition(".")[0] in STAGE_1_MAKES else 2


def is_product(filename: str) -> bool:
    """Return whether a file is a product of a pipeline by its name, not saved beside it."""
    return filename.rpartition("_")[2].partition(".")[0] in PRODUCTS


def takes_product(step: str, filename: str) -> bool:
    """Return whether a step that is run alone (spec3.extract_1d) takes a file, by its name."""
    suffixes, _ = SINGLE_STEPS[step]
    return filename.endswith(tuple(f"_{suffix}.fits" for suffix in suffixes))


def idle_steps(pipeline: str, instrument: str) -> frozenset[str]:
    """Return the steps that the pipeline never runs for this instrument, whatever `skip` is."""
    if STAGES[whole_pipeline(pipeline)] != 1:
        return frozenset()
    return NIR_ONLY if instrument.upper() == "MIRI" else MIRI_ONLY


def pipeline_name(text: str) -> str:
    """Return the config's name for image2, calwebb_image2 or Image2Pipeline; else `text`."""
    plain = text.removeprefix("calwebb_")
    if plain in PIPELINES:
        return plain
    return next((name for name, found in PIPELINES.items() if found == text), text)


@cache
def pipeline_class(pipeline: str) -> Any:
    """Return the class of jwst by the config's name; of a single step, that of its pipeline.

    Importing jwst.pipeline takes seconds.
    """
    import jwst.pipeline

    return getattr(jwst.pipeline, PIPELINES[whole_pipeline(pipeline)])


def steps_of(pipeline: str) -> dict[str, Any]:
    """Return the classes of a pipeline's steps by name; of spec3.extract_1d, that of the step."""
    steps = pipeline_class(pipeline).step_defs
    step = single_step(pipeline)
    return {step: steps[step]} if step else dict(steps)


def with_process(pipeline: Any, process: Callable[..., Any]) -> Any:
    """Return a subclass of a pipeline with another method `process`, under the same name."""
    return type(
        pipeline.__name__, (pipeline,), {"process": process, "__module__": pipeline.__module__}
    )


def pipelines_with_step(step: str) -> list[str]:
    """Return the pipelines that have a step of that name."""
    return [pipeline for pipeline in PIPELINES if step in pipeline_class(pipeline).step_defs]


def reference_types_of(step: Any) -> tuple[str, ...]:
    """Return the reference types of a step, or of its inner steps if it has some."""
    inner = getattr(step, "step_defs", None)
    if inner is None:
        return tuple(step.reference_file_types)
    return tuple(
        dict.fromkeys(each for part in inner.values() for each in reference_types_of(part))
    )


@cache
def pars_types(pipeline: str) -> dict[str, str]:
    """Return the type of parameter reference (pars-jumpstep) by step; last "", the pipeline."""
    steps = {step: found.get_config_reftype() for step, found in steps_of(pipeline).items()}
    return {**steps, "": pipeline_class(pipeline).get_config_reftype()}


@cache
def types_by_step(pipeline: str) -> dict[str, tuple[str, ...]]:
    """Return the reference types by step; "" is the pipeline itself."""
    whole = pipeline_class(pipeline)
    own = whole.__dict__.get("reference_file_types", ())
    is_used = isinstance(own, list) and pipeline in PIPELINES  # not by a single step
    types = {"": tuple(own) if is_used else ()}
    return types | {s: reference_types_of(c) for s, c in steps_of(pipeline).items()}


def reference_types(pipeline: str) -> list[str]:
    """Return all reference types of a pipeline, each once."""
    return list(dict.fromkeys(t for types in types_by_step(pipeline).values() for t in types))
