"""Invalidate results: mark them, so that they are computed again instead of used again."""

import re
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from jwmirror.core.errors import ConfigError, StoreError, as_typed
from jwmirror.core.model.maintenance import InvalidationReport
from jwmirror.core.model.plan import ProvenanceRecord
from jwmirror.crds.affected import kept_results, results_with_keys
from jwmirror.pipeline.derivation import key_of
from jwmirror.pipeline.ramps import ramp_derivation
from jwmirror.services.inspect.file_names import matching_paths, no_such_file, require_one_key
from jwmirror.store.generations import Generations
from jwmirror.store.lock import both_locks
from jwmirror.store.provenance import Provenance

KEY = re.compile(r"[0-9a-f]{8,64}")

IsMeant = Callable[[ProvenanceRecord], bool]


def invalidate_results(
    root: Path,
    *,
    references: Sequence[str] = (),
    results: Sequence[str] = (),
    recipes: Sequence[str] = (),
    software: Sequence[str] = (),
    because: str = "",
    wait_s: float | None = 0.0,
    dry_run: bool = False,
) -> InvalidationReport:
    """Mark all results that meet any of the criteria, so that the next run computes them again.

    `references`: names of references of CRDS, or of files of the user. `results`: published files,
    or keys. `recipes`: those whose results a kept generation shows. `software`: NAME=VERSION of
    packages. The ramp that a result was made from is marked with it. Published files stay until
    their results are computed again.

    Raises:
        ConfigError: there is no criterion, or one of `software` has no version.
        StoreError: no result meets a criterion, or several keys begin with one of `results`.
        LockedError: a run or another change of the mirror did not end within `wait_s` seconds.
    """
    criteria: dict[str, IsMeant] = {
        **{f"reference {name}": _made_with(name) for name in references},
        **{f"result {name}": _is_result(root, name) for name in results},
        **{f"recipe {name}": _is_of_recipe(root, name) for name in recipes},
        **{f"software {text}": _made_by(text) for text in software},
    }
    if dry_run:
        keys = _keys_that_meet(criteria, root)
    else:
        with both_locks(root, "invalidate", wait_s, "results marked so far stay marked"):
            keys = _keys_that_meet(criteria, root)
            Provenance(root).invalidate(keys, because)
    return InvalidationReport(
        mirror=str(root),
        criteria=tuple(criteria),
        because=because,
        keys=keys,
        published=results_with_keys(root, keys),
    )


def _keys_that_meet(criteria: dict[str, IsMeant], root: Path) -> tuple[str, ...]:
    if not criteria:
        words = "say which results: --reference, --result, --recipe or --software"
        raise ConfigError([f"invalidate: {words}"])
    provenance, keys = Provenance(root), dict[str, None]()
    unmet = dict.fromkeys(criteria)
    for record in provenance.all():
        for name, is_meant in criteria.items():
            if is_meant(record):
                unmet.pop(name, None)
                keys |= dict.fromkeys(_with_ramp(record, provenance))
    if unmet:
        raise StoreError(
            f"{', '.join(unmet)}: expected results in {root.absolute()}, found none; nothing was "
            f"marked; {as_typed('explain FILE')} shows references, recipe, software and key of a "
            "result."
        )
    return tuple(keys)


def _made_with(name: str) -> IsMeant:
    """Return a test for results that were made with a reference, or a file of the user."""
    return lambda record: any(name == used for used, _ in record.derivation.references.values())


def _made_by(text: str) -> IsMeant:
    """Return a test for results that were made with a version of a package ("numpy=2.0.1")."""
    name, _, version = text.partition("=")
    if not name or not version:
        raise ConfigError([f"--software {text}: expected NAME=VERSION, such as numpy=2.0.1"])
    return lambda record: {**record.software, **record.derivation.engine}.get(name) == version


def _is_of_recipe(root: Path, recipe: str) -> IsMeant:
    """Return a test for results that a kept generation shows for a recipe."""
    keys = {result.key for result in kept_results(root) if result.recipe == recipe}
    return lambda record: record.key in keys


def _is_result(root: Path, name: str) -> IsMeant:
    """Return a test for the result of a key (8 characters suffice), or of a published file."""
    if KEY.fullmatch(name):
        require_one_key(name, (path.stem for path in Provenance(root).folder.glob("*.json")))
        return lambda record: record.key.startswith(name)
    keys: set[str] = set()
    for generation in Generations(root).unpruned():
        rows = generation.columns("path", "key")
        paths, key_of_row = rows.column("path"), rows.column("key")
        meant = set(matching_paths(name, paths))
        keys.update(key for path, key in zip(paths, key_of_row, strict=True) if path in meant)
    if not keys - {""}:
        paths = Generations(root).require_current().entries().column("path")
        raise no_such_file(root, name, "no result in any generation that is kept", paths)
    return lambda record: record.key in keys


def _with_ramp(record: ProvenanceRecord, provenance: Provenance) -> Iterator[str]:
    """Yield the key of a result, and that of the ramp that a recipe with `keep` starts from."""
    yield record.key
    if record.derivation.pipeline == "detector1":
        ramp = key_of(ramp_derivation(record.derivation))
        if provenance.read(ramp):
            yield ramp
