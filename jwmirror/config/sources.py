"""The sources of a config: files, each laid over the ones before, and settings of one run."""

from collections.abc import Iterable, Mapping, Sequence
from functools import reduce
from pathlib import Path
from typing import Any

from jwmirror.config.recipes.parameter_files import overlay
from jwmirror.config.yaml_files import (
    ADVICE,
    YamlMistake,
    YamlPath,
    YamlText,
    parse_yaml,
    read_yaml,
)
from jwmirror.core.errors import ConfigError

OPTION = "--config"  # of snakemake: KEY=VALUE, which replaces what the files say


def read_sources(
    files: Iterable[Path], options: Sequence[str] = (), advice: str = ADVICE
) -> YamlText:
    """Return the config in files, and in KEY=VALUE options, as they are written.

    A later source replaces values and lists of earlier ones, and adds keys to their mappings.

    Raises:
        ConfigError: a file cannot be read; `advice` is what the user can do.
    """
    sources = [read_yaml(Path(path), advice) for path in files]
    keys = [option.partition("=")[0] for option in options]
    twice = [
        YamlMistake((key,), f"{OPTION}: {key} is given twice; give it once")
        for key in dict.fromkeys(keys)
        if keys.count(key) > 1
    ]
    merged = reduce(_laid_over, [*sources, *map(_parsed, options)], YamlText(None))
    return YamlText(merged.value, merged.written, (*merged.mistakes, *twice))


def _parsed(option: str) -> YamlText:
    """Return the config that KEY=VALUE describes; a value that is not YAML is text."""
    key, _, text = option.partition("=")
    source = f"{OPTION} {option}"
    try:
        content = parse_yaml(text, source, path=(key,))
    except ConfigError:
        content = YamlText(text)
    return YamlText({key: content.value}, content.written, content.mistakes)


def _laid_over(below: YamlText, above: YamlText) -> YamlText:
    """Return two sources merged; each value keeps the place where it is written."""
    value = above.value
    if isinstance(below.value, Mapping | None) and isinstance(value, Mapping | None):
        value = overlay(below.value or {}, value or {})
    replaced = {path for path in above.written if not isinstance(_at(above.value, path), Mapping)}
    kept = {
        path: written
        for path, written in below.written.items()
        if not any(path[:i] in replaced for i in range(1, len(path) + 1))
    }
    return YamlText(value, kept | dict(above.written), (*below.mistakes, *above.mistakes))


def _at(value: Any, path: YamlPath) -> Any:
    """Return the value at a path; None where a key that was written twice has replaced it."""
    try:
        return reduce(lambda part, key: part[key], path, value)
    except (LookupError, TypeError):
        return None
