"""Associations: which exposures belong together, as MAST says and as the pipelines read it."""

import json
import re
from collections.abc import Callable, Collection, Iterable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

from jwmirror.core.errors import CalibrationError, unknown_name
from jwmirror.core.model import GONE, Derivation, Entry, Failure
from jwmirror.core.model.association import (
    PIPELINE_OF,
    SCIENCE,
    SHUTTERS,
    UNCAL,
    Association,
    Associations,
    Member,
)
from jwmirror.pipeline import registry

NAME = re.compile(r"jw(?P<program>\d{5})-(?P<candidate>[oacs]\d{3,4})_(?P<stamp>\d{8}t\d{6})_")
CANDIDATE = re.compile(r"jw\d{5}-([oacs]\d{3,4})_")
EXPOSURE = re.compile(r"jw(?P<program>\d{5})\d{6}_")
ROOT = re.compile(r"jw\d{11}_\d{5}_\d{5}(-seg\d{3})?_[a-z0-9]+")  # of an exposure's files
UNUSABLE = "it is not an association that can be used"
FETCH_AGAIN = "fetch it again, or ask MAST's help desk."
CORRECT_IT = "correct it, or take another."  # one of the user's own
NOT_PASSED_ON = {  # what members may say that does not reach jwst; what does the same
    "group_id": "let a function between image2 and image3 set model.meta.group_id",
    "tweakreg_catalog": "name the catalogues in a file: image3.tweakreg.catfile, and "
    "use_custom_catalogs: true",
}
EXPTYPES = (  # what jwst writes; any other is a slip, and its member would be passed over
    SCIENCE,
    "background",
    "imprint",
    "psf",
    "selfcal",
    "target_acquisition",
    "sourcecat",
    "segmap",
    "direct_image",
    "autoflat",
    "autowave",
    "dark",
    "engineering",
    "flat",
)
TAKES = {2: ("rate", "rateints"), 3: ("cal", "calints")}  # by stage: suffixes of science
WITH_INTEGRATIONS = {"rate": "rateints", "cal": "calints"}


def read_associations(entries: Iterable[Entry], locate: Callable[[str], Path]) -> Associations:
    """Read the associations among entries; `locate` gives the path of a sha256.

    One still held at MAST counts more than a vanished one, else as in latest_of.
    """
    found: list[Association] = []
    broken = []
    for entry in sorted(entries, key=lambda entry: (entry.state != GONE, entry.filename)):
        if entry.product is None or entry.product.suffix != "asn":
            continue
        try:
            found += read_association_file(locate(entry.sha256), entry.filename)
        except CalibrationError as err:
            broken.append(Failure(name=entry.filename, message=str(err)))
    return Associations(found=latest_of(found), broken=tuple(broken))


def latest_of(found: Iterable[Association]) -> tuple[Association, ...]:
    """One association per product and type, sorted by these.

    Of several of one candidate the last counts. Of those of several candidates the one with the
    most members does: the same exposure without and with its backgrounds.
    """
    latest = {(each.product, each.asn_type, each.candidate): each for each in found}
    by_size = sorted(latest.values(), key=lambda each: (len(each.members), each.candidate))
    chosen = {(each.product, each.asn_type): each for each in by_size}
    return tuple(chosen[place] for place in sorted(chosen))


def read_association_file(
    path: Path, name: str = "", remedy: str = FETCH_AGAIN
) -> tuple[Association, ...]:
    """Read an association file, product by product; CalibrationError says what is wrong with it.

    `name` is its file name where the path has another; `remedy` what to do if it cannot be used.
    """
    name = name or Path(path).name
    try:
        text = Path(path).read_text(encoding="utf-8")
    except (OSError, ValueError) as err:
        raise CalibrationError(f"{name}: {UNUSABLE}: {err}; {remedy}") from err
    return parse_associations(text, name, remedy)


def parse_associations(text: str, name: str, remedy: str = FETCH_AGAIN) -> tuple[Association, ...]:
    """The associations in the text of a file of that name, one per product, as in read."""
    try:
        content = json.loads(text)
        asn_type, candidate = _word(content["asn_type"]), _word(content["asn_id"])
        if asn_type.lower() not in PIPELINE_OF:
            known = ", ".join(sorted(PIPELINE_OF))
            raise ValueError(f"asn_type is {asn_type}, and the pipelines know {known}")
        if not content["products"]:
            raise ValueError("it has no product")
        return tuple(
            Association(
                name=name,
                asn_type=asn_type,
                program=_program(content["program"], product["members"]),
                candidate=candidate,
                product=_word(product["name"]).lower(),
                members=_members(product["members"], asn_type),
            )
            for product in content["products"]
        )
    except (ValueError, KeyError, TypeError, AttributeError) as err:
        problem = f"{err} is missing" if isinstance(err, KeyError) else str(err)
        raise CalibrationError(f"{name}: {UNUSABLE}: {problem}; {remedy}") from err


