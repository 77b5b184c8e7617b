"""Faults of listings by name: each changes one thing in the Portal's answers."""

import json
from collections.abc import Callable

from jwmirror_simulator.mast.faults import Fault
from jwmirror_simulator.mast.tables.columns import Row

PREFIX = "mast:JWST/product/"


def _edited(name: str, edit: Callable[[Row], None], times: int | None = None) -> Fault:
    """Return a fault that edits the JSON of an answer."""

    def spoil(response):
        answer = json.loads(response.content())
        edit(answer)
        return response.but(body=json.dumps(answer).encode())

    return Fault(name, spoil, times)


def portal_error() -> Fault:
    """Answer with the Portal's status ERROR, with HTTP status 200."""
    answer: Row = {"status": "ERROR", "msg": "too busy", "data": [], "fields": [], "paging": None}
    return _edited("portal_error", lambda found: found.update(answer))


def executing_for_ever() -> Fault:
    """Answer EXECUTING to every request."""
    answer: Row = {"status": "EXECUTING", "data": [], "fields": [], "paging": None}
    return _edited("executing_for_ever", lambda found: found.update(answer))


def half_a_page() -> Fault:
    """Send only half of the rows that the paging announces."""
    return _edited("half_a_page", lambda found: found["data"].__delitem__(slice(None, None, 2)))


def malformed_json() -> Fault:
    """Send only the first half of the JSON text."""
    return Fault("malformed_json", lambda r: r.but(body=r.content()[: len(r.content()) // 2]))


def repeated_page() -> Fault:
    """Send the rows of the first page in every page."""
    first: list[Row] = []

    def edit(found: Row) -> None:
        first.append(found)
        found["data"] = first[0]["data"]

    return _edited("repeated_page", edit)


def column_gone(column: str, new: str | None = None) -> Fault:
    """Leave out a column, or rename it to `new`."""

    def edit(found: Row) -> None:
        for row in found["data"]:
            value = row.pop(column, None)
            if new:
                row[new] = value

    return _edited("column_gone", edit)


def cells(column: str, value: object, only: str = "") -> Fault:
    """Change the value of a column: in all rows, or in that of the file `only`."""

    def edit(found: Row) -> None:
        for row in found["data"]:
            if only in ("", row.get("filename"), row.get("productFilename")):
                row[column] = value

    return _edited("cells", edit)


def named(filename: str, new: str) -> Fault:
    """List a file in CAOM under another name, such as a dangerous or long one."""

    def edit(found: Row) -> None:
        for row in found["data"]:
            if row.get("productFilename") == filename:
                row.update(productFilename=new, dataURI=PREFIX + new)

    return _edited("named", edit)


def twin(filename: str) -> Fault:
    """List a second file of the same name under another URI."""

    def edit(found: Row) -> None:
        rows = [row for row in found["data"] if row.get("productFilename") == filename]
        found["data"] += [{**row, "dataURI": f"mast:JWST/other/{filename}"} for row in rows]
        for count in ("rows", "rowsFiltered", "rowsTotal"):
            found["paging"][count] += len(rows)

    return _edited("twin", edit)


def no_rows() -> Fault:
    """Send an empty table."""

    def edit(found: Row) -> None:
        found["data"] = []
        found["paging"].update(rows=0, rowsFiltered=0, rowsTotal=0)

    return _edited("no_rows", edit)
