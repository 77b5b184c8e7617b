"""An association of exposures that a user lists, written by the classes of the installed jwst.

jwst decides the roles of exposures and the names of their files; as `asn_from_list` does, it is
not asked whether the exposures belong together. Those of one optical path make one product.
"""

import json
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from jwmirror.core.grouping import group_by
from jwmirror.core.model.association import SCIENCE, UNCAL, Association
from jwmirror.core.model.derivation import STAGES
from jwmirror.pipeline import registry
from jwmirror.pipeline.associations.asn_types import AnyItem, types_by_exposure
from jwmirror.pipeline.associations.reading import NO_CANDIDATE
from jwmirror.pipeline.headers import header_value, parse_header

CELLS = {  # of a row in jwst's pools -> CRDS parameter
    "exp_type": "meta.exposure.type",
    "subarray": "meta.subarray.name",
    "pupil": "meta.instrument.pupil",
    "detector": "meta.instrument.detector",
    "tsovisit": "meta.visit.tsovisit",
    "is_psf": "meta.exposure.psf_reference",
    "bkgdtarg": "meta.observation.bkgdtarg",
    "is_imprt": "meta.exposure.imprint",
}
ROLES = {  # asn_type -> roles beside science; exposures of others are science there, as in jwst
    **dict.fromkeys(("image2", "spec2"), ("background", "imprint")),
    "spec3": ("background",),
    **dict.fromkeys(("coron3", "ami3"), ("psf",)),
}
ALL_BANDS = "MIR_MRS"  # exposures of all bands make one product

Exposures = Sequence[tuple[str, str]]  # roots and headers


def takes_exposure(asn_type: str, header: str) -> bool:
    """Return whether an association of a type may have an exposure as a member."""
    exp_type = header_value(header, "exp_type")
    second = registry.pipelines_of_exposure(exp_type)[1:]
    third = types_by_exposure().get(exp_type.lower(), set())
    if asn_type in ("image3", "spec3"):
        return bool(third) and f"{asn_type[:-1]}2" in second
    is_varying = bool(parse_header(header).get(CELLS["tsovisit"]))
    return asn_type in (*second, *third) or (asn_type == "tso3" and is_varying and bool(second))


def association_of(
    asn_type: str, program: int, exposures: Exposures, known: Iterable[Association] = ()
) -> str:
    """Return an association of exposures as text, which jwst and a recipe can read.

    In stage 2, an exposure that a `known` association is about has the members of that one: nods,
    and the catalogue of direct images.

    Raises:
        ValueError: none of the exposures is science.
    """
    from jwst.associations.lib.rules_level2_base import DMSLevel2bBase
    from jwst.associations.lib.rules_level3_base import DMS_Level3_Base

    made = (DMSLevel2bBase if STAGES[asn_type] == 2 else DMS_Level3_Base)()
    companions = _members_by_product(known) if STAGES[asn_type] == 2 else {}
    for name, members in _products(asn_type, program, exposures, made):
        made.new_product(name)
        made.current_product["members"] += companions.get(name, members)
    if "products" not in made.data:
        raise ValueError("none of the exposures is science")
    made.data.update(asn_type=asn_type, program=f"{program:05d}", asn_id=NO_CANDIDATE)
    return json.dumps(made.data, indent=4)


def _members_by_product(associations: Iterable[Association]) -> dict[str, list[dict[str, str]]]:
    return {
        association.product: [
            {"expname": member.name, "exptype": member.exptype} for member in association.members
        ]
        for association in associations
    }


def _products(
    asn_type: str, program: int, exposures: Exposures, rule: Any
) -> Iterator[tuple[str, list[dict[str, str]]]]:
    """Yield name and members of each product."""
    for path, of_path in group_by(exposures, lambda exposure: _optical_path(exposure[1])).items():
        members = {root: _member(asn_type, root, header, rule) for root, header in of_path}
        science = {root: each for root, each in members.items() if each["exptype"] == SCIENCE}
        others = [each for each in members.values() if each["exptype"] != SCIENCE]
        if STAGES[asn_type] == 2:
            yield from ((root, [member, *others]) for root, member in science.items())
        elif science:
            yield f"jw{program:05d}-{NO_CANDIDATE}_{path}", [*science.values(), *others]


def _member(asn_type: str, root: str, header: str, rule: Any) -> dict[str, str]:
    """Return the member that an exposure is for a class of jwst."""
    values = parse_header(header)
    cells = {cell: _cell(values.get(name)) for cell, name in CELLS.items()}
    item = AnyItem(cells, filename=f"{root}{UNCAL}", pntgtype="science")
    if rule.get_exposure_type(item) not in (SCIENCE, *ROLES.get(asn_type, ())):
        item |= dict.fromkeys(("is_psf", "bkgdtarg", "is_imprt"), "null")
    member = rule.make_member(item)
    return {"expname": member["expname"], "exptype": member["exptype"]}


def _cell(value: Any) -> str:
    """Return a value of a header as pools have it."""
    if isinstance(value, bool):
        return "t" if value else "null"
    return "null" if value is None else str(value).lower()


def _optical_path(header: str) -> str:
    """Return instrument and optical elements, as in the name of a product: miri_f770w."""
    elements = ("filter", "pupil", "grating")
    values = [header_value(header, element).lower() for element in elements]
    if header_value(header, "exp_type") == ALL_BANDS:
        values = []
    named = "-".join(value for value in values if value not in ("", "none", "n/a"))
    return f"{header_value(header, 'instrument').lower()}{'_' if named else ''}{named}"
