"""What happened to the results of recipes between two states, traced to the root. Pure.

A result differs because its settings do, or because its inputs do; these are results themselves, or
files of MAST, so the trace ends at settings and at MAST's files.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any

from jwmirror.core.jsonio import canonical
from jwmirror.core.model import Derivation, Input, Reason
from jwmirror.core.model.history.causes import Cause
from jwmirror.core.model.history.reasons import cause_of_reason
from jwmirror.core.names import program_of
from jwmirror.pipeline.derivation import differences
from jwmirror.planning.causes.states import SETTINGS, Findings, Happened, Lookups, PublishedState
from jwmirror.store.manifest import Entries
from jwmirror.store.rows.differences import RowDifferences, differing_columns

Name = tuple[str, str]  # recipe, <pipeline>/<product>
BY_NAME = ("asn.json", "pool.csv")  # ends of the files that say what is combined


@dataclass(frozen=True)
class ResultIndex:
    """The results of one state: their keys, and which of them makes a file."""

    keys: Mapping[Name, str]
    makers: Mapping[tuple[str, str], Name]  # by recipe and file name
    contexts: Mapping[Name, str]

    @classmethod
    def of(cls, entries: Entries) -> "ResultIndex":
        """Return the index of the rows of results."""
        columns = ("origin", "result", "key", "path", "context")
        keys, makers, contexts = {}, {}, {}
        for origin, result, key, path, context in _rows(entries, columns):
            name = (origin, result)
            keys[name], contexts[name] = key, context
            makers[origin, path.rpartition("/")[2]] = name
        return cls(keys, makers, contexts)


@dataclass
class ResultTracer:
    """Finds the roots of differences between results, each once."""

    old: PublishedState
    new: PublishedState
    happened: Iterable[Happened]  # to MAST's files
    lookups: Lookups
    _known: dict[Name, tuple[Cause, ...]] = field(default_factory=dict)
    _settings: dict[tuple[str, str], tuple[Reason, ...]] = field(default_factory=dict)

    def roots(self, name: Name) -> tuple[Cause, ...]:
        """Return why a result differs between the states; () if it does not."""
        if name not in self._known:
            self._known[name] = ()  # an input is never made from the result
            self._known[name] = tuple(dict.fromkeys(self._find(name)))
        return self._known[name]

    @cached_property
    def _before(self) -> ResultIndex:
        return ResultIndex.of(self.old.entries.results())

    @cached_property
    def _after(self) -> ResultIndex:
        return ResultIndex.of(self.new.entries.results())

    @cached_property
    def _of_products(self) -> dict[str, list[Cause]]:
        """The causes of differences of MAST's files, by name."""
        found: dict[str, list[Cause]] = {}
        for root, paths in self.happened:
            for path in paths:
                found.setdefault(path.rpartition("/")[2], []).append(root)
        return found

    @cached_property
    def _by_program(self) -> dict[int | None, list[Cause]]:
        """The causes of differences of associations and pools, by program."""
        found: dict[int | None, list[Cause]] = {}
        for filename, roots in self._of_products.items():
            if filename.endswith(BY_NAME):
                found.setdefault(program_of(filename), []).extend(roots)
        return found

    def _find(self, name: Name) -> Iterable[Cause]:
        before, after = self._before.keys.get(name), self._after.keys.get(name)
        if after is None:
            return self._of_gone(name, before or "")
        if before is None:
            return self._of_new(name, after)
        if before != after:
            return self._of_other_key(name, before, after)
        return ()

    def _of_gone(self, name: Name, key: str) -> Iterable[Cause]:
        recipe = name[0]
        if recipe not in self.new.recipe_names:
            return (Cause("removed", recipe=recipe),)
        return self._of_inputs_and_recipe(name, key) or (Cause("withdrawn", recipe=recipe),)

    def _of_new(self, name: Name, key: str) -> Iterable[Cause]:
        recipe = name[0]
        if recipe not in self.old.recipe_names:
            return (Cause("added", recipe=recipe, where=self.new.place("recipes", recipe)),)
        return self._of_inputs_and_recipe(name, key) or (Cause("found", recipe=recipe),)

    def _of_inputs_and_recipe(self, name: Name, key: str) -> Iterable[Cause]:
        """Return what happened to the inputs of a result, its recipe, or its associations."""
        recipe, result = name
        made = self.lookups.derivation(key)
        return (
            self._of_inputs(recipe, made.inputs if made else ())
            or self._of_recipe(recipe)
            or self._by_program.get(program_of(result.partition("/")[2]), ())
        )

    def _of_inputs(self, recipe: str, inputs: Iterable[Input]) -> list[Cause]:
        """Return why inputs of a result differ, are new, or are gone; [] if they are the same."""
        return [root for item in inputs for root in self._of_input(recipe, item.name)]

    def _of_input(self, recipe: str, filename: str) -> Iterable[Cause]:
        """Return why a file differs that a recipe takes: its own, another recipe's, or MAST's."""
        base = ""
        for state in (self.new, self.old):
            known = (state.recipes or {}).get(recipe)
            base = base or (known.products_of if known else "")
        for each in (recipe, base):
            for index in (self._after, self._before):
                if maker := index.makers.get((each, filename)):
                    return self.roots(maker)
        return self._of_products.get(filename, ())

    def _of_recipe(self, recipe: str) -> list[Cause]:
        """Return what a recipe asks for otherwise than before."""
        before, after = ((state.recipes or {}).get(recipe) for state in (self.old, self.new))
        if before is None or after is None:
            return []
        return [
            Cause(
                "recipe",
                name,
                _text(getattr(before, name)),
                _text(getattr(after, name)),
                recipe,
                where=self.new.place("recipes", recipe, name),
            )
            for name in SETTINGS
            if getattr(before, name) != getattr(after, name)
        ]

    # ---- another key ---------------------------------------------------------------------------

    def _of_other_key(self, name: Name, before: str, after: str) -> Iterator[Cause]:
        recipe = name[0]
        old, new = self.lookups.derivation(before), self.lookups.derivation(after)
        if old is None or new is None:
            yield Cause("unknown", recipe=recipe)
            return
        contexts = self._before.contexts.get(name, ""), self._after.contexts.get(name, "")
        found = False
        for reason in self._differences(old, new):
            for root in self._of_reason(recipe, reason, new, contexts):
                found = True
                yield root
        if not found:
            yield Cause("unknown", recipe=recipe)

    def _differences(self, old: Derivation, new: Derivation) -> Iterable[Reason]:
        """Return all differences; those of settings are found once."""
        settings = [replace(each, product="", inputs=()) for each in (old, new)]
        content = canonical(settings[0]), canonical(settings[1])
        if content not in self._settings:
            self._settings[content] = differences(*settings)
        only_inputs = (
            replace(each, engine={}, parameters={}, references={}, hooks=()) for each in (old, new)
        )
        of_inputs = differences(*only_inputs)
        return (*self._settings[content], *(r for r in of_inputs if r.cause != "pipeline"))

    def _of_reason(
        self, recipe: str, reason: Reason, made: Derivation, contexts: tuple[str, str]
    ) -> Iterable[Cause]:
        """Return the roots of one difference of derivations."""
        name = reason.subject
        if reason.cause in ("inputs", "content"):
            return tuple(self._of_input(recipe, name)) or (cause_of_reason(reason, recipe),)
        if reason.cause == "members":
            roots = (*self._of_input(recipe, name), *self._of_recipe(recipe))
            own = replace(cause_of_reason(reason, recipe), what=made.product)
            return roots or tuple(self._by_program.get(program_of(made.product), ())) or (own,)
        where = self.new.parameter_place(recipe, reason)
        if not where and (former := self.old.parameter_place(recipe, reason, is_former=True)):
            where = f"before: {former}"
        if reason.cause == "reference" and contexts[0] != contexts[1]:
            where = f"CRDS context {contexts[0]} -> {contexts[1]}"
        return (cause_of_reason(reason, recipe, where),)


