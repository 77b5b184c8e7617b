"""What needs attention, as groups of notices. Pure: the state of a mirror in, notices out."""

import re
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from functools import cached_property

from jwmirror.core.grouping import group_by
from jwmirror.core.model.product import WITHHELD
from jwmirror.core.model.run import failed_listing
from jwmirror.core.names import (
    CombinedName,
    is_exposure_root,
    is_named_by,
    is_observation,
    parse_combined,
    program_and_observation,
    root_and_suffix,
    stage_3_candidate,
)
from jwmirror.report.formatting import count, minute, without_folder
from jwmirror.report.quality import caveat_text, is_accepted, quality_text
from jwmirror.report.site.records import Level, Notice, NoticeGroup
from jwmirror.report.status import ReferenceNotice, Status

MOST_RESULTS = 50  # made with one reference
# kinds of notices in which nothing was measured on data: about no product, or what MAST shows
OPEN_TO_ALL = ("stopped", "doubts", "rollback", "references", "withheld", "unmatched", "notes")

CANDIDATE = re.compile(r"[ac]\d+")  # of several observations, or found by MAST's rules

Place = tuple[str, str]
PageOf = Callable[[str], str]  # of the name of a file or product: the address of its page, or ""
IsHidden = Callable[[str], bool]  # of such a name: the site must not show what is said of it


@dataclass(frozen=True, kw_only=True)
class NoticeSource:
    """What notices are made from."""

    status: Status
    undecided: Mapping[str, str]
    is_hidden: IsHidden


def notice_groups(
    status: Status, undecided: Mapping[str, str], page_of: PageOf, is_hidden: IsHidden
) -> tuple[NoticeGroup, ...]:
    """Return what needs attention, the worst first; what is hidden is counted.

    `undecided` are files that may have changed at MAST without a sign of it: since when (ISO).
    """
    groups, source = [], NoticeSource(status=status, undecided=undecided, is_hidden=is_hidden)
    open_to_all = {failed_listing(doubt).name for doubt in status.last_poll.doubts}
    for name, title, level, notices_of in KINDS:
        notices = [replace(each, page=page_of(each.subject)) for each in notices_of(source)]
        shown = tuple(
            each
            for each in notices
            if name in OPEN_TO_ALL or each.subject in open_to_all or not is_hidden(each.subject)
        )
        if notices:
            groups.append(
                NoticeGroup(
                    name=name,
                    title=title,
                    level=level,
                    notices=shown,
                    hidden=len(notices) - len(shown),
                    command="jwmirror failures" if name == "failed" else "jwmirror status --all",
                )
            )
    return tuple(groups)


@dataclass(frozen=True, kw_only=True)
class PublicNames:
    """Decides by names of what a public site may show what is said of it.

    The name of a product that a recipe made does not say what it was made from, except that of an
    exposure, and of a product of MAST: so nothing else is shown if anything is exclusive. Nor is
    anything of an observation with exclusive files, of a combination of observations in a program
    that has some, and of an observation that has no files. MAST may calibrate an exposure with
    those of other observations (background, PSF): if a program has such combinations, nothing of
    the whole program is shown.
    """

    places: Collection[Place]  # with files
    closed: Collection[Place]  # with exclusive files
    roots_of_mast: Collection[str]

    @cached_property
    def _closed_programs(self) -> frozenset[str]:
        return frozenset(program for program, _ in self.closed)

    @cached_property
    def _combined(self) -> frozenset[str]:
        """The programs that have combinations of observations (c1001, a3001)."""
        return frozenset(
            program
            for program, name in self.places
            if name[:1] in ("c", "a") and name[1:].isdigit()
        )

    @cached_property
    def _products(self) -> dict[Place, list[CombinedName]]:
        """The combined products of MAST, by place."""
        found: dict[Place, list[CombinedName]] = {}
        for root in self.roots_of_mast:
            if product := parse_combined(root):
                found.setdefault(place_named(root), []).append(product)
        return found

    def hides(self, name: str) -> bool:
        """Return whether what is said of a file or product must not be shown."""
        program, observation = place_named(name)
        last = name.rpartition(" ")[2].rpartition("/")[2]
        if not self.closed:
            return False
        if not any(map(self._is_of_mast, (last, root_and_suffix(last)[0]))):
            return True
        if program not in self._closed_programs:
            return False
        place = program, stage_3_candidate(last) or observation
        is_alone = program not in self._combined and is_observation(place[1])
        return not is_alone or place not in self.places or place in self.closed

    def _is_of_mast(self, root: str) -> bool:
        """Return whether a root is of an exposure, of MAST, or the one that an association names.

        MAST makes several products of one association: a cube of each band, a spectrum of each
        source.
        """
        if is_exposure_root(root) or root in self.roots_of_mast:
            return True
        named, products = parse_combined(root), self._products.get(place_named(root), ())
        return named is not None and any(is_named_by(p, named, from_spectra=True) for p in products)


