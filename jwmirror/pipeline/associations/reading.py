"""Association files, read: those of MAST, and the user's own, which may say less.

An own file may be YAML, lack its type (`asn_from_list` writes "None"), and name members by path:
jwst looks for these in the folder of the association.
"""

import json
import os
import re
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from contextlib import AbstractContextManager
from dataclasses import replace
from pathlib import Path
from typing import Any

from jwmirror.core import names
from jwmirror.core.errors import CalibrationError, failures_as
from jwmirror.core.fits import check_yaml
from jwmirror.core.grouping import group_by
from jwmirror.core.jsonio import load_json
from jwmirror.core.model import GONE, Entry, Failure
from jwmirror.core.model.association import (
    SCIENCE,
    Association,
    Associations,
    Member,
    PassedOver,
    pipeline_of_type,
)
from jwmirror.core.model.derivation import OF_ASSOCIATIONS
from jwmirror.pipeline import registry
from jwmirror.pipeline.associations.structure import products_of
from jwmirror.pipeline.parameters.vocabulary import suffixes

UNUSABLE = "it is not an association that can be used"
FETCH_AGAIN = "fetch it again, or ask MAST's help desk."
CORRECT_IT = "correct it, or take another."  # a remedy for the user's own file
NO_TYPE = ("none", "user_built")  # asn_types that jwst writes for lists of files
NO_CANDIDATE = "a3001"  # MAST's number for associations without a candidate
STAGE_OF_SUFFIX = {  # of science members; after jwst 3.0, spectra of WFSS are members of stage 3
    **{"rate": 2, "rateints": 2, "cal": 3, "calints": 3, "x1d": 3},
}
LEVEL_OF_RULE = re.compile(r"(?:DMS_?|Asn_)(?:Level|Lv)([23])")  # begins the names of jwst's rules
LAST_PROGRAM = 99_999  # names of files have five digits of it
NOT_PASSED_ON = {  # attributes of members that do not reach jwst, and what to do instead
    "group_id": "let a function between image2 and image3 set model.meta.group_id",
    "tweakreg_catalog": "name the catalogues in a file: image3.tweakreg.catfile, and "
    "use_custom_catalogs: true",
}
PATTERN = frozenset("*?")  # a name with these means several files
RATE_OR_CAL = re.compile(r"_(rate|cal)(\.[^_]*)?$")  # ends the names of files without integrations


def read_associations(entries: Iterable[Entry], locate: Callable[[str], Path]) -> Associations:
    """Return the associations among entries; `locate` returns the path of a sha256.

    An association that MAST still has replaces one that vanished; otherwise as in latest_of.
    """
    associations: list[Association] = []
    listed: list[Association] = []
    broken = []
    for entry in sorted(entries, key=lambda entry: (entry.state != GONE, entry.filename)):
        if entry.product is None or entry.product.suffix != "asn":
            continue
        try:
            in_file = read_association_file(locate(entry.sha256), entry.filename)
        except CalibrationError as err:
            broken.append(Failure(name=entry.filename, message=str(err)))
        else:
            associations += in_file
            listed += in_file if entry.state != GONE else ()
    return Associations(
        found=latest_of(associations), broken=tuple(broken), passed_over=tuple(_passed_over(listed))
    )


def _passed_over(associations: Iterable[Association]) -> Iterator[PassedOver]:
    """Yield those of one candidate that latest_of leaves out though they have other members."""
    same = group_by(associations, lambda each: (each.product, each.asn_type, each.candidate))
    for *others, used in same.values():
        names = [other.name for other in others if set(other.roots) != set(used.roots)]
        if names:
            yield PassedOver(used=used.name, others=tuple(names))


def latest_of(associations: Iterable[Association]) -> tuple[Association, ...]:
    """Return one association per product and type, sorted by these.

    Of those of one candidate it is the last. Of those of several candidates it is the one with
    most members: an exposure with its backgrounds, not without them.
    """
    latest = {(each.product, each.asn_type, each.candidate): each for each in associations}
    by_size = sorted(latest.values(), key=lambda each: (len(each.members), each.candidate))
    largest = {(each.product, each.asn_type): each for each in by_size}
    return tuple(largest[product_and_type] for product_and_type in sorted(largest))


