"""Comparisons are drawn here: once for each pair of versions, within a budget of time, and kept."""

import os
import tempfile
import time
import warnings
from collections.abc import Callable, Iterable
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from contextlib import suppress
from multiprocessing import get_context
from pathlib import Path

from jwmirror.compare.pictures.records import RECORD, VERSION, DrawnComparison, Pair
from jwmirror.core.errors import StoreError, failures_as, is_of_this_machine
from jwmirror.core.jsonio import read, write
from jwmirror.core.printing import printable

BUDGET = 120.0  # seconds of drawing in one run
PROCESSES = 2  # at most; each needs some 300 MB
FEW = 8  # comparisons that are drawn in this process
Locate = Callable[[str], Path]  # the path of an object by its sha256


def draw_all(
    pairs: Iterable[Pair], locate: Locate, folder: Path, budget_s: float = BUDGET
) -> dict[str, DrawnComparison]:
    """Return the comparisons of pairs by their names; those missing are not drawn yet.

    Kept ones are read first. The others are drawn in the order of the pairs, by several processes
    if there are many, until the budget of time is used up.
    """
    end, missing = time.monotonic() + budget_s, []
    drawn: dict[str, DrawnComparison] = {}
    for pair in pairs:
        if kept := kept_comparison(pair, folder):
            drawn[pair.name] = kept
        else:
            missing.append(pair)
    processes = min(PROCESSES, len(os.sched_getaffinity(0)))
    if processes > 1 and len(missing) > FEW:
        return drawn | _draw_in_processes(missing, locate, folder, end, processes)
    for pair in missing:
        if time.monotonic() >= end:
            break
        drawn[pair.name] = draw(pair, locate, folder)
    return drawn


def _draw_in_processes(
    pairs: list[Pair], locate: Locate, folder: Path, end: float, processes: int
) -> dict[str, DrawnComparison]:
    """Draw in several processes; no pair is begun after `end` (of time.monotonic)."""
    drawn: dict[str, DrawnComparison] = {}
    waiting = iter(pairs)
    at_work: dict[Future[DrawnComparison], Pair] = {}
    context = get_context("spawn")  # a fork would share locks of threads
    with ProcessPoolExecutor(processes, mp_context=context) as pool, suppress(BrokenProcessPool):
        while True:
            while len(at_work) < processes and time.monotonic() < end:
                if (pair := next(waiting, None)) is None:
                    break
                paths = locate(pair.old), locate(pair.new)
                at_work[pool.submit(_draw_paths, pair, *paths, folder)] = pair
            if not at_work:
                break
            for future in wait(at_work, return_when=FIRST_COMPLETED).done:
                pair = at_work.pop(future)
                drawn[pair.name] = future.result()
    return drawn


def draw(pair: Pair, locate: Locate, folder: Path) -> DrawnComparison:
    """Return the comparison of a pair: the kept one, or a new one that is kept.

    Its pictures and its record are in folder/<name of the pair>, which appears complete or not at
    all, with the access of `folder`. A file that cannot be read gives a comparison without
    pictures, whose notes say why.
    """
    return kept_comparison(pair, folder) or _draw_paths(
        pair, locate(pair.old), locate(pair.new), folder
    )


def kept_comparison(pair: Pair, folder: Path) -> DrawnComparison | None:
    """Return the comparison that was drawn before; None if there is none of this version."""
    place = folder / pair.name
    with suppress(FileNotFoundError, StoreError):
        kept = read(place / RECORD, DrawnComparison)
        is_whole = all((place / panel.file).is_file() for panel in kept.panels)
        return kept if kept.version == VERSION and is_whole else None
    return None


def _draw_paths(pair: Pair, old: Path, new: Path, folder: Path) -> DrawnComparison:
    """Draw a pair into a temporary folder, and rename that."""
    folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=folder, prefix=".drawing.") as name:
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
        failed = Drawing(pair, folder)
        failed.note(_without_paths(str(error), pair, old, new))
        return failed.done, not is_of_this_machine(error)


def _without_paths(text: str, pair: Pair, old: Path, new: Path) -> str:
    """Return an error in words that can be shown to all: without the folders of the mirror."""
    for path, label in zip((old, new), pair.labels, strict=True):
        text = text.replace(str(path), f"the version of {label!r}")
    return printable(text)
