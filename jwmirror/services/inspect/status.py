"""The state of a mirror: what it contains, what changed at MAST, and what is out of date."""

from collections.abc import Sequence
from contextlib import suppress
from dataclasses import replace
from datetime import UTC, datetime
from functools import partial
from pathlib import Path

from jwmirror.config.load import Config
from jwmirror.core.errors import StoreError
from jwmirror.core.model.history.causes import summed_up
from jwmirror.core.model.history.reasons import PlaceOf, no_place, place_of_reason
from jwmirror.core.model.quality import CAVEAT
from jwmirror.core.model.run import Run
from jwmirror.crds.affected import reference_notices
from jwmirror.report.growth import Growth, forecast_growth, recent_growth
from jwmirror.report.history import generation_record
from jwmirror.report.quality import count_qualities, doubtful_results
from jwmirror.report.status import (
    Preview,
    Status,
    Undecided,
    build_status,
    count_files,
)
from jwmirror.services.causes.generations import generation_causes
from jwmirror.services.configure.checked_config import load_checked_config
from jwmirror.services.inspect.answers.exclusive import exclusive_files
from jwmirror.services.inspect.running.observation import run_state
from jwmirror.services.kept.answers import kept_answer
from jwmirror.services.kept.conditions import conditions_of
from jwmirror.services.kept.dependencies import generation_digest, records_digest, stored_digest
from jwmirror.store.disk_space import free_space
from jwmirror.store.generations import Generations, StoredGeneration
from jwmirror.store.lock import RUN_LOCK, lock_note
from jwmirror.store.pins import read_hold
from jwmirror.store.runs import last_run, read_undecided


def mirror_status(
    root: Path,
    config_file: Path | None,
    settings: Sequence[str] = (),
    context: str | None = None,
) -> Status:
    """Return the state of a mirror, compared with a config file (None: as the last run left it).

    `settings` are added to those of the config. `context` is a CRDS context to plan with instead
    of the config's; only then CRDS is asked.

    Raises:
        ConfigError: the config has mistakes.
        ReferencesError: CRDS cannot be asked.
    """
    generations = Generations(root)
    current, entries = generations.current(), generations.entries()
    columns = (entries.column(name) for name in ("path", "size", "state", "deselected"))
    run, owner = last_run(root), lock_note(root, RUN_LOCK)
    preview: Preview | None = None
    place_of: PlaceOf = no_place
    if run is not None and config_file is not None:
        config = load_checked_config(config_file, settings)
        place_of = partial(place_of_reason, config.parameter_places)
        preview = _preview(root, run, config, context)
    status = build_status(
        str(root),
        generation_record(current) if current else None,
        count_files(zip(*columns, strict=True)),
        run,
        preview,
        count_qualities(zip(*map(entries.column, ("origin", "key", "quality")), strict=True)),
        doubtful_results(entries.where("quality", CAVEAT), run.held_back if run else ()),
        reference_notices(root, run.findings if run else ()),
        place_of,
        read_hold(root),
    )
    return replace(
        status,
        at_work=f"{owner.purpose}, since {owner.since}" if owner else "",
        undecided=undecided_since(root),
        undone=tuple(undone_causes(root, current, run)),
        running=run_state(root),
        growth=_growth(root),
        exclusive=exclusive_files(root, entries),
    )


def _growth(root: Path) -> Growth | None:
    """Return how fast the mirror grows; None if its history is too short."""
    now = datetime.now(UTC)
    growth = recent_growth(Generations(root).all(), now)
    return forecast_growth(growth, free_space(root)[0], now) if growth else None


def undecided_since(root: Path) -> Undecided:
    """Return how many files may have changed without a sign of it, and since when."""
    undecided = read_undecided(root)
    return Undecided(files=len(undecided), since=min(undecided.values(), default=""))


def undone_causes(root: Path, current: StoredGeneration | None, run: Run | None) -> list[str]:
    """Return why the last run's generation differs, in words, if another one is current now."""
    last = run.published.generation if run and run.published else 0
    if current is None or last in (0, current.number):
        return []
    with suppress(StoreError):  # it was pruned
        causes = generation_causes(root, current, Generations(root).read(last))
        return list(map(str, summed_up(causes)))
    return []


def _preview(root: Path, run: Run, config: Config, context: str | None) -> Preview:
    """Return the preview of the next run; the kept one, if nothing changed that it depends on."""

    def compute() -> Preview:
        from jwmirror.services.inspect.preview import preview_run  # imports jwst: seconds

        return preview_run(root, run, config, context)

    if context is not None or run.published is None:  # CRDS is asked; files arrived since
        return compute()
    parts = {
        **conditions_of(config).parts,
        "generation": generation_digest(root),
        "records": records_digest(root, config.cache, run.id),
        "store": stored_digest(root),
    }
    return kept_answer(root, "preview", parts, Preview, compute)
