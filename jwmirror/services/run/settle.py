"""Find the associations that MAST has reprocessed only in part."""

from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

from jwmirror.archive.poll_records import with_products
from jwmirror.core.model import Poll, SettleResult
from jwmirror.pipeline.associations.reading import read_associations
from jwmirror.planning.settling import SettlePolicy, find_unsettled
from jwmirror.services.run.holdings import load_holdings
from jwmirror.store.objects import Objects
from jwmirror.store.runs import previous_settling, upstream_after


def settle_observations(
    *, mirror: Path, run: Path, poll: Poll, days: float, accept: Sequence[str]
) -> SettleResult:
    """Return the unsettled associations, why and since when, and new ones of doubted members.

    `run` is the folder of this run; the run before it knows since when an association is
    unsettled. `days` and `accept` are those of `settle` in the config.
    """
    associations = load_holdings(mirror, poll).associations
    policy = SettlePolicy(days=days, accept=tuple(accept))
    listed = with_products(run, poll) if associations.found else poll
    settling = find_unsettled(associations, listed, policy, previous_settling(run))
    return replace(settling, doubted=tuple(_doubted_associations(mirror, poll)))


def _doubted_associations(mirror: Path, poll: Poll) -> Iterator[str]:
    """Yield the URIs of new association files that have a member in a doubted part.

    The name of such a file shows no instrument, so the poll itself cannot doubt it.
    """
    changed = {change.product.uri for change in poll.changes if change.product.suffix == "asn"}
    if not (poll.doubts and changed):
        return
    for entry in upstream_after(mirror, poll):
        if entry.upstream.uri not in changed:
            continue
        found = read_associations([entry], Objects(mirror).path).found
        members = [member.name for association in found for member in association.members]
        if any(doubt.covers(name) for doubt in poll.doubts for name in members):
            yield entry.upstream.uri
