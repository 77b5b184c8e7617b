"""How far a run is, in lines of ASCII: for a terminal that is redrawn, a log, and `status`."""

from collections.abc import Iterator

from rich.text import Text

from jwmirror.core.errors import as_typed
from jwmirror.core.model.jobs.run_state import FetchState, LevelState, RunState, StageState
from jwmirror.core.model.plan import level_in_words
from jwmirror.core.printing import duration
from jwmirror.report.formatting import count, minute, size

IN_WORDS = {
    "query": "Looking for what changed",
    "settle": "Looking for what MAST has reprocessed in part",
    "references": "Syncing references",
    "plan": "Planning the recalibration",
    "publish": "Publishing",
    "conclude": "Concluding",
}
STAGES = 8  # shown, of those that run
BAR = 20  # characters


def begun_lines(state: RunState) -> Iterator[str]:
    """Yield a line for each phase that has begun and is worth one; each is the same at any time."""
    if state.fetch:
        fetch = state.fetch
        of = f", of {count(fetch.observations, 'observation')}" if fetch.observations else ""
        yield f"Fetching {count(fetch.files, 'file')}, {size(fetch.bytes)}{of}"
    for level in state.levels:
        jobs = count(level.jobs, "job")
        yield f"Calibrating {level_in_words(level.level, level.exposures)} in {jobs}"


def progress_line(state: RunState) -> str:
    """Return what a run does now, how far it is, and for how long."""
    if state.downloads:
        title = "Fetching" if state.phase == "fetch" else IN_WORDS[state.phase]
        return _fetch_line(title, state.downloads)
    if state.level:
        return _level_line(state.level)
    return IN_WORDS.get(state.phase, "")


def _fetch_line(title: str, fetch: FetchState) -> str:
    parts = [
        f"{title}: {fetch.files_done:,} of {count(fetch.files, 'file')}",
        f"{size(fetch.bytes_done)} of {size(fetch.bytes)}",
        *([f"{size(round(fetch.rate))}/s"] if fetch.rate else []),
        *_left(fetch.seconds_left),
    ]
    return ", ".join(parts)


def _level_line(level: LevelState) -> str:
    waiting = level.jobs - level.jobs_done - level.jobs_at_work
    jobs = {"done": level.jobs_done, "at work": level.jobs_at_work, "waiting": waiting}
    states = ", ".join(f"{number:,} {word}" for word, number in jobs.items() if number)
    failed = f" ({level.failed:,} failed)" if level.failed else ""
    parts = [
        f"Calibrating {level_in_words(level.level)}: {level.exposures_done:,} of "
        f"{level.exposures:,}{failed}",
        f"jobs: {states}",
        *_left(level.seconds_left),
    ]
    return "; ".join(parts)


def _left(seconds: float | None) -> list[str]:
    return [] if seconds is None else [f"about {duration(seconds)} left"]


def stage_lines(state: RunState, most: int = STAGES) -> list[str]:
    """Return a line for each stage that runs; the step comes first, since narrow lines are cut."""
    lines = [_stage_line(stage) for stage in state.at_work]
    more = [f"and {len(lines) - most:,} more"] if len(lines) > most else []
    return [*lines[:most], *more]


def _stage_line(stage: StageState) -> str:
    where = f"{stage.recipe}/{stage.product}"
    what = " ".join(filter(None, (stage.pipeline, stage.step)))
    if stage.silent_s:
        return f"no sign for {duration(stage.silent_s)}: {where} on {stage.host} ({what})"
    return f"{what}, {duration(stage.seconds)}: {where} on {stage.host}"


def bar(state: RunState) -> str:
    """Return a bar of what is done of the present phase; "" if that is not known."""
    done = _part_done(state)
    if done is None:
        return ""
    length = int(BAR * done)
    return f"[{'#' * length}{'.' * (BAR - length)}] {100 * done:.0f} %"


def _part_done(state: RunState) -> float | None:
    if state.downloads and state.downloads.bytes:
        return min(state.downloads.bytes_done / state.downloads.bytes, 1.0)
    level = state.level
    return level.exposures_done / max(level.exposures, 1) if level else None


def running_section(state: RunState) -> Iterator[Text]:
    """Yield the lines of `jwmirror status` on a run that goes on."""
    since = f", since {minute(state.began)}" if state.began else ""
    host = f" on {state.host}" if state.host else ""
    yield Text(f"\nA run is going on: {state.run}{host}{since}", "bold")
    if state.is_alive is None:
        yield Text(
            "  Whether it is alive cannot be seen from this host at once; --watch finds out."
        )
    yield Text(f"  {progress_line(state)}")
    yield from (Text(f"    {line}") for line in stage_lines(state))
    if state.levels_to_plan and state.phase == "calibrate":
        yield Text(f"  Then: {', '.join(map(level_in_words, state.levels_to_plan))}")
    yield Text(f"  {as_typed('status --watch')} follows it.\n", "dim")