def groups_by_place(groups: Iterable[NoticeGroup]) -> dict[Place, list[NoticeGroup]]:
    """Return the groups of each observation, with the notices about it."""
    found: dict[Place, list[NoticeGroup]] = {}
    for group in groups:
        by_place = group_by(group.notices, lambda notice: place_named(notice.subject))
        for place, notices in by_place.items():
            if place[0]:
                own = replace(group, notices=tuple(notices), hidden=0)
                found.setdefault(place, []).append(own)
    return found


def place_named(name: str) -> Place:
    """Return the folders of program and observation that a name begins with; "" without."""
    last = name.rpartition(" ")[2].rpartition("/")[2]
    program, observation = program_and_observation(last)
    return ("", "") if program is None else (f"jw{program:05d}", observation)


def _failed(source: NoticeSource) -> Iterator[Notice]:
    for failure in source.status.failures:
        yield Notice(subject=failure.name, why=(failure.message,))


def _stopped(source: NoticeSource) -> Iterator[Notice]:
    for stop in source.status.last_poll.stops:
        yield Notice(subject=f"run {stop.run}", why=(_stop_words(stop.rule, stop.why),))


def _doubted(source: NoticeSource) -> Iterator[Notice]:
    for doubt in source.status.last_poll.doubts:
        yield Notice(subject=doubt.scope, why=(doubt.why,))


def _judged(source: NoticeSource) -> Iterator[Notice]:
    for result in source.status.look_at:
        if not is_accepted(result.quality):
            state = "" if result.is_published else "; not published"
            word = f"{result.pipeline}: {quality_text(result.quality)}{state}"
            why = (word, *map(caveat_text, result.quality.caveats))
            yield Notice(subject=f"{result.recipe}: {result.product}", why=why)


def _references(source: NoticeSource) -> Iterator[Notice]:
    for notice in source.status.references:
        why = (f"{notice.kind}: {notice.message}", *_made_with(notice, source.is_hidden))
        yield Notice(subject=notice.file, why=why)


def _waiting(source: NoticeSource) -> Iterator[Notice]:
    for wait in (*source.status.waits, *source.status.unknown):
        yield Notice(subject=f"{wait.recipe}: {wait.product}", why=(wait.why,))


def _outdated(source: NoticeSource) -> Iterator[Notice]:
    for each in source.status.out_of_date:
        yield Notice(subject=f"{each.recipe}: {each.product}", why=each.reasons)


def _settling(source: NoticeSource) -> Iterator[Notice]:
    for each in source.status.settling:
        yield Notice(subject=each.product, why=(each.why, f"since {each.since[:10]}"))


def _withheld(source: NoticeSource) -> Iterator[Notice]:
    for change in source.status.changes:
        if change.kind == WITHHELD:
            yield Notice(subject=change.file, why=change.reasons)


def _incomplete(source: NoticeSource) -> Iterator[Notice]:
    for each in source.status.incomplete:
        yield Notice(subject=each.association, why=each.absent)


