"""Parameters that earlier versions of jwst had: their successors, or what to do without them.

Found by comparing the specs of jwst 1.14.0, 1.16.1, 1.18.1, 1.20.2, 2.0.0 and 3.0.0. The values
that replace those of nsclean are from spacetelescope/jwst#9981.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from jwmirror.pipeline.parameters.resolution import (
    WITHIN,
    ParameterPath,
    flatten,
    nested,
    spec_of,
)

WHOLE = ""  # in place of a parameter: the whole step has gone
REMOVE = "remove it"
MEMORY = (
    f"jwst no longer limits memory by it; {REMOVE} (in_memory: false of image3 takes less memory)"
)
NO_EFFECT = f"it had no effect any more; {REMOVE}"
TRAPS = (
    "since jwst 3.0.0 the step does not model charge traps, but flags pixels for persistence_time "
    f"seconds after they had more than dn_threshold; {REMOVE}, or set these two"
)
SOSS = "SOSS traces come from the pastasoss reference; write override_pastasoss, or remove it"
GRIDS = "the output grid of spectra is set by output_wcs, pixel_scale and output_shape; use these"
DRIZPARS = "the reference is not used any more; set pixfrac, kernel, fillval and weight_type"
SCALING = (
    "time series are compared with a running median in time instead; "
    "rolling_window_width of outlier_detection sets its width"
)
IS_SET = f"jwst sets it itself; {REMOVE}"
NSCLEAN = (
    "write clean_flicker_noise, which has other defaults; with fit_method: fft, "
    "background_method: null, mask_science_regions: true (formerly mask_spectral_regions), "
    "n_sigma: 5.0 and single_mask: false it gives what nsclean gave with its defaults"
)
IMATCH = "the step was removed; bkg_subtract or master_background subtract the background of cubes"


@dataclass(frozen=True)
class GoneParameter:
    """A parameter that jwst dropped; in `last`, the last version that had it."""

    last: str
    advice: str
    defaults: tuple[Any, ...] = (None, "")


GONE: dict[tuple[str, str], GoneParameter] = {  # by step ("" for the pipeline) and parameter
    ("", "scale_detection"): GoneParameter("1.14.0", SCALING, (False,)),
    ("bkg_subtract", "override_wfssbkg"): GoneParameter("1.18.1", "write override_bkg"),
    ("cube_build", "pipeline"): GoneParameter("2.0.0", IS_SET, (2, 3)),
    ("cube_build", "single"): GoneParameter("2.0.0", IS_SET, (False,)),
    ("extract_1d", "override_spectrace"): GoneParameter("1.14.0", SOSS),
    ("extract_1d", "override_wavemap"): GoneParameter("1.14.0", SOSS),
    ("extract_1d", "soss_transform"): GoneParameter("1.14.0", SOSS),
    ("extract_2d", "slit_name"): GoneParameter("1.16.1", "write slit_names, a list"),
    ("mrs_imatch", WHOLE): GoneParameter("1.18.1", IMATCH),
    ("nsclean", WHOLE): GoneParameter("1.20.2", NSCLEAN),
    ("outlier_detection", "allowed_memory"): GoneParameter("1.16.1", MEMORY),
    ("outlier_detection", "nhigh"): GoneParameter("1.16.1", NO_EFFECT, (0,)),
    ("outlier_detection", "nlow"): GoneParameter("1.16.1", NO_EFFECT, (0,)),
    ("outlier_detection", "scale_detection"): GoneParameter("1.14.0", SCALING, (False,)),
    ("persistence", "flag_pers_cutoff"): GoneParameter("2.0.0", TRAPS, (40.0,)),
    ("persistence", "input_trapsfilled"): GoneParameter("2.0.0", TRAPS),
    ("persistence", "modify_input"): GoneParameter("2.0.0", TRAPS, (False,)),
    ("persistence", "override_persat"): GoneParameter("2.0.0", TRAPS),
    ("persistence", "override_trapdensity"): GoneParameter("2.0.0", TRAPS),
    ("persistence", "override_trappars"): GoneParameter("2.0.0", TRAPS),
    ("persistence", "save_trapsfilled"): GoneParameter("2.0.0", TRAPS, (True,)),
    ("photom", "mrs_time_correction"): GoneParameter(
        "1.18.1", "write apply_time_correction, which is for all modes", (True,)
    ),
    ("resample", "allowed_memory"): GoneParameter("1.16.1", MEMORY),
    ("resample", "override_drizpars"): GoneParameter("1.14.0", DRIZPARS),
    ("resample_spec", "allowed_memory"): GoneParameter("1.14.0", MEMORY),
    ("resample_spec", "crpix"): GoneParameter("1.14.0", GRIDS),
    ("resample_spec", "crval"): GoneParameter("1.14.0", GRIDS),
    ("resample_spec", "override_drizpars"): GoneParameter("1.14.0", DRIZPARS),
    ("resample_spec", "rotation"): GoneParameter("1.14.0", GRIDS),
    ("rscd", "type"): GoneParameter(
        "1.18.1", f"baseline is the only algorithm now; {REMOVE}", ("baseline",)
    ),
    ("tso_photometry", "override_tsophot"): GoneParameter(
        "1.18.1", "the reference is not used any more; set radius, radius_inner and radius_outer"
    ),
}


def gone_message(step: str, name: str = WHOLE) -> str:
    """Return why jwst has no step or parameter of a name any more; "" if it never had one."""
    gone = GONE.get((step, WHOLE)) or GONE.get((step, name))
    if gone is None:
        return ""
    what = step if (step, WHOLE) in GONE else name
    return f"jwst {gone.last} was the last version with {what}: {gone.advice}."


def without_gone(parameters: Mapping[str, Any]) -> tuple[dict[str, Any], list[ParameterPath]]:
    """Return parameters in normal form without those that jwst dropped, and these.

    Only those are left out that the installed jwst does not have and that had no effect: they have
    their former default, or their step is skipped. Files that an earlier jwst exported have them.
    """
    values = flatten(parameters)
    dropped = [
        path for path, value in values.items() if _was_idle(path, value, values) and _is_gone(path)
    ]
    return nested({path: values[path] for path in values if path not in dropped}), dropped


def _was_idle(path: ParameterPath, value: Any, values: Mapping[ParameterPath, Any]) -> bool:
    """Return whether a parameter in the table had no effect with this value."""
    pipeline, steps, name = path
    step = steps.rpartition(WITHIN)[2]
    if (step, WHOLE) in GONE:
        return str(values.get((pipeline, steps, "skip"), True)).lower() == "true"
    defaults = GONE[step, name].defaults if (step, name) in GONE else ()
    return str(value) in map(str, defaults)  # the older format has texts only


def _is_gone(path: ParameterPath) -> bool:
    """Return whether the installed jwst does not have a parameter."""
    pipeline, steps, name = path
    spec = spec_of(pipeline)
    for step in steps.split(WITHIN) if steps else ():
        spec = spec.get("steps", {}).get(step, {})
    return name not in spec
