"""docs/notebook.ipynb: a mirror for it, and its cells with the outputs that they have.

The cells are plain Python without magic, so no kernel is needed to run them.
"""

import ast
import io
import json
import os
from contextlib import chdir, redirect_stdout
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from tests.setup.mirrors import EXPOSURE, MOSAIC, SmallMirror, image_writer, made_from

NOTEBOOK = Path(__file__).parents[2] / "docs" / "notebook.ipynb"
FACTS = {"instrument": "NIRCAM", "detector": "NRCB1", "filter": "F200W", "pupil": "CLEAR"}


def make_mirror(root: Path) -> None:
    """Make a mirror of one exposure and its mosaic, recalibrated by deep, in two generations."""
    mirror = SmallMirror(root=root)
    uncal = mirror.hold(f"{EXPOSURE}_uncal.fits", image_writer(1.0), **FACTS)
    mirror.hold(f"{MOSAIC}_i2d.fits", image_writer(2.0), **FACTS | {"detector": "MULTIPLE"})
    rate = made_from("detector1", EXPOSURE, uncal.filename, jump={"rejection_threshold": 5.0})
    mirror.make(rate, f"{EXPOSURE}_rate.fits", image_writer(3.0))
    i2d = made_from("image3", MOSAIC, uncal.filename, tweakreg={"abs_refcat": "GAIADR3"})
    mirror.make(i2d, f"{MOSAIC}_i2d.fits", image_writer(2.1))
    mirror.publish("first run")
    newer = {"cal_ver": "1.19.0", "crds_ctx": "jwst_1364.pmap", "date": "2026-02-01T08:00:00"}
    mirror.hold(f"{MOSAIC}_i2d.fits", image_writer(2.05), **FACTS | newer)
    mirror.publish("at MAST: 1 reprocessed")


def read_notebook() -> dict[str, Any]:
    """Return the notebook as it is in docs."""
    return json.loads(NOTEBOOK.read_text())


def executed(notebook: dict[str, Any]) -> dict[str, Any]:
    """Return the notebook with the outputs that its cells have beside the mirror."""
    names: dict[str, Any] = {"__name__": "__main__"}
    with TemporaryDirectory() as folder, chdir(folder):
        make_mirror(Path("mirror"))
        os.mkdir("paper")
        cells = [_executed_cell(number, cell, names) for number, cell in _numbered(notebook)]
    return {**notebook, "cells": cells}


def _numbered(notebook: dict[str, Any]) -> list[tuple[int, dict[str, Any]]]:
    """Return the cells with the number of the code cells before, and of this one."""
    cells, number = [], 0
    for cell in notebook["cells"]:
        number += cell["cell_type"] == "code"
        cells.append((number, cell))
    return cells


def _executed_cell(number: int, cell: dict[str, Any], names: dict[str, Any]) -> dict[str, Any]:
    if cell["cell_type"] != "code":
        return cell
    tree = ast.parse("".join(cell["source"]))
    last = tree.body.pop() if tree.body and isinstance(tree.body[-1], ast.Expr) else None
    printed = io.StringIO()
    with redirect_stdout(printed):
        exec(compile(tree, f"cell {number}", "exec"), names)
        value = eval(compile(ast.Expression(last.value), "", "eval"), names) if last else None
    outputs: list[dict[str, Any]] = []
    if printed.getvalue():
        lines = printed.getvalue().splitlines(keepends=True)
        outputs.append({"output_type": "stream", "name": "stdout", "text": lines})
    if value is not None:
        data = {"text/plain": repr(value).splitlines(keepends=True)}
        facts = {"data": data, "execution_count": number, "metadata": {}}
        outputs.append({"output_type": "execute_result", **facts})
    return {**cell, "execution_count": number, "outputs": outputs}


def write_notebook() -> None:
    """Write the notebook with the outputs that it has now."""
    NOTEBOOK.write_text(json.dumps(executed(read_notebook()), indent=1) + "\n")
