"""Write an association of what a recipe can combine, to be edited and named in the recipe."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from jwmirror.config.load import Config, build_config, read_content
from jwmirror.core.errors import ConfigError, command_to_run, unknown_name
from jwmirror.core.model import Entry, Recipe
from jwmirror.core.model.association import root_of
from jwmirror.core.model.derivation import OF_ASSOCIATIONS, STAGES
from jwmirror.pipeline.associations.lists import association_of, takes_exposure
from jwmirror.pipeline.associations.reading import read_own_associations
from jwmirror.planning.association_choice import exposures_of
from jwmirror.services.inspect.preview import current_holdings
from jwmirror.store.runs import last_run


@dataclass(frozen=True, kw_only=True)
class WrittenAssociation:
    """An association file, and how many members each product in it has."""

    path: str
    products: dict[str, int]


def write_association(
    config_file: Path,
    recipe_name: str,
    asn_type: str,
    observations: Collection[int],
    path: Path,
    program: int | None = None,
) -> WrittenAssociation:
    """Write an association of the exposures that a recipe starts from.

    They are those of some observations (all, if none is named) of one program. jwst decides their
    roles and names. Exposures that the recipe excludes or does not select are left out.

    Raises:
        ConfigError: there is no such recipe or type, no exposure, or the file exists.
    """
    content = read_content(config_file)
    config = build_config(replace(content, value=_without_own(content.value)))
    recipe = _recipe(config, recipe_name, asn_type)
    run = last_run(config.mirror)
    if run is None:
        step = f"no run has mirrored anything yet; run {command_to_run()}"
        raise ConfigError([f"mirror {config.mirror.absolute()}: {step}"])
    recipe = replace(recipe, associations=(), msa={})
    holdings = current_holdings(config.mirror, run, [recipe])
    entries = exposures_of(holdings.entries, recipe)
    number = _program(entries, recipe, program)
    of_program = [entry for entry in entries if entry.upstream.program == number]
    exposures = _exposures(of_program, observations, asn_type)
    known = [a for a in holdings.associations.of(recipe, 2) if a.pipeline == asn_type]
    try:
        text = association_of(asn_type, number, exposures, known)
    except ValueError as err:
        raise ConfigError([f"--rule {asn_type}: {err}; nothing was written"]) from err
    try:
        with open(path, "x", encoding="utf-8") as file:
            file.write(text + "\n")
    except OSError as err:
        why = "exists already" if isinstance(err, FileExistsError) else err.strerror
        raise ConfigError([f"--out {path}: {why}; nothing was written"]) from err
    written = read_own_associations(path)
    return WrittenAssociation(
        path=str(path), products={each.product: len(each.members) for each in written}
    )


def _without_own(content: Any) -> Any:
    """Return a config without the association files of recipes: one of them may be yet to write."""
    recipes = content.get("recipes") if isinstance(content, Mapping) else None
    if not isinstance(recipes, Mapping):
        return content
    others = {
        name: {key: value for key, value in recipe.items() if key != "associations"}
        if isinstance(recipe, Mapping)
        else recipe
        for name, recipe in recipes.items()
    }
    return {**content, "recipes": others}


def _recipe(config: Config, name: str, asn_type: str) -> Recipe:
    """Return a recipe; ConfigError unless it exists, and may use an association of the type."""
    if asn_type not in OF_ASSOCIATIONS:
        raise ConfigError([f"--rule: {unknown_name('type', asn_type, OF_ASSOCIATIONS)}"])
    recipes = {recipe.name: recipe for recipe in config.recipes}
    if name not in recipes:
        raise ConfigError([f"--recipe: {unknown_name('recipe', name, list(recipes))}"])
    stage = STAGES[asn_type]
    if stage not in recipes[name].stages:
        why = f"is for stage {stage}, which recipe {name} does not run; add it to stages"
        raise ConfigError([f"--rule: {asn_type} {why}"])
    return recipes[name]


def _program(entries: Sequence[Entry], recipe: Recipe, program: int | None) -> int:
    """Return the program to make an association of; ConfigError if it is not clear."""
    numbers = sorted({entry.upstream.program for entry in entries})
    if program in numbers or (program is None and len(numbers) == 1):
        return program or numbers[0]
    found = ", ".join(map(str, numbers)) or "none"
    raise ConfigError(
        [f"--program: recipe {recipe.name} has exposures of programs: {found}; name one of them"]
    )


def _exposures(
    entries: Sequence[Entry], observations: Collection[int], asn_type: str
) -> list[tuple[str, str]]:
    """Return root and header of the exposures that a type takes; ConfigError without any."""
    known = [entry for entry in entries if entry.header]
    fitting = [entry for entry in known if takes_exposure(asn_type, entry.header)]
    wanted = {f"o{number:03d}" for number in observations}
    exposures = {
        root_of(entry.filename): entry.header
        for entry in sorted(fitting, key=lambda entry: entry.filename)
        if not wanted or entry.upstream.observation in wanted
    }
    if not exposures:
        found = sorted({entry.upstream.observation for entry in fitting})
        raise ConfigError(
            [
                f"--observations: no exposure for {asn_type}; observations that have some: "
                f"{', '.join(found) or 'none'}; nothing was written"
            ]
        )
    return list(exposures.items())