def ignored_parts(association: Association) -> Iterator[str]:
    """What would be lost of an own association without a word; MAST's are as they are.

    Members of unknown exptype, of another stage's files, with attributes that do not reach jwst;
    all but the first science member of stage 2; the files of an exposure that it is named as.
    """
    stage = association.stage
    for member in association.members:
        suffix = member.name.rpartition("_")[2].partition(".")[0]
        if member.exptype not in EXPTYPES:
            yield f"member {member.name}: {unknown_name('exptype', member.exptype, list(EXPTYPES))}"
        elif member.exptype == SCIENCE and suffix not in TAKES[stage]:
            takes = " or ".join(f"_{each}.fits" for each in TAKES[stage])
            yield f"member {member.name}: science of {association.asn_type} is {takes}"
        for each in member.beyond:
            yield f"member {member.name}: {each} does not reach jwst; {NOT_PASSED_ON[each]}"
    if stage == 3 and ROOT.fullmatch(association.product):
        yield f"product {association.product} is named as an exposure, whose files it would hide"
    if stage == 2 and len(association.science) > 1:
        several = ", ".join(association.science)
        yield f"stage 2 takes the first of several science members only: {several}"


def _program(said: Any, members: Any) -> int:
    """The number of the program; of its first member where the file does not tell (noprogram)."""
    if isinstance(said, str) and not said.isdecimal() and members:
        found = EXPOSURE.match(_word(members[0]["expname"]))
        return int(found["program"]) if found else int(said)
    return int(said)


def _members(listed: Any, asn_type: str) -> tuple[Member, ...]:
    """The members in order; the science of a time series by the files that keep integrations."""
    members = tuple(
        Member(
            name=_word(each["expname"]),
            exptype=_word(each["exptype"]).lower(),
            beyond=tuple(attribute for attribute in NOT_PASSED_ON if each.get(attribute)),
        )
        for each in listed
    )
    if asn_type.lower().startswith(registry.TIME_SERIES):
        members = tuple(_with_integrations(member) for member in members)
    names = [member.name for member in members]
    if len(set(names)) < len(names):
        raise ValueError(f"{max(names, key=names.count)} is a member twice")
    if not any(member.exptype == SCIENCE for member in members):
        raise ValueError("it has no science member")
    return members


def _with_integrations(member: Member) -> Member:
    root, _, end = member.name.rpartition("_")
    suffix, dot, kind = end.partition(".")
    if member.exptype != SCIENCE or suffix not in WITH_INTEGRATIONS:
        return member
    return replace(member, name=f"{root}_{WITH_INTEGRATIONS[suffix]}{dot}{kind}")


def _word(value: Any) -> str:
    if not isinstance(value, str) or not value or "/" in value:
        raise ValueError(f"expected a name, found {value!r}")
    return value


def program_of(filename: str) -> int | None:
    """The program in the name of an association file; None if it is not named as MAST does."""
    found = NAME.match(filename)
    return int(found["program"]) if found else None


def association_file(derivation: Derivation) -> tuple[str, str]:
    """Name and content of the association file that the pipeline is to read for a derivation.

    Made from the derivation alone: MAST's stamp is not in it, so an association that was only
    restamped gives the same result.
    """
    candidate = CANDIDATE.match(derivation.product)
    asn_id = candidate[1] if candidate else "a3001"  # as MAST numbers those of no candidate
    members = [
        {"expname": item.name, "exptype": item.role}
        for item in derivation.inputs
        if item.role != SHUTTERS
    ]
    content = {
        "asn_type": derivation.pipeline,
        "asn_rule": "jwmirror",
        "asn_id": asn_id,
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


def generate_associations(pool: Path, name: str, roots: Collection[str]) -> tuple[Association, ...]:
    """The associations of those exposures of a pool that are among `roots`, one per product.

    `name` is the pool's file name. Takes seconds for tens of exposures, minutes for hundreds.
    CalibrationError if the pool cannot be read, or jwst cannot make associations of it.
    """
    from jwst.associations import AssociationPool
    from jwst.associations.generator.generate_per_candidate import generate_per_candidate

    try:
        rows = AssociationPool.read(pool)
        chosen = rows[[filename.removesuffix(UNCAL) in roots for filename in rows["filename"]]]
        made = generate_per_candidate(chosen, None, discover=True) if len(chosen) else []
        texts = [each.dump() for each in made]
    except Exception as err:  # astropy and jwst raise many kinds for what is not a pool
        raise CalibrationError(
            f"{name}: jwst cannot make associations of this pool: {err}; fetch it again, or name "
            "association files of your own in the recipe (associations)."
        ) from err
    return latest_of(each for title, text in texts for each in parse_associations(text, title))
