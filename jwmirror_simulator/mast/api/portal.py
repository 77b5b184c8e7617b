"""Answers of MAST's Portal: tables, filtered, cut into pages, with status and paging."""

import math
import re
from dataclasses import dataclass
from typing import Any

from jwmirror_simulator.mast.api.keyword_tables import keyword_rows, spelled
from jwmirror_simulator.mast.api.messages import Response, as_json, as_text
from jwmirror_simulator.mast.api.oddities import Oddities
from jwmirror_simulator.mast.tables import columns
from jwmirror_simulator.mast.tables.columns import Column, Row
from jwmirror_simulator.mast.tables.snapshot import Snapshot

COUNT = "COUNT_BIG(*)"
KEYWORDS = "Mast.Jwst.Filtered."
OWN = 500_000_000  # first obsID of files that have one of their own


class PortalError(Exception):
    """The request cannot be answered; the message becomes `msg` of the answer."""

    def __init__(self, message: str, manner: str = "ERROR"):
        super().__init__(message)
        self.manner = manner  # ERROR, EXECUTING, or an HTTP status


@dataclass(frozen=True)
class Table:
    """Columns and rows of a table."""

    columns: tuple[Column, ...]
    rows: list[Row]

    def column(self, name: str, oddities: Oddities) -> Column:
        """Return the column of a name; PortalError without one."""
        for column in self.columns:
            if column.name == name:
                return column
        manner = "500" if oddities.unknown_column == "500" else "ERROR"
        raise PortalError(f"Invalid column name '{name}'.", manner)


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


def invoke(query: Row, snapshot: Snapshot, oddities: Oddities) -> Response:
    """Return the answer to a Portal request."""
    try:
        params = query.get("params") or {}
        service = str(query.get("service"))
        table = table_for(service, params, snapshot, oddities)
        if ".Filtered" in service:  # the others take no filters and no columns
            table = filtered(table, params.get("filters") or [], oddities)
            table = chosen(table, params.get("columns") or "*", oddities)
    except PortalError as err:
        return refusal(err.manner, str(err))
    table = Table(table.columns, [spelled(row, oddities) for row in table.rows])
    if oddities.cut_at_page:
        table = Table(table.columns, table.rows[: oddities.page_limit])
    size = min(int(query.get("pagesize") or oddities.page_limit), oddities.page_limit)
    return as_json(envelope(table, int(query.get("page") or 1), size))


def refusal(manner: str, message: str = "") -> Response:
    """Return an answer without a table: status ERROR, EXECUTING (to be asked again), or of HTTP."""
    if manner.isdigit():
        return as_text(f"{message}\n", int(manner))
    return as_json({"status": manner, "msg": message, "data": [], "fields": [], "paging": None})


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


def table_for(service: str, params: Row, snapshot: Snapshot, oddities: Oddities) -> Table:
    """Return the whole table of a service; PortalError if the service is unknown."""
    if _is_among(service, oddities.absent_tables):
        raise PortalError(f"Service {service} is not known.")
    table = _documented(service, params, snapshot, oddities)
    if oddities.proposal_types == "JWST" and service.startswith("Mast.Caom.Filtered"):
        table = Table(table.columns, [{**row, "proposal_type": "JWST"} for row in table.rows])
    present = tuple(each for each in table.columns if each.name not in oddities.absent_columns)
    return Table(present, [] if _is_among(service, oddities.empty_tables) else table.rows)


def _is_among(service: str, names: tuple[str, ...]) -> bool:
    """Return whether a service, or the last word of its name, is one of `names`."""
    return service in names or service.rpartition(".")[2] in names


def _documented(service: str, params: Row, snapshot: Snapshot, oddities: Oddities) -> Table:
    """Return the table of a service; PortalError if the service is unknown."""
    name = service.removeprefix(KEYWORDS)
    if service.startswith(KEYWORDS) and name in columns.KEYWORDS:
        return Table(columns.KEYWORDS[name], keyword_rows(name, snapshot, oddities))
    if service == "Mast.Caom.Products":
        return Table(columns.PRODUCTS, products(params, snapshot, oddities))
    if service == "Mast.Caom.Filtered":
        return Table(columns.OBSERVATIONS, snapshot.observations)
    if service == "Mast.Caom.Filtered.Position":
        return near(snapshot, *map(float, str(params["position"]).split(",")))
    if service == "Mast.Caom.Cone":
        return near(snapshot, *(float(params[key]) for key in ("ra", "dec", "radius")))
    raise PortalError(f"Service {service} is not known.")


def products(params: Row, snapshot: Snapshot, oddities: Oddities) -> list[Row]:
    """Return the products of the observations named by `obsid`."""
    obsids = [part.strip() for part in str(params.get("obsid", "")).split(",")]
    if not all(part.isdigit() for part in obsids):
        raise PortalError(
            f"obsid must be numbers with commas between; got '{params.get('obsid')}'."
        )
    if 0 < oddities.group_limit < len(obsids):
        raise PortalError("Timeout expired.", oddities.group_failure)
    rows = [row for obsid in obsids for row in snapshot.products_of(int(obsid))]
    if oddities.own_obsids:
        files = snapshot.state.holdings
        return [{**row, "obsID": OWN + files[row["productFilename"]].number} for row in rows]
    return rows


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


def filtered(table: Table, filters: list[Row], oddities: Oddities) -> Table:
    """Return the rows that pass every filter."""
    rows = table.rows
    for entry in filters:
        column = table.column(str(entry["paramName"]), oddities)
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


def chosen(table: Table, names: str, oddities: Oddities) -> Table:
    """Return the named columns of a table, or the count of its rows."""
    if names == COUNT:
        return Table((Column("Column1"),), [{"Column1": len(table.rows)}])
    if names == "*":
        return table
    wanted = [name.strip() for name in names.split(",")]
    if oddities.unknown_column == "ignored":
        wanted = [name for name in wanted if name in {each.name for each in table.columns}]
    return Table(tuple(table.column(name, oddities) for name in wanted), table.rows)
