"""What damaged objects affect: files, their generations, and results made from them."""

from collections import defaultdict
from collections.abc import Iterable, Set
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

from jwmirror.core.errors import StoreError
from jwmirror.core.model.maintenance import AffectedFile, Problem
from jwmirror.core.model.plan import AffectedResult
from jwmirror.core.model.stored import UPSTREAM
from jwmirror.crds.affected import kept_results
from jwmirror.store.generations import Generations
from jwmirror.store.maintenance.scan import scan_mirror
from jwmirror.store.maintenance.verify import object_path
from jwmirror.store.provenance import Provenance

COLUMNS = ("sha256", "path", "origin")


def affected_files(root: Path, problems: Iterable[Problem]) -> tuple[AffectedFile, ...]:
    """Return the files whose objects have problems, sorted; nothing is read if none has.

    A generation that is damaged itself is left out: it is another problem.
    """
    damaged = {Path(each.path).name for each in problems if each.kind == "object"}
    if not damaged:
        return ()
    numbers: dict[tuple[str, ...], list[int]] = defaultdict(list)
    for generation in Generations(root).unpruned():
        with suppress(StoreError):
            rows = generation.columns(*COLUMNS)
            columns = (rows.column(name) for name in COLUMNS)
            for row in zip(*columns, strict=True):
                if row[0] in damaged:
                    numbers[row].append(generation.number)
    for sha256, version in scan_mirror(root).outliving().items():
        if sha256 in damaged:
            numbers.setdefault((sha256, version.path, UPSTREAM), [])
    current, results = _current(root), _made_from(root, damaged)
    return tuple(
        AffectedFile(
            object=object_path(sha256),
            path=path,
            recipe="" if origin == UPSTREAM else origin,
            generations=tuple(found),
            is_current=current in found,
            results=tuple(results[sha256]),
        )
        for (sha256, path, origin), found in sorted(numbers.items())
    )


def _current(root: Path) -> int:
    with suppress(StoreError):
        current = Generations(root).current()
        return current.number if current else 0
    return 0


def _made_from(root: Path, damaged: Set[str]) -> dict[str, list[AffectedResult]]:
    """Return the results of the kept generations that have damaged inputs, by these.

    Results whose record cannot be read are left out.
    """
    found: dict[str, list[AffectedResult]] = defaultdict(list)
    provenance = Provenance(root)
    with suppress(StoreError):
        for result in kept_results(root):
            with suppress(StoreError):
                record = provenance.read_if_allowed(result.key)
                if record:
                    made = record.derivation
                    name = f"{made.pipeline}/{made.product}"  # old manifests do not have it
                    for sha256 in {each.sha256 for each in made.inputs} & damaged:
                        found[sha256].append(replace(result, result=name))
    return found