def read_association_file(path: Path, name: str) -> tuple[Association, ...]:
    """Return the associations in a file of MAST that has this name, one per product.

    Raises:
        CalibrationError: the file cannot be used.
    """
    with _unusable(name, FETCH_AGAIN):
        return _associations_in(load_json(Path(path)), name)


def parse_associations(text: str, name: str) -> tuple[Association, ...]:
    """Return the associations in the text of a file, as read_association_file does."""
    with _unusable(name, FETCH_AGAIN):
        return _associations_in(json.loads(text), name)


def read_own_associations(path: Path) -> tuple[Association, ...]:
    """Return the associations in a user's file, one per product; `asn_type` is "" if unknown.

    A member is a file of the user if its name is not that of a JWST product. If it is written with
    a folder, or has additions to such a name, it is one if there is such a file. All other members
    are files of the mirror or the recipe, by their names without folder. Relative paths start in
    the folder of the association.

    Raises:
        CalibrationError: the file cannot be used.
    """
    path = path.expanduser()
    with _unusable(path.name, CORRECT_IT):
        return _associations_in(_load_own(path), path.name, path.absolute().parent)


def _unusable(name: str, remedy: str) -> AbstractContextManager[None]:
    """Convert any failure to read an association to CalibrationError."""
    return failures_as(lambda why: CalibrationError(f"{name}: {UNUSABLE}: {why}; {remedy}"))


def _load_own(path: Path) -> Any:
    """Return the content of a user's file: JSON; also YAML if its name does not end with .json."""
    try:
        return load_json(path)
    except OSError as err:
        why = f"expected an association file; {path.absolute()}: {err.strerror}"
        raise CalibrationError(f"{why}; {CORRECT_IT}") from err
    except UnicodeDecodeError as err:
        raise ValueError("it is not text, but JSON or YAML was expected") from err
    except json.JSONDecodeError as err:
        if path.suffix == ".json":
            why = _describe_json_error(err) if err.doc.strip() else "it is empty"
            raise ValueError(why) from err
        import yaml

        check_yaml(err.doc)
        return yaml.safe_load(err.doc)


def _describe_json_error(err: json.JSONDecodeError) -> str:
    """Return why a text is not JSON; a comma before a closing bracket is named as such."""
    before = err.doc[: err.pos].rstrip()
    if before.endswith(",") and err.doc[err.pos : err.pos + 1] in ("]", "}"):
        line = before.count("\n") + 1
        return f"line {line}: a comma after the last item, which JSON does not allow; delete it"
    return f"line {err.lineno}, column {err.colno}: it is not JSON: {err.msg}"


def _associations_in(
    content: Any, name: str, folder: Path | None = None
) -> tuple[Association, ...]:
    """Return the associations in the content of a file; a user's own is in `folder`."""
    return tuple(_association(content, each, name, folder) for each in products_of(content))


def _association(content: Any, product: Any, name: str, folder: Path | None) -> Association:
    if folder is not None:
        said = {key: value for key, value in content.items() if value is not None}
        content = {"asn_type": "", "asn_id": NO_CANDIDATE, "program": "", **said}
        product = {**product, "name": _last_part(product["name"])}
    asn_type = _asn_type(content["asn_type"], is_own=folder is not None)
    members = _members(product["members"], asn_type, folder)
    return Association(
        name=name,
        asn_type=asn_type,
        program=_program(content["program"], members),
        candidate=_file_name(content["asn_id"], "asn_id"),
        product=_file_name(product["name"], "name").lower(),
        members=members,
        expected_stage=0 if asn_type else _expected_stage(members, content.get("asn_rule")),
    )


def _asn_type(value: Any, is_own: bool) -> str:
    """Return the asn_type; "" if the user's own file has none, or one that says nothing."""
    if is_own and (not value or str(value).lower() in NO_TYPE):
        return ""
    if not pipeline_of_type(asn_type := _file_name(value, "asn_type")):
        known = ", ".join(sorted(OF_ASSOCIATIONS))
        raise ValueError(
            f"asn_type is {asn_type}; expected {known}, or a variant such as tso-image2"
        )
    return asn_type


def _expected_stage(members: Iterable[Member], rule: Any) -> int:
    """Return the stage that takes the science members, by their suffixes or else jwst's rule."""
    suffixes = {names.root_and_suffix(m.name)[1] for m in members if m.exptype == SCIENCE}
    stages = {STAGE_OF_SUFFIX[suffix] for suffix in suffixes if suffix in STAGE_OF_SUFFIX}
    of_rule = LEVEL_OF_RULE.match(str(rule))
    if len(stages) != 1 and not of_rule:
        raise ValueError("it has no asn_type, and its members do not show one; write asn_type")
    return stages.pop() if len(stages) == 1 or not of_rule else int(of_rule[1])


