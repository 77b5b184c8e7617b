"""The thresholds of quality: the shipped ones, and a file of the user that changes some of them."""

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Literal, TypeVar

import msgspec

from jwmirror.config.yaml_files import read_yaml
from jwmirror.core.errors import TYPES, ConfigError, unknown_name
from jwmirror.core.model.quality import CaveatCause, Threshold
from jwmirror.pipeline.parameters.vocabulary import allowed_values

SHIPPED = Path(__file__).with_suffix(".yaml")
SECTIONS = ("thresholds", "instruments", "modes")
INSTRUMENTS = ("NIRCAM", "NIRSPEC", "NIRISS", "MIRI", "FGS")
SUFFIX = re.compile(r"[a-z][a-z0-9]*", re.ASCII)
OTHER = "other"  # in a mapping of values by suffix: all suffixes that it does not name
Value = float | None | dict[str, float | None]
Overrides = Mapping[str, Mapping[str, Threshold]]  # of an instrument or mode, by name


@dataclass(frozen=True, kw_only=True)
class Thresholds:
    """All thresholds: those of every mode, and what instruments and modes replace."""

    defaults: Mapping[str, Threshold]
    instruments: Overrides = field(default_factory=dict)
    modes: Overrides = field(default_factory=dict)

    def of(self, instrument: str, exp_type: str) -> tuple[Threshold, ...]:
        """Return the thresholds of an instrument (INSTRUME) and a mode (EXP_TYPE)."""
        own = self.instruments.get(instrument, {}), self.modes.get(exp_type, {})
        return tuple({**self.defaults, **own[0], **own[1]}.values())


class _Definition(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    """An entry of the shipped file."""

    measures: str
    quantity: str
    of: Literal["file", "member"]
    cause: CaveatCause
    limit: Literal["at most", "at least", "change"]
    value: Value
    reason: str
    basis: Literal["definition", "flight", "simulation"]
    scale: tuple[str, ...] = ()


class _Change(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    """An entry of an instrument or a mode, or of the user's file."""

    value: Value
    reason: str = ""
    basis: Literal["definition", "flight", "simulation"] = "definition"


E = TypeVar("E", _Definition, _Change)


def load_thresholds(path: Path | None = None) -> Thresholds:
    """Return the shipped thresholds, changed as a file of the user says.

    Raises:
        ConfigError: lists the mistakes in the file.
    """
    shipped = _read_over(Thresholds(defaults={}), SHIPPED)
    return _read_over(shipped, path) if path else shipped


def threshold_mistakes(file: Any) -> list[str]:
    """Return the mistakes in the thresholds of a config: a file name, or nothing."""
    if not file or not isinstance(file, str):
        return []  # the schema reports what is no text
    try:
        load_thresholds(Path(file))
    except ConfigError as error:
        return error.mistakes
    return []


def _read_over(below: Thresholds, path: Path) -> Thresholds:
    """Return the thresholds of a file over those `below`."""
    reader, content = _Reader(path), read_yaml(path, "correct `thresholds` in the config")
    reader.mistakes += [mistake.message for mistake in content.mistakes]
    raw = reader.keys_of("", content.value, SECTIONS)
    define = reader.change if below.defaults else reader.define
    defaults = define("thresholds", raw.get("thresholds"), below.defaults)
    instruments = reader.changes("instruments", raw, defaults, below.instruments, INSTRUMENTS)
    modes = reader.changes("modes", raw, defaults, below.modes, allowed_values("exp_type"))
    if reader.mistakes:
        raise ConfigError(reader.mistakes)
    return Thresholds(defaults=defaults, instruments=instruments, modes=modes)


class _Reader:
    """Reads the sections of one file, and collects the mistakes in it."""

    def __init__(self, path: Path):
        self.path = path
        self.mistakes: list[str] = []

    def keys_of(self, place: str, raw: Any, allowed: tuple[str, ...] = ()) -> dict[str, Any]:
        """Return a mapping with the keys that are allowed (all, if none are named)."""
        if not isinstance(raw or {}, dict):
            self._add(place, f"found {raw!r}, expected {TYPES['object']}")
            return {}
        content = {str(key): value for key, value in (raw or {}).items()}
        for key in [key for key in content if allowed and key not in allowed]:
            self._add(place, unknown_name("key", key, allowed))
            del content[key]
        return content

    def define(self, place: str, raw: Any, _: Mapping[str, Threshold]) -> dict[str, Threshold]:
        """Return the thresholds that a section defines."""
        defined = {}
        for name, entry in self.keys_of(place, raw).items():
            if definition := self._converted(f"{place}.{name}", entry, _Definition):
                facts = msgspec.structs.asdict(definition) | _values(definition.value)
                defined[name] = Threshold(name=name, **facts)
        return defined

    def change(self, place: str, raw: Any, known: Mapping[str, Threshold]) -> dict[str, Threshold]:
        """Return the known thresholds, with those replaced that a section changes."""
        changed = dict(known)
        for name, entry in self.keys_of(place, raw, tuple(known)).items():
            if change := self._converted(f"{place}.{name}", entry, _Change):
                changed[name] = replace(
                    known[name],
                    reason=change.reason or f"set in {self.path.name}",
                    basis=change.basis,
                    **_values(change.value, known[name]),
                )
        return changed

    def changes(
        self,
        section: str,
        raw: Mapping[str, Any],
        defaults: Mapping[str, Threshold],
        below: Overrides,
        allowed: tuple[str, ...] = (),
    ) -> Overrides:
        """Return what each instrument or mode replaces, `below` and in a section of the file."""
        merged = dict(below)
        for key, entries in self.keys_of(section, raw.get(section), allowed).items():
            present = {**defaults, **below.get(key, {})}
            changed = self.change(f"{section}.{key}", entries, present)
            own = {name for name in changed if changed[name] != defaults.get(name)}
            merged[key] = {name: changed[name] for name in changed if name in own}
        return merged

    def _converted(self, place: str, entry: Any, kind: type[E]) -> E | None:
        try:
            converted = msgspec.convert(entry, kind)
        except msgspec.ValidationError as error:
            self._add(place, str(error))
            return None
        if why := _mistake_in(converted.value):
            self._add(f"{place}.value", why)
        return converted

    def _add(self, place: str, mistake: str) -> None:
        self.mistakes.append(f"{self.path}: {f'{place}: ' if place else ''}{mistake}")


def _mistake_in(value: Value) -> str:
    """Return why a value allows anything, or belongs to no file; "" if it does not."""
    by_suffix = value if isinstance(value, dict) else {OTHER: value}
    for suffix, allowed in by_suffix.items():
        if not SUFFIX.fullmatch(suffix):
            return f"found {suffix!r}, expected the suffix of a file's name, such as rate"
        if allowed is not None and not 0 <= allowed < math.inf:
            return f"found {allowed}, expected a number of at least 0, or null (not judged)"
    return ""


def _values(value: Value, known: Threshold | None = None) -> dict[str, Any]:
    """Return `value` and `by_suffix` of a threshold.

    A mapping without `other` leaves what is `known` of other suffixes.
    """
    by_suffix = dict(value) if isinstance(value, dict) else {OTHER: value}
    if known and OTHER not in by_suffix:
        return {"by_suffix": {**known.by_suffix, **by_suffix}}
    return {"value": by_suffix.pop(OTHER, None), "by_suffix": by_suffix}
