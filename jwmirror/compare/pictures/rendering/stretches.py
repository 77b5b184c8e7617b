"""Stretches: from values of pixels to places on a colour map, and back to the ticks of its bar."""

import math
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

TO_SIGMA = 1.4826  # from the median absolute deviation to sigma, of a normal distribution
LOWEST = 0.5  # percentile that is darkest
BRIGHTER = 100_000  # one pixel of so many may be brighter than the brightest colour
NICE = (0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0, 2.0, 5.0, 10.0)  # limits of difference over error


@dataclass(frozen=True)
class Stretch:
    """A scale from `low` to `high`: asinh((value - centre) / softening), or linear if that is 0."""

    low: float
    high: float
    centre: float = 0.0
    softening: float = 0.0

    @property
    def in_words(self) -> str:
        """Its name: asinh or linear."""
        return "asinh" if self.softening else "linear"

    def positions(self, values: np.ndarray) -> np.ndarray:
        """Return where values are between low (0) and high (1); NaN stays NaN."""
        low, high = self._scaled(np.array([self.low, self.high]))
        return np.clip((self._scaled(values) - low) / (high - low), 0, 1)

    def ticks(self, distance: float) -> list[tuple[float, float]]:
        """Return (value, position) of round values that are at least `distance` apart."""
        chosen: list[tuple[float, float]] = []
        for value in _round_values(self.low, self.high):
            position = float(self.positions(np.array([value]))[0])
            if all(abs(position - other) >= distance for _, other in chosen):
                chosen.append((value, position))
        return sorted(chosen)

    def _scaled(self, values: np.ndarray) -> np.ndarray:
        if not self.softening:
            return values
        return np.arcsinh((values - self.centre) / self.softening)


def _round_values(low: float, high: float) -> Iterator[float]:
    """Yield the round values of an interval, the simplest first: 0, powers of ten, 5s, 2s."""
    if low <= 0 <= high:
        yield 0.0
    largest = math.floor(math.log10(max(abs(low), abs(high), 1e-300)))
    powers = range(largest, largest - 7, -1)
    for digit in (1, 5, 2):
        for power in powers:
            value = digit * 10.0**power
            yield from (sign * value for sign in (1, -1) if low <= sign * value <= high)
    yield from (float(f"{value:.3g}") for value in np.linspace(low, high, 5)[1:-1])


def image_stretch(*maps: np.ndarray) -> Stretch:
    """Return one asinh stretch for several images, in which bright stars keep their structure.

    Its limits come from all of them. ValueError if no pixel is finite.
    """
    values = np.concatenate([pixels[np.isfinite(pixels)] for pixels in maps])
    if not len(values):
        raise ValueError("expected a finite pixel, found none")
    centre, scatter = median_and_scatter(values)
    low, high = float(np.percentile(values, LOWEST)), _highest(values)
    if not high > low:
        margin = abs(high) or 1.0
        return Stretch(low - margin, high + margin)
    return Stretch(low, high, centre, 2 * scatter or (high - low) / 10)


def difference_stretch(pixels: np.ndarray) -> Stretch:
    """Return an asinh stretch that is symmetric about zero."""
    sizes = np.abs(pixels[np.isfinite(pixels)])
    limit = _highest(sizes) if len(sizes) else 0.0
    if not limit:
        return Stretch(-1.0, 1.0)
    typical = float(np.median(sizes)) or float(np.median(sizes[sizes > 0]))
    return Stretch(-limit, limit, 0.0, max(2 * TO_SIGMA * typical, limit / 1e6))


def ratio_stretch(pixels: np.ndarray) -> Stretch:
    """Return a linear stretch to a round limit on both sides of zero, for difference over error."""
    sizes = np.abs(pixels[np.isfinite(pixels) & (pixels != 0)])
    extent = float(np.percentile(sizes, 99.5)) if len(sizes) else 0.0
    limit = next((limit for limit in NICE if limit >= extent), NICE[-1]) if extent else 1.0
    return Stretch(-limit, limit)


def median_and_scatter(values: np.ndarray) -> tuple[float, float]:
    """Return the median of finite values, and 1.4826 times their median absolute deviation."""
    median = float(np.median(values))
    return median, TO_SIGMA * float(np.median(np.abs(values - median)))


def _highest(values: np.ndarray) -> float:
    """Return the largest value, but for one of BRIGHTER."""
    place = -1 - len(values) // BRIGHTER
    return float(np.partition(values, place)[place])
