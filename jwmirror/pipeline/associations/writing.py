"""The association file that a pipeline reads."""

import json

from jwmirror.core import names
from jwmirror.core.model import Derivation
from jwmirror.core.model.association import SHUTTERS
from jwmirror.core.model.derivation import whole_pipeline
from jwmirror.pipeline.associations.reading import NO_CANDIDATE

NO_PROGRAM = "noprogram"  # as asn_from_list writes


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
        "asn_type": whole_pipeline(derivation.pipeline),
        "asn_rule": "jwmirror",
        "asn_id": names.candidate_of(derivation.product) or NO_CANDIDATE,
        "asn_pool": "none",
        "program": _program(derivation),
        "target": "none",
        "version_id": None,
        "code_version": derivation.engine["jwst"],
        "degraded_status": "No known degraded exposures in association.",
        "constraints": "none",
        "products": [{"name": derivation.product, "members": members}],
    }
    return f"{derivation.product}_{derivation.pipeline}_asn.json", json.dumps(content, indent=1)


def _program(derivation: Derivation) -> str:
    """Return the program in the name of the first input that has one, as five digits."""
    numbers = (names.program_of(item.name) for item in derivation.inputs)
    number = next((number for number in numbers if number is not None), None)
    return NO_PROGRAM if number is None else f"{number:05d}"
