"""Write config/README.md from its schema, and tables of docs/quality.md and docs/glossary.md."""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import yaml

from jwmirror.services.inspect.answers.product_kinds import KINDS

HERE = Path(__file__).parent
QUALITY = HERE.parent / "docs" / "quality.md"
THRESHOLDS = HERE.parent / "jwmirror" / "config" / "thresholds.yaml"
GLOSSARY = HERE.parent / "docs" / "glossary.md"
SUFFIXES = re.compile(r"(<!-- suffixes:[^\n]*-->\n).*(<!-- end of suffixes -->)", re.DOTALL)
TABLE = re.compile(r"(<!-- thresholds:[^\n]*-->\n).*(<!-- end of thresholds -->)", re.DOTALL)
OPENING = """\
# Reference of config keys

`config.yaml` in this folder is a working example. To use another file instead, run
`snakemake --configfile FILE`: then no key of `config.yaml` is used. If you give several files, each
is laid over the ones before. `snakemake --config KEY=VALUE` (the value in YAML) is laid over the
files, for one run. `jwmirror check --config FILE` lists the mistakes in the config; a run does the
same before it contacts the archive. `make docs` makes this page from `schema.yaml`.

Values are read as they are written. Numbers that programs read differently (`01345`, `3:5`,
`1_345`, `0x541`) and repeated keys are mistakes. Where a list belongs, one value is enough:
`observations: 1`, `filters: F444W` ([decision 18](../docs/decisions/0018-strict-yaml.md)).
"""


def page(schema: dict[str, Any]) -> str:
    """Return the page, in Markdown."""
    rows = ["| key | meaning | default |", "|---|---|---|", *_rows(schema, "")]
    return f"{OPENING}\n" + "\n".join(rows) + "\n"


def _rows(schema: dict[str, Any], place: str) -> list[str]:
    """Return a table row for each key below `schema`, depth first."""
    rows = []
    for key, spec in schema.get("properties", {}).items():
        name = f"{place}.{key}".lstrip(".")
        rows.append(f"| `{name}` | {_cell(spec)} | {_default(spec)} |")
        rows += _rows(spec, name) + _rows(spec.get("items", {}), f"{name}[]")
        if isinstance(spec.get("additionalProperties"), dict):
            rows += _rows(spec["additionalProperties"], f"{name}.<name>")
    return rows


def _cell(spec: dict[str, Any]) -> str:
    values = spec.get("items", {}).get("enum")
    allowed = f" Allowed: {', '.join(map(str, values))}." if values else ""
    return (spec["description"] + allowed).replace("|", "\\|")


def _default(spec: dict[str, Any]) -> str:
    return f"`{spec['default']}`" if spec.get("default") not in (None, {}) else ""


def with_thresholds(text: str, thresholds: dict[str, Any]) -> str:
    """Return docs/quality.md with the table of these thresholds."""
    head = ("threshold", "for", "cause", "measured", "allowed", "basis", "reason")
    rows = [head, ("---",) * len(head), *_threshold_rows(thresholds)]
    table = "\n".join(f"| {' | '.join(row)} |" for row in rows)
    return TABLE.sub(lambda found: f"{found[1]}\n{table}\n\n{found[2]}", text)


def with_suffixes(text: str) -> str:
    """Return docs/glossary.md with the table of suffixes."""
    rows = [("suffix", "level", "what it is"), ("---",) * 3]
    rows += [(f"`{suffix}`", *kind) for suffix, kind in KINDS.items()]
    table = "\n".join(f"| {' | '.join(row)} |" for row in rows)
    return SUFFIXES.sub(lambda found: f"{found[1]}\n{table}\n\n{found[2]}", text)


def _threshold_rows(raw: dict[str, Any]) -> Iterator[tuple[str, ...]]:
    """Yield a row for each threshold: for all modes, then for instruments and modes."""
    scopes = {"all": raw["thresholds"], **raw["instruments"], **raw["modes"]}
    for name, threshold in raw["thresholds"].items():
        for scope, entries in scopes.items():
            if name in entries:
                own = threshold | entries[name]
                shown = (own["cause"], own["measures"], _allowed(own), own["basis"], own["reason"])
                yield (name, scope, *(shown if scope == "all" else ("", "", *shown[2:])))


def _allowed(threshold: dict[str, Any]) -> str:
    """Return what is allowed in words: at most i2d: 0.75, others: 0.3."""
    values = threshold["value"] if isinstance(threshold["value"], dict) else {}
    other = values.get("other") if values else threshold["value"]
    limit = "change of at most" if threshold["limit"] == "change" else threshold["limit"]
    named = {key: value for key, value in values.items() if key != "other"}
    texts = [f"{key}: {'not judged' if value is None else value}" for key, value in named.items()]
    others = "others not judged" if other is None else f"{'others: ' * bool(named)}{other}"
    return f"{limit} {', '.join([*texts, others])}"


if __name__ == "__main__":
    text = page(yaml.safe_load((HERE / "schema.yaml").read_text()))
    (HERE / "README.md").write_text(text)
    thresholds = yaml.safe_load(THRESHOLDS.read_text())
    QUALITY.write_text(with_thresholds(QUALITY.read_text(), thresholds))
    GLOSSARY.write_text(with_suffixes(GLOSSARY.read_text()))
