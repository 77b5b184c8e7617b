"""Fallbacks: what the pipeline says in its log when a step goes on in a simpler way.

Nothing but the text of a message says so: the state of such a step is COMPLETE. These are the only
texts that jwmirror reads to decide something; they are jwst's, and are listed with their source.
"""

import logging
import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from jwmirror.core.model.quality import Fallback
from jwmirror.core.printing import printable

LOGGERS = ("jwst", "stcal", "tweakwcs", "py.warnings")
MOST = 10  # messages that are kept of each kind
ADDRESS = re.compile(r" at 0x[0-9a-f]+")  # of an object in memory: differs between runs
FOLDERS = re.compile(r"(?<![\w/])/\S*/")


@dataclass(frozen=True)
class FallbackMessage:
    """Messages that mean a fallback of one step: what they contain, and the module that logs."""

    step: str
    logger: str  # begins the name of the logger
    text: str  # a regular expression


# Source: the modules of jwst 3.0.0, stcal 1.20 and tweakwcs 0.9 that the loggers are named for.
# The rows are in the order of the steps. Not listed are messages about what a mode, the number of
# exposures or a parameter excludes.
FALLBACK_MESSAGES = tuple(
    FallbackMessage(step, logger, text)
    for step, logger, texts in (
        # ---- stage 1
        ("dark_current", "jwst.dark_current", ("cannot be applied",)),
        (
            "dark_current",
            "stcal.dark_current",
            ("will be extrapolated", "without subtracting dark current"),
        ),
        ("emicorr", "jwst.emicorr", ("Chi squared values",)),
        (
            "refpix",
            "jwst.refpix",
            ("no good reference pixels", "has no reference pixels", "fit in full-sized array"),
        ),
        ("picture_frame", "jwst.picture_frame", ("No data to scale", "Cannot assign WCS")),
        ("persistence", "jwst.persistence", ("Don't understand shape",)),
        (
            "clean_flicker_noise",
            "jwst.clean_flicker_noise",
            (
                "cannot be (applied|used)",
                "EXP_TYPE .* is not supported",
                "; step will be skipped",
                "Mask does not match",
                "median image could not be created",
                "no correction will be made here",
                "Histogram failed",
                "[Ff]it failed",
                "Cleaning failed",
                "No usable data in integration",
                "Skipping corrections",
                "Skipping: median_image",
                "will be scaled by the median flux",
            ),
        ),
        (
            "ramp_fit",
            "stcal.ramp_fitting",
            ("so will not process this dataset", "All groups have all pixels flagged"),
        ),
        # ---- stage 2
        (
            "assign_wcs",
            "jwst.assign_wcs",
            ("Unable to update S_REGION", "FITS SIP approximation", "No grism objects saved"),
        ),
        (
            "bkg_subtract",
            "jwst.background",
            (
                "Skipping (bkg_subtract|background subtraction$|subtraction of)",
                "[Nn]o sources will be masked",
                "Setting all pixels as background",
                "Not enough background pixels",
                "No background pixels",
                "finite scaling factor",
            ),
        ),
        ("imprint_subtract", "jwst.imprint", ("No matching imprint image",)),
        (
            "flat_field",
            "jwst.flatfield",
            ("smaller than science data", "not found in flat field table", "Skipping flat_field"),
        ),
        (
            "photom",
            "jwst.photom",
            (
                "Expected to find one matching row",
                "can't convert flux",
                "failures out of",
                "not found in pixel area table",
                "dispersion direction",
            ),
        ),
        ("photom", "jwst.pipeline", ("skipping photom",)),
        ("straylight", "jwst.straylight", ("correction failed", "no parameters found")),
        ("residual_fringe", "jwst.residual_fringe", ("No good data",)),
        (
            "pathloss",
            "jwst.pathloss",
            (
                "Setting pathloss correction to 1.0",
                "Unable to get",
                "Cannot find matching pathloss model",
                "outside slit",
                r"Using \(?0\.0, 0\.0",
                "No correction provided",
            ),
        ),
        ("wavecorr", "jwst.wavecorr", ("not invertible", "No wavelength zero-point correction")),
        ("barshadow", "jwst.barshadow", ("Using default value",)),
        (
            "wfss_contam",
            "jwst.wfss_contam",
            (
                "No valid spectral orders",
                "No sources found that met",
                "No successful spectral fits",
                "during parallel processing",
                "Background subtraction step status",
            ),
        ),
        ("extract_2d", "jwst.extract_2d", ("Setting source position in slit", "No catalog source")),
        ("targ_centroid", "jwst.targ_centroid", ("Error during TA", "WCS error")),
        # ---- stages 2 and 3
        (
            "pixel_replace",
            "jwst.pixel_replace",
            ("skipping pixel replacement", "Defaulting to the", "Processing failed"),
        ),
        (
            "adaptive_trace_model",
            "jwst.adaptive_trace_model",
            ("No trace model will be", "Spline fit failed"),
        ),
        (
            "cube_build",
            "jwst.cube_build",
            ("No valid (pixels|data) found", "possible reference file value error"),
        ),
        (
            "extract_1d",
            "jwst.extract_1d",
            (
                "no valid data",
                "will not be correct",
                "Defaulting to box extraction",
                "Setting extraction type to 'box'",
                "Output arrays are empty",
                "Wavelength array is all NaN",
                "Couldn't (compute image centroid|determine source location)",
                "source detection failed",
                "correction failed- skipping",
                "annulus has no area",
                "beyond the edge of the image",
                "can't get spectrum location",
                "Source position (could not|cannot)",
                "Missing extraction parameters",
                "Filling solution array with NaN",
                "Retrying with least-squares",
                "Not enough unmasked pixels",
                "orders were not found",
            ),
        ),
        (
            "extract_1d",
            "jwst.pipeline",
            ("Skipping extract_1d", "extract_1d step could not be completed"),
        ),
        # ---- stage 3
        ("assign_mtwcs", "jwst.assign_mtwcs", ("target misalignment",)),
        ("tweakreg", "jwst.tweakreg", ("No sources found", "Error determining sky background")),
        (
            "tweakreg",
            "jwst.tweakreg",
            ("Skipping (relative|absolute) alignment", "Too few input images"),
        ),
        (
            "tweakreg",
            "tweakwcs",
            (
                "Not enough matches",
                "Nothing to align",
                "Failed to align catalog",
                "will not be aligned",
                "No (matches|valid shift) found within",
                "smaller than the minimum number of sources",
                "Least squares failed",
            ),
        ),
        (
            "skymatch",
            "stcal.skymatch",
            ("Unable to compute", "more unknown sky values", "No valid data in common"),
        ),
        (
            "resample",
            "stcal.resample",
            ("Data shape mismatch", "Setting drizzle weight map to 1"),
        ),
        (
            "source_catalog",
            "jwst.source_catalog",
            ("Catalog will be empty", "catalog will not be created"),
        ),
        (
            "combine_1d",
            "jwst.combine_1d",
            ("is degenerate", "[Nn]o valid input spectra", "monotonic wavelengths; skipping"),
        ),
        (
            "master_background",
            "jwst.master_background",
            (
                "cannot be handled",
                "No (background|source) slits",
                "No master background could be",
                "Setting the background to 0.0",
            ),
        ),
        ("tso_photometry", "jwst.tso_photometry", ("could not be centroided", "fit failed")),
        ("tso_photometry", "jwst.pipeline", ("all results are null",)),
        ("white_light", "jwst.white_light", ("No valid input spectra", "will be ignored")),
        ("ami_analyze", "jwst.ami", ("pixel scales not in header",)),
    )
    for text in texts
)


