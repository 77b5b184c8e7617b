"""The header of an uncal exposure of any mode, through the attributes of its data model."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

from astropy.time import Time

if TYPE_CHECKING:
    from jwmirror_simulator.modes.exposure import Shot


def fill_header(model, shot: Shot) -> None:
    """Fill `model.meta` with what jwst 3.0.0 and CRDS ask of an exposure."""
    meta = model.meta
    _say_who(meta, shot)
    _say_where(meta, shot)
    _say_how(meta.exposure, shot)
    _say_on_what(meta, shot)
    for path, value in shot.cards:
        model[f"meta.{path}"] = value
    meta.date = (shot.end + timedelta(days=1)).isoformat(timespec="milliseconds")


def _say_who(meta, shot: Shot) -> None:
    """Program, observation, visit and target, and what software made the file."""
    meta.filename, meta.telescope, meta.bunit_data = shot.filename, "JWST", "DN"
    meta.origin, meta.time_sys, meta.time_unit = "STSCI", "UTC", "s"
    meta.data_processing_software_version = "2025_3a"
    meta.prd_software_version, meta.oss_software_version = "PRDOPSSOC-068", "008.004.020.000"
    meta.program.title, meta.program.pi_name = "Every mode once", "Leavitt, Henrietta"
    meta.program.category, meta.program.sub_category = "GO", "UNKNOWN"
    seen = meta.observation
    seen.program_number, seen.visit_number = f"{shot.program:05d}", "001"
    seen.observation_number, seen.visit_id = f"{shot.observation:03d}", shot.visit
    seen.visit_group, seen.sequence_id, seen.activity_id = "02", "1", "01"
    seen.exposure_number = f"{shot.number:05d}"
    seen.obs_id = f"V{shot.visit}P0000000002101"
    begin, end = (each.isoformat(timespec="milliseconds") for each in (shot.begin, shot.end))
    seen.date, seen.time = begin.split("T")
    seen.date_beg, seen.date_end = begin, end
    meta.visit.type, meta.visit.status = "PRIME_TARGETED_FIXED", "SUCCESSFUL"
    meta.visit.start_time = begin.replace("T", " ")
    meta.visit.tsovisit = meta.visit.internal_target = False
    meta.guidestar.gs_id, meta.guidestar.gs_pcs_mode = "S000001", "FINEGUIDE"


def _say_where(meta, shot: Shot) -> None:
    """What the camera's middle looks at."""
    meta.target.type = "FIXED"
    meta.target.catalog_name = meta.target.proposer_name = shot.target
    meta.target.ra, meta.target.dec = shot.ra, shot.dec
    meta.pointing.ra_v1, meta.pointing.dec_v1 = shot.ra, shot.dec
    meta.pointing.pa_v3 = shot.roll
    wcs = meta.wcsinfo
    wcs.ra_ref, wcs.dec_ref, wcs.roll_ref = shot.ra, shot.dec, shot.roll
    wcs.v2_ref, wcs.v3_ref, wcs.v3yangle, wcs.vparity = shot.camera.v2, shot.camera.v3, 0.0, -1
    meta.velocity_aberration.scale_factor = 1.0
    meta.velocity_aberration.va_ra_ref = shot.ra
    meta.velocity_aberration.va_dec_ref = shot.dec


def _say_how(meta, shot: Shot) -> None:
    """Times, and how the ramps were read."""
    frame, whole = shot.window.frame_time, shot.whole or shot.integrations
    start, end = Time(shot.begin), Time(shot.end)
    meta.type, meta.readpatt, meta.count = shot.exp_type, shot.camera.readpatt, 1
    meta.start_time, meta.end_time = start.mjd, end.mjd
    meta.mid_time = (start.mjd + end.mjd) / 2
    meta.nints, meta.ngroups, meta.nframes = whole, shot.groups, 1
    meta.integration_start = shot.first
    meta.integration_end = shot.first + shot.integrations - 1
    if shot.segment:
        meta.segment_number, meta.total_segments = shot.segment, whole // shot.integrations
    meta.groupgap, meta.frame_divisor, meta.drop_frames1 = 0, 1, 0
    meta.nsamples, meta.sample_time, meta.zero_frame = 1, 10.0, False
    meta.nresets_at_start, meta.nresets_between_ints = 1, 1
    meta.noutputs = shot.window.outputs
    meta.frame_time = meta.group_time = frame
    meta.integration_time = shot.integration_time
    meta.exposure_time = meta.duration = shot.integration_time * whole
    meta.effective_exposure_time = frame * (shot.groups - 1) * whole
    meta.measurement_time = meta.effective_exposure_time


def _say_on_what(meta, shot: Shot) -> None:
    """Detector, optics, window and aperture."""
    camera, window = shot.camera, shot.window
    meta.instrument.name, meta.instrument.detector = camera.instrument, camera.detector
    meta.instrument.module, meta.instrument.channel = camera.module or None, camera.channel or None
    meta.instrument.filter, meta.instrument.pupil = shot.filter, shot.pupil or None
    meta.aperture.name = meta.aperture.pps_name = f"{camera.detector}_{window.name}"
    meta.subarray.name = window.name
    meta.subarray.xstart, meta.subarray.ystart = window.corner
    meta.subarray.xsize, meta.subarray.ysize = window.columns, window.rows
    meta.subarray.fastaxis, meta.subarray.slowaxis = camera.axes
