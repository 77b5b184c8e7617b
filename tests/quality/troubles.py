"""Troubles: named ways in which a program, its references or its parameters go wrong.

Each has the causes of which at least one must be among the caveats of its result.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from astropy.io import fits

from jwmirror.core.model.quality import CaveatCause
from tests.quality.programs import IMAGING

Edit = Callable[[Sequence[Path]], None]  # of raw exposures, in order
BEFORE, MAST = "the result before", "MAST's product"  # what a wrong reference differs from
ALL_SATURATED, FLOOR, STUCK = 65535, 0, 12000  # DN


@dataclass(frozen=True, kw_only=True)
class Trouble:
    """One thing that goes wrong with a simulated program."""

    name: str
    mode: str
    result: str  # the pipeline whose results must show it
    causes: tuple[CaveatCause, ...]
    fails: bool = False  # jwst makes nothing of an exposure; the run reports it and what waits
    edit: Edit | None = None
    parameters: Mapping[str, Any] = field(default_factory=dict)  # of the recipe
    stages: tuple[int, ...] = (1, 2, 3)  # of the recipe
    absent: int = 0  # exposures at the end of the program that were not made
    references: Callable[[Path], None] | None = None  # changes files in the cache
    compared_with: str = ""  # BEFORE or MAST: made with the right references
    retracted: str = ""  # reference type of which CRDS retracts the file


# ---- what happens to exposures -----------------------------------------------------------------


def _edit_pixels(change: Callable[[np.ndarray], None], *numbers: int) -> Edit:
    """Return an edit of the raw values (integrations, groups, rows, columns) of some exposures."""

    def edit(uncals: Sequence[Path]) -> None:
        for number in numbers or range(len(uncals)):
            with fits.open(uncals[number], mode="update") as hdus:
                change(hdus["SCI"].data)

    return edit


def _move(arcsec: Sequence[float]) -> Edit:
    """Return an edit that shifts the pointing in the header of each exposure to the north."""

    def edit(uncals: Sequence[Path]) -> None:
        for path, north in zip(uncals, arcsec, strict=True):
            with fits.open(path, mode="update") as hdus:
                for name in ("DEC_REF", "DEC_V1"):
                    hdus["SCI"].header[name] += north / 3600

    return edit


def _saturate_field(ramps: np.ndarray) -> None:
    """Saturate two thirds of the rows from the second group on."""
    ramps[:, 1:, : ramps.shape[2] * 2 // 3] = ALL_SATURATED


def _saturate_all(ramps: np.ndarray) -> None:
    ramps[:] = ALL_SATURATED


def _darken_half(ramps: np.ndarray) -> None:
    """Set the left half of the detector to the value of an amplifier that is switched off."""
    ramps[..., : ramps.shape[3] // 2] = FLOOR


def _stick_half(ramps: np.ndarray) -> None:
    """Set the left half of the detector to one value, which no step flags."""
    ramps[..., : ramps.shape[3] // 2] = STUCK


def _storm(ramps: np.ndarray) -> None:
    """Let cosmic rays hit nine pixels of ten, at different times."""
    dice = np.random.default_rng(1)
    hit = dice.random(ramps.shape[2:]) < 0.9
    since = dice.integers(1, ramps.shape[1], ramps.shape[2:])
    energy = np.where(hit, dice.uniform(500, 8000, ramps.shape[2:]), 0)
    groups = np.arange(ramps.shape[1])[:, None, None]
    ramps[:] = np.clip(ramps + (groups >= since) * energy, 0, ALL_SATURATED)


def multiply(kind: str, factor: float, extension: str = "SCI") -> Callable[[Path], None]:
    """Return a change of all references of a type: their image times a factor."""

    def change(crds_root: Path) -> None:
        for path in crds_root.glob(f"references/jwst/*/jwst_*_{kind}_*.fits"):
            with fits.open(path, mode="update") as hdus:
                hdus[extension].data *= factor

    return change


def multiply_photom(factor: float) -> Callable[[Path], None]:
    """Return a change of all photometric references: their conversion factor times a factor."""

    def change(crds_root: Path) -> None:
        for path in crds_root.glob("references/jwst/*/jwst_*_photom_*.fits"):
            with fits.open(path, mode="update") as hdus:
                hdus["PHOTOM"].data["photmjsr"] *= factor

    return change


NO_TWEAKREG_MATCH: tuple[CaveatCause, ...] = ("fallback", "sources", "step failed", "step skipped")
TROUBLES = (
    Trouble(
        name="no overlap",
        mode=IMAGING,
        result="image3",
        causes=("fallback", "sources", "alignment", "step failed"),
        edit=_move((0, 20, 40)),
    ),
    Trouble(
        name='one member 0.5" off the others',
        mode=IMAGING,
        result="image3",
        causes=("alignment",),
        edit=_move((0, 0.5, 0)),
    ),
    Trouble(
        name="tweakreg cannot match: minobj 100000",
        mode=IMAGING,
        result="image3",
        causes=NO_TWEAKREG_MATCH,
        parameters={"image3": {"tweakreg": {"minobj": 100000}}},
    ),
    Trouble(
        name="tweakreg cannot match: snr_threshold 1e7",
        mode=IMAGING,
        result="image3",
        causes=NO_TWEAKREG_MATCH,
        parameters={"image3": {"tweakreg": {"snr_threshold": 1e7}}},
    ),
    Trouble(
        name="saturated field",
        mode=IMAGING,
        result="detector1",
        causes=("flagged pixels",),
        edit=_edit_pixels(_saturate_field),
    ),
    Trouble(
        name="all groups flagged",
        mode=IMAGING,
        result="detector1",
        causes=(),
        fails=True,
        edit=_edit_pixels(_saturate_all, 0),
    ),
    Trouble(
        name="a background that cannot be subtracted: its exposure is saturated",
        mode="slit",
        result="spec2",
        causes=("step failed", "fallback", "missing pixels", "flagged pixels", "empty"),
        edit=_edit_pixels(_saturate_field, 1),
    ),
    Trouble(
        name="flat changed by 2x between two runs",
        mode=IMAGING,
        result="image2",
        causes=("level",),
        references=multiply("flat", 2),
        compared_with=BEFORE,
    ),
    Trouble(
        name="flat changed by 2x against MAST's product",
        mode=IMAGING,
        result="image2",
        causes=("level",),
        references=multiply("flat", 2),
        compared_with=MAST,
    ),
    Trouble(
        name="retracted reference",
        mode=IMAGING,
        result="image2",
        causes=("reference",),
        retracted="flat",
    ),
    Trouble(
        name="missing dithers",
        mode="imager",
        result="image3",
        causes=("members",),
        absent=2,
    ),
    Trouble(
        name="1/f cleaning fails",
        mode=IMAGING,
        result="detector1",
        causes=("step failed",),
        parameters={
            "detector1": {
                "clean_flicker_noise": {"skip": False, "background_method": "median_image"}
            }
        },
    ),
    Trouble(
        name="storm of cosmic rays",
        mode=IMAGING,
        result="detector1",
        causes=("flagged pixels", "noise"),
        edit=_edit_pixels(_storm),
    ),
    Trouble(
        name="half a detector dead",
        mode=IMAGING,
        result="detector1",
        causes=("missing pixels", "flagged pixels"),
        edit=_edit_pixels(_darken_half, 0),
    ),
    Trouble(
        name="half a detector reads one value",
        mode=IMAGING,
        result="detector1",
        causes=("noise", "missing pixels", "flagged pixels"),
        edit=_edit_pixels(_stick_half, 0),
    ),
)

# Invented after the thresholds were written, in modes other than NIRCam imaging; no threshold was
# changed because of one.
FURTHER = (
    Trouble(
        name='MIRI imaging: the second guide star was another one, 1.5" off',
        mode="imager",
        result="image3",
        causes=("alignment", "fallback", "sources"),
        edit=_move((0, 1.5, 0, 0)),
    ),
    Trouble(
        name="MIRI slit spectroscopy: the second nod was not taken",
        mode="slit",
        result="spec3",
        causes=("members",),
        absent=1,
    ),
    Trouble(
        name="MIRI slit spectroscopy: photometric reference wrong by a factor of 3",
        mode="slit",
        result="spec3",
        causes=("level",),
        references=multiply_photom(3),
        compared_with=MAST,
    ),
    Trouble(
        name="NIRCam time series: an amplifier is off in the second segment",
        mode="transit",
        result="tso3",
        causes=("missing pixels", "flagged pixels"),
        edit=_edit_pixels(_darken_half, 1),
    ),
    Trouble(
        name="NIRCam coronagraphy: the reference star saturated the detector",
        mode="coronagraph",
        result="coron3",
        causes=("empty", "missing pixels", "flagged pixels", "step failed", "fallback"),
        edit=_edit_pixels(_saturate_all, 2),
    ),
    Trouble(
        name="NIRISS aperture masking: a storm of cosmic rays during the reference star",
        mode="interferometer",
        result="image2",
        causes=("flagged pixels", "noise"),
        edit=_edit_pixels(_storm, 1),
        stages=(1, 2),  # stage 3 would repair the pixels one by one, for an hour
    ),
)
