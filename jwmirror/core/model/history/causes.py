"""Causes: what changed between two states of a mirror, and how many files differ because of it."""

from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field, replace
from statistics import median
from typing import Literal

from jwmirror.core.model.product import Reason
from jwmirror.core.printing import signed_percent

CauseKind = Literal[
    # what happened to MAST's files
    "first",  # the first files of a program
    "new",
    "released",
    "restricted",
    "chosen",  # they were at MAST before, and the config selects them now
    "renamed",
    "reprocessed",
    "unlisted",  # MAST does not list them any more
    "relisted",
    "queued",  # at MAST, for reprocessing
    "unqueued",
    "deselected",  # kept, and not compared with MAST any more
    "reselected",
    "dropped",  # not selected any more, and not kept
    "compared",  # with what MAST says, and found unchanged
    "described",  # MAST says something else about them
    "reread",  # by another version of jwmirror
    # what happened to recipes and their results
    "added",
    "removed",
    "recipe",  # what the recipe asks for
    "parameter",
    "reference",
    "corrected",  # a reference has other content under its name
    "version",  # of software that is in keys
    "code",  # of the user
    "own file",  # of the user
    "pipeline",
    "order",  # or roles, of the inputs
    "members",
    "raw",  # MAST has reprocessed an input
    "inputs",  # have other content, for a reason that is not known
    "found",  # waited, failed or was held back before
    "recomputed",  # under the same key
    "withdrawn",  # a result that its recipe still describes
    "context",  # the result is valid in it, too
    "quality",
    "said",  # in words, by an earlier version
    "unknown",  # the record of how a result was made cannot be read
]
OF_PRODUCTS = {  # kinds that name an observation, in words
    "new": "new at MAST",
    "chosen": "selected by the config",
    "unlisted": "no longer listed by MAST (kept here)",
    "relisted": "listed by MAST again",
    "restricted": "restricted by MAST",
    "queued": "queued at MAST for reprocessing",
    "unqueued": "no longer queued at MAST for reprocessing",
    "deselected": "no longer selected by the config (kept here)",
    "reselected": "selected by the config again",
    "dropped": "no longer selected by the config",
    "compared": "compared with MAST's, unchanged",
    "reread": "read again by another version of jwmirror",
}
LARGE_NOISE_CHANGE = 0.05  # relative: above it, a change of the noise is named
NO_DIFFERENCE = {  # of the values: verdicts of comparisons, in words
    "equal science content": "with equal science content",
    "header only": "header only",
}


@dataclass(frozen=True, kw_only=True)
class ContentChange:
    """How the content of a file differs that MAST reprocessed, from one read of both versions."""

    verdict: str  # one of the seven of core.model.comparison
    sigma: float | None = None  # median of |difference| / ERR over the pixels of SCI that differ
    references: tuple[Reason, ...] = ()  # R_*, in the header
    noise: float | None = None  # relative change of the scatter between neighbouring pixels of SCI

    def __str__(self) -> str:
        by = f" by {self.sigma:.2g} sigma (median)" if self.sigma else ""
        how = NO_DIFFERENCE.get(self.verdict, f"{self.verdict}{by}")
        return ", ".join([how, *noise_text(self.noise), *map(str, self.references[:REFERENCES])])


@dataclass(frozen=True, kw_only=True)
class ContentSummary:
    """How the contents of several files differ that MAST reprocessed."""

    verdicts: dict[str, int]  # -> number of files; of those that were compared
    files: int  # reprocessed
    sigma: float | None = None  # median over public files, as in ContentChange
    references: tuple[Reason, ...] = ()  # the most frequent ones
    noise: float | None = None  # the largest change of a public file, as in ContentChange

    def __str__(self) -> str:
        words = [
            f"{number:,} of {_count(self.files, 'file')} {NO_DIFFERENCE[verdict]}"
            for verdict, number in sorted(self.verdicts.items())
            if verdict in NO_DIFFERENCE
        ]
        for verdict, number in sorted(self.verdicts.items()):
            if verdict not in NO_DIFFERENCE:
                what = verdict.removesuffix(" changed")
                by = (
                    f" by {self.sigma:.2g} sigma (median)"
                    if what == "pixels" and self.sigma
                    else ""
                )
                words.append(f"{what} of {number:,} of {_count(self.files, 'file')} changed{by}")
        noise = noise_text(self.noise, "up to " if self.files > 1 else "")
        return ", ".join([*words, *noise, *map(str, self.references)])


