"""The comparisons that a site shows in pictures: which pairs of versions, and what is drawn."""

import shutil
import tempfile
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

from jwmirror.compare.pictures import (
    CHANGE,
    RECIPES,
    DrawnComparison,
    FileRow,
    Pair,
    draw_all,
    pairs,
    suffix_of,
)
from jwmirror.core.files import make_private, restrict
from jwmirror.core.grouping import group_by
from jwmirror.core.model import UPSTREAM
from jwmirror.core.names import root_and_suffix
from jwmirror.report.formatting import count
from jwmirror.report.site.addresses import PICTURES
from jwmirror.report.site.mosaics import Picture
from jwmirror.services.site.differences import DifferingFile
from jwmirror.services.site.effects.pixels import pixel_effects
from jwmirror.services.site.page_files import SiteFolder, open_by_umask
from jwmirror.services.site.shown_rows import ShownRow
from jwmirror.store.rows.differences import CHANGED

MOST_PAIRS = 160  # of a site: about 1,000 pictures
MOST_OF_GENERATION = 24
MOST_OF_RECIPES = 6  # of one file: all of four recipes
AVERAGED, NOT_AVERAGED = ("i2d", "s2d"), ("cal", "calints")  # by resample, with weights
WEIGHTS = (
    "The largest difference of a resampled image (i2d, s2d) may have another size or sign than "
    "that of the exposure (cal): resample averages the pixels that overlap, with weights that are "
    "by default the inverse of the read-noise variance, and 0 where DO_NOT_USE is set; so if other "
    "jumps are flagged, the weight of a pixel changes with its value."
)
RUN_BUDGET_S, COMMAND_BUDGET_S = 120.0, 7_200.0  # of drawing


@dataclass(frozen=True, kw_only=True)
class PlannedPairs:
    """The pairs of versions that a site compares, the most important first."""

    of_now: tuple[Pair, ...]  # MAST's and a recipe's versions in the current generation
    changed: Mapping[int, tuple[Pair, ...]]  # by generation: before and after
    beyond: Mapping[int, int] = field(default_factory=dict)  # pairs that are not among these
    # changed FITS files by suffix, of which no pictures are made, by generation
    others: Mapping[int, Mapping[str, int]] = field(default_factory=dict)

    @cached_property
    def drawn(self) -> tuple[Pair, ...]:
        """Those that are drawn: of the newest generation first, then of now, then older ones."""
        newest, *older = [self.changed[n] for n in sorted(self.changed, reverse=True)] or [()]
        ordered = [*newest, *self._first_of_now, *(pair for group in older for pair in group)]
        return tuple(dict.fromkeys(ordered))[:MOST_PAIRS]

    @property
    def _first_of_now(self) -> Iterator[Pair]:
        """The pairs of now, of two recipes only the first ones of each file."""
        of_recipes: Counter[str] = Counter()
        for pair in self.of_now:
            of_recipes[pair.filename] += pair.kind == RECIPES
            if pair.kind != RECIPES or of_recipes[pair.filename] <= MOST_OF_RECIPES:
                yield pair


def planned_pairs(
    rows: Iterable[ShownRow], changed: Mapping[int, Iterable[DifferingFile]]
) -> PlannedPairs:
    """Return the pairs of the current rows, and those of the changes of each generation.

    Rows and files are those that the site may show.
    """
    rows = list(rows)
    recalibrated = {row.filename for row in rows if row.key}
    now = [
        FileRow(row.path, row.origin, row.sha256, row.identity)
        for row in rows
        if row.filename in recalibrated
    ]
    listed = {n: list(files) for n, files in changed.items()}
    by_generation = {n: found for n, files in listed.items() if (found := _changes(files))}
    return PlannedPairs(
        of_now=pairs(now),
        changed={n: found[:MOST_OF_GENERATION] for n, found in by_generation.items()},
        beyond={n: len(found[MOST_OF_GENERATION:]) for n, found in by_generation.items()},
        others={n: kinds for n, files in listed.items() if (kinds := _without_pictures(files))},
    )


