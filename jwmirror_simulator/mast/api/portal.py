"""Answers of MAST's Portal: tables, filtered, cut into pages, with status and paging."""

import math
import re
from dataclasses import dataclass
from typing import Any

from jwmirror_simulator.mast.api.behaviour import Behaviour
from jwmirror_simulator.mast.storage.dates import moment
from jwmirror_simulator.mast.tables import columns
from jwmirror_simulator.mast.tables.columns import Column, Row
from jwmirror_simulator.mast.tables.keyword_rows import DATES
from jwmirror_simulator.mast.tables.snapshot import Snapshot

COUNT = "COUNT_BIG(*)"
KEYWORDS = "Mast.Jwst.Filtered."
UNIX = moment("1970-01-01")


class PortalError(Exception):
    """The request cannot be answered; the message becomes `msg` of the answer."""


@dataclass(frozen=True)
class Table:
    """Columns and rows of a table."""

    columns: tuple[Column, ...]
    rows: list[Row]

    def column(self, name: str) -> Column:
        """Return the column of a name; PortalError if there is none."""
        for column in self.columns:
            if column.name == name:
                return column
        raise PortalError(f"Invalid column name '{name}'.")


def columns_config(service: str) -> Row:
    """Return the columns of a service as the Portal describes them; {} for services without."""
    known = {
        "Mast.Caom.Cone": columns.OBSERVATIONS + columns.DISTANCE,
        "Mast.Caom.Products": columns.PRODUCTS,
    }
    spelling = {"string": "char", "float": "double", "int": "int", "boolean": "boolean"}
    return {
        column.name: {
            "text": column.name,
            "vot.datatype": spelling[column.type],
            "vot.description": column.name,
            **({"separator": column.separator} if column.separator else {}),
        }
        for column in known.get(service, ())
    }


def invoke(query: Row, snapshot: Snapshot, behaviour: Behaviour) -> Row:
    """Return the answer to a Portal request."""
    try:
        params = query.get("params") or {}
        table = table_for(str(query.get("service")), params, snapshot)
        table = filtered(table, params.get("filters") or [])
        table = chosen(table, params.get("columns") or "*")
        if not behaviour.iso_dates:
            table = Table(table.columns, [milliseconds(row) for row in table.rows])
    except PortalError as err:
        return {"status": "ERROR", "msg": str(err), "data": [], "fields": [], "paging": None}
    size = min(int(query.get("pagesize") or behaviour.page_limit), behaviour.page_limit)
    return envelope(table, int(query.get("page") or 1), size)


def executing() -> Row:
    """Return the answer EXECUTING: the client has to ask again."""
    return {"status": "EXECUTING", "msg": "", "data": [], "fields": [], "paging": None}


def envelope(table: Table, page: int, size: int) -> Row:
    """Return one page of a table as an answer."""
    total = len(table.rows)
    rows = table.rows[(page - 1) * size : page * size]
    names = [column.name for column in table.columns]
    return {
        "status": "COMPLETE",
        "msg": "",
        "data": [{name: row[name] for name in names} for row in rows],
        "fields": [{"name": column.name, "type": column.type} for column in table.columns],
        "paging": {
            "page": page,
            "pageSize": size,
            "pagesFiltered": max(1, math.ceil(total / size)),
            "rows": len(rows),
            "rowsFiltered": total,
            "rowsTotal": total,
        },
    }


def table_for(service: str, params: Row, snapshot: Snapshot) -> Table:
    """Return the whole table of a service; PortalError if the service is unknown."""
    if (
        service.startswith(KEYWORDS)
        and (name := service.removeprefix(KEYWORDS)) in columns.KEYWORDS
    ):
        return Table(columns.KEYWORDS[name], snapshot.keywords[name])
    if service == "Mast.Caom.Products":
        return Table(columns.PRODUCTS, products(params, snapshot))
    if service == "Mast.Caom.Filtered":
        return Table(columns.OBSERVATIONS, snapshot.observations)
    if service == "Mast.Caom.Filtered.Position":
        return near(snapshot, *map(float, str(params["position"]).split(",")))
    if service == "Mast.Caom.Cone":
        return near(snapshot, *(float(params[key]) for key in ("ra", "dec", "radius")))
    raise PortalError(f"Service {service} is not known.")


