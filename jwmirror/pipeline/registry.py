"""Pipelines of jwst: for each type of exposure, their classes, and their reference types."""

import re
from collections.abc import Callable
from functools import cache
from typing import Any

from jwmirror.core.model.derivation import STAGES

# the config's name: class in jwst.pipeline (detector1: Detector1Pipeline)
PIPELINES = {name: f"{name.capitalize()}Pipeline" for name in STAGES}

IMAGING = (
    "FGS_IMAGE FGS_FOCUS MIR_IMAGE MIR_TACQ MIR_TACONFIRM MIR_CORONCAL MIR_4QPM MIR_LYOT "
    "NIS_IMAGE NIS_FOCUS NIS_TACQ NIS_TACONFIRM NIS_AMI NRC_IMAGE NRC_FOCUS NRC_TACQ "
    "NRC_TACONFIRM NRC_CORON NRC_TSIMAGE NRS_IMAGE NRS_FOCUS NRS_MIMF NRS_TACQ NRS_TACONFIRM "
    "NRS_TASLIT NRS_WATA NRS_MSATA NRS_CONFIRM NRS_VERIFY"
)
SPECTRA = (
    "MIR_LRS-FIXEDSLIT MIR_LRS-SLITLESS MIR_MRS MIR_WFSS NIS_SOSS NIS_WFSS NRC_GRISM NRC_WFSS "
    "NRC_TSGRISM NRS_FIXEDSLIT NRS_IFU NRS_MSASPEC NRS_BRIGHTOBJ"
)
CALIBRATING = (  # flats, lamps: stage 2 follows only if there is an association
    "FGS_INTFLAT FGS_SKYFLAT MIR_FLATIMAGE MIR_FLATIMAGE-EXT MIR_FLATMRS MIR_FLATMRS-EXT "
    "NIS_EXTCAL NIS_LAMP NRC_FLAT NRC_LED NRC_WFSC NRS_LAMP NRS_AUTOFLAT NRS_AUTOWAVE"
)
GUIDING = "FGS_ACQ1 FGS_ACQ2 FGS_FINEGUIDE FGS_ID-IMAGE FGS_ID-STACK FGS_TRACK"
DARKS = "FGS_DARK MIR_DARKALL MIR_DARKIMG MIR_DARKMRS NIS_DARK NRC_DARK NRS_DARK"
BY_EXPOSURE = {  # EXP_TYPE: pipelines from the raw exposure on
    **dict.fromkeys(CALIBRATING.split(), ("detector1",)),
    **dict.fromkeys(IMAGING.split(), ("detector1", "image2")),
    **dict.fromkeys(SPECTRA.split(), ("detector1", "spec2")),
    **dict.fromkeys(GUIDING.split(), ("guider",)),
    **dict.fromkeys(DARKS.split(), ("dark",)),
}
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
    return BY_EXPOSURE.get(exp_type.upper(), ())


def stage_that_makes(filename: str) -> int:
    """Return the stage that makes a file, by its name: 1 for rate, 2 for cal, 3 for i2d..."""
    if COMBINED.match(filename):
        return 3
    return 1 if filename.rpartition("_")[2].partition(".")[0] in STAGE_1_MAKES else 2


def is_product(filename: str) -> bool:
    """Return whether a file is a product of a pipeline by its name, not saved beside it."""
    return filename.rpartition("_")[2].partition(".")[0] in PRODUCTS


def idle_steps(pipeline: str, instrument: str) -> frozenset[str]:
    """Return the steps that the pipeline never runs for this instrument, whatever `skip` is."""
    if STAGES[pipeline] != 1:
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
    """Return the class of jwst by the config's name. Importing jwst.pipeline takes seconds."""
    import jwst.pipeline

    return getattr(jwst.pipeline, PIPELINES[pipeline])


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
    whole = pipeline_class(pipeline)
    steps = {step: found.get_config_reftype() for step, found in whole.step_defs.items()}
    return {**steps, "": whole.get_config_reftype()}


@cache
def types_by_step(pipeline: str) -> dict[str, tuple[str, ...]]:
    """Return the reference types by step; "" is the pipeline itself."""
    whole = pipeline_class(pipeline)
    own = whole.__dict__.get("reference_file_types", ())
    types = {"": tuple(own) if isinstance(own, list) else ()}
    return types | {s: reference_types_of(c) for s, c in whole.step_defs.items()}


def reference_types(pipeline: str) -> list[str]:
    """Return all reference types of a pipeline, each once."""
    return list(dict.fromkeys(t for types in types_by_step(pipeline).values() for t in types))
