"""Rules of a CRDS context: which header values decide on the best references; loaded once.

CRDS reads its settings from the process's environment: put `crds_environment(cache, context)` into
os.environ before its first use, and before worker processes are started.
"""

import os
import re
from bisect import bisect_right
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache
from pathlib import Path
from typing import Any, NamedTuple

from jwmirror.core.errors import (
    CalibrationError,
    ReferencesError,
    failures_as,
    plain_text,
)
from jwmirror.core.files import FileStamp
from jwmirror.core.fits import check_asdf_file
from jwmirror.pipeline.child_environment import NO_INI_FILE

OFFLINE = "https://crds-serverless-mode.stsci.edu"  # CRDS looks for "serverless", not the address
DATE, TIME = "meta.observation.date", "meta.observation.time"
WHEN = (DATE.upper(), TIME.upper())  # as CRDS writes them
MOMENT = re.compile(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d(\.\d{1,6})?", re.ASCII)
USE_AFTER = "UseAfter"
ORDINARY = {"rmap_relevance": "always", "rmap_omit": "False", "parkey_relevance": {}, "hooks": {}}

Dates = tuple[datetime, ...]


# ---- a context ---------------------------------------------------------------------------------


def crds_environment(cache: Path, context: str) -> dict[str, str]:
    """Return the environment variables with which CRDS and stpipe work offline from `cache`."""
    return {
        "CRDS_PATH": str(Path(cache).absolute()),
        "CRDS_CONTEXT": context,
        "CRDS_SERVER_URL": OFFLINE,
        "CRDS_READONLY_CACHE": "1",
        "CRDS_INI_FILE": NO_INI_FILE,
    }


@lru_cache(maxsize=4)
def mapping_of(cache: Path, context: str) -> Any:
    """Return a context as CRDS loads it, after clearing CRDS's own caches.

    Raises:
        ReferencesError: the mappings are not in the cache, or CRDS_PATH is another cache.
    """
    from crds.core import rmap, utils

    if os.environ.get("CRDS_PATH") != str(cache):
        raise ReferencesError(
            f"CRDS_PATH is {os.environ.get('CRDS_PATH')}, expected {cache}; "
            "put crds_environment(cache, context) into os.environ first."
        )
    utils.clear_function_caches()
    try:
        return rmap.get_cached_mapping(context)
    except Exception as err:  # OSError, ChecksumError, network errors in serverless mode
        raise ReferencesError(
            f"{context} cannot be loaded from the reference cache {cache}: {plain_text(err)}; "
            "run again with network, so that the mappings are synced."
        ) from err


def forget_mappings() -> None:
    """Load contexts again at their next use: their mappings were replaced."""
    mapping_of.cache_clear()
    rules_of.cache_clear()


def read_pars_reference(path: Path) -> dict[str, Any]:
    """Return the parameters in a parameter reference; read again only if its stamp changes."""
    return _pars_at(path, FileStamp.of(path))


@lru_cache(maxsize=1024)
def _pars_at(path: Path, _stamp: FileStamp) -> dict[str, Any]:
    from stpipe.config_parser import load_config_file

    with failures_as(
        lambda why: CalibrationError(
            f"parameter reference {path.name} cannot be read: {why}; name another context, or "
            "report it to the CRDS help desk."
        )
    ):
        check_asdf_file(path)
        return load_config_file(str(path)).dict()


# ---- its rules ---------------------------------------------------------------------------------


@dataclass(frozen=True)
class Rule:
    """The header values and use-after dates that decide on the best reference.

    Names are those of the header, in lower case; CRDS writes them in upper case. If `dates` is
    None, the names include the date and time of the exposure.
    """

    names: tuple[str, ...]
    dates: Dates | None = None

    def case(self, values: Mapping[str, Any]) -> tuple[Any, ...]:
        """Return the values that matter; headers with the same case get the same references."""
        epoch = None if self.dates is None else _epoch(self.dates, values)
        return (epoch, *[str(values.get(name, "")) for name in self.names])


NO_RULE = Rule(())  # of a type that the instrument does not have: no value matters


class Rules(NamedTuple):
    """The rules of a context for one instrument: for all types together, and by type.

    A type whose rule is not known (None) has to be looked up for every header.
    """

    whole: Rule
    by_type: dict[str, Rule | None]


@lru_cache(maxsize=64)
def rules_of(cache: Path, context: str, instrument: str) -> Rules:
    """Return the rules of a context for an instrument."""
    mapping = mapping_of(cache, context)
    with failures_as(
        lambda why: ReferencesError(f"the rules of {context} for {instrument} are invalid: {why}.")
    ):
        names = mapping.get_required_parkeys().get(instrument)
        if names is None:  # an unknown instrument; the look-up will report it
            return Rules(Rule(()), {})
        items = mapping.get_imap(instrument).selections.normal_items()
        by_type = {name: rule_of(rmap) for name, rmap in items}
        return Rules(join_rules(names, by_type.values()), by_type)


def rule_of(rmap: Any) -> Rule | None:
    """Return the rule of one reference type.

    None if the rmap has relevance rules, omit rules or hooks, which use further values.
    """
    if any(str(rmap.header.get(name, usual)) != str(usual) for name, usual in ORDINARY.items()):
        return None
    names = set(rmap.get_required_parkeys())
    dates = _dates(rmap)
    return _rule(names if dates is None else names - set(WHEN), dates)


def join_rules(names: Iterable[str], rules: Iterable[Rule | None]) -> Rule:
    """Return one rule for all types; `names` are all header values that any of them uses."""
    dates: set[datetime] = set()
    for rule in rules:
        if rule is None or rule.dates is None:
            return _rule({*names, *WHEN})
        dates.update(rule.dates)
    return _rule({*names} - {*WHEN}, tuple(sorted(dates)))


def _rule(names: Iterable[str], dates: Dates | None = None) -> Rule:
    return Rule(tuple(sorted(name.lower() for name in names)), dates)


def _dates(rmap: Any) -> Dates | None:
    """Return the use-after dates of an rmap; None if it also uses date or time in another way."""
    dates: set[datetime] = set()
    level = [rmap.selector]
    unused = list(rmap.get_required_parkeys())
    for kind, names in zip(rmap.header.get("classes", ()), rmap.parkey, strict=False):
        if kind == USE_AFTER and tuple(names) == WHEN:
            for key in (key for selector in level for key in selector.keys()):  # noqa: SIM118
                date = _moment(key)
                if date is None:
                    return None
                dates.add(date)
            unused = [name for name in unused if name not in WHEN]
        below = [choice for selector in level for choice in selector.choices()]
        level = [choice for choice in below if not isinstance(choice, str)]
    return None if set(unused) & set(WHEN) else tuple(sorted(dates))


def _epoch(dates: Dates, values: Mapping[str, Any]) -> int | str:
    """Return how many of the dates are before an exposure; its date as text if it is not valid."""
    text = _moment_text(values)
    moment = _moment(text)
    return text if moment is None else bisect_right(dates, moment)


def _moment(text: str) -> datetime | None:
    """Return the time "2022-06-01 00:00:00"; None for another format.

    Python accepts more formats than CRDS ("20220601 00:00:00", "2022-06-01 12").
    """
    if not MOMENT.fullmatch(text):
        return None
    try:
        return datetime.fromisoformat(text)
    except ValueError:
        return None


def invalid_moment(values: Mapping[str, Any]) -> str:
    """Return date and time of an exposure if CRDS cannot read them; "" if it can."""
    from crds.core import timestamp

    text = _moment_text(values)
    try:
        timestamp.parse_date(text)
    except Exception:  # ValueError, IndexError, CrdsError
        return text
    return ""


def _moment_text(values: Mapping[str, Any]) -> str:
    return f"{values.get(DATE, '')} {values.get(TIME, '')}"