def _with_other_science(files: Iterable[DifferingFile]) -> list[DifferingFile]:
    return [each for each in files if each.kind == CHANGED and each.is_other_science]


def _without_pictures(files: Iterable[DifferingFile]) -> Counter[str]:
    """Return the numbers of changed FITS files of which no pictures are made, by suffix."""
    names = (each.path.rpartition("/")[2] for each in _with_other_science(files))
    others = (name for name in names if name.endswith(".fits") and not suffix_of(name))
    return Counter(root_and_suffix(name)[1] for name in others)


def _changes(files: Iterable[DifferingFile]) -> tuple[Pair, ...]:
    differing = _with_other_science(files)
    new = [FileRow(each.path, each.origin, each.new, "") for each in differing]
    old = [FileRow(each.path, each.origin, each.old, "") for each in differing]
    return tuple(pair for pair in pairs(new, old) if pair.kind == CHANGE)


@dataclass(frozen=True, kw_only=True)
class SitePictures:
    """What is drawn of the pairs of a site."""

    planned: PlannedPairs
    drawn: Mapping[str, DrawnComparison]  # by the name of the pair

    def of_generation(self, number: int) -> tuple[DrawnComparison, ...]:
        """Return the comparisons before and after the changes of a generation."""
        return self._of(self.planned.changed.get(number, ()))

    def waiting_of_generation(self, number: int) -> str:
        """Return how many comparisons of a generation are not drawn, in words; "" if all are."""
        words = [self._waiting(self.planned.changed.get(number, ()))]
        if beyond := self.planned.beyond.get(number, 0):
            others = count(beyond, "more file")
            words.append(
                f"{others} with other science content: a generation has at most "
                f"{MOST_OF_GENERATION} comparisons; `jwmirror diff` compares any file"
            )
        if of_suffix := self.planned.others.get(number):
            what = count(sum(of_suffix.values()), "changed file")
            kinds = ", ".join(sorted(of_suffix))
            words.append(
                f"{what} of kinds without pictures ({kinds}): `jwmirror diff` compares them"
            )
        return "; ".join(filter(None, words))

    def effects_in_generation(self, number: int) -> tuple[str, ...]:
        """Return how much files changed, over what is drawn, in words; recipes before MAST."""
        pairs_of = self.planned.changed.get(number, ())
        changed = group_by(pairs_of, lambda pair: pair.recipe)
        effects = (
            words
            for recipe in sorted(changed, key=lambda name: (name == UPSTREAM, name))
            for words in pixel_effects(
                "MAST" if recipe == UPSTREAM else f"recipe {recipe}",
                [(p.filename, self.drawn[p.name]) for p in changed[recipe] if p.name in self.drawn],
            )
        )
        return *effects, *filter(None, [self._weights(pairs_of)])

    def weights_of_root(self, root: str) -> str:
        """Return why resampled images of a product differ otherwise; "" if none is compared."""
        return self._weights(self._by_root.get(root, ()))

    def _weights(self, wanted: Iterable[Pair]) -> str:
        suffixes = {suffix_of(pair.filename) for pair in wanted if pair.name in self.drawn}
        has_both = not suffixes.isdisjoint(AVERAGED) and not suffixes.isdisjoint(NOT_AVERAGED)
        return WEIGHTS if has_both else ""

    def of_root(self, root: str) -> tuple[tuple[str, DrawnComparison], ...]:
        """Return the comparisons of a product: with MAST's version, and of its changes.

        Each has the generation of its change in words, "" for MAST's version beside a recipe's.
        """
        wanted = self._by_root.get(root, {})
        return tuple(
            (words, self.drawn[pair.name])
            for pair, words in wanted.items()
            if pair.name in self.drawn
        )

    def of_file(self, filename: str) -> dict[str, Picture]:
        """Return a picture of each version of a file in the current generation, by origin."""
        found = {}
        for pair in self._now_by_file.get(filename, ()):
            drawn = self.drawn.get(pair.name)
            for panel in drawn.panels if drawn else ():
                first = pair.versus or UPSTREAM
                if origin := {"old.png": first, "new.png": pair.recipe}.get(panel.file):
                    address = f"{pair.name}/{panel.file}"
                    found[origin] = Picture(
                        address=address, width=panel.width, height=panel.height, alt=panel.alt
                    )
        return found

    @cached_property
    def _now_by_file(self) -> dict[str, list[Pair]]:
        return group_by(self.planned.of_now, lambda pair: pair.filename)

    def of_recipes(self, filename: str) -> str:
        """Return the name of the first comparison of two recipes of a file; "" without."""
        of_file = self._now_by_file.get(filename, ())
        names = (pair.name for pair in of_file if pair.kind == RECIPES and pair.name in self.drawn)
        return next(names, "")

    def waiting_of_root(self, root: str) -> str:
        """Return the same of the comparisons of a product."""
        return self._waiting(self._by_root.get(root, ()))

    @cached_property
    def _by_root(self) -> dict[str, dict[Pair, str]]:
        found: dict[str, dict[Pair, str]] = {}
        numbers = sorted(self.planned.changed, reverse=True)
        changed = ((f"Generation {n}", pair) for n in numbers for pair in self.planned.changed[n])
        for words, pair in (*(("", pair) for pair in self.planned.of_now), *changed):
            root = root_and_suffix(pair.filename)[0]
            found.setdefault(root, {}).setdefault(pair, words)
        return found

    def _of(self, wanted: Iterable[Pair]) -> tuple[DrawnComparison, ...]:
        return tuple(self.drawn[pair.name] for pair in wanted if pair.name in self.drawn)

    def _waiting(self, wanted: Iterable[Pair]) -> str:
        missing = [pair for pair in wanted if pair.name not in self.drawn]
        beyond = set(missing) - set(self.planned.drawn)
        words = []
        if number := len(missing) - len(beyond):
            words.append(f"{count(number, 'comparison')} not drawn yet: `jwmirror site` draws them")
        if beyond:
            what = count(len(beyond), "more comparison")
            words.append(f"{what} without pictures: `jwmirror diff` compares the files")
        return "; ".join(words)

    @property
    def files(self) -> Iterator[str]:
        """The files of the comparisons, from the folder of the site."""
        for name, one in self.drawn.items():
            for file in ("comparison.json", *(panel.file for panel in one.panels)):
                yield f"{PICTURES}/{name}/{file}"


