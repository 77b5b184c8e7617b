"""Find the associations that MAST has reprocessed only in part."""

from collections.abc import Sequence
from pathlib import Path

from jwmirror.core.model import Poll, SettleResult
from jwmirror.planning.settling import SettlePolicy, find_unsettled
from jwmirror.services.run.holdings import load_holdings
from jwmirror.store.runs import previous_settling


def settle_observations(
    *, mirror: Path, run: Path, poll: Poll, days: float, accept: Sequence[str]
) -> SettleResult:
    """Return the unsettled associations, why and since when.

    `run` is the folder of this run; the run before it knows since when an association is
    unsettled. `days` and `accept` are those of `settle` in the config.
    """
    associations = load_holdings(mirror, poll).associations
    policy = SettlePolicy(days=days, accept=tuple(accept))
    return find_unsettled(associations, poll, policy, previous_settling(run))
