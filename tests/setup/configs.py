"""Configs from values, as the content of a file."""

from typing import Any

from jwmirror.config.load import Config
from jwmirror.config.yaml_files import YamlText
from jwmirror.services.configure.checked_config import build_checked_config


def parse(raw: Any, check_parameters: bool = True) -> Config:
    """Return the checked config that values describe; ConfigError lists the mistakes in it."""
    return build_checked_config(YamlText(raw), check_parameters)
