"""The header of an uncal file, set through its data model."""

import math

from astropy.time import Time

from jwmirror_simulator.telescope.detectors import DETECTORS, SUBARRAYS
from jwmirror_simulator.telescope.program import Exposure, Program
from jwmirror_simulator.telescope.sky import Pointing


def fill_header(meta, program: Program, exposure: Exposure, pointing: Pointing) -> None:
    """Set the attributes of `model.meta` that jwst 3.0.0 and CRDS read from a NIRCam image."""
    _set_program(meta, program, exposure)
    _set_pointing(meta, exposure, pointing)
    _set_readout(meta.exposure, exposure)
    _set_instrument(meta, exposure)


def _set_program(meta, program: Program, exposure: Exposure) -> None:
    """Set program, observation, visit, target and software versions."""
    meta.filename, meta.telescope, meta.bunit_data = exposure.filename, "JWST", "DN"
    meta.origin, meta.time_sys, meta.time_unit = "STSCI", "UTC", "s"
    meta.data_processing_software_version = "2025_3a"
    meta.prd_software_version, meta.oss_software_version = "PRDOPSSOC-068", "008.004.020.000"
    meta.program.title, meta.program.pi_name = program.title, program.pi_name
    meta.program.category, meta.program.sub_category = "GO", "UNKNOWN"
    number, visit = f"{exposure.program:05d}", f"{exposure.visit:03d}"
    seen = meta.observation
    seen.program_number, seen.visit_number = number, visit
    seen.observation_number = f"{exposure.observation:03d}"
    seen.visit_id = f"{number}{seen.observation_number}{visit}"
    seen.visit_group, seen.sequence_id, seen.activity_id = (
        exposure.group[:2], exposure.group[2], exposure.group[3:],
    )  # fmt: skip
    seen.exposure_number = f"{exposure.dither:05d}"
    seen.obs_id = f"V{seen.visit_id}P0000000{exposure.group}"
    seen.date, seen.time = exposure.start.split("T")
    seen.date_beg, seen.date_end = exposure.start, exposure.end
    meta.visit.type, meta.visit.status = "PRIME_TARGETED_FIXED", "SUCCESSFUL"
    meta.visit.tsovisit = meta.visit.internal_target = False
    meta.guidestar.gs_id, meta.guidestar.gs_pcs_mode = "S000001", "FINEGUIDE"


def _set_pointing(meta, exposure: Exposure, pointing: Pointing) -> None:
    """Set the pointing as planned; the true one may differ by some mas."""
    target = meta.target
    target.type, target.catalog_name = "FIXED", exposure.target
    target.proposer_name = exposure.target
    target.ra, target.dec = pointing.ra, pointing.dec
    meta.pointing.ra_v1, meta.pointing.dec_v1 = exposure.ra, exposure.dec
    meta.pointing.pa_v3 = pointing.position_angle
    detector, wcs = pointing.detector, meta.wcsinfo
    wcs.ra_ref, wcs.dec_ref = exposure.ra, exposure.dec
    wcs.v2_ref, wcs.v3_ref, wcs.v3yangle = detector.v2, detector.v3, detector.angle
    wcs.vparity, wcs.roll_ref = -1, pointing.position_angle
    meta.velocity_aberration.scale_factor = 1.0
    meta.velocity_aberration.va_ra_ref = exposure.ra
    meta.velocity_aberration.va_dec_ref = exposure.dec
    meta.dither.primary_type = "INTRAMODULEBOX"
    meta.dither.total_points, meta.dither.position_number = exposure.dithers, exposure.dither
    meta.dither.x_offset = (exposure.ra - pointing.ra) * 3600 * math.cos(math.radians(pointing.dec))
    meta.dither.y_offset = (exposure.dec - pointing.dec) * 3600


def _set_readout(meta, exposure: Exposure) -> None:
    """Set times and readout."""
    frame = SUBARRAYS[exposure.subarray].frame_time
    start, end = Time(exposure.start), Time(exposure.end)
    meta.type, meta.readpatt, meta.count = exposure.exp_type, "RAPID", exposure.dithers
    meta.start_time, meta.end_time = start.mjd, end.mjd
    meta.mid_time = (start.mjd + end.mjd) / 2
    meta.nints, meta.ngroups, meta.nframes = exposure.integrations, exposure.groups, 1
    meta.integration_start, meta.integration_end = 1, exposure.integrations
    meta.groupgap, meta.frame_divisor, meta.drop_frames1 = 0, 1, 0
    meta.nsamples, meta.sample_time, meta.zero_frame = 1, 10.0, False
    meta.nresets_at_start, meta.nresets_between_ints = 1, 1
    meta.noutputs = SUBARRAYS[exposure.subarray].outputs
    meta.frame_time = meta.group_time = frame
    meta.integration_time = frame * exposure.groups
    meta.exposure_time = meta.duration = exposure.exposure_time
    meta.effective_exposure_time = frame * (exposure.groups - 1) * exposure.integrations
    meta.measurement_time = meta.effective_exposure_time


def _set_instrument(meta, exposure: Exposure) -> None:
    """Set detector, filter, subarray and aperture."""
    detector, subarray = DETECTORS[exposure.detector], SUBARRAYS[exposure.subarray]
    meta.instrument.name, meta.instrument.detector = exposure.instrument, detector.name
    meta.instrument.module, meta.instrument.channel = detector.module, detector.channel
    meta.instrument.filter, meta.instrument.pupil = exposure.filter, exposure.pupil
    meta.aperture.name = f"{detector.name}_{subarray.name}"
    meta.aperture.pps_name = meta.aperture.name
    place = meta.subarray
    place.name = subarray.name
    place.xstart = place.ystart = subarray.corner
    place.xsize = place.ysize = subarray.size
    place.fastaxis, place.slowaxis = detector.fast_axis, detector.slow_axis
