"""Reasons why two versions of a file differ."""

from collections.abc import Mapping
from dataclasses import fields, replace
from functools import cache
from pathlib import Path
from typing import Any

from msgspec import structs

from jwmirror.core.jsonio import canonical, parse
from jwmirror.core.model import Derivation, Entry, Reason
from jwmirror.core.model.plan import ProvenanceRecord
from jwmirror.core.model.product import PEDIGREE
from jwmirror.pipeline.derivation import differences
from jwmirror.store.provenance import Provenance

# Fields of an entry and its product that are no reasons: others report them, or they follow.
NO_REASONS = {
    *("path", "origin", "product", "sha256", "identity", "size", "key", "scheme"),
    *PEDIGREE,
}


class ChangeReasons:
    """Finds why versions of files differ. Derivations are compared once, for all files of one."""

    def __init__(self, root: Path):
        self._record = Provenance(root).read_if_allowed
        self._compare_keys = cache(self._key_differences)
        self._settings: dict[tuple[str, ...], tuple[Reason, ...]] = {}

    def between(self, old: Entry, new: Entry) -> tuple[Reason, ...]:
        """Return what differs in how two versions were made, or in what MAST says about them.

        Results are compared by their derivations, MAST's files by their pedigree. If nothing is
        known to differ but the bytes, the reason is their sha256.
        """
        if old.key and new.key:
            reasons = self._compare_keys(old.key, new.key)
        else:
            reasons = changed_values(*self._pedigrees(old, new))
        if old.sha256 == new.sha256:
            marks = changed_values(_facts(old), _facts(new))
            return (*reasons, *(mark for mark in marks if mark not in reasons))
        return reasons or changed_values({"sha256": old.sha256[:12]}, {"sha256": new.sha256[:12]})

    def _key_differences(self, old: str, new: str) -> tuple[Reason, ...]:
        if old == new:
            return ()
        before, after = self._record(old), self._record(new)
        if before is None or after is None:
            return (Reason("key", old[:12], new[:12]),)
        derivations = before.derivation, after.derivation
        only_inputs = (
            replace(each, engine={}, parameters={}, references={}, hooks=()) for each in derivations
        )
        settings = self._setting_differences(*derivations)
        return tuple(dict.fromkeys([*settings, *differences(*only_inputs)]))

    def _setting_differences(self, old: Derivation, new: Derivation) -> tuple[Reason, ...]:
        """Return what differs except the inputs; computed once, since most exposures share it."""
        settings = [replace(each, product="", inputs=()) for each in (old, new)]
        content = tuple(canonical(each) for each in settings)
        if content not in self._settings:
            self._settings[content] = differences(*settings)
        return self._settings[content]

    def _pedigrees(self, old: Entry, new: Entry) -> tuple[dict[str, str], dict[str, str]]:
        """Return both pedigrees; of MAST's file and a result, only keywords that both have."""
        before, after = self._pedigree(old), self._pedigree(new)
        if bool(old.key) == bool(new.key):
            return before, after
        common = [name for name in before if name in after]
        return {name: before[name] for name in common}, {name: after[name] for name in common}

    def _pedigree(self, entry: Entry) -> dict[str, str]:
        """Return the software, context and date that made a file, as far as they are recorded."""
        if entry.product:
            values = {name: getattr(entry.product, field) for field, name in PEDIGREE.items()}
            return {name: value for name, value in values.items() if value}
        record = self._record(entry.key) if entry.key else None
        return {"CRDS_CTX": entry.context, **(_versions(record) if record else {})}


def _versions(record: ProvenanceRecord) -> dict[str, str]:
    return {"CAL_VER": record.derivation.engine.get("jwst", ""), "DATE": record.made_at}


def _facts(entry: Entry) -> dict[str, str]:
    """Return everything else that a manifest and MAST say about a file, as text."""
    values = {each.name: getattr(entry, each.name) for each in fields(Entry)}
    header = parse(values.pop("header") or "{}", dict[str, Any])
    if entry.product:
        values |= structs.asdict(entry.product)
    values = {name: value for name, value in values.items() if name not in NO_REASONS}
    return {name: _text(value) for name, value in (values | header).items()}


def changed_values(old: Mapping[str, str], new: Mapping[str, str]) -> tuple[Reason, ...]:
    """Return the values that differ between two mappings; a missing one counts as ""."""
    return tuple(
        Reason(name, old.get(name, ""), new.get(name, ""))
        for name in dict.fromkeys([*old, *new])
        if old.get(name, "") != new.get(name, "")
    )


def _text(value: Any) -> str:
    if value is None:
        return ""
    return value if isinstance(value, str) else canonical(value)
