"""docs/notebook.ipynb: its cells run, and have the outputs that it shows."""

import nbformat

from tests.notebooks.cells import executed, read_notebook


def test_the_notebook_has_the_outputs_that_its_cells_have_now():
    """`make docs` writes them."""
    notebook = read_notebook()

    assert executed(notebook) == notebook
    assert sum(bool(cell.get("outputs")) for cell in notebook["cells"]) > 6


def test_the_notebook_is_valid():
    """In the form that Jupyter opens."""
    nbformat.validate(nbformat.from_dict(read_notebook()))
