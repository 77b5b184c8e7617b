"""Write config/README.md from config/schema.yaml: every key, with its meaning and default."""

from pathlib import Path
from typing import Any

import yaml

HERE = Path(__file__).parent
OPENING = """\
# The config, key by key

`config.yaml` in this folder is a working example. Any other file is used with
`snakemake --configfile FILE`; it replaces this one. `jwmirror check --config FILE` lists all
mistakes at once, and so does every run before it asks the archive anything. This page is made
from `schema.yaml` by `make docs`.
"""


def page(schema: dict[str, Any]) -> str:
    """The whole page, in Markdown."""
    rows = ["| key | what it says | default |", "|---|---|---|", *_rows(schema, "")]
    return f"{OPENING}\n" + "\n".join(rows) + "\n"


def _rows(schema: dict[str, Any], place: str) -> list[str]:
    """A table row for each key below `schema`, depth first."""
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
    allowed = f" Of: {', '.join(map(str, values))}." if values else ""
    return (spec["description"] + allowed).replace("|", "\\|")


def _default(spec: dict[str, Any]) -> str:
    return f"`{spec['default']}`" if spec.get("default") not in (None, {}) else ""


if __name__ == "__main__":
    text = page(yaml.safe_load((HERE / "schema.yaml").read_text()))
    (HERE / "README.md").write_text(text)