def largest_change(noises: Iterable[float | None]) -> float | None:
    """Return the relative change of the noise that is farthest from 0; None if none is known."""
    return max((each for each in noises if each is not None), key=abs, default=None)


def noise_text(noise: float | None, up_to: str = "") -> tuple[str, ...]:
    """Return a relative change of the noise in words, if it is large: noise +27 %."""
    if noise is None or abs(noise) <= LARGE_NOISE_CHANGE:
        return ()
    return (f"noise {up_to}{signed_percent(noise)}",)


@dataclass(frozen=True)
class Cause:
    """One thing that changed between two states, and the files that differ because of it."""

    kind: CauseKind
    what: str = ""  # name of the parameter, reference type, package, file...
    old: str = ""
    new: str = ""
    recipe: str = ""  # whose results differ first; "": MAST's files
    stage: str = ""  # pipeline whose derivation differs
    place: str = ""  # of MAST's files: program and observation, jw01345 o001
    where: str = ""  # the place in the config, or the CRDS context: in words
    files: int = 0  # that differ because of it, results included
    results: int = 0  # of these, recalibrated files that follow from MAST's
    content: ContentSummary | None = None  # of reprocessed files that were compared
    names: tuple[str, ...] = ()  # of MAST's files, if they are few
    paths: tuple[str, ...] = field(default=(), repr=False)  # of the files; not stored

    @property
    def words(self) -> str:
        """The change, without the number of files."""
        if self.kind in OF_PRODUCTS:
            return self._of_products(OF_PRODUCTS[self.kind])
        return _WORDS[self.kind](self)

    def below(self, folder: str) -> "Cause":
        """Return the cause with those of its files that are in a folder of the view; "": all."""
        if not folder:
            return self
        paths = tuple(path for path in self.paths if path.startswith(folder))
        is_of_results = not folder.startswith("upstream/") and not self.recipe
        return replace(
            self,
            files=len(paths),
            results=len(paths) if is_of_results else 0,
            content=None if is_of_results else self.content,
            names=() if is_of_results else self.names,
            paths=paths,
        )

    @property
    def own(self) -> int:
        """The files that differ, without results that follow from MAST's files."""
        return self.files - self.results

    def __str__(self) -> str:
        mark = ";" if self.kind == "reprocessed" else ":"
        return f"{self.words}{mark} {self._numbers}" if self.files else self.words

    @property
    def _numbers(self) -> str:
        own = (self.own + 1) // 2 if self.kind == "renamed" else self.own  # old and new path
        names = f" ({', '.join(self.names)})" if self.names else ""
        numbers = [f"{self.content or _count(own, 'file')}{names}"] if own else []
        if self.results:
            numbers.append(f"{_count(self.results, 'recalibrated file')} made from them")
        end = " left the view" if self.kind in ("removed", "dropped") else ""
        return ", ".join(numbers) + end

    def _of_products(self, happened: str) -> str:
        where = f" ({self.where})" if self.where else ""
        about = ", ".join(filter(None, (self.place, self.recipe and f"recipe {self.recipe}")))
        return f"{happened}{where}{f', {about}' if about else ''}"

    def _of_recipe(self, happened: str) -> str:
        """Return words with the recipe, the pipeline and the place in the config."""
        recipe = f"recipe {self.recipe}" if self.recipe else ""
        about = ", ".join(filter(None, (recipe, self.stage, self.where)))
        return f"{happened} ({about})" if about else happened

    @property
    def _arrow(self) -> str:
        return f"{self.old or '-'} -> {self.new or '-'}"


IN_WORDS = 12  # causes that the words of a generation name
NAMED = 3  # files that a cause names
IS_NAMED = {  # kinds that name files
    *("unlisted", "relisted", "restricted", "queued", "unqueued", "dropped", "reprocessed"),
}
REFERENCES = 3  # that a summary of contents names


def in_one_line(causes: Sequence[Cause]) -> str:
    """Return causes in words; of many, the first ones."""
    words = [str(cause) for cause in causes[:IN_WORDS]]
    more = [f"{len(causes) - IN_WORDS:,} more causes"] if len(causes) > IN_WORDS else []
    return "; ".join([*words, *more])


def _renamed(cause: Cause) -> str:
    names = f" {cause._arrow}" if cause.old else ""
    return cause._of_products(f"renamed by MAST{names}")


def _reprocessed(cause: Cause) -> str:
    made = cause.what or "its software and references are as before"
    return f"MAST reprocessed {cause.place}: {made}"


