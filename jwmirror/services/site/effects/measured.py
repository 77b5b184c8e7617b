"""What changed in quantities that were measured on recalibrated files: flags of pixels, and noise.

They are read from the records of both results; no file is read again.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice

from jwmirror.core.grouping import group_by
from jwmirror.core.model.history.causes import LARGE_NOISE_CHANGE
from jwmirror.core.model.quality import MEASURED_FLAGS
from jwmirror.core.names import is_exposure_root, root_and_suffix
from jwmirror.core.printing import signed_percent
from jwmirror.report.formatting import count
from jwmirror.services.site.differences import DifferingFile
from jwmirror.services.site.made_results import MadeResults

MOST_FILES = 2_000  # of a generation
SAMPLED = 1 << 20  # pixels: of larger images, every n-th row was measured
ROUNDING = 1e-5  # relative error of a count that follows from two numbers of six digits
MEANINGS = {
    "JUMP_DET": "a jump in the ramp, mostly a cosmic ray",
    "SATURATED": "full well or the end of the scale",
    "DO_NOT_USE": "left out of all later steps",
    "OUTLIER": "rejected by outlier_detection",
}


@dataclass(frozen=True, kw_only=True)
class MeasuredFile:
    """One file of a recipe, with the quantities of its two versions."""

    recipe: str
    root: str
    suffix: str
    old: Mapping[str, float]
    new: Mapping[str, float]

    @property
    def is_of_exposure(self) -> bool:
        """True for a product of one exposure."""
        return is_exposure_root(self.root)

    @property
    def kind(self) -> str:
        """Its suffix, and whether it is combined: cal, or i2d of combined products."""
        return self.suffix if self.is_of_exposure else f"{self.suffix} of combined products"

    def flagged(self, quantity: str) -> tuple[float, float] | None:
        """The numbers of pixels with a flag, by the quantity that is their fraction; or None."""
        sides = [(side.get(quantity), side.get("pixels")) for side in (self.old, self.new)]
        counts = [part * pixels for part, pixels in sides if part is not None and pixels]
        return (counts[0], counts[1]) if len(counts) == 2 else None

    @property
    def noise(self) -> float | None:
        """The relative change of the noise; None if it is not known."""
        old, new = self.old.get("noise"), self.new.get("noise")
        return new / old - 1 if old and new is not None else None


def measured_effects(files: Iterable[DifferingFile], results: MadeResults) -> tuple[str, ...]:
    """Return how flags and noise of recalibrated files changed, by recipe, in sentences.

    Files that are new, or whose measurements are not on record, are left out.
    """
    pairs = (
        MeasuredFile(
            recipe=each.origin,
            root=(parts := root_and_suffix(each.path.rpartition("/")[2]))[0],
            suffix=parts[1],
            old=results.measured(each.old_key, each.path.rpartition("/")[2]),
            new=results.measured(each.key, each.path.rpartition("/")[2]),
        )
        for each in files
        if each.old_key and each.key
    )
    measured = group_by(
        (each for each in islice(pairs, MOST_FILES) if each.old and each.new),
        lambda each: each.recipe,
    )
    return tuple(
        f"recipe {recipe}, {words}."
        for recipe, of_recipe in sorted(measured.items())
        for words in (*_flags(of_recipe), *_noises(of_recipe))
    )


def _flags(files: Sequence[MeasuredFile]) -> Iterator[str]:
    """Yield by how many pixels each flag changed; kinds of files with equal numbers are one."""
    for flag, meaning in MEANINGS.items():
        alike: dict[str, list[str]] = {}
        for kind, of_kind in group_by(files, lambda each: each.kind).items():
            if words := _changed_flag(of_kind, MEASURED_FLAGS[flag]):
                alike.setdefault(words, []).append(kind)
        if alike:
            parts = [f"{words} ({', '.join(sorted(kinds))})" for words, kinds in alike.items()]
            yield f"{flag} ({meaning}): {'; '.join(parts)}"


def _changed_flag(files: Sequence[MeasuredFile], quantity: str) -> str:
    """Return by how many pixels a flag of files of one kind changed; "" if it did not."""
    counts = [found for each in files if (found := each.flagged(quantity))]
    is_exact = all(_is_whole(number) for both in counts for number in both)
    is_exact &= all(each.new.get("pixels", 0) <= SAMPLED for each in files)
    changes = [round(new) - round(old) for old, new in counts]
    return changed_pixels(changes, _noun(files), "" if is_exact else "about ")


def changed_pixels(changes: Sequence[int], noun: str, about: str = "") -> str:
    """Return by how many pixels a flag of files changed, from the least to the most; "" if none.

    `noun` is what the files are. Files in which as many pixels have the flag do not count.
    """
    sizes = sorted(each for each in changes if each)
    if not sizes:
        return ""
    low, high = sizes[0], sizes[-1]
    if low < 0 < high:
        by = f"between {-low:,} fewer and {high:,} more"
    else:
        by = f"{_span(*sorted(map(abs, (low, high))))} {'more' if high > 0 else 'fewer'}"
    pixels = "pixel" if abs(low) == abs(high) == 1 else "pixels"
    return f"{about}{by} {pixels} flagged {_where(len(sizes), len(changes), noun)}"


def _span(low: int, high: int) -> str:
    return f"{low:,}" if low == high else f"{low:,} to {high:,}"


def _noun(files: Sequence[MeasuredFile]) -> str:
    return "exposure" if files[0].is_of_exposure else "file"


def _where(number: int, total: int, noun: str) -> str:
    """Return in how many of all files of one kind something changed."""
    if number == total:
        return f"in {'each of ' if total > 1 else ''}{count(total, noun)}"
    return f"in {number:,} of {count(total, noun)}"


def _noises(files: Sequence[MeasuredFile]) -> Iterator[str]:
    """Yield by how much the noise changed, where it did by more than LARGE_NOISE_CHANGE."""
    alike: dict[str, tuple[list[str], list[float]]] = {}
    for kind, of_kind in sorted(group_by(files, lambda each: each.kind).items()):
        changes = [each.noise for each in of_kind if each.noise is not None]
        if large := [change for change in changes if abs(change) > LARGE_NOISE_CHANGE]:
            where = _where(len(large), len(changes), _noun(of_kind))
            kinds, sizes = alike.setdefault(where, ([], []))
            kinds.append(kind)
            sizes += large
    parts = []
    for where, (kinds, sizes) in alike.items():
        ends = dict.fromkeys(map(signed_percent, (min(sizes), max(sizes))))
        parts.append(f"{' to '.join(ends)} {where} ({', '.join(kinds)})")
    if parts:
        yield f"noise (scatter of the pixels): {'; '.join(parts)}"


def _is_whole(number: float) -> bool:
    return abs(number - round(number)) <= ROUNDING * number
