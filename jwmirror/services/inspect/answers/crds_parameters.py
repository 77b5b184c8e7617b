"""The values that parameter references of CRDS set, for results that exist.

They are read from the cache of references, without a server, and kept, so that they stay known when
a reference is not in the cache any more.
"""

from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from jwmirror.core.errors import JwmirrorError, StoreError
from jwmirror.core.files import cached_digest
from jwmirror.core.jsonio import read, write
from jwmirror.core.model import Derivation
from jwmirror.core.model.derivation import whole_pipeline
from jwmirror.core.names import cache_path, is_safe
from jwmirror.pipeline.derivation import by_full_name
from jwmirror.pipeline.installed import can_recalibrate

PARAMETERS = "pars-"  # begins the types of parameter references
NONE = "N/A"  # the name of a reference that CRDS does not have
Values = Mapping[str, object]  # jump.rejection_threshold -> value


@dataclass(frozen=True)
class CrdsValue:
    """What CRDS sets a parameter to, and the reference that does; or that it is not known."""

    value: object = None
    reference: str = ""
    is_known: bool = True


class CrdsParameters:
    """The parameter references of the results of a mirror; `references` is the cache with them."""

    def __init__(self, mirror: Path, references: Path | None):
        self._kept, self._references = Path(mirror) / "receipts" / "site", references
        self._values = cache(self._read_values)

    def of(self, made: Derivation) -> dict[str, CrdsValue]:
        """Return what CRDS sets of the parameters of a result, by full name; also what is unknown.

        A parameter that CRDS leaves at jwst's default is not in it.
        """
        found: dict[str, CrdsValue] = {}
        names = by_full_name(made.parameters)
        for reftype, (name, sha1) in _parameter_references(made):
            values = self._values(whole_pipeline(made.pipeline), reftype, name, sha1)
            if values is None:
                found |= {
                    each: CrdsValue(None, name, False) for each in names if _may(reftype, each)
                }
            else:
                known = {each: CrdsValue(values[each], name) for each in names if each in values}
                found |= known
        return found

    def _read_values(self, pipeline: str, reftype: str, name: str, sha1: str) -> Values | None:
        """Return what a reference sets in a pipeline, by full name; None if it is not known."""
        filename = f"{reftype}-{pipeline}-{sha1}.json"
        if not is_safe(filename):
            return None
        path = self._kept / filename
        with suppress(FileNotFoundError, StoreError):
            return read(path, dict[str, object])
        if self._references is None or not can_recalibrate():
            return None
        with suppress(JwmirrorError, OSError):
            file = cache_path(self._references, name)
            if file.is_file() and cached_digest(file, "sha1") == sha1:
                values = _values_in(file, pipeline, reftype)
                write(path, values, mode=0o600)
                return values
        return None


def _parameter_references(made: Derivation) -> Iterator[tuple[str, tuple[str, str]]]:
    """Yield the parameter references of a result; the pipeline's own, which wins, is last."""
    found = {t: each for t, each in made.references.items() if t.startswith(PARAMETERS)}
    for reftype in sorted(found, key=lambda name: name.endswith("pipeline")):
        if found[reftype][0] != NONE:
            yield reftype, found[reftype]


def _may(reftype: str, name: str) -> bool:
    """Return whether a reference may set a parameter, by the name of its step."""
    step = name.partition(".")[0].replace("_", "")
    return reftype.endswith("pipeline") or reftype == f"{PARAMETERS}{step}step"


def _values_in(path: Path, pipeline: str, reftype: str) -> dict[str, object]:
    from jwmirror.pipeline.crds_rules import read_pars_reference
    from jwmirror.pipeline.registry import pars_types  # imports jwst: seconds

    content = read_pars_reference(path)
    steps = [step for step, each in pars_types(pipeline).items() if each == reftype]
    layers = ({"steps": {step: content}} if step else content for step in steps)
    return {name: value for layer in layers for name, value in by_full_name(layer).items()}
