"""A second simulated MAST, written from what is known of MAST and from recorded answers only.

It shares no code with jwmirror_simulator. Where the sources leave room, it decides otherwise than
one would at first: keyword tables list the highest level only, with `program` as a number and dates
as MJD, but for MIRI as text with a zero and as /Date(ms)/; files of exposures have an obsID of an
observation that is not listed; answers come in short pages, with columns in another order and some
that are in no list.
"""

import hashlib
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

Row = dict[str, Any]

PAGE_SIZE = 3  # the table of NIRCam fills just one page: its rows are counted once more
TABLES = {"NIRCAM": "Nircam", "MIRI": "Miri", "FGS": "Fgs"}
OBSERVATION_COLUMNS = {
    "intentType": "char",
    "obs_collection": "char",
    "instrument_name": "char",
    "obs_id": "char",
    "dataproduct_type": "char",
    "calib_level": "int",
    "t_min": "double",
    "t_obs_release": "double",
    "filters": "char",
    "target_name": "char",
    "proposal_id": "char",
    "obsid": "long",
    "dataRights": "char",
    "heliosphere": "char",
}
TEXT_IDS = ("obsid", "obsID", "parent_obsid")  # numbers in fields that MAST declares as text


def mjd(date: str) -> float:
    """Return the modified Julian date of an ISO date in UTC."""
    since = datetime.fromisoformat(date).replace(tzinfo=UTC) - datetime(1858, 11, 17, tzinfo=UTC)
    return since.total_seconds() / 86400


def dated(name: str, date: str, instrument: str) -> Row:
    """Return the cell of a date: /Date(ms)/ in the table of MIRI, else MJD."""
    days = mjd(date)
    if instrument != "MIRI":
        return {f"{name}_mjd": days}
    return {name: f"/Date({round((days - mjd('1970-01-01')) * 86_400_000)})/"}


@dataclass
class ArchivedFile:
    """A file of the archive with what its rows say of it."""

    name: str
    data: bytes
    instrument: str
    level: int
    date: str  # when it was made, ISO
    cal_ver: str
    cards: Row  # keywords of its header
    row: Row  # keywords of its row in the table of its instrument; empty: it has no row
    is_exclusive: bool = False

    @property
    def suffix(self) -> str:
        """The last part of the name without its extension."""
        return self.name.rpartition(".")[0].rpartition("_")[2]


@dataclass
class Observation:
    """An observation that MAST lists, with the names of the files of its products."""

    obsid: int
    obs_id: str
    program: int
    instrument_name: str
    dataproduct_type: str
    files: list[str]
    calib_level: int = 3  # -1: planned


class BadRequestError(Exception):
    """A question that MAST answers with an error."""


