"""The association file that a pipeline reads."""

import json

from jwmirror.core import names
from jwmirror.core.model import Derivation
from jwmirror.core.model.association import SHUTTERS

NO_CANDIDATE = "a3001"  # MAST's number for associations without a candidate


def association_file(derivation: Derivation) -> tuple[str, str]:
    """Return name and content of the association file that a pipeline reads.

    It contains nothing but the derivation. Without MAST's stamp, an association that was only
    restamped gives the same result.
    """
    members = [
        {"expname": item.name, "exptype": item.role}
        for item in derivation.inputs
        if item.role != SHUTTERS
    ]
    content = {
        "asn_type": derivation.pipeline,
        "asn_rule": "jwmirror",
        "asn_id": names.candidate_of(derivation.product) or NO_CANDIDATE,
        "asn_pool": "none",
        "program": derivation.inputs[0].name[2:7],
        "target": "none",
        "version_id": None,
        "code_version": derivation.engine["jwst"],
        "degraded_status": "No known degraded exposures in association.",
        "constraints": "none",
        "products": [{"name": derivation.product, "members": members}],
    }
    return f"{derivation.product}_{derivation.pipeline}_asn.json", json.dumps(content, indent=1)
