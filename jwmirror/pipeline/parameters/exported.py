"""Parameters in files that strun or export_config wrote (ASDF, or the older .cfg)."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from jwmirror.core.errors import ConfigError, plain_text
from jwmirror.core.files import MAX_CONFIG, read_bytes
from jwmirror.core.fits import check_asdf_file
from jwmirror.pipeline import registry
from jwmirror.pipeline.parameters.resolution import RESERVED


def read_exported(path: Path, pipeline: str, step: str = "") -> dict[str, Any]:
    """Return the parameters of a pipeline, or of one step, in a file.

    The form is {parameter: value, "steps": {...}}. Parameters of file locations and names, which
    every such file has, are left out.

    Raises:
        ConfigError: the file cannot be read, or belongs to another pipeline.
    """
    content = _content(path)
    _check_class(path, content, pipeline, step)
    if not step and content.get("skip") in (False, "False"):
        del content["skip"]
    return _kept(path, content)


def _content(path: Path) -> dict[str, Any]:
    from stpipe.config_parser import load_config_file

    expected = "expected a file of parameters as `strun --save-parameters` or export_config writes"
    try:
        read_bytes(path, MAX_CONFIG)
        check_asdf_file(path)
        return load_config_file(str(path)).dict()
    except OSError as err:
        raise ConfigError([f"{expected}; {path}: {err.strerror}"]) from err
    except Exception as err:  # asdf and configobj raise many kinds
        found = f"found what is neither ASDF nor pairs NAME = VALUE ({plain_text(err)})"
        raise ConfigError([f"{expected}; {path}: {found}; name another file"]) from err


def _check_class(path: Path, content: Mapping[str, Any], pipeline: str, step: str) -> None:
    found = str(content.get("class") or content.get("name") or "").rpartition(".")[2]
    if not found or found == registry.PIPELINES.get(pipeline):
        fits = not step or not found
    else:
        fits = bool(step) and "steps" not in content
    if not fits:
        wanted = f"the step {step}" if step else pipeline
        raise ConfigError([f"{path} has the parameters of {found}, expected those of {wanted}"])


def _kept(path: Path, content: Mapping[str, Any], step: str = "") -> dict[str, Any]:
    if content.get("config_file"):
        further = content["config_file"]
        what = f"{path}: {step or 'it'} includes {further}, and included files are not read"
        raise ConfigError([f"{what}; name that file in the recipe (from: {further})"])
    kept = {
        name: value for name, value in content.items() if name not in RESERVED and name != "steps"
    }
    if "steps" in content:
        kept["steps"] = {name: _kept(path, each, name) for name, each in content["steps"].items()}
    return kept
