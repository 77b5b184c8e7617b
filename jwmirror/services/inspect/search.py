"""What the searches in a config find at MAST, before a run or beside one."""

from contextlib import nullcontext
from pathlib import Path

from jwmirror.archive.client import MastClient, whole_tasks
from jwmirror.archive.discovery.record import read_searches, selections_of, write_searches
from jwmirror.archive.discovery.search import run_searches
from jwmirror.archive.discovery.summary import describe_answers
from jwmirror.archive.discovery.targets import target_name
from jwmirror.archive.evidence.server import FileServer
from jwmirror.archive.tables.queries import Queries
from jwmirror.config.load import Config, read_content
from jwmirror.core.errors import ArchiveError, ConfigError
from jwmirror.core.mirror import mark_mirror
from jwmirror.core.model import Listing
from jwmirror.core.model.search import SearchAnswer, SearchRecord
from jwmirror.report.searches import SearchPage
from jwmirror.services.configure.checked_config import build_checked_config
from jwmirror.store.lock import RUN_LOCK, mirror_lock


def search_archive(config_file: Path, again: bool, wait_s: float | None) -> SearchPage:
    """Return what the searches in a config find, with the files and bytes that are selected.

    With `again`, names are resolved again, and what is found replaces the record that the next run
    starts from. Otherwise, or if a search fails, nothing is recorded.

    Raises:
        ConfigError: the config has mistakes, or no search.
        LockedError: the mirror is locked, still after `wait_s` seconds (None: wait without limit).
    """
    config = build_checked_config(read_content(config_file), check_parameters=False)
    if not config.searches:
        why = "no entry of `programs` has targets, position, category or released_after"
        raise ConfigError([f"{config_file}: {why}; nothing was searched"])
    if again:
        mark_mirror(config.mirror)
    lock = mirror_lock(config.mirror, "search", wait_s, RUN_LOCK) if again else nullcontext()
    with lock, Queries(config.archive_url) as queries:
        former = SearchRecord() if again else read_searches(config.mirror)
        answers, record = run_searches(queries, config.searches, former)
        if again and not any(answer.doubts for answer in answers):
            write_searches(config.mirror, record)
        return _page(config, answers, record, queries)


def _page(
    config: Config, answers: tuple[SearchAnswer, ...], record: SearchRecord, queries: Queries
) -> SearchPage:
    failures = [str(doubt) for answer in answers for doubt in answer.doubts]
    listings: list[Listing] = []
    client = MastClient(queries=queries, files=FileServer(url=config.archive_url, token=None))
    for _, answer in client.answers(whole_tasks(selections_of(answers), ())):
        try:
            listings.append(answer.result())
        except ArchiveError as err:
            failures.append(str(err))
    names = [name for answer in answers for name in answer.search.targets]
    targets = {name: record.targets.get(target_name(name)) for name in names}
    return SearchPage(
        targets={name: target for name, target in targets.items() if target},
        found={answer.search.place: answer.found for answer in answers},
        lines=describe_answers(answers, listings),
        failures=tuple(failures),
    )
