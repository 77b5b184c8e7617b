"""Load a config with its parameters checked, each recipe's by the jwst that will run it."""

from collections.abc import Sequence
from pathlib import Path

from jwmirror.config.load import Config, build_config, read_config
from jwmirror.config.recipes import Checker
from jwmirror.config.yaml_files import YamlText
from jwmirror.pipeline.child_environment import remove_user_variables


def load_checked_config(path: Path, settings: Sequence[str] = ()) -> Config:
    """Return the config in a YAML file, as config.load.read_config."""
    remove_user_variables()  # before CRDS is imported, which reads some of them
    return read_config(path, settings, _checker_of)


def build_checked_config(content: YamlText, check_parameters: bool = True) -> Config:
    """Return the config that the content of files describes, as config.load.build_config."""
    remove_user_variables()
    return build_config(content, _checker_of if check_parameters else None)


def _checker_of(python: str) -> Checker:
    from jwmirror.planning.resolvers import resolvers_of  # imports jwst: seconds

    return resolvers_of(Path(), "").of(python).mistakes