class FallbackRecorder(logging.Handler):
    """A handler of log records that keeps the fallbacks among them."""

    def __init__(self) -> None:
        super().__init__(logging.INFO)
        self._kept: dict[FallbackMessage, list[str]] = {}

    def emit(self, record: logging.LogRecord) -> None:
        """Keep a record if it means a fallback."""
        try:
            message = record.getMessage()
        except Exception:  # arguments that do not fit: logging reports it, and the step goes on
            self.handleError(record)
            return
        for row in FALLBACK_MESSAGES:
            if record.name.startswith(row.logger) and re.search(row.text, message):
                self._keep(row, plain_message(message))
                return

    def _keep(self, row: FallbackMessage, message: str) -> None:
        messages = self._kept.setdefault(row, [])
        if message not in messages and len(messages) < MOST:
            messages.append(message)

    @property
    def fallbacks(self) -> tuple[Fallback, ...]:
        """The fallbacks in the order of the table; of each kind the first MOST messages."""
        return tuple(
            Fallback(step=row.step, message=message)
            for row in FALLBACK_MESSAGES
            for message in self._kept.get(row, ())
        )


def plain_message(message: str) -> str:
    """Return a message as a printable line without folders and addresses, which differ by run."""
    return printable(" ".join(FOLDERS.sub("", ADDRESS.sub("", message)).split()))


@contextmanager
def listening(*recorders: logging.Handler) -> Iterator[None]:
    """Pass what the pipelines log in this process meanwhile to recorders."""
    pairs = [(logging.getLogger(name), recorder) for name in LOGGERS for recorder in recorders]
    for logger, recorder in pairs:
        logger.addHandler(recorder)
    try:
        yield
    finally:
        for logger, recorder in pairs:
            logger.removeHandler(recorder)
