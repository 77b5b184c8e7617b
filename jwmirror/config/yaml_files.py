"""Reading of a YAML file, with messages for people."""

from pathlib import Path
from typing import Any

import yaml

from jwmirror.core.errors import ConfigError

ADVICE = "go to the folder of your config, or give the file with --config FILE"


def read_yaml(path: Path, advice: str = ADVICE) -> Any:
    """Return the content of a YAML file; ConfigError, with advice, if it cannot be read."""
    try:
        return yaml.safe_load(path.read_text())
    except OSError as err:
        why = f"{err.strerror}; the current folder is {Path.cwd()}; {advice}"
    except (yaml.YAMLError, UnicodeDecodeError) as err:
        mark = getattr(err, "problem_mark", None)
        line = f"line {mark.line + 1}, column {mark.column + 1}: " if mark else ""
        why = f"not YAML: {line}{getattr(err, 'problem', 'it is not a text file')}; correct it"
    raise ConfigError([f"{path}: {why}"])
