"""What a listing says and is not believed without confirmation. Pure: no I/O."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass

from jwmirror.archive.index import Held
from jwmirror.core.model import VANISHED, Change, Listing


@dataclass(frozen=True, kw_only=True)
class Policy:
    """How much may vanish at once, and of which programs the user said that it did."""

    vanish_limit: float = 0.5  # of a program's held products, 0 to 1
    accepted: Collection[int] = ()


def doubted(listing: Listing, changes: Sequence[Change], held: Held, policy: Policy) -> str:
    """Why the vanished products among `changes` are not believed; "" if they are.

    A listing that lacks more of them than the limit is more
    likely a fault of the archive than a fact.
    """
    present = held.present
    gone = sum(change.kind == VANISHED for change in changes)
    if gone <= policy.vanish_limit * present or listing.program in policy.accepted:
        return ""
    return (
        f"program {listing.program}: MAST lists {gone} of {present} held products no more; "
        f"expected at most {policy.vanish_limit:.0%} (archive.vanish_limit) to vanish between two "
        "polls, so this is not believed and they stay as they were; look at the program at MAST, "
        f"and if it is so run `snakemake --config accept_vanished={listing.program}` once."
    )


def without_vanished(changes: Sequence[Change]) -> tuple[Change, ...]:
    """The changes but for what vanished."""
    return tuple(change for change in changes if change.kind != VANISHED)
