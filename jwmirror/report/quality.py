"""The quality of results in words, and the results to look at before they are used. Pure."""

from collections import Counter
from collections.abc import Iterable, Sequence

import msgspec

from jwmirror.core.errors import as_typed
from jwmirror.core.grouping import group_by
from jwmirror.core.jsonio import parse
from jwmirror.core.model import Entry
from jwmirror.core.model.quality import (
    CAVEAT,
    FAILED,
    UNMEASURED,
    Caveat,
    JudgedResult,
    Quality,
    QualityWord,
)

NOT_MEASURED = "not measured"
FRACTIONS = (
    *("nan", "usable", "do_not_use", "saturated", "jumps", "outliers", "covered", "holes"),
    "overlap",
)
OF_FILE = "BUNIT"  # the unit of the values of the file
UNITS = {  # of measured quantities; the others are numbers without one
    **dict.fromkeys(FRACTIONS, "fraction"),
    **dict.fromkeys(("median", "noise", "pixel_noise"), OF_FILE),
    **dict.fromkeys(("shift", "relative_shift", "residual"), "mas"),
    "rotation": "arcsec",
}
WORDS = {  # of measured quantities; docs/quality.md has more
    "pixels": "science pixels",
    "rows": "values or catalogue sources",
    "nan": "pixels without value (NaN)",
    "usable": "usable pixels",
    "do_not_use": "pixels flagged DO_NOT_USE",
    "saturated": "pixels flagged SATURATED",
    "jumps": "pixels flagged JUMP_DET",
    "outliers": "pixels flagged OUTLIER",
    "covered": "pixels covered by an input",
    "holes": "holes between pixels with data",
    "median": "median",
    "noise": "noise (scatter of the pixels)",
    "pixel_noise": "pixel noise (scatter between neighbours)",
    "noise_balance": "pixel noise of the quietest quarter over the median quarter",
    "members": "members combined",
    "missing_members": "dither positions without a member",
    "shift": "shift from the original WCS",
    "rotation": "rotation, north to east",
    "relative_shift": "shift relative to the most typical member",
    "overlap": "area covered by other exposures",
    "matched": "sources matched",
    "residual": "residual of the alignment (rms)",
}


def unit_of_quantity(quantity: str, of_file: str) -> str:
    """Return the unit of a measured quantity, in a file whose values have the unit `of_file`."""
    unit = UNITS.get(quantity, "")
    return (of_file or "unit of the file") if unit == OF_FILE else unit


def next_step() -> str:
    """Return what to do about results with caveats."""
    return (
        f"{as_typed('explain FILE')} shows what was measured; "
        f"{as_typed('accept FILE --because TEXT')} accepts the caveats of a result"
    )


def quality_of(entry: Entry) -> Quality:
    """Return the quality of the result that a row belongs to."""
    caveats = parse(entry.caveats, tuple[Caveat, ...]) if entry.caveats else ()
    return Quality(word=msgspec.convert(entry.quality, QualityWord), caveats=caveats)


def quality_text(quality: Quality) -> str:
    """Return a quality with its causes: caveat (step failed, noise)."""
    if quality.word == UNMEASURED:
        return NOT_MEASURED
    causes = ", ".join(dict.fromkeys(caveat.cause for caveat in quality.caveats))
    accepted = ", accepted" if is_accepted(quality) else ""
    return f"{quality.word}{accepted}{f' ({causes})' if causes else ''}"


def is_accepted(quality: Quality) -> bool:
    """Return whether there are caveats, and the user has accepted all."""
    return bool(quality.caveats) and all(caveat.accepted for caveat in quality.caveats)


def caveat_text(caveat: Caveat) -> str:
    """Return a caveat in words, with what limits it."""
    if caveat.accepted:
        return f"{caveat.message} (accepted {caveat.accepted})"
    is_own = caveat.cause != "member"
    note = " (a provisional limit)" if caveat.is_provisional and is_own else ""
    return f"{caveat.message}{note}"


def count_qualities(rows: Iterable[tuple[str, str, str]]) -> dict[str, int]:
    """Count published results by quality; rows of files are (recipe, key, quality)."""
    results = {(recipe, key): quality for recipe, key, quality in rows if key}
    counts = Counter(quality or NOT_MEASURED for quality in results.values())
    return dict(sorted(counts.items()))


def doubtful_results(
    entries: Iterable[Entry], held_back: Sequence[JudgedResult] = ()
) -> tuple[JudgedResult, ...]:
    """Return the published results with caveats, and those that are not published.

    They are in the order in which to look at them: what failed, what is held back, what is not
    accepted.
    """
    doubtful = (entry for entry in entries if entry.quality == CAVEAT)
    rows = group_by(doubtful, lambda entry: (entry.origin, entry.key))
    return tuple(sorted((*map(_published, rows.values()), *held_back), key=_rank))


def _published(rows: Sequence[Entry]) -> JudgedResult:
    first = rows[0]
    pipeline, _, product = first.result.partition("/")
    return JudgedResult(
        recipe=first.origin,
        pipeline=pipeline,
        product=product,
        key=first.key,
        files=tuple(row.file for row in rows),
        quality=quality_of(first),
        is_published=True,
    )


def _rank(result: JudgedResult) -> tuple[bool | str, ...]:
    caveats = result.quality.caveats
    return (
        result.quality.word != FAILED,
        result.is_published,
        is_accepted(result.quality),
        not any(caveat.holds_back for caveat in caveats),
        result.recipe,
        result.product,
        result.pipeline,
    )


def doubt_line(result: JudgedResult) -> str:
    """Return one line on a result: its name, its quality, whether it is published, and why."""
    state = "" if result.is_published else "; not published"
    why = "; ".join(map(caveat_text, result.quality.caveats))
    return (
        f"{result.recipe}: {result.product} ({result.pipeline}): "
        f"{quality_text(result.quality)}{state}{f'  [{why}]' if why else ''}"
    )


def quantity_words(quantity: str) -> str:
    """Return a quantity in words; one that is not known here as it is recorded."""
    return WORDS.get(quantity, quantity)
