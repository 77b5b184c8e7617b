"""Frozen records of plain values, which are passed between modules."""

from jwmirror.core.jsonio import canonical, digest, parse, read, read_all, write
from jwmirror.core.model.derivation import Derivation, Input
from jwmirror.core.model.parameters import ParameterPlace
from jwmirror.core.model.plan import (
    Chain,
    Plan,
    Receipt,
    References,
    Result,
    SettleResult,
    Wait,
)
from jwmirror.core.model.product import Change, Doubt, Listing, Orders, Poll, Product, Reason, Scope
from jwmirror.core.model.recipe import AUTO, Exclusion, Recipe, Selection, Where, is_among
from jwmirror.core.model.search import Search
from jwmirror.core.model.stored import GONE, UPSTREAM, Entry, Failure, ResultFile, Version
