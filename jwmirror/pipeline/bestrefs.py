"""What is loaded of a CRDS cache, once per process: mappings, their rules, parameter references.

CRDS takes its settings from the process's environment: put `environment(cache, context)` into
os.environ before the first use, and before worker processes are started.
"""

import os
from bisect import bisect_right
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache
from pathlib import Path
from typing import Any, NamedTuple

from jwmirror.core.errors import ReferencesError

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


def join_rules(names: Iterable[str], rules: Iterable[Rule | None]) -> Rule:
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


OFFLINE = "https://crds-serverless-mode.stsci.edu"  # the word in it, not the address, matters
NO_RULE = Rule(())  # of a type that an instrument has not: the answer depends on nothing


class Rules(NamedTuple):
    """What a context's rules for an instrument go by, type by type and all together."""

    whole: Rule
    by_type: dict[str, Rule | None]


def crds_environment(cache: Path, context: str) -> dict[str, str]:
    """What CRDS and stpipe must find in os.environ to work offline from `cache`."""
    return {
        "CRDS_PATH": str(Path(cache).absolute()),
        "CRDS_CONTEXT": context,
        "CRDS_SERVER_URL": OFFLINE,
        "CRDS_READONLY_CACHE": "1",
    }


@lru_cache(maxsize=4)
def mapping_of(cache: Path, context: str) -> Any:
    """A context as CRDS loads it; what CRDS remembers of other caches is forgotten first."""
    from crds.core import rmap, utils

    if os.environ.get("CRDS_PATH") != str(cache):
        raise ReferencesError(
            f"CRDS_PATH is {os.environ.get('CRDS_PATH')}, and {cache} was to be used; "
            "put environment(cache, context) into os.environ first."
        )
    utils.clear_function_caches()
    try:
        return rmap.get_cached_mapping(context)
    except Exception as err:  # OSError, ChecksumError, network errors in serverless mode
        raise ReferencesError(
            f"{context} cannot be loaded from the reference cache {cache}: {err}; "
            "run again with network, so that the mappings are synced."
        ) from err


@lru_cache(maxsize=64)
def rules_of(cache: Path, context: str, instrument: str) -> Rules:
    """The rules of a context for an instrument."""
    mapping = mapping_of(cache, context)
    names = mapping.get_required_parkeys().get(instrument)
    if names is None:  # the look-up will say that it is unknown
        return Rules(Rule(()), {})
    items = mapping.get_imap(instrument).selections.normal_items()
    by_type = {name: rule_of(rmap) for name, rmap in items}
    return Rules(join_rules(names, by_type.values()), by_type)


def read_pars_reference(path: Path) -> dict[str, Any]:
    """What a parameter reference says."""
    return _pars_content_at(path, path.stat().st_mtime_ns)


@lru_cache(maxsize=1024)
def _pars_content_at(path: Path, _mtime_ns: int) -> dict[str, Any]:
    from stpipe.config_parser import load_config_file

    return load_config_file(str(path)).dict()