@dataclass
class SecondArchive:
    """The state of the archive, and what was asked of it."""

    files: dict[str, ArchivedFile] = field(default_factory=dict)
    observations: list[Observation] = field(default_factory=list)
    url: str = ""
    cuts: dict[str, int] = field(default_factory=dict)  # the next transfer ends after so many bytes
    after_cut: Callable[[], None] = lambda: None  # called before the client sees a cut
    downloads: list[tuple[str, str | None]] = field(default_factory=list)  # name, Range
    is_md5: bool = True  # that a checksum is that of the bytes served is unconfirmed
    wrong_column: int = 500  # status of the answer to an unknown column
    executing: set[str] = field(default_factory=set)

    def add(self, file: ArchivedFile) -> None:
        """Archive a file."""
        self.files[file.name] = file

    # Rows

    def observation_rows(self) -> list[Row]:
        """Return the rows of Mast.Caom.Filtered."""
        return [
            {
                "heliosphere": "inner",
                "dataRights": "PUBLIC",
                "obsid": observation.obsid,
                "proposal_id": str(observation.program),
                "target_name": None,
                "filters": None,
                "t_obs_release": mjd("2022-07-14T20:30:00"),
                "t_min": mjd("2022-05-07T12:04:20"),
                "calib_level": observation.calib_level,
                "dataproduct_type": observation.dataproduct_type,
                "obs_id": observation.obs_id,
                "instrument_name": observation.instrument_name,
                "obs_collection": "JWST",
                "intentType": "science",
            }
            for observation in reversed(self.observations)
        ]

    def product_rows(self, obsids: str) -> list[Row]:
        """Return the rows of Mast.Caom.Products for a comma-separated list of obsids."""
        asked = {int(obsid) for obsid in obsids.split(",")}
        return [
            self.product_row(self.files[name], observation)
            for observation in self.observations
            if observation.obsid in asked
            for name in observation.files
        ]

    def product_row(self, file: ArchivedFile, parent: Observation) -> Row:
        """Return the row of a file below an observation."""
        own_id = file.name.rpartition("_")[0]
        is_of_parent = file.name.startswith(parent.obs_id)
        # The files of an exposure belong to an observation that is in no list.
        own_number = 900_000 + int(hashlib.md5(own_id.encode()).hexdigest()[:4], 16)
        kind = "SCIENCE" if file.cards else "PREVIEW" if file.name.endswith(".jpg") else "AUXILIARY"
        return {
            "pipelineHost": "pl-7",
            "dataRights": "EXCLUSIVE_ACCESS" if file.is_exclusive else "PUBLIC",
            "parent_obsid": parent.obsid,
            "calib_level": file.level,
            "size": len(file.data),
            "description": None,
            "productFilename": file.name,
            "dataURI": f"mast:JWST/product/{file.name}",
            "proposal_id": str(parent.program),
            "prvversion": file.cal_ver,
            "project": "CALJWST",
            "productDocumentationURL": None,
            "productSubGroupDescription": None if kind == "PREVIEW" else file.suffix.upper(),
            "productGroupDescription": "Minimum Recommended Products" if is_of_parent else None,
            "productType": kind,
            "type": "D" if is_of_parent else "S",
            "dataproduct_type": parent.dataproduct_type,
            "obs_id": parent.obs_id if is_of_parent else own_id,
            "obs_collection": "JWST",
            "obsID": parent.obsid if is_of_parent else own_number,
            "_selected_": None,
        }

    def keyword_rows(self, table: str) -> list[Row]:
        """Return the rows of a table of keywords; GuideStar has an own column of names."""
        rows = []
        for file in reversed(self.files.values()):
            is_guide = "_gs-" in file.name
            if not file.row or table != ("GuideStar" if is_guide else TABLES[file.instrument]):
                continue
            salt = b"" if self.is_md5 else b"second"
            release = "2099-01-01" if file.is_exclusive else "2022-07-14T20:30:00"
            row = {
                "processingNode": 17,
                **file.row,
                "isStale": False,
                "isRestricted": file.is_exclusive,
                **dated("publicReleaseDate", release, file.instrument),
                **dated("date_obs", "2022-05-07T12:04:20", file.instrument),
                **dated("ingestCompletionDate", file.date, file.instrument),
                "checksum": hashlib.md5(salt + file.data).hexdigest(),
                "fileSize": len(file.data),
                "cal_ver": file.cal_ver,
                **dated("date", file.date, file.instrument),
                "instrume": file.instrument,
                "productLevel": str(file.level),
                "fileSetName": file.name.rpartition("_")[0],
                "fileName" if is_guide else "filename": file.name,
                "ArchiveFileID": 5_000_000 + len(rows),
            }
            rows.append(row)
        return rows

    # Answers

    def column_config(self, service: str) -> Row:
        """Return the answer of columnsconfig."""
        if service in ("Mast.Caom.Cone", "Mast.Caom.Filtered"):
            kinds = OBSERVATION_COLUMNS.items()
            return {name: {"text": name, "vot.datatype": kind} for name, kind in kinds}
        return {}

    def answer(self, request: Row) -> Row:
        """Return the answer to a question to a service."""
        service, params = request["service"], request["params"]
        if service == "Mast.Caom.Products" and request["cacheBreaker"] not in self.executing:
            self.executing.add(request["cacheBreaker"])
            return {"status": "EXECUTING", "msg": ""}
        if service == "Mast.Caom.Products":
            rows = table = self.product_rows(params["obsid"])
        elif service in ("Mast.Caom.Filtered", "Mast.Caom.Cone"):
            table = self.observation_rows()
            rows = [row for row in table if matches(row, params["filters"])]
        elif service.startswith("Mast.Jwst.Filtered."):
            table = self.keyword_rows(service.rpartition(".")[2])
            rows = [row for row in table if matches(row, params["filters"])]
        else:
            raise BadRequestError(f"no service {service}")
        columns = params.get("columns", "*")
        if columns.startswith("COUNT_BIG"):
            rows = [{"Column1": len(rows)}]
        elif columns != "*":
            names = [name.strip() for name in columns.split(",")]
            rows = [{name: chosen(row, name) for name in names} for row in rows]
        return page_of(
            rows, len(table), int(request["page"]), min(PAGE_SIZE, int(request["pagesize"]))
        )


def chosen(row: Row, column: str) -> Any:
    """Return the value of a column that was asked for."""
    if column not in row:
        raise BadRequestError(f"Invalid column name '{column}'.")
    return row[column]


def matches(row: Row, filters: list[Row]) -> bool:
    """Whether a row passes the filters: texts are compared as texts, numbers as numbers."""
    for condition in filters:
        value = chosen(row, condition["paramName"])
        texts = [str(wanted) for wanted in condition["values"] if not isinstance(wanted, dict)]
        ranges = [wanted for wanted in condition["values"] if isinstance(wanted, dict)]
        is_number = isinstance(value, int | float)
        equal = any(float(text) == value if is_number else text == value for text in texts)
        like = condition.get("freeText", "\0").strip("%").lower() in str(value).lower()
        inside = any(float(r["min"]) <= float(value) <= float(r["max"]) for r in ranges)
        if not (equal or like or inside):
            return False
    return True


def kind_of(name: str, rows: list[Row]) -> str:
    """Return the type that MAST declares for a column."""
    value = next((row[name] for row in rows if row[name] is not None), "")
    if name in TEXT_IDS or isinstance(value, str):
        return "string"
    return {bool: "boolean", int: "long", float: "double"}[type(value)]


def page_of(rows: list[Row], in_table: int, page: int, size: int) -> Row:
    """Return the envelope of one page."""
    part = rows[(page - 1) * size : page * size]
    names = list(rows[0]) if rows else []
    return {
        "paging": {
            "page": page,
            "pageSize": size,
            "pagesFiltered": -(-len(rows) // size),
            "rows": len(part),
            "rowsFiltered": len(rows),
            "rowsTotal": in_table,
        },
        "fields": [{"name": name, "type": kind_of(name, rows)} for name in names],
        "data": part,
        "msg": "",
        "status": "COMPLETE",
    }
