"""Write the tables of docs/parameters.md and the outputs of docs/notebook.ipynb.

`python -m tests.notebooks`.
"""

from tests.notebooks.cells import write_notebook
from tests.notebooks.page import PAGE, with_tables

PAGE.write_text(with_tables(PAGE.read_text()))
write_notebook()
