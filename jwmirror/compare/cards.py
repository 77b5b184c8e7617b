"""How the cards of FITS headers differ, sorted by what they say."""

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from jwmirror.core.fits import VOLATILE
from jwmirror.core.model import Reason
from jwmirror.core.model.product import PEDIGREE

PEDIGREE_CARDS = frozenset({*PEDIGREE.values(), "CRDS_VER"})  # of the primary header
STRUCTURE = re.compile(  # told as shapes and types of images and columns
    r"SIMPLE|XTENSION|EXTEND|BITPIX|NAXIS\d*|PCOUNT|GCOUNT|TFIELDS|T(TYPE|FORM|UNIT|DIM)\d+"
    r"|BZERO|BSCALE|EXTNAME|EXTVER"
)
SKY = re.compile(r"(CTYPE|CRVAL|CRPIX|CDELT|CUNIT|CROTA)\d|(PC|CD)\d_\d|[AB]P?_(\d_\d|ORDER)")
PRIMARY = "PRIMARY"


@dataclass
class CardChanges:
    """What differs in the headers of two files, as it is found."""

    volatile: list[str] = field(default_factory=list)
    pedigree: list[Reason] = field(default_factory=list)
    references: list[Reason] = field(default_factory=list)
    steps: list[Reason] = field(default_factory=list)
    cards: list[Reason] = field(default_factory=list)
    sky_moved: bool = False  # whether SCI's own coordinates differ

    def add(self, hdu: str, old: Any, new: Any) -> None:
        """Add what differs between the headers of one HDU."""
        for keyword, before, after in _changed(old, new):
            if keyword in VOLATILE:
                self.volatile.append(keyword)
            if keyword not in VOLATILE or (hdu == PRIMARY and keyword in PEDIGREE_CARDS):
                what = keyword if hdu == PRIMARY else f"{hdu} {keyword}"
                self._kind(hdu, keyword).append(Reason(what, before, after))
            self.sky_moved |= hdu == "SCI" and SKY.fullmatch(keyword) is not None

    def _kind(self, hdu: str, keyword: str) -> list[Reason]:
        if hdu != PRIMARY:
            return self.cards
        if keyword in PEDIGREE_CARDS:
            return self.pedigree
        kinds = {"R_": self.references, "S_": self.steps}
        return kinds.get(keyword[:2], self.cards)

    @property
    def any_science(self) -> bool:
        """Whether a card differs that is not volatile."""
        pedigree = [each for each in self.pedigree if each.what not in VOLATILE]
        return bool(pedigree or self.references or self.steps or self.cards)


def _changed(old: Any, new: Any) -> Iterator[tuple[str, str, str]]:
    """Each keyword whose values differ, in the order of the headers; comments do not count."""
    before, after = _values(old), _values(new)
    for keyword in [*before, *(keyword for keyword in after if keyword not in before)]:
        was, now = before.get(keyword), after.get(keyword)
        if was != now:
            yield keyword, " / ".join(was or ()), " / ".join(now or ())


def _values(header: Any) -> dict[str, tuple[str, ...]]:
    """The values of each keyword as text; COMMENT and HISTORY may have several."""
    found: dict[str, tuple[str, ...]] = {}
    for card in header.cards:
        if card.keyword and not STRUCTURE.fullmatch(card.keyword):
            found[card.keyword] = (*found.get(card.keyword, ()), _text(card.value))
    return found


def _text(value: Any) -> str:
    from astropy.io.fits.card import Undefined

    if isinstance(value, bool):
        return "T" if value else "F"
    return "" if isinstance(value, Undefined) else str(value)
