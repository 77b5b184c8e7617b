"""Configs from values, as the content of a file."""

from pathlib import Path
from typing import Any

from jwmirror.config.load import Config
from jwmirror.config.yaml_files import YamlText
from jwmirror.core.model.recipe import ReferencePolicy
from jwmirror.services.configure.checked_config import build_checked_config

THREE_EXPOSURES = [{"program": 1345, "observations": [2]}]  # `programs`, of the demo's archive


def parse(raw: Any, check_parameters: bool = True) -> Config:
    """Return the checked config that values describe; ConfigError lists the mistakes in it."""
    return build_checked_config(YamlText(raw), check_parameters)


def policy_of(
    url: str, cache: Path, context: str = "latest", on_new_context: str = "follow"
) -> ReferencePolicy:
    """Return a policy on references; the service of Gaia is at the same address as CRDS."""
    return ReferencePolicy(
        url=url,
        context=context,
        on_new_context=on_new_context,
        cache=str(cache),
        gaia_url=url,
        gaia_refresh=None,
    )
