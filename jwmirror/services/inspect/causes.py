"""Why a file differs between two states: pedigree, derivation, or facts of the manifest."""

from collections.abc import Mapping
from dataclasses import fields, replace
from functools import cache
from pathlib import Path
from typing import Any

from msgspec import structs

from jwmirror.core.jsonio import canonical, parse
from jwmirror.core.model import Derivation, Entry, Reason, Record
from jwmirror.core.model.comparison import FileChange
from jwmirror.pipeline.derivation import differences
from jwmirror.store.provenance import Provenance

PEDIGREE = {"CAL_VER": "cal_ver", "CRDS_CTX": "crds_ctx", "SDP_VER": "sdp_ver", "DATE": "date"}
PLACE = {"path", "origin", "product", "sha256", "identity", "size"}  # told otherwise


class Causes:
    """Tells why files differ; what files of one result share is found out once."""

    def __init__(self, root: Path):
        self._record = Provenance(root).read
        self._between = cache(self._differences)
        self._settings: dict[tuple[str, ...], tuple[Reason, ...]] = {}

    def told(self, change: FileChange) -> FileChange:
        """The change with its reasons."""
        if change.old is None or change.new is None:
            return change
        return replace(change, reasons=self.reasons(change.old, change.new))

    def reasons(self, old: Entry, new: Entry) -> tuple[Reason, ...]:
        """What differs in how two versions of a file were made, or in what is known of them."""
        if old.key and new.key:
            made = self._between(old.key, new.key)
        else:
            made = _changed(*self._pedigrees(old, new))
        marks = _changed(_facts(old), _facts(new)) if old.sha256 == new.sha256 else ()
        if made or marks or old.sha256 == new.sha256:
            return (*made, *(mark for mark in marks if mark not in made))
        return _changed({"sha256": old.sha256[:12]}, {"sha256": new.sha256[:12]})

    def _differences(self, old: str, new: str) -> tuple[Reason, ...]:
        if old == new:
            return ()
        before, after = self._record(old), self._record(new)
        if before is None or after is None:
            return (Reason("key", old[:12], new[:12]),)
        made = before.derivation, after.derivation
        inputs = (replace(each, engine={}, parameters={}, references={}, hooks=()) for each in made)
        return tuple(dict.fromkeys([*self._of_settings(*made), *differences(*inputs)]))

    def _of_settings(self, old: Derivation, new: Derivation) -> tuple[Reason, ...]:
        """What differs but for the inputs; most exposures of a recipe share it."""
        bare = [replace(each, product="", inputs=()) for each in (old, new)]
        content = tuple(canonical(each) for each in bare)
        if content not in self._settings:
            self._settings[content] = differences(*bare)
        return self._settings[content]

    def _pedigrees(self, old: Entry, new: Entry) -> tuple[dict[str, str], dict[str, str]]:
        """Both pedigrees; of MAST's file and a result of ours only what is recorded of both."""
        was, now = self._pedigree(old), self._pedigree(new)
        if bool(old.key) == bool(new.key):
            return was, now
        both = was.keys() & now.keys()
        was, now = ({n: value for n, value in each.items() if n in both} for each in (was, now))
        return was, now

    def _pedigree(self, entry: Entry) -> dict[str, str]:
        """Which software and references made a file, and when, as far as that is recorded."""
        if entry.product:
            values = {name: getattr(entry.product, field) for name, field in PEDIGREE.items()}
            return {name: value for name, value in values.items() if value}
        record = self._record(entry.key) if entry.key else None
        return {"CRDS_CTX": entry.context, **(_made(record) if record else {})}


def _made(record: Record) -> dict[str, str]:
    return {"CAL_VER": record.derivation.engine.get("jwst", ""), "DATE": record.made_at}


def _facts(entry: Entry) -> dict[str, str]:
    """All else that a manifest says of a file, as text."""
    found = {each.name: getattr(entry, each.name) for each in fields(Entry)}
    header = parse(found.pop("header") or "{}", dict[str, Any])
    if entry.product:
        found |= structs.asdict(entry.product)
    told = {*PLACE, "key", *PEDIGREE.values()}
    found = {name: value for name, value in found.items() if name not in told}
    return {name: _text(value) for name, value in (found | header).items()}


def _changed(old: Mapping[str, str], new: Mapping[str, str]) -> tuple[Reason, ...]:
    return tuple(
        Reason(name, old.get(name, ""), new.get(name, ""))
        for name in dict.fromkeys([*old, *new])
        if old.get(name, "") != new.get(name, "")
    )


def _text(value: Any) -> str:
    if value is None:
        return ""
    return value if isinstance(value, str) else canonical(value)
