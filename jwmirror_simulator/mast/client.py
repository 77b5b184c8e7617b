"""A plain client of the archive, for tests that check single answers."""

import json
from urllib.parse import urlencode

import urllib3

from jwmirror_simulator.mast.archive import Archive

KEYWORDS = "Mast.Jwst.Filtered.Nircam"


def get(archive: Archive, filename: str, method: str = "GET", **headers: str):
    """Request a file once, without retries; keywords are headers: `If_Range=...`."""
    return urllib3.request(
        method,
        f"{archive.url}/api/v0.1/Download/file",
        fields={"uri": f"mast:JWST/product/{filename}"},
        headers={name.replace("_", "-"): value for name, value in headers.items()},
        retries=False,
        timeout=5.0,
    )


def invoke(archive: Archive, service: str, params: dict, **more: object) -> dict:
    """Return the JSON answer to a Portal request."""
    request = json.dumps({"service": service, "params": params, **more})
    return urllib3.request(
        "POST",
        f"{archive.url}/api/v0/invoke",
        body=urlencode({"request": request}),
        headers={"Content-Type": "application/x-www-form-urlencoded"},
    ).json()


def rows(archive: Archive, service: str = KEYWORDS, **values: object) -> list[dict]:
    """Return the rows of a filtered service in which columns have these values."""
    filters = [{"paramName": name, "values": [value]} for name, value in values.items()]
    return invoke(archive, service, {"columns": "*", "filters": filters})["data"]


def keyword_row(archive: Archive, filename: str) -> dict:
    """Return the one row of a NIRCam file in the keyword tables."""
    (row,) = rows(archive, filename=filename)
    return row


def products(archive: Archive, group: str) -> dict[str, dict]:
    """Return the product rows of one observation, by file name."""
    (observation,) = rows(archive, "Mast.Caom.Filtered", obs_id=group)
    answer = invoke(archive, "Mast.Caom.Products", {"obsid": str(observation["obsid"])})
    return {row["productFilename"]: row for row in answer["data"]}
