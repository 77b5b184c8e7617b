"""Load a config with its parameters checked, each recipe's by the jwst that will run it."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from jwmirror.config.load import Config, build_config, read_content, token_variable
from jwmirror.config.recipes.recipes import Checker
from jwmirror.config.yaml_files import YamlText
from jwmirror.core.grouping import group_by
from jwmirror.core.model import Recipe
from jwmirror.core.model.parameters import Remarks
from jwmirror.net.http import check_token_url
from jwmirror.pipeline.allowed_environments import (
    EnvironmentNotAllowedError,
    allowed_python,
    is_allowed,
)
from jwmirror.pipeline.child_environment import remove_user_variables, take_token

if TYPE_CHECKING:  # imports jwst: seconds
    from jwmirror.planning.resolvers.local import Resolver


def load_checked_config(path: Path, settings: Sequence[str] = ()) -> Config:
    """Return the config in a YAML file, as build_checked_config; `settings` as read_content."""
    return build_checked_config(read_content(path, settings))


def build_checked_config(content: YamlText, check_parameters: bool = True) -> Config:
    """Return the config that the content of files describes, with the token for the archive.

    The variables that no child may have are removed from the environment: the token, and those
    that change results.

    Raises:
        ConfigError: lists the mistakes in it, or says why the token cannot be used.
    """
    remove_user_variables()  # before CRDS is imported, which reads some of them
    token = take_token(token_variable(content))  # before any other Python is started
    config = build_config(content, _checker_of if check_parameters else None)
    if token:
        check_token_url(config.archive_url)
    return replace(config, token=token)


def environment_notes(recipes: Iterable[Recipe]) -> Iterator[str]:
    """Yield a note on each environment of recipes that the user has not allowed."""
    by_python = group_by(recipes, lambda recipe: recipe.python)
    for python, of_python in by_python.items():
        try:
            allowed_python(python)
        except EnvironmentNotAllowedError as error:
            names = ", ".join(recipe.name for recipe in of_python)
            yield f"parameters that jwst checks were not checked (recipe {names}): {error}"


def _checker_of(python: str) -> Checker:
    if not is_allowed(python):
        return lambda parameters, place, is_exported: Remarks()
    return resolver_of(python).remarks


def resolver_of(python: str) -> "Resolver":
    """Return a resolver that knows the specs of an environment's jwst, but no references."""
    from jwmirror.planning.resolvers.by_environment import resolvers_of  # imports jwst: seconds

    return resolvers_of(Path(), "").of(python)
