"""Tables as all pages of the terminal have them."""

from collections.abc import Collection

from rich.table import Table


def titled(title: str, *columns: str, whole: Collection[str] = ()) -> Table:
    """An empty table; in a narrow terminal the columns of `whole` are cut last."""
    table = Table(box=None, title=f"\n{title}", title_justify="left", title_style="bold")
    for column in columns:
        table.add_column(column, no_wrap=column in whole)
    return table