def _program(program: Any, members: Iterable[Member]) -> int:
    """Return the program's number; that of the first member if the file has none (noprogram)."""
    of_member = None
    if isinstance(program, str) and not program.isdecimal():
        numbers = (names.program_of(member.name) for member in members)
        of_member = next((number for number in numbers if number is not None), None)
    try:
        number = int(program) if of_member is None else of_member
    except (ValueError, TypeError, OverflowError):  # the latter of infinity
        number = -1
    if not 0 <= number <= LAST_PROGRAM:
        also = " and no name of a member that shows it" if isinstance(program, str) else ""
        found = f"{program!r:.40}{also}"
        raise ValueError(f"program: expected a number of up to five digits, found {found}")
    return number


def _members(listed: Any, asn_type: str, folder: Path | None) -> tuple[Member, ...]:
    """Return the members in order; those of a time series as files with integrations."""
    members = tuple(_member(member, folder) for member in listed)
    if asn_type.lower().startswith(registry.TIME_SERIES):
        members = tuple(_with_integrations(member) for member in members)
    for filename, same in group_by(members, lambda member: member.name).items():
        paths = {member.path for member in same}
        if len(paths) > 1:
            several = " and ".join(sorted(path or "the recipe's file" for path in paths))
            raise ValueError(f"members of one name, {filename}: {several}; rename one of them")
    for (filename, exptype), count in Counter((m.name, m.exptype) for m in members).items():
        if count > 1:
            raise ValueError(f"{filename} is a member twice, as {exptype}")
    if not any(member.exptype == SCIENCE for member in members):
        exptypes = ", ".join(dict.fromkeys(member.exptype for member in members)) or "no member"
        raise ValueError(f"it has no science member; found exptype {exptypes}")
    return members


def _member(listed: Any, folder: Path | None) -> Member:
    """Return a member; of a user's association, which is in `folder`, it may be an own file."""
    expname = listed["expname"]
    path, absent = ("", "") if folder is None else _own_path(expname, folder)
    return Member(
        name=_file_name(expname if folder is None else _last_part(expname), "expname"),
        exptype=_file_name(listed["exptype"], "exptype").lower(),
        path=path,
        absent=absent,
        beyond=tuple(attribute for attribute in NOT_PASSED_ON if listed.get(attribute)),
    )


def _own_path(expname: Any, folder: Path) -> tuple[str, str]:
    """Return the path of the user's file that a member is; or "" and the path without a file."""
    if not isinstance(expname, str):
        return "", ""
    path = Path(os.path.normpath(folder / Path(expname).expanduser()))
    product = names.parse_product(path.name)
    may_be_own = "/" in expname or _has_additions(path.name)
    if not (product and product.observation) or (may_be_own and path.is_file()):
        return str(path), ""
    return "", str(path) if may_be_own else ""


def _has_additions(filename: str) -> bool:
    """Return whether a name has parts that no product has: jw..._rate_bkgsub.fits."""
    root, suffix = names.root_and_suffix(filename)
    if names.NUMBERED.sub("", suffix) not in suffixes():
        return True
    if not names.is_exposure_root(root):
        return root.count("_") > names.ROOT_UNDERSCORES
    added = filename.removeprefix(root).rpartition("_")[0].strip("_")
    return added != names.stage_3_candidate(filename)


def _with_integrations(member: Member) -> Member:
    """Return a science member as its file with integrations: _rateints for _rate."""
    if member.exptype != SCIENCE or member.path:
        return member
    return replace(member, name=RATE_OR_CAL.sub(r"_\1ints\2", member.name))


def _last_part(value: Any) -> Any:
    """Return a path without its folders; what is no text is returned unchanged."""
    return value.rpartition("/")[2] if isinstance(value, str) else value


def _file_name(value: Any, key: str) -> str:
    """Return the value of a key that is part of file names; ValueError unless it is safe as one."""
    if not isinstance(value, str) or not names.is_safe(value) or not PATTERN.isdisjoint(value):
        found = "nothing" if value is None else f"{value!a:.80}"
        raise ValueError(f"{key}: expected a name, found {found}")
    return value
