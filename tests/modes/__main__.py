"""Write the table of docs/modes.md: `python -m tests.modes`."""

from tests.modes.page import PAGE, with_table

PAGE.write_text(with_table(PAGE.read_text()))