def products(params: Row, snapshot: Snapshot) -> list[Row]:
    """Return the products of the observations named by `obsid`."""
    obsids = [part.strip() for part in str(params.get("obsid", "")).split(",")]
    if not all(part.isdigit() for part in obsids):
        raise PortalError(
            f"obsid must be numbers with commas between; got '{params.get('obsid')}'."
        )
    return [row for obsid in obsids for row in snapshot.products_of(int(obsid))]


def near(snapshot: Snapshot, ra: float, dec: float, radius: float) -> Table:
    """Return the observations within `radius` of a position (degrees); distances in arcseconds."""
    rows = []
    for row in snapshot.observations:
        if row["s_ra"] is not None:
            apart = separation(ra, dec, float(row["s_ra"]), float(row["s_dec"]))
            if apart <= radius:
                rows.append({**row, "distance": apart * 3600})
    return Table(columns.OBSERVATIONS + columns.DISTANCE, rows)


def separation(ra1: float, dec1: float, ra2: float, dec2: float) -> float:
    """Return the angle between two positions on the sky, in degrees."""
    a1, d1, a2, d2 = map(math.radians, (ra1, dec1, ra2, dec2))
    half = math.sin((d2 - d1) / 2) ** 2
    half += math.cos(d1) * math.cos(d2) * math.sin((a2 - a1) / 2) ** 2
    return math.degrees(2 * math.asin(min(1.0, math.sqrt(half))))


def filtered(table: Table, filters: list[Row]) -> Table:
    """Return the rows that pass every filter."""
    rows = table.rows
    for entry in filters:
        column = table.column(str(entry["paramName"]))
        rows = [row for row in rows if meets(row[column.name], column, entry)]
    return Table(table.columns, rows)


def meets(cell: Any, column: Column, entry: Row) -> bool:
    """Return whether a cell equals one value of a filter, is in its range, or matches its text."""
    if cell is None:
        return False
    separator = entry.get("separator")
    parts = str(cell).split(str(separator)) if separator else [str(cell)]
    if text := entry.get("freeText"):
        pattern = ".*".join(re.escape(part) for part in str(text).split("%"))
        if any(re.fullmatch(pattern, part, re.IGNORECASE) for part in parts):
            return True
    return any(_equals(cell, parts, column, value) for value in entry.get("values") or [])


def _equals(cell: Any, parts: list[str], column: Column, value: Any) -> bool:
    """Return whether a cell equals a value or is in {min, max}; texts are compared without case."""
    if isinstance(value, dict):
        return float(value["min"]) <= float(cell) <= float(value["max"])
    if column.type in ("int", "float"):
        return _number(value) == float(cell)
    return str(value).lower() in map(str.lower, parts)


def _number(value: object) -> float | None:
    """Return a value as a number; None if it cannot be read as one."""
    try:
        return float(str(value))
    except ValueError:
        return None


def chosen(table: Table, names: str) -> Table:
    """Return the named columns of a table, or the count of its rows."""
    if names == COUNT:
        return Table((Column("Column1"),), [{"Column1": len(table.rows)}])
    if names == "*":
        return table
    kept = tuple(table.column(name.strip()) for name in names.split(","))
    return Table(kept, table.rows)


def milliseconds(row: Row) -> Row:
    """Return a row with dates written as /Date(milliseconds since 1970)/."""

    def spelled(name: str, value: object) -> object:
        if name not in DATES or not value:
            return value
        return f"/Date({round((moment(str(value)) - UNIX).total_seconds() * 1000)})/"

    return {name: spelled(name, value) for name, value in row.items()}
