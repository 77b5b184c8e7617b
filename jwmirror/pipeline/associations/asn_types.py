"""The type of an association that does not say it, by the rules of the installed jwst."""

from collections.abc import Iterator
from dataclasses import replace
from functools import cache
from typing import Any, ClassVar

from jwmirror.core.model.association import Association, pipeline_of_type
from jwmirror.core.model.derivation import STAGES
from jwmirror.pipeline import registry


def with_type(association: Association, exp_type: str) -> Association:
    """Return an association with the type that fits its members, whose EXP_TYPE is given.

    One that has a type is returned unchanged, and so is one that several types fit, or none.
    """
    if association.asn_type or len(types := _fitting_types(association, exp_type)) != 1:
        return association
    return replace(association, asn_type=types[0])


def type_question(association: Association, exp_type: str) -> str:
    """Return a message that asks which of the types that fit an association is meant."""
    of_stage = [pipeline for pipeline, stage in STAGES.items() if stage == association.stage]
    types = _fitting_types(association, exp_type) or of_stage
    choice = " or ".join(f'"{asn_type}"' for asn_type in types)
    return (
        f"{association.name} has no asn_type, and members of EXP_TYPE {exp_type} leave open which "
        f'one is meant; write "asn_type": {choice} into the file'
    )


def _fitting_types(association: Association, exp_type: str) -> list[str]:
    """Return the pipelines for the members; their names are types, too."""
    if association.stage == 2:
        return list(registry.pipelines_of_exposure(exp_type)[1:])
    asn_types = types_by_exposure().get(exp_type.lower(), ()) if exp_type else ()
    pipelines = {pipeline_of_type(asn_type) for asn_type in asn_types}
    if "coron3" in pipelines:  # which subtracts a PSF, and fails without
        has_psf = any(member.exptype == "psf" for member in association.members)
        return ["coron3"] if has_psf else ["coron3", "image3"]
    has_integrations = any("ints." in member.name for member in association.science)
    if exp_type and has_integrations and "ami3" not in pipelines:  # as jwst names the members
        return ["tso3"]
    return sorted(pipelines)


@cache
def types_by_exposure() -> dict[str, set[str]]:
    """Return the types of stage 3 that rules of jwst give, by EXP_TYPE in lower case."""
    from jwst.associations import AssociationRegistry
    from jwst.associations.lib.rules_level3_base import DMS_Level3_Base

    types: dict[str, set[str]] = {}
    for rule in AssociationRegistry().values():
        made = rule()
        if not isinstance(made, DMS_Level3_Base) or not (listed := list(_exp_types(made))):
            continue
        made._init_hook(AnyItem())  # sets asn_type
        for exp_type in listed:
            types.setdefault(exp_type, set()).add(made["asn_type"])
    return types


def _exp_types(rule: Any) -> Iterator[str]:
    """Yield the types of exposure that a rule of jwst asks for, without those that it excludes."""
    from jwst.associations.lib.constraint import AttrConstraint, Constraint

    pending = [rule.constraints]
    while pending:
        constraint = pending.pop()
        if isinstance(constraint, Constraint):
            excludes = constraint.reduce in (Constraint.notany, Constraint.notall)
            pending += [] if excludes else constraint.constraints
        elif isinstance(constraint, AttrConstraint) and "exp_type" in constraint.sources:
            yield from constraint.value.split("|") if constraint.value else ()


class AnyItem(dict[str, str]):
    """A row of a pool in which nothing is known."""

    meta: ClassVar = {"pool_file": "none"}

    def __missing__(self, name: str) -> str:
        return "null"
