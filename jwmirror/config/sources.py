"""The sources of a config: files, each laid over the ones before, settings of one run, the site."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
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

SITE_KEYS: Mapping[str, tuple[str, ...]] = {  # of a site file; (): with all keys below
    "partitions": (),
    "calibrate": (),
    "references": ("cache",),
    "archive": ("downloads", "keep_free_gb", "group"),
}
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


def with_site(content: YamlText) -> YamlText:
    """Return a config laid over the site file that it names; the config, if it names none.

    Raises:
        ConfigError: the site file cannot be read, or has no keys.
    """
    file = content.value.get("site") if isinstance(content.value, Mapping) else None
    if not file or not isinstance(file, str):
        return content  # the schema reports what is no text
    site = read_yaml(Path(file), "correct `site` in the config")
    if not isinstance(site.value, Mapping | None):
        why = "expected settings of a site, such as `calibrate: {memory: 190}`"
        raise ConfigError([f"{file}: {why}; found none of the keys {', '.join(SITE_KEYS)}"])
    others = [path for path in site.written if _is_other(path)]
    why = f"is no setting of a site ({', '.join(SITE_KEYS)}); move it to the config"
    mistakes = [YamlMistake(path, site.locate(path, why)) for path in others]
    return _laid_over(replace(site, mistakes=(*site.mistakes, *mistakes)), content)


def _is_other(path: YamlPath) -> bool:
    """Return whether a site file must not have a key of the first or second level."""
    if len(path) == 1:
        return path[0] not in SITE_KEYS
    allowed = SITE_KEYS.get(str(path[0]), ()) if len(path) == 2 else ()
    return bool(allowed) and path[1] not in allowed


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
