"""Checks of MAST for the programs of a config: server, token, tables, downloads, cloud copy."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from jwmirror.archive.client import MastClient, ProgramTask, selected_uris, whole_tasks
from jwmirror.archive.discovery.record import read_searches, selections_of
from jwmirror.archive.discovery.search import run_searches
from jwmirror.archive.evidence.record import Rows, rows_by_suffix
from jwmirror.archive.evidence.server import FileServer
from jwmirror.archive.tables.login import WHOAMI
from jwmirror.archive.tables.queries import Queries
from jwmirror.config.load import Config
from jwmirror.core.errors import ArchiveError, UnknownProgramError
from jwmirror.core.model import Entry, Listing, Product, Selection
from jwmirror.net.http import HttpClient, Timeouts, base_url
from jwmirror.report.diagnosis import FAIL, OK, WARN, Check
from jwmirror.report.formatting import count, size
from jwmirror.services.inspect.doctor.sample import (
    LARGEST_SAMPLE,
    Sampler,
    SlowBodyError,
    cloud_check,
    etag_checks,
    etag_kind,
    ranked_samples,
    sample_checks,
    slow_check,
)
from jwmirror.services.inspect.doctor.servers import (
    Contact,
    contact,
    guarded,
    server_check,
    token_check,
)
from jwmirror.services.inspect.doctor.tables import (
    AGAIN,
    column_checks,
    poll_check,
    row_checks,
)

QUERIES = Timeouts(connect_s=10, read_s=60, attempts=2)
NETWORK = "check the network, and run this command again"
CORRECT = "correct `programs` in the config"
SEARCH = f"{CORRECT}; or, if MAST did not answer, {AGAIN}"
NO_SAMPLE = f"not checked: no selected file of up to {size(LARGEST_SAMPLE)} may be downloaded"
QUERY_S = 300.0  # for each query


@dataclass(kw_only=True)
class ArchiveVisit:
    """The checks of one MAST server, and the answers that they brought."""

    config: Config
    client: HttpClient
    entries: Sequence[Entry]  # of the mirror
    made: Contact | None = None
    etag: str = ""
    rows: dict[str, Rows] = field(default_factory=dict)  # by program
    selected: list[Product] | None = None  # by the config; None: not known
    found: tuple[Selection, ...] = ()  # by the searches of the config
    traffic: tuple[int, int] = (0, 0)  # requests about tables, and bytes of the answers

    def checks(self) -> Iterator[Check]:
        """Yield all checks, in their order."""
        url = base_url(self.config.archive_url)
        self.made = contact(f"{url}{WHOAMI}")
        yield server_check("MAST", self.made, "archive.url")
        if self.made.error:
            found = "not checked, because MAST does not answer"
            yield Check("token, tables, downloads", WARN, found, "first do the step for MAST")
            return
        is_accepted = False
        if self.config.token:
            account = token_check(url, self.config.token, self.client.token_variable)
            is_accepted = account.outcome != FAIL
            yield account
        token = self.config.token if is_accepted else None
        yield from guarded("tables", self._table_checks(token), NETWORK)
        yield from self._access_checks(is_accepted)
        sampler = Sampler(client=self.client, url=url)
        yield from guarded("download", self._download_checks(sampler, is_accepted), NETWORK)
        if self.selected is not None:
            yield poll_check(self.traffic, self.selected, self.etag, self.config.recheck)

    def _table_checks(self, token: str | None) -> Iterator[Check]:
        """Check the tables of all programs, and keep what they say; queried as by a poll."""
        url = self.config.archive_url
        with Queries(url, token, QUERY_S, QUERIES) as queries:
            client = MastClient(queries=queries, files=FileServer(url=url, token=token))
            yield from self._search_checks(queries)
            selections = (*self.config.selections, *self.found)
            for task, answer in client.answers(whole_tasks(selections, self.entries)):
                try:
                    yield from self._program_checks(task, answer.result())
                except UnknownProgramError as err:
                    yield Check(f"program {task.program}", FAIL, str(err), CORRECT)
                except ArchiveError as err:
                    yield Check(f"program {task.program}", FAIL, str(err), AGAIN)
            self.traffic = queries.traffic

    def _search_checks(self, queries: Queries) -> Iterator[Check]:
        """Check the searches of the config, and keep what they find."""
        record = read_searches(self.config.mirror)
        answers, _ = run_searches(queries, self.config.searches, record)
        self.found = tuple(selections_of(answers))
        for answer in answers:
            yield from (Check(doubt.scope, FAIL, doubt.why, SEARCH) for doubt in answer.doubts)
            if answer.found:
                programs = count(len(answer.found), "program")
                yield Check(answer.search.place, OK, f"{answer.search}: {programs}")
            elif not answer.doubts:
                yield Check(answer.search.place, WARN, f"{answer.search}: no program", CORRECT)

    def _program_checks(self, task: ProgramTask, listing: Listing) -> Iterator[Check]:
        """Check one program's listing, and keep what it says."""
        yield from column_checks(listing)
        uris = selected_uris(listing, task.selections)
        products = [product for product in listing.products if product.uri in uris]
        self.selected = [*(self.selected or ()), *products]
        if not products:
            found, step = "MAST lists no files of it", "look the program up at MAST"
            if listing.products:
                found = f"the config selects none of {count(len(listing.products), 'product')}"
                step = CORRECT
            yield Check(f"program {task.program}", WARN, found, step)
        self.rows[str(task.program)] = rows_by_suffix(listing, listing.doubts)
        yield from row_checks(task.program, self.rows[str(task.program)])

    def _access_checks(self, is_accepted: bool) -> Iterator[Check]:
        closed = sum(product.is_closed for product in self.selected or ())
        if not closed or is_accepted:
            return
        found = f"{count(closed, 'exclusive file')} selected, and no token that MAST accepts"
        variable = self.client.token_variable
        step = (
            f"put a token into {variable}; without one, a run does not download them, and those "
            "that are in the mirror stay as they are"
        )
        yield Check("exclusive files", WARN, found, step)

    def _download_checks(self, sampler: Sampler, has_token: bool) -> Iterator[Check]:
        ranked = ranked_samples(self.selected or (), has_token)
        if not ranked:
            yield Check("download", WARN, NO_SAMPLE, "first do the steps above, if there are any")
            return
        try:
            downloads = list(sample_checks(sampler, ranked))
            yield from downloads
            if any(check.outcome == FAIL for check in downloads):
                return
            self.etag = etag_kind(sampler, ranked)
            yield from etag_checks(sampler, ranked, self.etag)
        except SlowBodyError as error:
            yield slow_check(error)
            return
        if self.config.cloud_url:
            yield cloud_check(self.client, base_url(self.config.cloud_url), ranked)
