"""Load a config with its parameters checked, each recipe's by the jwst that will run it."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from jwmirror.config.load import Config, build_config, read_content, token_variable
from jwmirror.config.recipes.recipes import Checker
from jwmirror.config.yaml_files import YamlText
from jwmirror.core.grouping import group_by
from jwmirror.core.jsonio import digest
from jwmirror.core.model import Recipe
from jwmirror.core.model.parameters import PlainMapping, Remarks
from jwmirror.net.http import check_token_url
from jwmirror.pipeline.allowed_environments import (
    EnvironmentNotAllowedError,
    allowed_python,
    is_allowed,
)
from jwmirror.pipeline.child_environment import remove_user_variables, take_token
from jwmirror.services.kept.answers import keep_answer, read_answer
from jwmirror.services.kept.dependencies import own_files_digest, software_digest

if TYPE_CHECKING:  # imports jwst: seconds
    from jwmirror.planning.resolvers.local import Resolver

REMARKS = "remarks"  # name of the kept answers


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
    remarks = KeptRemarks(content.value)
    config = build_config(content, remarks.checker_of if check_parameters else None)
    remarks.keep()
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


class KeptRemarks:
    """Remarks of jwst on parameters, kept in the mirror of a config, so that jwst is not imported.

    An answer is found by everything that it depends on: the question, the software, and the files
    and functions that the parameters name.
    """

    def __init__(self, raw: Any):
        name = raw.get("mirror", "mirror") if isinstance(raw, Mapping) else ""
        self._mirror = Path(name if isinstance(name, str) else "")
        _, known = read_answer(self._mirror, REMARKS, dict[str, Remarks])
        self._known, self._asked = known or {}, dict[str, Remarks]()

    def checker_of(self, python: str) -> Checker:
        """Return the check of parameters by the jwst of an environment."""
        if not is_allowed(python):
            return lambda parameters, place, is_exported: Remarks()
        software = software_digest([python])

        def check(parameters: PlainMapping, place: str, is_exported: bool) -> Remarks:
            base = Path.cwd()
            files = own_files_digest(parameters, base)
            question = digest([software, files, str(base), parameters, place, is_exported])
            known = self._known.get(question)
            remarks = known or resolver_of(python).remarks(parameters, place, is_exported)
            self._asked[question] = remarks
            return remarks

        return check

    def keep(self) -> None:
        """Keep the answers that were needed, in place of earlier ones."""
        if self._asked.keys() - self._known.keys():
            keep_answer(self._mirror, REMARKS, {}, self._asked)


def resolver_of(python: str) -> "Resolver":
    """Return a resolver that knows the specs of an environment's jwst, but no references."""
    from jwmirror.planning.resolvers.by_environment import resolvers_of  # imports jwst: seconds

    return resolvers_of(Path(), "").of(python)
