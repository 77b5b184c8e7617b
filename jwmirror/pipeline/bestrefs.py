"""What is loaded of a CRDS cache, once per process: mappings, their rules, parameter references.

CRDS takes its settings from the process's environment: put `environment(cache, context)` into
os.environ before the first use, and before worker processes are started.
"""

import hashlib
import os
from functools import lru_cache
from pathlib import Path
from typing import Any, NamedTuple

from jwmirror.core.errors import ReferencesError
from jwmirror.pipeline.epochs import Rule, joined, rule_of

OFFLINE = "https://crds-serverless-mode.stsci.edu"  # the word in it, not the address, matters
NO_RULE = Rule(())  # of a type that an instrument has not: the answer depends on nothing


class Rules(NamedTuple):
    """What a context's rules for an instrument go by, type by type and all together."""

    whole: Rule
    by_type: dict[str, Rule | None]


def environment(cache: Path, context: str) -> dict[str, str]:
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
    return Rules(joined(names, by_type.values()), by_type)


def pars_content(path: Path) -> dict[str, Any]:
    """What a parameter reference says."""
    return _pars_content_at(path, path.stat().st_mtime_ns)


@lru_cache(maxsize=1024)
def _pars_content_at(path: Path, _mtime_ns: int) -> dict[str, Any]:
    from stpipe.config_parser import load_config_file

    return load_config_file(str(path)).dict()


def sha1_of(path: Path) -> str:
    """The sha1 of a file, hashed once while it is not touched."""
    found = path.stat()
    return _sha1_at(path, found.st_size, found.st_mtime_ns)


@lru_cache(maxsize=65536)
def _sha1_at(path: Path, _size: int, _mtime_ns: int) -> str:
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha1").hexdigest()
