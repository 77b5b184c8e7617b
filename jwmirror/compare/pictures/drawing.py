"""Drawing of a comparison: once for each pair of versions, and kept, complete or not at all."""

import os
import tempfile
import warnings
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from jwmirror.compare.pictures.records import RECORD, VERSION, DrawnComparison, Pair
from jwmirror.core.errors import StoreError, failures_as, is_of_this_machine
from jwmirror.core.jsonio import read, write
from jwmirror.core.printing import printable

HIDDEN = ".drawing."  # begins the name of a temporary folder; the number of the process follows
Locate = Callable[[str], Path]  # the path of an object by its sha256


def draw(pair: Pair, locate: Locate, folder: Path) -> DrawnComparison:
    """Return the comparison of a pair: the kept one, or a new one that is kept.

    Its pictures and its record are in folder/<name of the pair>, which appears complete or not at
    all, with the access of `folder`. A file that cannot be read gives a comparison without
    pictures, whose notes say why.
    """
    return kept_comparison(pair, folder) or draw_files(
        pair, locate(pair.old), locate(pair.new), folder
    )


def kept_comparison(pair: Pair, folder: Path) -> DrawnComparison | None:
    """Return the comparison that was drawn before; None if this version was not drawn."""
    place = folder / pair.name
    with suppress(FileNotFoundError, StoreError):
        kept = read(place / RECORD, DrawnComparison)
        is_whole = all((place / panel.file).is_file() for panel in kept.panels)
        return kept if kept.version == VERSION and is_whole else None
    return None


def draw_files(pair: Pair, old: Path, new: Path, folder: Path) -> DrawnComparison:
    """Draw a pair into a temporary folder, and rename that; nothing kept is looked for."""
    folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=folder, prefix=f"{HIDDEN}{os.getpid()}.") as name:
        temporary = Path(name) / pair.name
        temporary.mkdir()
        drawn, is_lasting = _drawn(pair, old, new, temporary)
        if is_lasting:
            write(temporary / RECORD, drawn)
            _publish(temporary, folder / pair.name)
    return drawn


def _publish(temporary: Path, place: Path) -> None:
    """Give a folder its name and the access of the folder that it is in."""
    mode = place.parent.stat().st_mode & 0o777
    for path in temporary.iterdir():
        path.chmod(mode & 0o666)
    temporary.chmod(mode)
    if place.exists():
        place.rename(temporary.parent / "former")
    with suppress(FileExistsError):  # another process has drawn it
        temporary.rename(place)


def _drawn(pair: Pair, old: Path, new: Path, folder: Path) -> tuple[DrawnComparison, bool]:
    """Return a comparison, and whether it is to be kept: not if this machine failed."""
    from jwmirror.compare.pictures.builder import Drawing  # imports numpy
    from jwmirror.compare.pictures.kinds import draw_kind

    drawing = Drawing(pair, folder)
    try:
        with (
            failures_as(lambda why: StoreError(f"the comparison cannot be drawn ({why})")),
            warnings.catch_warnings(action="ignore"),
        ):
            draw_kind(drawing, old, new)
        return drawing.done, True
    except StoreError as error:
        for path in folder.iterdir():
            path.unlink()
        why = _without_paths(str(error), pair, old, new)
        return failed_comparison(pair, why), not is_of_this_machine(error)


def failed_comparison(pair: Pair, why: str) -> DrawnComparison:
    """Return a comparison without pictures."""
    return DrawnComparison(
        version=VERSION,
        name=pair.name,
        kind=pair.kind,
        title=f"{pair.filename}: {pair.title}",
        notes=(printable(why),),
    )


def _without_paths(text: str, pair: Pair, old: Path, new: Path) -> str:
    """Return an error in words that can be shown to all: without the folders of the mirror."""
    for path, label in zip((old, new), pair.labels, strict=True):
        text = text.replace(str(path), f"the version of {label!r}")
    return printable(text)
