"""Which parameters of a recipe make its results differ from what the pipeline makes by itself."""

import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from jwmirror.core.errors import JwmirrorError
from jwmirror.core.jsonio import canonical
from jwmirror.core.matching import describe_match
from jwmirror.core.model import UPSTREAM, Recipe
from jwmirror.core.model.answers.citation import SetParameter
from jwmirror.core.model.derivation import whole_pipeline
from jwmirror.core.model.parameters import PlainMapping
from jwmirror.core.model.stored import Entry, Setup
from jwmirror.pipeline.installed import why_not_recalibrating
from jwmirror.pipeline.parameters.resolution import WITHIN, flatten
from jwmirror.planning.resolvers.by_environment import Resolvers
from jwmirror.planning.resolvers.parameter_sources import parameters_set_otherwise
from jwmirror.services.inspect.recipe_preview import science_headers
from jwmirror.services.run.references import offline_resolvers
from jwmirror.store.manifest import Entries
from jwmirror.store.provenance import Provenance
from jwmirror.store.runs import last_references

Made = Sequence[tuple[str, str]]  # results: key, and the CRDS context that it is valid under
Set = Mapping[str, set[str]]  # full name with the pipeline -> values, as JSON


def set_parameters(recipe: Recipe) -> tuple[SetParameter, ...]:
    """Return what a recipe sets: for all exposures, in its where-blocks, and for one run."""
    return (
        *_leaves(recipe.parameters, ""),
        *(each for b in recipe.where for each in _leaves(b.parameters, describe_match(b.match))),
        *_leaves(recipe.settings, ""),
    )


def _leaves(parameters: PlainMapping, where: str) -> Iterator[SetParameter]:
    for (pipeline, step, name), value in flatten(parameters).items():
        full = ".".join(filter(None, (pipeline, step.replace(WITHIN, "."), name)))
        yield SetParameter(name=full, value=canonical(value), where=where)


def changed_parameters(
    root: Path, recipe: Recipe, made: Made, rows: Entries, setup: Setup
) -> tuple[SetParameter, ...] | None:
    """Return what a recipe sets, without values that the pipeline or CRDS would have given, too.

    None if that is not known: jwst is not installed, or is another version than made the results;
    references or headers are not there; or this user may not read a record.
    """
    if why_not_recalibrating("cite"):
        return None
    before = dict(os.environ)
    try:
        differing = _set_otherwise(root, recipe, made, rows, setup)
    except JwmirrorError:
        return None
    finally:  # resolvers set what crds reads; a program that imports jwmirror keeps its own
        os.environ.clear()
        os.environ.update(before)
    if differing is None:
        return None
    return tuple(each for each in set_parameters(recipe) if _is_among(each, differing))


def _is_among(parameter: SetParameter, differing: Set) -> bool:
    """Return whether some result has the value of a parameter; values have the types of keys."""
    known = differing.get(parameter.name, set())
    pipeline, _, inner = parameter.name.partition(".")
    of_step = f"{pipeline}.{inner.partition('.')[0]}.steps"  # all of the inner steps of one
    return of_step in differing or any(_same(parameter.value, value) for value in known)


def same(one: object, other: object) -> bool:
    """Return whether two values of a parameter are the same to stpipe, such as 5 and 5.0."""
    return _same(canonical(one), canonical(other))


def _same(one: str, other: str) -> bool:
    words = [text.strip('"').lower() for text in (one, other)]
    try:
        return words[0] == words[1] or float(words[0]) == float(words[1])
    except ValueError:
        return Path(words[0]).name == Path(words[1]).name


def _set_otherwise(
    root: Path, recipe: Recipe, made: Made, rows: Entries, setup: Setup
) -> Set | None:
    """Return what results have otherwise; None if it is not known of one.

    Records are read one by one: there may be many, and each has hundreds of parameters.
    """
    provenance, found = Provenance(root), dict[str, set[str]]()
    resolvers, files = _resolvers(root, setup), FilesOfMast(rows)
    if resolvers is None or recipe.products_of:
        return None
    for key, context in made:
        record = provenance.read_or_none(key)
        if record is None:
            return None
        derivation, resolver = record.derivation, resolvers.of(recipe.python, context)
        headers = science_headers(derivation, files, root)
        if not all(headers) or dict(resolver.engine) != derivation.engine:
            return None
        for name, value in parameters_set_otherwise(derivation, headers, resolver).items():
            full = f"{whole_pipeline(derivation.pipeline)}.{name}"
            found.setdefault(full, set()).add(value)
    return found


def reference_cache(setup: Setup) -> Path:
    """Return the cache of references that the config of a generation named."""
    references = setup.config.get("references") or {}
    return Path(references.get("cache") or "crds_cache")


def _resolvers(root: Path, setup: Setup) -> Resolvers | None:
    """Return resolvers on the reference cache that the config named."""
    last = last_references(root)
    cache = reference_cache(setup)
    if last is None or not cache.is_dir():
        return None
    return offline_resolvers(cache, replace(last, findings=()))


class FilesOfMast(Mapping[str, Entry]):
    """The rows of MAST's files by name; an entry is built when it is first asked for."""

    def __init__(self, rows: Entries):
        self._rows = rows.where("origin", UPSTREAM)
        paths = enumerate(self._rows.column("path"))
        self._places = {path.rpartition("/")[2]: place for place, path in paths}
        self._built: dict[str, Entry] = {}  # many results are made from one exposure

    def __contains__(self, name: object) -> bool:
        return name in self._places

    def __getitem__(self, name: str) -> Entry:
        if name not in self._built:
            self._built[name] = self._rows[self._places[name]]
        return self._built[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._places)

    def __len__(self) -> int:
        return len(self._places)
