"""Edits for `Archive.reprocess`: each changes a file in place as reprocessing might."""

import re
import zlib
from pathlib import Path

READ_NOISE = 5.0  # DN, added to raw samples
SOFTENING = 0.02  # of the spread of calibrated pixels, added to them as noise
HISTORY_CARDS = 60  # enough for one more block of header
LAST_DIGIT = re.compile(rb"(\d)(\D*)\Z")


def same_size(path: Path) -> None:
    """Change the content and keep the size: other noise, or the last digit of a table."""
    if path.suffix == ".fits":
        retake_noise(path)
    else:
        body = path.read_bytes()
        changed = LAST_DIGIT.sub(lambda m: b"%d%b" % ((int(m[1]) + 1) % 10, m[2]), body)
        if changed == body:
            raise ValueError(f"{path.name} has no digit to change")
        path.write_bytes(changed)


def larger(path: Path) -> None:
    """Change the content and make the file larger: header cards, or one more line of a table."""
    same_size(path)
    if path.suffix == ".fits":
        lengthen_header(path)
    else:
        with open(path, "ab") as file:
            file.write(path.read_bytes().splitlines(keepends=True)[-1])


def reissued(path: Path) -> None:
    """Change only the date and the software version."""


def retake_noise(path: Path) -> None:
    """Change the noise of every science pixel of a FITS file; its size stays.

    The noise depends on the bytes before: each edit differs from the last, and can be repeated.
    """
    import numpy as np
    from astropy.io import fits

    dice = np.random.default_rng(zlib.crc32(path.read_bytes()))
    before = path.stat().st_size
    with fits.open(path, mode="update", do_not_scale_image_data=True) as hdus:
        data = hdus["SCI"].data
        raw = data.dtype.kind == "i"
        spread = READ_NOISE if raw else SOFTENING * float(np.nanstd(data))
        noisy = data + dice.normal(0, spread, data.shape)
        if raw:
            limits = np.iinfo(data.dtype)
            noisy = np.clip(np.rint(noisy), limits.min, limits.max)
        data[...] = noisy.astype(data.dtype)
    if path.stat().st_size != before:
        raise ValueError(f"{path.name} was {before} bytes and is {path.stat().st_size}")


def lengthen_header(path: Path) -> None:
    """Add a block of HISTORY to the primary header of a FITS file."""
    from astropy.io import fits

    with fits.open(path, mode="update", do_not_scale_image_data=True) as hdus:
        for number in range(HISTORY_CARDS):
            hdus[0].header.add_history(f"Reprocessed, remark {number}")
