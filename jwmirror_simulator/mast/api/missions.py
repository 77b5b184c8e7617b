"""The missions search (MastMissions): columns, rows and answers."""

from jwmirror_simulator.mast.storage.folder import Holding
from jwmirror_simulator.mast.tables.caom import rights
from jwmirror_simulator.mast.tables.columns import FILESETS, Row

LIMIT = 5000  # rows at most in one answer
SPELLING = {"string": "char", "int": "long", "float": "float", "boolean": "boolean"}
QUALITY = {"string": "string", "int": "integer", "float": "float", "boolean": "boolean"}


def fileset_row(files: list[Holding], exclusive: bool) -> Row:
    """Return one row of the search: a file set, described by its first FITS file."""
    first = min(files, key=lambda holding: (not holding.keywords, holding.filename))
    words = first.keywords
    levels = sorted({file.name.processing for file in files})
    return {
        "ArchiveFileID": first.number,
        "search_key": str(first.number),
        "fileSetName": first.name.fileset,
        "productLevel": ", ".join(levels),
        "targprop": words.get("TARGPROP"),
        "targ_ra": words.get("TARG_RA"),
        "targ_dec": words.get("TARG_DEC"),
        "instrume": words.get("INSTRUME"),
        "exp_type": words.get("EXP_TYPE"),
        "opticalElements": words.get("FILTER"),
        "date_obs": f"{words['DATE-OBS']}T{words.get('TIME-OBS', '00:00:00')}"
        if "DATE-OBS" in words
        else None,
        "duration": words.get("DURATION"),
        "program": first.name.program,
        "observtn": int(words.get("OBSERVTN", 0)) or None,
        "visit": int(words.get("VISIT", 0)) or None,
        "publicReleaseDate": first.released,
        "pi_name": words.get("PI_NAME"),
        "proposal_type": words.get("CATEGORY"),
        "proposal_cycle": 1,
        "targtype": words.get("TARGTYPE"),
        "access": rights(exclusive),
        "cal_ver": words.get("CAL_VER"),
        "ang_sep": 0.0,
        "s_region": words.get("S_REGION"),
    }


def column_list() -> list[Row]:
    """Return the columns of the search, as MastMissions.get_column_list reads them."""
    return [
        {
            "field_name": column.name,
            "description": f"{column.name} of the file set",
            "column_name": column.name,
            "queryable": "yes",
            "qual_type": QUALITY[column.type],
            "default_output": "yes",
            "indexed": "no",
            "datatype": SPELLING[column.type],
        }
        for column in FILESETS
    ]


def search(filesets: list[Row], query: Row) -> Row:
    """Return the answer to a search: LIMIT rows at most, and no mark that it was cut."""
    offset, limit = int(query.get("offset") or 0), min(int(query.get("limit") or LIMIT), LIMIT)
    conditions = query.get("conditions") or []
    found = [row for row in filesets if all(_meets(row, condition) for condition in conditions)]
    chosen = query.get("select_cols") or [column.name for column in FILESETS]
    columns = [column for column in FILESETS if column.name in chosen]
    kept = [column.name for column in columns] + ["search_key"]
    return {
        "messages": [],
        "search_params": {**query, "select_cols": chosen},
        "totalResults": len(found),
        "info": [
            {"name": column.name, "type": SPELLING[column.type], "sortable": "yes"}
            for column in columns
        ],
        "results": [{name: row[name] for name in kept} for row in found[offset : offset + limit]],
    }


def _meets(row: Row, condition: Row) -> bool:
    """Return whether each column of a condition has one of its values (comma-separated)."""
    return all(
        str(row.get(column)).lower() in [part.strip().lower() for part in str(wanted).split(",")]
        for column, wanted in condition.items()
    )


def product_list(holdings: list[Holding], datasets: list[str], exclusive) -> Row:
    """Return the answer with a product list; `exclusive` is called with a holding."""
    rows = []
    for holding in holdings:
        name = holding.name
        if name.fileset in datasets and name.group:
            words = holding.keywords
            rows.append(
                {
                    "product_key": f"{name.fileset}_{holding.filename}",
                    "access": rights(exclusive(holding)),
                    "dataset": name.fileset,
                    "instrument_name": words.get("INSTRUME"),
                    "filters": words.get("FILTER"),
                    "filename": holding.filename,
                    "uri": f"{name.fileset}/{holding.filename}",
                    "authz_primary_identifier": name.fileset,
                    "authz_secondary_identifier": name.suffix.upper(),
                    "file_suffix": f"_{name.suffix}",
                    "category": name.processing,
                    "size": holding.size,
                    "type": "science",
                }
            )
    return {"products": rows}
