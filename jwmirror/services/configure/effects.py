"""Notes on parameters and files of a config that no result would depend on.

As far as the mirror has exposures and their parameter references, these decide which steps are
skipped, and which instruments a recipe is for; else the defaults of jwst and the config do.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

from jwmirror.config.load import Config
from jwmirror.config.recipes.parameter_files import ParameterPart
from jwmirror.core.errors import JwmirrorError
from jwmirror.core.matching import criteria_of, instruments_with, normalise_value
from jwmirror.core.model import Entry, Recipe, Where
from jwmirror.pipeline import registry
from jwmirror.pipeline.allowed_environments import is_allowed
from jwmirror.pipeline.headers import header_value, is_selected
from jwmirror.services.configure.checked_config import resolver_of
from jwmirror.store.generations import Generations

MODE = (  # keys on which rules for parameter references depend, and the program
    *("program", "instrument", "detector", "filter", "pupil", "grating", "exp_type"),
    *("subarray", "readpatt"),
)

if TYPE_CHECKING:  # imports jwst: seconds
    from jwmirror.planning.resolvers.local import Resolver


def setting_notes(config: Config) -> Iterator[str]:
    """Yield notes on the parameters of recipes that no result depends on, and on their files."""
    recipes = {recipe.name: recipe for recipe in config.recipes}
    parts = [part for part in config.parts if _is_checked(part, recipes)]
    if not parts:
        return
    from jwmirror.pipeline.parameters.effects import effect_notes, file_notes  # imports jwst

    specs, references = cache(resolver_of), _references(config)
    exposures = _exposures(config.mirror)
    for part in parts:
        recipe, users = recipes[part.recipe], [recipes[name] for name in part.users]
        headers = _headers(part, users, exposures)
        skipped = {
            pipeline: _skipped(pipeline, headers, specs(recipe.python), references(recipe))
            for pipeline in {registry.pipeline_name(str(name)) for name in part.parameters}
        }
        instruments = _instruments(config, part, users, headers)
        yield from effect_notes(part.parameters, part.place, users, skipped, instruments)
        yield from file_notes(part.parameters, part.place, Path.cwd(), instruments)


def _is_checked(part: ParameterPart, recipes: Mapping[str, Recipe]) -> bool:
    """Return whether a person wrote the part, and its environment may run."""
    is_written = bool(part.parameters) and not part.is_exported
    return is_written and is_allowed(recipes[part.recipe].python)


def _exposures(mirror: Path) -> tuple[Entry, ...]:
    """Return the raw exposures of the mirror whose header is known; none if it cannot be read."""
    from jwmirror.planning.inputs import raw_exposures

    with suppress(JwmirrorError, OSError):
        rows = Generations(mirror).entries() if mirror.is_dir() else ()
        return tuple(entry for entry in raw_exposures(rows).values() if entry.header)
    return ()


def _references(config: Config) -> Callable[[Recipe], "Resolver | None"]:
    """Return a function that returns the resolver on the cached references of a recipe, if any."""
    from jwmirror.services.inspect.preview import resolvers_of_config

    resolvers = cache(lambda: resolvers_of_config(config.mirror, config)[0])

    def resolver_with_references(recipe: Recipe) -> "Resolver | None":
        with suppress(JwmirrorError, OSError):
            return resolvers().of(recipe.python, recipe.context)
        return None

    return resolver_with_references


def _headers(
    part: ParameterPart, users: Iterable[Recipe], exposures: Iterable[Entry]
) -> tuple[str, ...]:
    """Return headers of the exposures that recipes take, and that meet the part's match.

    Of exposures that differ only in place and time, one is enough.
    """
    from jwmirror.pipeline.parameters.resolution import applies

    users, block = tuple(users), Where(match=dict(part.match), parameters={})
    by_mode = {
        tuple(header_value(entry.header, key) for key in MODE): entry.header
        for entry in exposures
        if any(is_selected(recipe, entry) for recipe in users) and applies(block, entry.header)
    }
    return tuple(by_mode.values())


def _skipped(
    pipeline: str, headers: Iterable[str], specs: "Resolver", references: "Resolver | None"
) -> frozenset[str]:
    """Return the steps that are skipped for all exposures unless a recipe says otherwise."""
    default = frozenset(specs.skipped_steps(pipeline))
    with suppress(JwmirrorError):
        states = [_by_references(default, pipeline, header, references) for header in headers]
        return frozenset.intersection(*states) if states else default
    return default


def _by_references(
    default: frozenset[str], pipeline: str, header: str, references: "Resolver | None"
) -> frozenset[str]:
    """Return the steps that parameter references and defaults skip for one exposure."""
    skipped = set(default)
    for _, content in references.pars(pipeline, header) if references else ():
        for step, values in content.get("steps", {}).items():
            if "skip" in values:
                (skipped.add if values["skip"] else skipped.discard)(step)
    return frozenset(skipped)


def _instruments(
    config: Config, part: ParameterPart, users: Sequence[Recipe], headers: Iterable[str]
) -> frozenset[str]:
    """Return the instruments that a part may be for; empty if some may be unknown."""
    selections = [s for s in config.selections if any(user.takes(s.program) for user in users)]
    mirrored = {header_value(header, "program").lstrip("0") for header in headers}
    if not config.searches and {str(each.program) for each in selections} <= mirrored:
        return frozenset(header_value(header, "instrument") for header in headers)
    named = [_named(part.match), *(_named(recipe.select) for recipe in users)]
    if all(selection.instruments for selection in selections) and not config.searches:
        names = [name for selection in selections for name in selection.instruments or ()]
        named.append(frozenset(map(normalise_value, names)))
    return next((instruments for instruments in named if instruments), frozenset())


def _named(match: Mapping[str, object]) -> frozenset[str]:
    """Return the instruments that criteria name, by themselves or by detector or EXP_TYPE."""
    named = (instruments_with(key, values) for key, values in criteria_of(match).items())
    return next(filter(None, named), frozenset())
