"""The header of an uncal file in any mode, set through its data model."""

from datetime import timedelta

from astropy.time import Time

from jwmirror_simulator.modes.exposure import Dither, ModeExposure


def fill_header(model, exposure: ModeExposure) -> None:
    """Set the attributes of `model.meta` that jwst 3.0.0 and CRDS read from an exposure."""
    meta = model.meta
    _set_program(meta, exposure)
    _set_pointing(meta, exposure)
    _set_readout(meta.exposure, exposure)
    _set_instrument(meta, exposure)
    if exposure.dither:
        _set_dither(meta.dither, exposure.dither)
    for path, value in exposure.cards:
        model[f"meta.{path}"] = value
    meta.date = (exposure.end + timedelta(days=1)).isoformat(timespec="milliseconds")


def _set_program(meta, exposure: ModeExposure) -> None:
    """Set program, observation, visit, target and software versions."""
    meta.filename, meta.telescope, meta.bunit_data = exposure.filename, "JWST", "DN"
    meta.origin, meta.time_sys, meta.time_unit = "STSCI", "UTC", "s"
    meta.data_processing_software_version = "2025_3a"
    meta.prd_software_version, meta.oss_software_version = "PRDOPSSOC-068", "008.004.020.000"
    meta.program.title, meta.program.pi_name = "Every mode once", "Leavitt, Henrietta"
    meta.program.category, meta.program.sub_category = "GO", "UNKNOWN"
    seen = meta.observation
    seen.program_number, seen.visit_number = f"{exposure.program:05d}", "001"
    seen.observation_number, seen.visit_id = f"{exposure.observation:03d}", exposure.visit
    seen.visit_group, seen.sequence_id, seen.activity_id = "02", "1", "01"
    seen.exposure_number = f"{exposure.number:05d}"
    seen.obs_id = f"V{exposure.visit}P0000000002101"
    begin, end = (
        each.isoformat(timespec="milliseconds") for each in (exposure.begin, exposure.end)
    )
    seen.date, seen.time = begin.split("T")
    seen.date_beg, seen.date_end = begin, end
    meta.visit.type, meta.visit.status = "PRIME_TARGETED_FIXED", "SUCCESSFUL"
    meta.visit.start_time = begin.replace("T", " ")
    meta.visit.tsovisit = meta.visit.internal_target = False
    meta.guidestar.gs_id, meta.guidestar.gs_pcs_mode = "S000001", "FINEGUIDE"


def _set_pointing(meta, exposure: ModeExposure) -> None:
    """Set the pointing of the camera's middle."""
    meta.target.type = "FIXED"
    meta.target.catalog_name = meta.target.proposer_name = exposure.target
    meta.target.ra, meta.target.dec = exposure.ra, exposure.dec
    meta.pointing.ra_v1, meta.pointing.dec_v1 = exposure.ra, exposure.dec
    meta.pointing.pa_v3 = exposure.roll
    wcs = meta.wcsinfo
    wcs.ra_ref, wcs.dec_ref, wcs.roll_ref = exposure.ra, exposure.dec, exposure.roll
    wcs.v2_ref, wcs.v3_ref, wcs.v3yangle, wcs.vparity = (
        exposure.camera.v2,
        exposure.camera.v3,
        0.0,
        -1,
    )
    meta.velocity_aberration.scale_factor = 1.0
    meta.velocity_aberration.va_ra_ref = exposure.ra
    meta.velocity_aberration.va_dec_ref = exposure.dec


def _set_readout(meta, exposure: ModeExposure) -> None:
    """Set times and readout."""
    frame, whole = exposure.window.frame_time, exposure.whole or exposure.integrations
    start, end = Time(exposure.begin), Time(exposure.end)
    meta.type, meta.readpatt, meta.count = exposure.exp_type, exposure.camera.readpatt, 1
    meta.start_time, meta.end_time = start.mjd, end.mjd
    meta.mid_time = (start.mjd + end.mjd) / 2
    meta.nints, meta.ngroups, meta.nframes = whole, exposure.groups, 1
    meta.integration_start = exposure.first
    meta.integration_end = exposure.first + exposure.integrations - 1
    if exposure.segment:
        meta.segment_number, meta.total_segments = exposure.segment, whole // exposure.integrations
    meta.groupgap, meta.frame_divisor, meta.drop_frames1 = 0, 1, 0
    meta.nsamples, meta.sample_time, meta.zero_frame = 1, 10.0, False
    meta.nresets_at_start, meta.nresets_between_ints = 1, 1
    meta.noutputs = exposure.window.outputs
    meta.frame_time = meta.group_time = frame
    meta.integration_time = exposure.integration_time
    meta.exposure_time = meta.duration = exposure.integration_time * whole
    meta.effective_exposure_time = frame * (exposure.groups - 1) * whole
    meta.measurement_time = meta.effective_exposure_time


def _set_dither(meta, dither: Dither) -> None:
    """Set the position in a dither pattern."""
    meta.primary_type, meta.total_points = dither.pattern, dither.positions
    meta.position_number = dither.number
    meta.x_offset, meta.y_offset = dither.offset


def _set_instrument(meta, exposure: ModeExposure) -> None:
    """Set detector, optics, window and aperture."""
    camera, window = exposure.camera, exposure.window
    meta.instrument.name, meta.instrument.detector = camera.instrument, camera.detector
    meta.instrument.module, meta.instrument.channel = camera.module or None, camera.channel or None
    meta.instrument.filter, meta.instrument.pupil = exposure.filter or None, exposure.pupil or None
    meta.aperture.name = meta.aperture.pps_name = f"{camera.detector}_{window.name}"
    meta.subarray.name = window.name
    meta.subarray.xstart, meta.subarray.ystart = window.corner
    meta.subarray.xsize, meta.subarray.ysize = window.columns, window.rows
    meta.subarray.fastaxis, meta.subarray.slowaxis = camera.axes