_WORDS: dict[CauseKind, Callable[[Cause], str]] = {
    "first": lambda cause: f"first poll of program {cause.what}",
    "released": lambda cause: cause._of_products(
        f"released by MAST{cause.new and f' on {cause.new}'}"
    ),
    "renamed": _renamed,
    "reprocessed": _reprocessed,
    "described": lambda cause: cause._of_products(f"MAST describes it otherwise: {cause.what}"),
    "added": lambda cause: f"recipe {cause.recipe} was added{cause.where and f' ({cause.where})'}",
    "removed": lambda cause: f"recipe {cause.recipe} was removed",
    "recipe": lambda cause: cause._of_recipe(f"{cause.what} {cause._arrow}"),
    "parameter": lambda cause: cause._of_recipe(f"{cause.what} {cause._arrow}"),
    "reference": lambda cause: cause._of_recipe(f"reference {cause.what} {cause._arrow}"),
    "corrected": lambda cause: cause._of_recipe(f"reference {cause.what} has other content"),
    "version": lambda cause: cause._of_recipe(f"{cause.what} {cause._arrow}"),
    "code": lambda cause: cause._of_recipe(f"{cause.what} changed"),
    "own file": lambda cause: cause._of_recipe(f"your file {cause.what} changed"),
    "pipeline": lambda cause: cause._of_recipe(f"pipeline {cause._arrow}"),
    "order": lambda cause: cause._of_recipe(f"{cause.what} {cause._arrow}"),
    "members": lambda cause: cause._of_recipe(f"inputs of {cause.what} {cause._arrow}"),
    "raw": lambda cause: cause._of_recipe(f"MAST reprocessed {cause.what}"),
    "said": lambda cause: cause._of_recipe(cause.what),
    "inputs": lambda cause: cause._of_recipe(f"{cause.what} has other content"),
    "found": lambda cause: cause._of_recipe(
        "results that are new: their inputs waited or failed before, or they were held back"
    ),
    "recomputed": lambda cause: cause._of_recipe("computed again with the same settings"),
    "withdrawn": lambda cause: cause._of_recipe(
        "results that are not published any more: not made from what MAST lists now, or failed"
    ),
    "context": lambda cause: cause._of_recipe(
        f"found valid in CRDS context {cause.new}, too; before in {cause.old}"
    ),
    "quality": lambda cause: cause._of_recipe(f"quality {cause._arrow}"),
    "unknown": lambda cause: cause._of_recipe(
        "made otherwise than before; the record of how cannot be read"
    ),
}


def _count(number: int, what: str) -> str:
    return f"{number:,} {what}{'' if number == 1 else 's'}"


# ---- sums ------------------------------------------------------------------------------------


def summed_up(causes: Iterable[Cause], with_paths: bool = False) -> tuple[Cause, ...]:
    """Return causes, those that differ only in the observation as one; by default without paths."""
    groups: dict[Cause, list[Cause]] = {}
    for cause in causes:
        alike = replace(cause, place="", files=0, results=0, content=None, names=(), paths=())
        groups.setdefault(alike, []).append(cause)
    sums = ((_sum(group), group) for group in groups.values())
    return tuple(
        replace(total, paths=tuple(path for each in group for path in each.paths))
        if with_paths
        else total
        for total, group in sums
    )


def _sum(group: Sequence[Cause]) -> Cause:
    first = replace(group[0], paths=())
    if len(group) == 1:
        return first
    places = sorted({cause.place for cause in group})
    names = [name for cause in group for name in cause.names]
    are_few = len(names) <= NAMED and all(cause.names for cause in group)
    return replace(
        first,
        place=f"{places[0]} and {len(places) - 1:,} more",
        files=sum(cause.files for cause in group),
        results=sum(cause.results for cause in group),
        names=tuple(names) if are_few else (),
        content=_joined([cause.content for cause in group if cause.content]),
    )


def _joined(parts: Sequence[ContentSummary]) -> ContentSummary | None:
    if not parts:
        return None
    verdicts: Counter[str] = Counter()
    references: dict[Reason, None] = {}
    for part in parts:
        verdicts.update(part.verdicts)
        references |= dict.fromkeys(part.references)
    sigmas = [part.sigma for part in parts if part.sigma]
    return ContentSummary(
        verdicts=dict(sorted(verdicts.items())),
        sigma=median(sigmas) if sigmas else None,
        references=tuple(references)[:REFERENCES],
        noise=largest_change(part.noise for part in parts),
        files=sum(part.files for part in parts),
    )
