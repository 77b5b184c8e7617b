"""Associations: which exposures belong together, as MAST says and as the pipelines read it."""

import json
import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from jwmirror.errors import CalibrationError
from jwmirror.records import GONE, Derivation, Entry, Failure

NAME = re.compile(r"jw(?P<program>\d{5})-(?P<candidate>[oacs]\d{3,4})_(?P<stamp>\d{8}t\d{6})_")
CANDIDATE = re.compile(r"jw\d{5}-([oacs]\d{3,4})_")


@dataclass(frozen=True, kw_only=True)
class Member:
    """One exposure of an association, and what it is there for (science, background...)."""

    name: str  # file name
    exptype: str


@dataclass(frozen=True, kw_only=True)
class Association:
    """What MAST calibrates together; the order of the members matters."""

    name: str  # file name
    asn_type: str  # image2, image3, tso-spec2...
    program: int
    candidate: str  # o001, c1001
    product: str  # root of the names of what it makes
    members: tuple[Member, ...]


@dataclass(frozen=True, kw_only=True)
class Associations:
    """The associations of a mirror, one per product and type, and the files that are none."""

    found: tuple[Association, ...] = ()
    broken: tuple[Failure, ...] = ()


def gather(entries: Iterable[Entry], locate: Callable[[str], Path]) -> Associations:
    """Read the associations among entries; `locate` gives the path of a sha256.

    Of several for one product and type, one still held at MAST counts more than a vanished one,
    and a later stamp more than an earlier one.
    """
    chosen: dict[tuple[str, str], Association] = {}
    broken = []
    for entry in sorted(entries, key=lambda entry: (entry.state != GONE, entry.filename)):
        if entry.product is None or entry.product.suffix != "asn":
            continue
        try:
            association = read(locate(entry.sha256), entry.filename)
        except CalibrationError as err:
            broken.append(Failure(name=entry.filename, message=str(err)))
        else:
            chosen[association.product, association.asn_type] = association
    found = sorted(chosen.values(), key=lambda each: (each.product, each.asn_type))
    return Associations(found=tuple(found), broken=tuple(broken))


def read(path: Path, name: str = "") -> Association:
    """Read a MAST association file; CalibrationError says what is wrong with it.

    `name` is its file name where the path has another.
    """
    name = name or Path(path).name
    try:
        content = json.loads(Path(path).read_text(encoding="utf-8"))
        (product,) = content["products"]
        return Association(
            name=name,
            asn_type=_word(content["asn_type"]),
            program=int(content["program"]),
            candidate=_word(content["asn_id"]),
            product=_word(product["name"]).lower(),
            members=_members(product["members"]),
        )
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as err:
        problem = f"{err} is missing" if isinstance(err, KeyError) else str(err)
        raise CalibrationError(
            f"{name}: it is not an association that can be used: {problem}; "
            "fetch it again, or ask MAST's help desk."
        ) from err


def _members(listed: Any) -> tuple[Member, ...]:
    members = tuple(
        Member(name=_word(each["expname"]), exptype=_word(each["exptype"]).lower())
        for each in listed
    )
    names = [member.name for member in members]
    if len(set(names)) < len(names):
        raise ValueError(f"{max(names, key=names.count)} is a member twice")
    if not any(member.exptype == "science" for member in members):
        raise ValueError("it has no science member")
    return members


def _word(value: Any) -> str:
    if not isinstance(value, str) or not value or "/" in value:
        raise ValueError(f"expected a name, found {value!r}")
    return value


def program_of(filename: str) -> int | None:
    """The program in the name of an association file; None if it is not named as MAST does."""
    found = NAME.match(filename)
    return int(found["program"]) if found else None


def file_for(derivation: Derivation) -> tuple[str, str]:
    """Name and content of the association file that the pipeline is to read for a derivation.

    Made from the derivation alone: MAST's stamp is not in it, so an association that was only
    restamped gives the same result.
    """
    candidate = CANDIDATE.match(derivation.product)
    asn_id = candidate[1] if candidate else "a3001"  # as MAST numbers those of no candidate
    members = [{"expname": item.name, "exptype": item.role} for item in derivation.inputs]
    content = {
        "asn_type": derivation.pipeline,
        "asn_rule": "jwmirror",
        "asn_id": asn_id,
        "asn_pool": "none",
        "program": derivation.product[2:7],
        "target": "none",
        "version_id": None,
        "code_version": derivation.engine["jwst"],
        "degraded_status": "No known degraded exposures in association.",
        "constraints": "none",
        "products": [{"name": derivation.product, "members": members}],
    }
    return f"{derivation.product}_{derivation.pipeline}_asn.json", json.dumps(content, indent=1)
