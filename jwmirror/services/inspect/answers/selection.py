"""The files of a generation, by what they are: the rows of `select` in the Python interface."""

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from jwmirror.core.errors import StoreError, unknown_name
from jwmirror.core.matching import BANDPASS, FILE, criteria_of, matches
from jwmirror.core.model import UPSTREAM
from jwmirror.core.model.product import EXPOSURE, PEDIGREE
from jwmirror.core.names import candidate_of, parse_combined, parse_product, root_and_suffix
from jwmirror.store.access import may_be_read
from jwmirror.store.generations import StoredGeneration
from jwmirror.store.manifest import PREFIX, Entries
from jwmirror.store.objects import Objects
from jwmirror.store.view import view_folder

if TYPE_CHECKING:
    from astropy.table import Table

LONG_PASS = re.compile(r"F\d+LP")  # of NIRSpec
GRATING = re.compile(r"G\d+[MH]|PRISM")
Row = dict[str, Any]  # column -> value; of the types that COLUMNS has
OF_PRODUCT = ("program", "observation", "suffix", "level", *EXPOSURE, *PEDIGREE, "exclusive")
OF_ENTRY = ("origin", "size", "sha256", "state", "result", "key", "context", "quality")
COLUMNS: Mapping[str, type] = {  # of the table, with the type of their values
    "path": str,
    FILE: str,
    "origin": str,
    "program": int,
    "observation": str,
    "suffix": str,
    "level": int,
    **dict.fromkeys((*EXPOSURE, *PEDIGREE), str),
    "exclusive": bool,
    "size": int,
    **dict.fromkeys(("sha256", "state", "result", "key", "quality"), str),
}


def select_files(
    root: Path, generation: StoredGeneration, origin: str, criteria: Mapping[str, object]
) -> "Table":
    """Return the files of a generation that meet all criteria, as a table with COLUMNS.

    `origin` is a recipe or `upstream`, "" for all. Files that this user may not read are left out.

    Raises:
        StoreError: a criterion is no column, or the generation was pruned.
    """
    for name in criteria:
        if name not in COLUMNS:
            raise StoreError(unknown_name("criterion", name, COLUMNS))
    wanted = criteria_of({name: _as_compared(name, value) for name, value in criteria.items()})
    may_read = may_be_read(root)
    rows = [
        row
        for row in described_rows(generation.entries(), origin)
        if matches(wanted, row.get) and may_read(row["sha256"])
    ]
    view, path_of_object = view_folder(root, generation.number), Objects(root).path
    has_view = view.is_dir()
    for row in rows:
        path = view / row["path"] if has_view else path_of_object(row["sha256"])
        row["path"] = str(path.absolute())
    return _table(rows)


def _as_compared(name: str, wanted: object) -> object:
    """Return the wanted values of a criterion in the form of the column: o001 for 1."""
    if isinstance(wanted, list | tuple | set | frozenset):
        return [_as_compared(name, value) for value in wanted]
    if name == "observation" and str(wanted).isdecimal():
        return f"o{int(str(wanted)):03d}"
    return wanted


def described_rows(entries: Entries, origin: str = "") -> Iterator[Row]:
    """Yield the rows of an origin (""; all), with what MAST says of the exposures of results.

    A result has the instrument, filter and so on of MAST's file of its name, or of its exposure.
    If MAST has neither, its filters are those in its name.
    """
    known = _known_exposures(entries) if origin != UPSTREAM else {}
    for row in _rows(entries):
        if origin in ("", row["origin"]):
            yield row if row["origin"] == UPSTREAM else _described_result(row, known)


def _rows(entries: Entries) -> Iterator[Row]:
    """Yield all rows, of results without what only products have."""
    names = ("path", *OF_ENTRY, *OF_PRODUCT)
    columns = [entries.column(name) for name in ("path", *OF_ENTRY)]
    columns += [entries.column(f"{PREFIX}{name}") for name in OF_PRODUCT]
    for values in zip(*columns, strict=True):
        row = dict(zip(names, values, strict=True))
        yield {**row, FILE: row["path"].rpartition("/")[2]}


def _known_exposures(entries: Entries) -> dict[str, Row]:
    """Return the rows of MAST by file name, and one of each root by root."""
    known: dict[str, Row] = {}
    for row in _rows(entries):
        if row["origin"] == UPSTREAM and row["instrument"]:
            known[row[FILE]] = row
            known.setdefault(root_and_suffix(row[FILE])[0], row)
    return known


def _described_result(row: Row, known: Mapping[str, Row]) -> Row:
    name = row[FILE]
    parts = parse_product(name)
    root = parts.root if parts else name
    like = known.get(name) or known.get(root) or _named_elements(root)
    return {
        **row,
        **{field: like.get(field) for field in EXPOSURE},
        "program": parts.program if parts else None,
        "observation": parts.observation if parts else None,
        "suffix": parts.suffix if parts else None,
        "level": 3 if candidate_of(name) else 2,
        "crds_ctx": row["context"],
    }


def _named_elements(root: str) -> Row:
    """Return the instrument, filters and gratings in the name of a combined product."""
    name = parse_combined(root)
    if name is None:
        return {}
    parts = name.elements.upper().split("-")
    filters = [part for part in parts if BANDPASS.fullmatch(part) or LONG_PASS.fullmatch(part)]
    wheels = {"filter": filters[-1], "pupil": filters[0]} if len(filters) == 2 else {}
    alone = {"filter": filters[0]} if len(filters) == 1 else {}
    of_grisms = _with_grism(alone, [part for part in parts if part.startswith("GR")])
    gratings = [part for part in parts if GRATING.fullmatch(part)]
    of_nirspec: Row = {"grating": gratings[0]} if gratings else {}
    if gratings and "CLEAR" in parts:
        of_nirspec["filter"] = "CLEAR"
    return {"instrument": name.instrument.upper(), **wheels, **of_grisms, **of_nirspec}


def _with_grism(alone: Row, grisms: Sequence[str]) -> Row:
    """Return the wheels of one filter and a grism: NIRISS has GR150 in the filter wheel."""
    if not (alone and grisms):
        return alone
    is_niriss = grisms[0].startswith("GR150")
    return (
        {"filter": grisms[0], "pupil": alone["filter"]}
        if is_niriss
        else {**alone, "pupil": grisms[0]}
    )


def _table(rows: Iterable[Row]) -> "Table":
    """Return rows as an astropy table; unknown texts are "", unknown numbers are masked."""
    from astropy.table import MaskedColumn, Table

    rows = list(rows)
    columns = {}
    for name, kind in COLUMNS.items():
        values = [row.get(name) for row in rows]
        missing = [value is None for value in values]
        if kind is int:
            numbers = [value or 0 for value in values]
            columns[name] = MaskedColumn(numbers, name=name, mask=missing, dtype=int)
        else:
            columns[name] = [value or kind() for value in values]
    return Table(columns, dtype=[str if kind is str else kind for kind in COLUMNS.values()])