def _text(value: object) -> str:
    return value if isinstance(value, str) else canonical(value)


# ---- all results -----------------------------------------------------------------------------


def find_result_roots(differing: RowDifferences, tracer: ResultTracer, findings: Findings) -> None:
    """Add what happened to the recalibrated files that differ."""
    for rows in (differing.new, differing.gone, differing.changed[1]):
        of_results = rows.results()
        for origin, result, path in _rows(of_results, ("origin", "result", "path")):
            roots = tracer.roots((origin, result))
            touching = [root for root in roots if _may_touch(root, path)]
            for root in touching or roots or (Cause("recomputed", recipe=origin),):
                findings.add(root, (path,), follows=not root.recipe)
    _of_marked(*differing.marked, tracer, findings)


def _may_touch(root: Cause, path: str) -> bool:
    """Return whether a parameter can decide the content of a file; True if it is not known.

    Image3 makes its catalogue last, so other files of the same result do not depend on that step.
    """
    is_of_catalogue = root.kind == "parameter" and root.what.startswith("source_catalog.")
    return not is_of_catalogue or path.endswith(("_cat.ecsv", "_segm.fits"))


def _of_marked(before: Entries, after: Entries, tracer: ResultTracer, findings: Findings) -> None:
    """Add what happened to results that have the same bytes."""
    before, after = before.results(), after.results()
    columns = ("path", "origin", "result", "key", "context", "quality", "deselected")
    pairs = zip(*(_rows(each, columns) for each in (before, after)), strict=True)
    by_row: dict[int, set[str]] = {}
    for name, places in differing_columns(before, after).items():
        for row in places:
            by_row.setdefault(row, set()).add(name)
    for row, (was, now) in enumerate(pairs):
        path, origin, result = now[:3]
        differ = by_row.get(row, set())
        roots: list[Cause] = []
        if "key" in differ or "result" in differ:
            roots += tracer.roots((origin, result))
        elif "context" in differ:
            roots.append(Cause("context", "", was[4], now[4], origin))
        if bool(was[6]) != bool(now[6]):
            roots.append(Cause("deselected" if now[6] else "reselected", recipe=origin))
        if not roots and differ & {"quality", "caveats"}:
            words = (was[5], now[5]) if was[5] != now[5] else ("caveats", "other caveats")
            roots.append(Cause("quality", "", words[0], words[1], origin))
        for root in roots or [Cause("reread", recipe=origin)]:
            findings.add(root, (path,), follows=not root.recipe)


def _rows(entries: Entries, columns: Iterable[str]) -> Iterator[tuple[Any, ...]]:  # as in SCHEMA
    return zip(*map(entries.column, columns), strict=True)
