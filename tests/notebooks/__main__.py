"""Write the tables of docs/parameters.md: `python -m tests.notebooks`."""

from tests.notebooks.page import PAGE, with_tables

PAGE.write_text(with_tables(PAGE.read_text()))
