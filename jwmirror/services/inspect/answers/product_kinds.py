"""The kinds of JWST products: the level of processing and the meaning of each suffix.

Sources: documentation of jwst, Data Products Information (product types, stages, science products,
guide star products) and package index (ami_analyze); for previews and pools, MAST's product lists.
"""

import re

NUMBER = re.compile(r"-\d+$")  # of several products of one kind: wfscmb-04
LEVELS = {  # of processing -> words, and the stage that makes it
    "1b": "raw exposures, with all groups",
    "2a": "count rates (stage 1)",
    "2b": "calibrated exposures (stage 2)",
    "2c": "calibrated exposures, as stage 3 flagged or changed them",
    "3": "combined from the exposures of a target (stage 3)",
}
KINDS = {  # suffix -> level, meaning
    "uncal": ("1b", "raw pixels of each group and integration, in DN"),
    "dark": ("2a", "dark exposure, corrected (Dark pipeline)"),
    "ramp": ("2a", "corrected ramps, before slopes are fitted"),
    "fitopt": ("2a", "details of the ramp fit"),
    "trapsfilled": ("2a", "charge traps that were filled at the end of the exposure"),
    "rate": ("2a", "count rates, mean of all integrations, in DN/s"),
    "rateints": ("2a", "count rates of each integration, in DN/s"),
    "bsub": ("2b", "count rates without background"),
    "bsubints": ("2b", "count rates of each integration without background"),
    "cal": ("2b", "calibrated exposure, in MJy/sr or MJy"),
    "calints": ("2b", "calibrated integrations, in MJy/sr or MJy"),
    "crf": ("2c", "calibrated exposure with outliers flagged"),
    "crfints": ("2c", "calibrated integrations with outliers flagged"),
    "i2d": ("2b, 3", "resampled image: of one exposure, or the mosaic"),
    "s2d": ("2b, 3", "resampled spectrum, two dimensions"),
    "s3d": ("2b, 3", "spectral cube (IFU)"),
    "x1d": ("2b, 3", "extracted spectrum"),
    "x1dints": ("2b, 3", "extracted spectra of each integration"),
    "c1d": ("3", "extracted spectra, combined"),
    "cat": ("3", "catalogue of sources in the mosaic"),
    "segm": ("3", "segmentation map of the mosaic: the source of each pixel"),
    "phot": ("3", "light curve of a time series (imaging photometry)"),
    "whtlt": ("3", "white light curve of a spectroscopic time series"),
    "psfstack": ("3", "stack of PSF exposures (coronagraphy)"),
    "psfalign": ("2c", "PSF exposures, aligned to a target exposure"),
    "psfsub": ("2c", "target exposure, PSF subtracted"),
    "ami": ("3", "fringe parameters of an exposure (earlier versions of jwst)"),
    "amiavg": ("3", "averaged fringe parameters (earlier versions of jwst)"),
    "aminorm": ("3", "normalised fringe parameters (earlier versions of jwst)"),
    "ami-oi": ("3", "interferometric observables, averaged (OIFITS)"),
    "amimulti-oi": ("3", "interferometric observables of each integration (OIFITS)"),
    "amilg": ("3", "model of the fringes, and residuals"),
    "psf-ami-oi": ("3", "interferometric observables of the PSF star (OIFITS)"),
    "aminorm-oi": ("3", "interferometric observables, normalised by the PSF star (OIFITS)"),
    "wfscmb": ("3", "combined pair of images of wavefront sensing"),
    "asn": ("", "association: which exposures a product is made from"),
    "pool": ("", "table of all exposures of a program, from which associations are made"),
    "msa": ("", "shutter configuration and source list of NIRSpec MOS"),
    "stream": ("", "raw images of guide star tracking"),
    "jpg": ("", "preview"),
    "png": ("", "preview"),
    "gif": ("", "preview"),
    "thumb": ("", "small preview"),
}


def kind_of(suffix: str) -> tuple[str, str]:
    """Return the level and the meaning of a suffix; texts are empty where they are not known."""
    return KINDS.get(NUMBER.sub("", suffix.lower()), ("", ""))