def draw_pictures(
    planned: PlannedPairs,
    folder: SiteFolder,
    locate: Callable[[str], Path],
    budget_s: float,
    public: Path | None,
) -> SitePictures:
    """Draw what is missing into the folder of a site, within a budget; return what is drawn.

    `public` is the folder of the public site, whose pictures are copied into the other one.
    """
    place = folder.path / PICTURES
    if folder.is_public:
        place.mkdir(exist_ok=True)
        open_by_umask(place)  # pictures have its access
    else:
        restrict(make_private(place), folder.group)
    if public is not None:
        for pair in planned.drawn:
            _copy(public / PICTURES / pair.name, place / pair.name)
    drawn = draw_all(planned.drawn, locate, place, budget_s)
    with suppress(OSError):  # it has pictures
        place.rmdir()
    return SitePictures(planned=planned, drawn=drawn)


def _copy(source: Path, target: Path) -> None:
    """Copy the pictures of a pair, complete or not at all, for their owner only."""
    if target.exists() or not source.is_dir():
        return
    with tempfile.TemporaryDirectory(dir=target.parent, prefix=".drawing.") as temporary:
        copied = Path(shutil.copytree(source, Path(temporary) / target.name))
        for path in copied.iterdir():
            path.chmod(0o600)
        copied.chmod(0o700)
        with suppress(OSError):  # another process has copied it
            copied.rename(target)
