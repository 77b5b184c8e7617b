"""Check a config, and point out what is allowed but perhaps not meant."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from jwmirror.archive.selection import select_products
from jwmirror.config.load import build_config, read_content
from jwmirror.core.errors import ConfigError, StoreError
from jwmirror.core.mirror import check_mirror
from jwmirror.core.model import Listing, Product, Recipe, Selection
from jwmirror.pipeline.allowed_environments import allow_environments
from jwmirror.services.configure.checked_config import environment_notes, load_checked_config

ASSOCIATION_TYPES = ("image2", "image3", "spec2", "spec3", "tso3", "coron3", "ami3")


@dataclass(frozen=True, kw_only=True)
class ConfigCheck:
    """The mistakes in a config; without mistakes, what it requests, and notes on that."""

    mistakes: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    programs: tuple[int, ...] = ()
    recipes: tuple[str, ...] = ()
    allowed: tuple[str, ...] = ()  # folders of environments that were not allowed before


def check_config(path: Path, settings: Sequence[str] = (), allow: bool = False) -> ConfigCheck:
    """Check a config file with `settings` (recipe.pipeline.step.parameter=value) applied.

    `allow`: record that the environments of its recipes may be run.

    Raises:
        StoreError: that cannot be recorded.
    """
    allowed: tuple[Path, ...] = ()
    try:
        if allow:
            recipes = build_config(read_content(path, settings)).recipes
            allowed = allow_environments(recipe.python for recipe in recipes)
        config = load_checked_config(path, settings)
        _check_mirror(config.mirror)
    except ConfigError as error:
        return ConfigCheck(mistakes=tuple(error.mistakes), allowed=tuple(map(str, allowed)))
    return ConfigCheck(
        notes=(
            *environment_notes(config.recipes),
            *config_advice(config.selections, config.recipes),
        ),
        programs=tuple(sorted({selection.program for selection in config.selections})),
        recipes=tuple(recipe.name for recipe in config.recipes),
        allowed=tuple(map(str, allowed)),
    )


def _check_mirror(folder: Path) -> None:
    """Raise ConfigError if a run would refuse the folder of the mirror."""
    try:
        check_mirror(folder)
    except StoreError as err:
        raise ConfigError([str(err)]) from err


def config_advice(selections: Sequence[Selection], recipes: Iterable[Recipe]) -> Iterator[str]:
    """Return a note for each program that is mirrored without its associations.

    Associations show which products MAST has reprocessed only in part, and which exposures a recipe
    has to combine.
    """
    recipes = tuple(recipes)
    for program in sorted({selection.program for selection in selections}):
        selected = [selection for selection in selections if selection.program == program]
        if any(_selects_associations(selection) for selection in selected):
            continue
        combining = [r.name for r in recipes if program in r.programs and {2, 3} & set(r.stages)]
        effects = [
            "files are published even if MAST has reprocessed only part of an association (settle)"
        ]
        if combining and not any(_selects(selection, _pool(program)) for selection in selected):
            effects.append(
                "stage 3, and stage 2 where it combines exposures, has nothing to combine "
                f"(recipe {', '.join(combining)})"
            )
        yield (
            f"program {program} is mirrored without its associations: {'; '.join(effects)}; "
            "add asn to its products"
        )


def _selects_associations(selection: Selection) -> bool:
    """Return whether an association of at least one type would be selected."""
    numbers = (f"o{number:03d}" for number in (selection.observations or (1,))[:1])
    samples = (
        _association(selection.program, name, kind)
        for name in (*numbers, *(selection.candidates or ()))
        for kind in ASSOCIATION_TYPES
    )
    return _selects(selection, *samples)


def _selects(selection: Selection, *samples: Product) -> bool:
    listing = Listing(program=selection.program, asked_at="", products=samples)
    return bool(select_products(listing, selection))


def _association(program: int, observation: str, kind: str) -> Product:
    name = f"jw{program:05d}-{observation}_20260101t000000_{kind}_00001_asn.json"
    return Product(f"mast:JWST/product/{name}", name, program, observation, "asn")


def _pool(program: int) -> Product:
    """Return a sample of the file from which associations are generated if MAST's are missing."""
    name = f"jw{program:05d}_20260101t000000_pool.csv"
    return Product(f"mast:JWST/product/{name}", name, program, "pool", "pool")
