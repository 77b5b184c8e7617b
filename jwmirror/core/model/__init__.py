"""Frozen records of plain values, which are passed between modules."""

from jwmirror.core.jsonio import canonical, digest, parse, read, read_all, write
from jwmirror.core.model.derivation import Derivation, Input
from jwmirror.core.model.holding import (
    GONE,
    HELD,
    RAMP,
    UPSTREAM,
    Entry,
    Failure,
    Generation,
    ResultFile,
    Version,
)
from jwmirror.core.model.plan import (
    DEFAULT,
    LEVELS,
    Chain,
    Incomplete,
    Plan,
    PlansAhead,
    Published,
    Receipt,
    Record,
    References,
    Result,
    Settling,
    Spent,
    Unsettled,
    Wait,
)
from jwmirror.core.model.product import (
    NEW,
    RELEASED,
    RENAMED,
    REPROCESSED,
    RESTAMPED,
    RETURNED,
    STALE,
    VANISHED,
    WITHHELD,
    Change,
    Listing,
    Orders,
    Poll,
    Product,
    Reason,
    Scope,
)
from jwmirror.core.model.recipe import Recipe, Selection, Where
