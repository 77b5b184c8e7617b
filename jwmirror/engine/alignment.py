"""Alignment of the members of a mosaic: how they were shifted, and how they overlap."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from jwmirror.compare.sky import MAS, gwcs_sky
from jwmirror.pipeline.measure.steps import exposure_of

ALIGNED = ("crf", "crfints")  # suffixes of members as they were combined
DECIMALS = 3  # machines differ in later ones
GRID = 24  # points along each side of a member, by which its overlap is measured


@dataclass(frozen=True)
class AlignedMember:
    """The corners of one member, by the WCS that it came with and by that of the mosaic.

    Corners are 4 x 2 arrays: east and north in mas on the tangential plane of the mosaic, in the
    order of the pixels around the image.
    """

    exposure: str  # the members of one exposure are shifted together
    before: np.ndarray
    after: np.ndarray

    @property
    def shift(self) -> np.ndarray:
        """The mean shift of the corners: east, north (mas)."""
        return np.asarray((self.after - self.before).mean(axis=0))

    @property
    def rotation(self) -> float:
        """The rotation from north to east (arcsec)."""
        arms = self.before - self.before.mean(axis=0)
        moves = self.after - self.before - self.shift
        turn = (arms[:, 1] * moves[:, 0] - arms[:, 0] * moves[:, 1]).sum() / (arms**2).sum()
        return math.degrees(float(turn)) * 3600

    def overlap(self, others: Sequence["AlignedMember"]) -> float:
        """Return the fraction of this member's area that other members cover."""
        steps = (np.arange(GRID) + 0.5) / GRID
        across, along = (axis.ravel()[:, np.newaxis] for axis in np.meshgrid(steps, steps))
        first, second, third, fourth = self.after
        points = (1 - along) * ((1 - across) * first + across * second)
        points = points + along * ((1 - across) * fourth + across * third)
        covered = np.zeros(len(points), bool)
        for other in others:
            covered |= _inside(points, other.after)
        return float(covered.mean())


def _inside(points: np.ndarray, corners: np.ndarray) -> np.ndarray:
    """Return which points are inside a convex quadrangle."""
    edges = np.roll(corners, -1, axis=0) - corners
    arms = points[:, np.newaxis] - corners
    sides = edges[:, 0] * arms[..., 1] - edges[:, 1] * arms[..., 0]
    return np.asarray((sides >= 0).all(axis=1) | (sides <= 0).all(axis=1))


def alignment_of(inputs: Sequence[Path], products: Sequence[Path]) -> dict[str, dict[str, float]]:
    """Return the quantities of each member that both folders have, by the name of the input.

    A member is an input, and the product of its name that was made of it (crf). Without
    celestial coordinates in both there are no quantities.
    """
    corners = {}
    for member, aligned in _pairs(inputs, products).items():
        before, after = _corners(member), _corners(aligned)
        if before is not None and after is not None:
            corners[member.name] = (before, after)
    return _quantities(_on_one_plane(corners)) if corners else {}


def _on_one_plane(
    corners: Mapping[str, tuple[np.ndarray, np.ndarray]],
) -> dict[str, AlignedMember]:
    """Return the members on the tangential plane of the mosaic, by their names."""
    centre = next(iter(corners.values()))[1][0]  # any corner: a mean fails where RA is 0
    return {
        name: AlignedMember(exposure_of(name), *(_on_tangential_plane(sky, centre) for sky in both))
        for name, both in corners.items()
    }


def _quantities(members: Mapping[str, AlignedMember]) -> dict[str, dict[str, float]]:
    typical = _typical([member.shift for member in members.values()])
    exposures = {member.exposure for member in members.values()}
    quantities = {}
    for name, member in members.items():
        of_member = {"shift": float(np.hypot(*member.shift)), "rotation": member.rotation}
        if len(exposures) > 1:
            others = [other for other in members.values() if other.exposure != member.exposure]
            of_member["relative_shift"] = float(np.hypot(*(member.shift - typical)))
            of_member["overlap"] = member.overlap(others)
        quantities[name] = {key: round(value, DECIMALS) + 0.0 for key, value in of_member.items()}
    return quantities


def _typical(shifts: Sequence[np.ndarray]) -> np.ndarray:
    """Return the one of the shifts that is nearest to all of them.

    A median would be between two groups of members, and so at half of their distance from both.
    """
    distances = [sum(math.dist(shift, other) for other in shifts) for shift in shifts]
    return shifts[int(np.argmin(np.round(distances, DECIMALS)))]


def _pairs(inputs: Sequence[Path], products: Sequence[Path]) -> dict[Path, Path]:
    """Return the product that was made of each member, by their names: <root>_o001_crf.fits."""
    aligned = [path for path in products if path.stem.rpartition("_")[2] in ALIGNED]
    pairs = {}
    for member in inputs:
        root = member.name.rpartition("_")[0]
        made = next((path for path in aligned if path.name.startswith(f"{root}_")), None)
        if made:
            pairs[member] = made
    return pairs


def _corners(path: Path) -> np.ndarray | None:
    """Return right ascension and declination (radians) of the corners of an image, 4 x 2."""
    from astropy.io import fits

    with fits.open(path, memmap=False, disable_image_compression=True) as hdus:
        if "SCI" not in hdus:
            return None
        height, width = hdus["SCI"].shape[-2:]
        x, y = np.array([0, width - 1, width - 1, 0]), np.array([0, 0, height - 1, height - 1])
        sky = gwcs_sky(hdus, x, y)
    corners = None if sky is None else np.radians(np.stack(sky, axis=1))
    return corners if corners is not None and np.isfinite(corners).all() else None


def _on_tangential_plane(places: np.ndarray, centre: np.ndarray) -> np.ndarray:
    """Return the gnomonic projection of places (radians) to east and north of a centre, in mas."""
    turn, dec, dec0 = places[:, 0] - centre[0], places[:, 1], centre[1]
    depth = np.sin(dec0) * np.sin(dec) + np.cos(dec0) * np.cos(dec) * np.cos(turn)
    east = np.cos(dec) * np.sin(turn) / depth
    north = (np.cos(dec0) * np.sin(dec) - np.sin(dec0) * np.cos(dec) * np.cos(turn)) / depth
    return np.stack([east, north], axis=1) * MAS
