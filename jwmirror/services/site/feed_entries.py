"""What the feed of a site reports: each generation, and each run that failed."""

from collections.abc import Iterable, Iterator

from jwmirror.core.files import sha256_of
from jwmirror.core.model.run import Stop
from jwmirror.report.formatting import changes_in_words, count
from jwmirror.report.site.addresses import ATTENTION, generation_address
from jwmirror.report.site.feeds import Feed, FeedEntry
from jwmirror.report.site.records import NoticeGroup
from jwmirror.services.site.generation_pages import published_words
from jwmirror.services.site.state import MirrorState
from jwmirror.store.maintenance.retention import HEAD
from jwmirror.store.runs import started_at

MOST = 100  # entries
NAMED = 20  # failures of a run
PROGRAMS = 5  # in the title


def feed_of(state: MirrorState, groups: Iterable[NoticeGroup], *, is_public: bool) -> Feed:
    """Return the feed of a site; `groups` are the notices that this site shows."""
    first = min(state.history.generations, key=lambda each: each.number)
    entries = [*_generations(state), *_failed_runs(state, groups)]
    entries.sort(key=lambda entry: (entry.at, entry.name), reverse=True)
    return Feed(
        identity=sha256_of(state.generations.read(first.number).folder / HEAD),
        since=first.made_at,
        title=_title(state, is_public),
        is_public=is_public,
        entries=tuple(entries[:MOST]),
    )


def _title(state: MirrorState, is_public: bool) -> str:
    programs = sorted({row.place[0] for row in state.rows})
    more = f" and {len(programs) - PROGRAMS} more" if len(programs) > PROGRAMS else ""
    end = "" if is_public else ", with exclusive data"
    return f"Mirror of {', '.join(programs[:PROGRAMS])}{more}{end}"


def _generations(state: MirrorState) -> Iterator[FeedEntry]:
    listed = set(state.listed)
    for generation in state.history.generations[:MOST]:
        number = generation.number
        causes = published_words(generation)
        yield FeedEntry(
            name=f"generation/{number}",
            kind="generation",
            title=f"Generation {number}: {causes[0] if causes else 'published'}",
            at=generation.made_at,
            lines=(*causes, f"Files: {changes_in_words(generation.counts)}"),
            page=generation_address(number) if number in listed else "",
        )


def _failed_runs(state: MirrorState, groups: Iterable[NoticeGroup]) -> Iterator[FeedEntry]:
    """Yield the runs that ended before they published, and the last one if something failed."""
    stops = {stop.run: _stopped(stop) for stop in state.status.last_poll.stops}
    yield from stops.values()
    run = state.status.run or ""
    failed = next((group for group in groups if group.name == "failed"), None)
    if failed and run not in stops and (at := started_at(run)):
        lines = [": ".join((each.subject, *each.why)) for each in failed.notices[:NAMED]]
        more = failed.number - len(lines)
        yield FeedEntry(
            name=f"run/{run}",
            kind="failure",
            title=f"{count(failed.number, 'failure')} in run {run}",
            at=at,
            lines=(
                *lines,
                *([f"and {more:,} more; `jwmirror failures` lists them"] if more else ()),
            ),
            page=ATTENTION,
        )


def _stopped(stop: Stop) -> FeedEntry:
    why = ": ".join(filter(None, (stop.rule, stop.why)))
    return FeedEntry(
        name=f"run/{stop.run}",
        kind="failure",
        title=f"Run {stop.run} ended before it published",
        at=stop.at,
        lines=(why or "it was stopped, or a job that it needs failed",),
        page=ATTENTION,
    )
