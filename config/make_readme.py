"""Write config/README.md from config/schema.yaml: each key with its meaning and default."""

from pathlib import Path
from typing import Any

import yaml

HERE = Path(__file__).parent
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


if __name__ == "__main__":
    text = page(yaml.safe_load((HERE / "schema.yaml").read_text()))
    (HERE / "README.md").write_text(text)
