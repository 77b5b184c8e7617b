"""Answers of MAST's name resolver (Mast.Name.Lookup)."""

from collections.abc import Mapping

from jwmirror_simulator.mast.api.messages import Response, as_json
from jwmirror_simulator.mast.tables.columns import Row
from jwmirror_simulator.mast.tables.snapshot import Snapshot

SERVICE = "Mast.Name.Lookup"
Names = Mapping[str, tuple[float, float]]  # in lower case -> right ascension and declination


def answer_name(params: Row, names: Names, snapshot: Snapshot) -> Response:
    """Return where a target is: one of `names`, or a target of the archive's programs.

    The envelope is not that of tables. An unknown name has no position, and is no error.
    """
    name = str(params.get("input", "")).strip().lower()
    known = {**_targets(snapshot), **names}
    found = []
    if name in known:
        ra, dec = known[name]
        found = [
            {
                "searchString": name,
                "resolver": "SIMBAD",
                "cached": True,
                "resolverTime": 2,
                "searchRadius": -1.0,
                "canonicalName": name.upper(),
                "ra": ra,
                "decl": dec,
                "objectType": "G",
            }
        ]
    return as_json({"resolvedCoordinate": found, "status": ""})


def _targets(snapshot: Snapshot) -> dict[str, tuple[float, float]]:
    """Return the targets of the observations, as their proposals name them."""
    return {
        str(row["target_name"]).lower(): (row["s_ra"], row["s_dec"])
        for row in snapshot.observations
        if row["target_name"] and row["s_ra"] is not None
    }
