"""What CRDS's rules go by, so that one look-up serves all exposures that are alike to them.

Of the moment of an exposure only its epoch counts: rules change their mind on the dates from which
references are to be used, and on no others. Exposures that are alike but for when they were taken
have the same references unless one of these dates lies between them.
"""

from bisect import bisect_right
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

DATE, TIME = "meta.observation.date", "meta.observation.time"
WHEN = (DATE.upper(), TIME.upper())  # as CRDS writes them
USE_AFTER = "UseAfter"
EVERYWHERE = {"rmap_relevance": "always", "rmap_omit": "False", "parkey_relevance": {}, "hooks": {}}

Dates = tuple[datetime, ...]


@dataclass(frozen=True)
class Rule:
    """The parameters that a choice depends on, and the dates on which it changes.

    Parameters are named as in headers: in lower case, where CRDS writes them in upper case. Without
    dates they include the moment of an exposure.
    """

    names: tuple[str, ...]
    dates: Dates | None = None

    def case(self, values: Mapping[str, Any]) -> tuple[Any, ...]:
        """What of a header counts; two headers of one case get one answer."""
        epoch = None if self.dates is None else _epoch(self.dates, values)
        return (epoch, *[str(values.get(name, "")) for name in self.names])


def rule_of(rmap: Any) -> Rule | None:
    """What the choice of one reference type goes by; None if that takes more than its own keys."""
    if any(str(rmap.header.get(name, usual)) != str(usual) for name, usual in EVERYWHERE.items()):
        return None
    names = set(rmap.get_required_parkeys())
    dates = _dates(rmap)
    return _rule(names if dates is None else names - set(WHEN), dates)


def joined(names: Iterable[str], rules: Iterable[Rule | None]) -> Rule:
    """What all choices together go by; `names` are all parameters that any of them asks for."""
    rules = list(rules)
    if any(rule is None or rule.dates is None for rule in rules):
        return _rule({*names, *WHEN})
    dates = {date for rule in rules for date in rule.dates}
    return _rule({*names} - {*WHEN}, tuple(sorted(dates)))


def _rule(names: Iterable[str], dates: Dates | None = None) -> Rule:
    return Rule(tuple(sorted(name.lower() for name in names)), dates)


def _dates(rmap: Any) -> Dates | None:
    """The dates in an rmap; None if it goes by an exposure's moment otherwise than as use-after."""
    found: list[datetime | None] = []
    level = [rmap.selector]
    left = list(rmap.get_required_parkeys())
    for kind, names in zip(rmap.header.get("classes", ()), rmap.parkey, strict=False):
        if kind == USE_AFTER and tuple(names) == WHEN:
            found += [_moment(key) for selector in level for key in selector.keys()]  # noqa: SIM118
            left = [name for name in left if name not in WHEN]
        below = [choice for selector in level for choice in selector.choices()]
        level = [choice for choice in below if not isinstance(choice, str)]
    if None in found or set(left) & set(WHEN):
        return None
    return tuple(sorted(set(found)))


def _epoch(dates: Dates, values: Mapping[str, Any]) -> int | str:
    """How many of the dates an exposure's moment has reached; the moment itself if it is none."""
    said = f"{values.get(DATE, '')} {values.get(TIME, '')}"
    moment = _moment(said)
    return said if moment is None else bisect_right(dates, moment)


def _moment(text: str) -> datetime | None:
    """The moment of "2022-06-01 00:00:00"; None if it is written in another way."""
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        return None
    return moment if moment.tzinfo is None else None
