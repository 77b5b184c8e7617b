"""The use cases of the rules, called as the workflow calls them, but without Snakemake."""

from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

from jwmirror.core.model import Orders, Poll, Receipt, Search, Selection, read, write
from jwmirror.core.model.plan import JobLimits, Published
from jwmirror.services.run.conclude import Conclusion, conclude_run
from jwmirror.services.run.fetch import fetch_products
from jwmirror.services.run.plan import plan_recalibration
from jwmirror.services.run.publish import publish_generation
from jwmirror.services.run.quality.publication import PublicationPolicy
from jwmirror.services.run.query import query_archive
from jwmirror.services.run.references import sync_references
from jwmirror.services.run.settle import settle_observations
from jwmirror.services.run.site import write_site
from jwmirror.store.runs import RunFiles, number_run
from tests.setup.configs import policy_of


class ServedArchive(Protocol):
    """An archive that a test serves."""

    url: str


@dataclass
class Runs:
    """Runs on one mirror, for a config without recipes; by default of associations only."""

    archive: ServedArchive
    mirror: Path
    process: ProcessPoolExecutor  # which asks MAST
    token_socket: str | None = None
    selections: tuple[Selection, ...] = (Selection(program=1345, products=("asn",)),)
    searches: tuple[Search, ...] = ()
    fetch_gb: float | None = None
    recheck: int = 0  # bytes that a poll may read again
    accept_refused: tuple[str, ...] = ()  # file names
    polls: bool = True
    years: dict[int, int] = field(default_factory=dict)  # by number of a run: what its clock says

    def files(self, number: int) -> RunFiles:
        """The records of a run."""
        year = self.years.get(number, 2026)
        return RunFiles(self.mirror / f"receipts/runs/{year}030{number}T120000.000000Z-1")

    def query(self, number: int, keep_free: int = 0) -> Orders:
        """Begin a run, poll, and return the orders."""
        number_run(self.files(number).folder)
        job = self.process.submit(
            query_archive,
            mirror=self.mirror,
            run=self.files(number).folder,
            url=self.archive.url if self.polls else "",
            token_socket=self.token_socket,
            downloads=2,
            selections=self.selections,
            searches=self.searches,
            fetch_gb=self.fetch_gb,
            vanish_limit=0.5,
            accept_vanished=(),
            keep_free=keep_free,
            recheck=self.recheck,
            accept_refused=self.accept_refused,
        )
        job.result(timeout=60)
        return read(self.files(number).orders, Orders)

    def fetch(self, orders: Orders, order: str) -> Receipt:
        """Fetch one order."""
        return fetch_products(
            mirror=self.mirror,
            run=self.files(1).folder,
            orders=orders,
            order=order,
            url=self.archive.url,
            cloud_url=None,
            token_socket=self.token_socket,
            downloads=2,
            group=None,
            accept_refused=self.accept_refused,
        )

    def run(self, number: int) -> tuple[Published, Path, Conclusion]:
        """Carry out all rules; return what they published, the page of the site, the conclusion."""
        files, orders = self.files(number), self.query(number)
        for order in orders.products:
            write(files.fetched(order), self.fetch(orders, order))
        poll = read(files.poll, Poll)
        settling = settle_observations(
            mirror=self.mirror, run=files.folder, poll=poll, days=3, accept=()
        )
        write(files.settling, settling)
        state = {"mirror": self.mirror, "poll": poll, "settling": settling}
        references = sync_references(
            **state,
            recipes=(),
            policy=policy_of("http://unused.invalid", self.mirror / "cache"),
        )
        state["references"] = references
        planned = plan_recalibration(
            **state,
            cache=self.mirror / "cache",
            recipes=(),
            limits=JobLimits(),
            below=(),
            ahead=(),
            receipts=(),
        )
        plans = (planned.plan, *planned.ahead)
        run = {"mirror": self.mirror, "run": files.folder}
        published = publish_generation(
            **state | run,
            group=None,
            plans=plans,
            receipts=(),
            policy=PublicationPolicy(),
            config={},
            recipes=(),
        )
        page = write_site(mirror=self.mirror)
        return published, page, conclude_run(**run, published=published, page="page.html")
