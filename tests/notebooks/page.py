"""The tables of docs/parameters.md: settings of notebooks, and parameters that jwst dropped."""

import json
import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, NamedTuple

import asdf
import yaml
from astropy.io import fits

from jwmirror.pipeline.parameters.checks import check_parameters
from jwmirror.pipeline.parameters.gone import GONE
from jwmirror.pipeline.parameters.python_notation import without_python_notation

PAGE = Path(__file__).parents[2] / "docs" / "parameters.md"
SETTINGS = Path(__file__).with_name("settings.yaml")
TABLE = re.compile(r"(<!-- (settings|dropped): [^\n]*-->\n).*?(<!-- end of \2 -->)", re.DOTALL)
WHOLE = "*"  # in place of a parameter: several, or none
ACCEPTED, IGNORED, MISTAKE = "accepted", "ignored", "mistake"


class Outcome(NamedTuple):
    """One setting of a notebook, and what the check of a config finds."""

    name: str
    value: Any
    outcome: str
    remark: str  # "" if it is accepted


@cache
def outcomes() -> list[Outcome]:
    """Return the outcome of each setting; the files that settings name exist."""
    with TemporaryDirectory() as folder:
        return [_outcome(*setting, Path(folder)) for setting in _settings()]


def _settings() -> Iterator[tuple[str, str, str, Any]]:
    for pipeline, steps in yaml.safe_load(SETTINGS.read_text()).items():
        for step, parameters in steps.items():
            for name, values in parameters.items():
                yield from ((pipeline, step, name, value) for value in values)


def _outcome(pipeline: str, step: str, name: str, value: Any, folder: Path) -> Outcome:
    written = value if name == WHOLE else {name: value}
    parameters = without_python_notation({pipeline: {step: written}})
    _make_file(name, value, folder)
    found = check_parameters(parameters, "", folder)
    remarks = (*found.mistakes, *found.notes)
    outcome = MISTAKE if found.mistakes else IGNORED if found.notes else ACCEPTED
    remark = " ".join(line.partition(": ")[2] for line in remarks)
    full_name = ".".join(filter(WHOLE.__ne__, (pipeline, step, name)))
    return Outcome(full_name, value, outcome, remark)


def _make_file(name: str, value: Any, folder: Path) -> None:
    """Write the file that a setting names, if it names one: of the type that it overrides."""
    reftype = name.removeprefix("override_")
    suffix = Path(str(value)).suffix
    path = folder / str(value)
    if suffix == ".fits":
        header = fits.Header({"REFTYPE": reftype.upper()})
        fits.PrimaryHDU(header=header).writeto(path, overwrite=True)
    elif suffix == ".asdf":
        asdf.AsdfFile({"meta": {"reftype": reftype}}).write_to(path)
    elif suffix == ".json":
        path.write_text(json.dumps({"reftype": reftype}))


def with_tables(text: str) -> str:
    """Return the page with both tables as they are now."""
    tables = {"settings": settings_table, "dropped": dropped_table}
    return TABLE.sub(lambda match: f"{match[1]}\n{tables[match[2]]()}\n{match[3]}", text)


def settings_table() -> str:
    """Return the table of the settings of notebooks, in Markdown."""
    rows = [
        (f"`{each.name}`", f"`{json.dumps(each.value)}`", each.outcome, each.remark)
        for each in outcomes()
    ]
    return _markdown(("setting", "value", "jwmirror", "why"), rows)


def dropped_table() -> str:
    """Return the table of the parameters that jwst dropped, in Markdown."""
    rows = [
        (f"`{'.'.join(filter(None, key))}`", gone.last, gone.advice) for key, gone in GONE.items()
    ]
    return _markdown(("parameter", "last in jwst", "instead"), sorted(rows))


def _markdown(head: tuple[str, ...], rows: list[tuple[str, ...]]) -> str:
    lines = [head, ("---",) * len(head), *rows]
    return "".join(f"| {' | '.join(cell.replace('|', '/') for cell in line)} |\n" for line in lines)