def _unmatched(source: NoticeSource) -> Iterator[Notice]:
    for words in source.status.unmatched:
        yield Notice(subject=words)


def _not_applied(source: NoticeSource) -> Iterator[Notice]:
    for each in source.status.partial_matches:
        yield Notice(subject=f"{each.recipe}: {each.product}", why=(each.match, each.why))


def _excluded(source: NoticeSource) -> Iterator[Notice]:
    for each in source.status.excluded:
        yield Notice(subject=f"{each.recipe}: {each.product}", why=(each.why,))


def _stop_words(rule: str, why: str) -> str:
    words = ": ".join(filter(None, (rule, why)))
    return words or "it was stopped, or a job that it needs failed; `jwmirror failures` says which"


def _rollback(source: NoticeSource) -> Iterator[Notice]:
    status = source.status
    number = status.generation.number if status.generation else 0
    if status.hold:
        yield Notice(
            subject=status.hold.notice(number),
            why=("what is not shown:", *map(without_folder, status.undone))
            if status.undone
            else (),
        )
    elif status.undone:
        yield Notice(
            subject=f"generation {number} is shown after a rollback",
            why=("the next run publishes again:", *map(without_folder, status.undone)),
        )


def _made_with(notice: ReferenceNotice, is_hidden: IsHidden) -> Iterator[str]:
    """Yield the published results that were made with a reference; those hidden are counted."""
    shown = [each for each in notice.results if not is_hidden(each.result.rpartition("/")[2])]
    for each in shown[:MOST_RESULTS]:
        numbers = ", ".join(map(str, each.generations))
        yield f"made with it: {each.recipe}: {each.result} (generations {numbers})"
    if rest := len(shown[MOST_RESULTS:]):
        yield f"and {rest:,} more results"
    if hidden := len(notice.results) - len(shown):
        yield f"made with it: {count(hidden, 'result')} that may be of exclusive data"


def _notes(source: NoticeSource) -> Iterator[Notice]:
    if source.status.limited_to:
        yield Notice(subject="the last run asked MAST about parts of the programs only")
    for note in source.status.notes:
        yield Notice(subject=without_folder(note))


def _undecided(source: NoticeSource) -> Iterator[Notice]:
    """Yield the files that may have changed without a sign, in the words of `jwmirror status`."""
    for file, since in sorted(source.undecided.items()):
        why = (
            "MAST lists no checksum of it, so that a change may show no sign; not compared since "
            f"{minute(since)}",
            "to read such files again in each run, set archive.recheck_gb_per_run in the config",
        )
        yield Notice(subject=file, why=why)


# id, title, level, function; the first ones are the worst
KINDS: tuple[tuple[str, str, Level, Callable[[NoticeSource], Iterator[Notice]]], ...] = (
    ("failed", "failed", "bad", _failed),
    ("stopped", "runs that ended before they published", "bad", _stopped),
    ("doubts", "not believed or not read at MAST", "bad", _doubted),
    ("rollback", "rolled back, or held", "warn", _rollback),
    ("quality", "results with caveats, or not published", "warn", _judged),
    ("references", "references corrected, retracted or not verified by CRDS", "warn", _references),
    ("waiting", "waiting to be calibrated", "warn", _waiting),
    ("outdated", "still out of date", "warn", _outdated),
    ("settling", "partly reprocessed at MAST; published when the rest arrives", "warn", _settling),
    ("withheld", "withheld by MAST", "warn", _withheld),
    ("incomplete", "associations with members that MAST does not list", "warn", _incomplete),
    ("unmatched", "selected in the config, but not found at MAST", "warn", _unmatched),
    ("blocks", "where-blocks that were not applied", "warn", _not_applied),
    ("undecided", "undecided: may have changed at MAST without a sign", "warn", _undecided),
    ("notes", "about the config and the last run", "warn", _notes),
    ("excluded", "excluded by recipes", "note", _excluded),
)
