"""Differences between the cards of FITS headers, sorted by topic."""

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from jwmirror.core.fits import VOLATILE, card_value
from jwmirror.core.model import Reason
from jwmirror.core.model.product import PEDIGREE

if TYPE_CHECKING:
    from astropy.io.fits import Header

PEDIGREE_CARDS = frozenset({*PEDIGREE.values(), "CRDS_VER"})  # of the primary header
STRUCTURE = re.compile(  # compared as shapes and types of images and columns
    r"SIMPLE|XTENSION|EXTEND|BITPIX|NAXIS\d*|PCOUNT|GCOUNT|TFIELDS|T(TYPE|FORM|UNIT|DIM)\d+"
    r"|BZERO|BSCALE|EXTNAME|EXTVER"
)
SKY = re.compile(r"(CTYPE|CRVAL|CRPIX|CDELT|CUNIT|CROTA)\d|(PC|CD)\d_\d|[AB]P?_(\d_\d|ORDER)")
PRIMARY = "PRIMARY"


@dataclass
class CardChanges:
    """Differences between the headers of two files; `add` is called for each pair of HDUs."""

    volatile: list[str] = field(default_factory=list)
    pedigree: list[Reason] = field(default_factory=list)
    references: list[Reason] = field(default_factory=list)
    steps: list[Reason] = field(default_factory=list)
    cards: list[Reason] = field(default_factory=list)
    sky_moved: bool = False  # whether a coordinate card of SCI differs

    def add(self, hdu: str, old: "Header", new: "Header") -> None:
        """Add the differences between the headers of one HDU."""
        for keyword, old_value, new_value in _changed_cards(old, new):
            if keyword in VOLATILE:
                self.volatile.append(keyword)
            if keyword not in VOLATILE or (hdu == PRIMARY and keyword in PEDIGREE_CARDS):
                what = keyword if hdu == PRIMARY else f"{hdu} {keyword}"
                self._topic(hdu, keyword).append(Reason(what, old_value, new_value))
            self.sky_moved |= hdu == "SCI" and SKY.fullmatch(keyword) is not None

    def _topic(self, hdu: str, keyword: str) -> list[Reason]:
        """Return the list that a keyword belongs to; jwst writes R_* (references), S_* (steps)."""
        if hdu != PRIMARY:
            return self.cards
        if keyword in PEDIGREE_CARDS:
            return self.pedigree
        return {"R_": self.references, "S_": self.steps}.get(keyword[:2], self.cards)

    @property
    def any_science(self) -> bool:
        """True if a card differs that is not volatile."""
        pedigree = [reason for reason in self.pedigree if reason.what not in VOLATILE]
        return bool(pedigree or self.references or self.steps or self.cards)


def _changed_cards(old: "Header", new: "Header") -> Iterator[tuple[str, str, str]]:
    """Yield each keyword whose values differ, with both; comments of cards are not compared."""
    old_values, new_values = _values(old), _values(new)
    for keyword in old_values | new_values:
        old_value, new_value = old_values.get(keyword, ()), new_values.get(keyword, ())
        old_exact, new_exact = (" / ".join(map(repr, value)) for value in (old_value, new_value))
        if old_exact == new_exact:
            continue
        old_text, new_text = (" / ".join(map(_text, value)) for value in (old_value, new_value))
        is_clear = old_text != new_text  # unlike the text '5' and the number 5
        yield (keyword, old_text, new_text) if is_clear else (keyword, old_exact, new_exact)


def _values(header: "Header") -> dict[str, tuple[object, ...]]:
    """Return the values of each keyword; COMMENT and HISTORY may have several."""
    values: dict[str, tuple[object, ...]] = {}
    for card in header.cards:
        if card.keyword and not STRUCTURE.fullmatch(card.keyword):
            values[card.keyword] = (*values.get(card.keyword, ()), card_value(card))
    return values


def _text(value: object) -> str:
    if isinstance(value, bool):
        return "T" if value else "F"
    return "" if value is None else str(value)
