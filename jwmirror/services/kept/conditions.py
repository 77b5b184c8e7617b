"""What a run depends on before it asks anybody."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from jwmirror.config.load import Config
from jwmirror.core.jsonio import digest
from jwmirror.core.model import Recipe
from jwmirror.core.model.recipe import ReferencePolicy
from jwmirror.services.kept.dependencies import marks_digest, own_files_digest, software_digest


@dataclass(frozen=True, kw_only=True)
class RunConditions:
    """The config, software, files and marks of a run, as they were when it began."""

    parts: Mapping[str, str]  # name -> digest
    recipes: tuple[Recipe, ...]
    references: ReferencePolicy


def conditions_of(config: Config) -> RunConditions:
    """Return the conditions of a run with a config that begins now."""
    base = Path.cwd()
    return RunConditions(
        parts={
            "config": digest([config.content, config.recipes, str(base)]),
            "software": software_digest(recipe.python for recipe in config.recipes),
            "files": own_files_digest([config.content, config.recipes], base),
            "marks": marks_digest(config.mirror),
        },
        recipes=config.recipes,
        references=config.references,
    )
