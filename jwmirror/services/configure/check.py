"""Check of a config: mistakes, and notes on settings that are valid but perhaps not meant."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from jwmirror.config.load import Config, build_config, read_content
from jwmirror.config.recipes.own_files import own_file_notes
from jwmirror.core.errors import ConfigError, StoreError
from jwmirror.core.jsonio import digest
from jwmirror.core.mirror import check_mirror
from jwmirror.pipeline.allowed_environments import allow_environments
from jwmirror.services.configure.checked_config import build_checked_config, environment_notes
from jwmirror.services.kept.answers import kept_answer
from jwmirror.services.kept.conditions import conditions_of
from jwmirror.services.kept.dependencies import generation_digest, records_digest

Notes = tuple[str, ...]


@dataclass(frozen=True, kw_only=True)
class ConfigCheck:
    """The mistakes in a config; without mistakes, what it requests, and notes on that."""

    mistakes: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    programs: tuple[int, ...] = ()  # by number
    searches: tuple[str, ...] = ()  # in words
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
        content = read_content(path, settings)
        if allow:
            allowed = allow_environments(each.python for each in build_config(content).recipes)
        config = build_checked_config(content)
        _check_mirror(config.mirror)
    except ConfigError as error:
        return ConfigCheck(mistakes=tuple(error.mistakes), allowed=tuple(map(str, allowed)))
    notes = (
        *environment_notes(config.recipes),
        *config.notes,
        *kept_answer(config.mirror, "notes", _parts(config), Notes, partial(_notes, config)),
    )
    return ConfigCheck(
        notes=tuple(map(content.placed, notes)),
        programs=tuple(sorted({selection.program for selection in config.selections})),
        searches=tuple(map(str, config.searches)),
        recipes=tuple(recipe.name for recipe in config.recipes),
        allowed=tuple(map(str, allowed)),
    )


def _parts(config: Config) -> dict[str, str]:
    """Return what the notes depend on."""
    return {
        **conditions_of(config).parts,
        "places": digest([part.place for part in config.parts]),  # which begin the notes
        "generation": generation_digest(config.mirror),
        "records": records_digest(config.mirror, config.cache),
    }


def _notes(config: Config) -> Notes:
    """Return the notes on settings, on files of the user, and on what is not mirrored."""
    from jwmirror.services.configure.advice import config_advice, search_notes
    from jwmirror.services.configure.effects import setting_notes  # imports jwst: seconds
    from jwmirror.services.configure.members import member_notes

    return (
        *setting_notes(config),
        *own_file_notes(config.recipes),
        *member_notes(config.recipes, config.mirror),
        *config_advice(config.selections, config.recipes),
        *search_notes(config.searches),
    )


def _check_mirror(folder: Path) -> None:
    """Raise ConfigError if a run would refuse the folder of the mirror."""
    try:
        check_mirror(folder)
    except StoreError as err:
        raise ConfigError([str(err)]) from err
