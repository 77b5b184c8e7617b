"""How much the pixels of recalibrated files changed, from the comparisons that were drawn."""

from collections.abc import Callable, Iterator, Sequence
from statistics import median as median_of

from jwmirror.compare.pictures import DrawnComparison
from jwmirror.core.grouping import group_by
from jwmirror.core.model.quality import MEASURED_FLAGS
from jwmirror.core.names import is_exposure_root, root_and_suffix
from jwmirror.core.printing import percent
from jwmirror.report.formatting import count
from jwmirror.services.site.effects.measured import changed_pixels

MOVED = 3  # files that are named
SIGMA = "sigma"  # unit of differences over errors
Compared = Sequence[tuple[str, DrawnComparison]]  # each with its file


def pixel_effects(of: str, compared: Compared) -> tuple[str, ...]:
    """Return how much the files of one origin changed, sentences for each kind of files.

    Kinds are separate, because a mosaic averages many exposures. `of` names the origin.
    """
    measured = [(file, one) for file, one in compared if one.fraction is not None]
    kinds = sorted(group_by(measured, lambda each: _kind(each[0])).items())
    flags = (f"{of}, {words}." for kind, files in kinds for words in _other_flags(kind, files))
    return *flags, *(_effect(f"{of}, {kind}", files) for kind, files in kinds)


def _other_flags(kind: str, files: Compared) -> Iterator[str]:
    """Yield by how many pixels those flags changed that are not measured on all results."""
    changes = [{each.name: each.gained - each.lost for each in one.flags} for _, one in files]
    for flag in sorted({name for each in changes for name in each} - MEASURED_FLAGS.keys()):
        if words := changed_pixels([each.get(flag, 0) for each in changes], "compared file"):
            yield f"{flag}: {words} ({kind})"


def _kind(filename: str) -> str:
    """Return what a file is: mosaics and the resampled images of exposures are both i2d."""
    root, suffix = root_and_suffix(filename)
    return f"{suffix} of {'exposures' if is_exposure_root(root) else 'combined products'}"


def _effect(of: str, measured: Compared) -> str:
    """Return how much files of one kind changed."""
    fractions = [(one.fraction or 0.0, file) for file, one in measured]
    sizes = [(one.typical, file) for file, one in measured if one.typical and one.unit == SIGMA]
    words = (
        f"{of}, {count(len(measured), 'file')} compared: {_middle(fractions, percent)} of the "
        "pixels or values changed, of those that both versions have"
    )
    if sizes:
        words += f"; those that changed, by {_middle(sizes, _sigma)}"
    moved = [f"{file} by {one.moved}" for file, one in measured if one.moved]
    if moved:
        more = f" and {len(moved) - MOVED} more" if len(moved) > MOVED else ""
        files = f"{', '.join(moved[:MOVED])}{more}"
        words += f"; in these files most pixels changed by the same amount: {files}"
    if largest := _largest(measured):
        words += f"; {largest}"
    return f"{words}."


def _largest(measured: Compared) -> str:
    """Return the largest difference of any pixel, with its sign, and where it is."""
    known = [(one.largest, file) for file, one in measured if one.largest]
    if not known:
        return ""
    most, file = max(known, key=lambda each: abs(each[0].value))
    value = f"{most.value:+.4g} {most.unit}".strip().replace("-", "\u2212")
    median = f"{most.median:.4g} {most.unit}".strip().replace("-", "\u2212")
    return f"largest difference {value}, in {file} at {most.place}; its median is {median}"


def _middle(values: Sequence[tuple[float, str]], in_words: Callable[[float], str]) -> str:
    """Return the median of several files, and the file with the largest value, if they differ."""
    largest, file = max(values)
    middle = in_words(median_of(value for value, _ in values))
    if middle == in_words(largest):
        return middle
    return f"{middle} (median; most in {file}: {in_words(largest)})"


def _sigma(value: float) -> str:
    return f"{value:.2g} sigma"
