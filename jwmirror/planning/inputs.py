"""What the members of an association are in a recipe: its results, upstream's files, or missing.

Pure: what was made and what is held come in as records.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple

from jwmirror.core.model import (
    UPSTREAM,
    Chain,
    Entry,
    Failure,
    Input,
    Recipe,
    Result,
    ResultFile,
    Wait,
)
from jwmirror.core.model.association import (
    SHUTTERS,
    UNCAL,
    Association,
    Associations,
    Member,
    raw_exposures,
    root_of,
)
from jwmirror.core.model.product import CALIBRATION
from jwmirror.pipeline import headers, registry

MISSING = " is missing: "  # between a member's name and why
SHUTTERS_FILE = "meta.instrument.msa_metadata_file"
WITH_SHUTTERS = "NRS_MSASPEC"
RATES = ("rate", "rateints")


class Inputs(NamedTuple):
    """The inputs of a derivation, in order; or why it has to wait."""

    found: tuple[Input, ...] = ()
    why: str = ""


@dataclass(frozen=True, kw_only=True)
class Stock:
    """What members may be taken from."""

    made: Mapping[tuple[str, str], ResultFile]  # by recipe and file name
    coming: frozenset[tuple[str, str, int]]  # recipe, product and stage of what is being made
    troubles: Mapping[tuple[str, str], str]  # by recipe and product: why it was not made
    exposures: Mapping[str, Entry]  # raw ones, by root
    begun: Mapping[str, Entry]  # products of upstream that recipes start from, by root
    held: Mapping[str, Entry]  # of upstream, by file name

    def inputs(self, recipe: Recipe, association: Association) -> Inputs:
        """The recipe's inputs for an association, every one of them, or why it waits.

        A member that a stage of the recipe makes is the recipe's result; one of a stage that the
        recipe leaves out is upstream's, and all of these are of one generation.
        """
        found, upstream = [], []
        for member in association.members:
            file = self._made(recipe, member.name)
            if file is None and not _makes(recipe, member.name):
                entry = self.held.get(member.name)
                file = _file_of(entry) if entry and not entry.refusal else None
            if file is None:
                return Inputs(why=f"member {member.name}{MISSING}{self._why_not(recipe, member)}")
            found.append(_input(member, file))
            upstream += self._begun_from(recipe, member.name)
        header = self.header(association)
        if not header:
            return Inputs(why=f"the header of {association.science[0]} is unknown")
        beside = beside_of(association, header, self.held)
        return Inputs((*found, *beside.found), _mixture(upstream) or beside.why)

    def header(self, association: Association) -> str:
        """The header of the first science member, which speaks for all; "" if it is not held."""
        entry = self._entry(association)
        return entry.header if entry else ""

    def folder(self, association: Association) -> str:
        """The folder of results: of stage 2 the exposure's, of stage 3 the candidate's."""
        if association.stage == 2:
            entry = self._entry(association)
            return entry.product.observation if entry else association.candidate
        return association.candidate

    def _entry(self, association: Association) -> Entry | None:
        root = root_of(association.science[0])
        return self.exposures.get(root) or self.begun.get(root)

    def _made(self, recipe: Recipe, name: str) -> ResultFile | None:
        """The recipe's file of that name; without content if it is being made."""
        if (recipe.name, name) in self.made:
            return self.made[recipe.name, name]
        if (recipe.name, root_of(name), registry.stage_that_makes(name)) in self.coming:
            return ResultFile(filename=name, sha256="", size=0, identity="")
        return None

    def _begun_from(self, recipe: Recipe, name: str) -> list[Entry]:
        """What of upstream a member is, or was made of by a recipe that starts from rates."""
        rates = [f"{root_of(name)}_{each}.fits" for each in RATES if min(recipe.stages) > 1]
        names = rates if _makes(recipe, name) else [name]
        return [self.held[each] for each in names if each in self.held]

    @cached_property
    def _names(self) -> dict[tuple[str, str], list[str]]:
        """The files that were made, by recipe and root."""
        found: dict[tuple[str, str], list[str]] = {}
        for recipe, name in self.made:
            found.setdefault((recipe, root_of(name)), []).append(name)
        return found

    def _why_not(self, recipe: Recipe, member: Member) -> str:
        root, stage = root_of(member.name), registry.stage_that_makes(member.name)
        if stage not in recipe.stages:
            entry = self.held.get(member.name)
            return entry.refusal if entry else _not_held(member.name, recipe, stage)
        if (recipe.name, root) in self.troubles:
            return self.troubles[recipe.name, root]
        if stage == 3:
            return (
                "it is made by stage 3 of the direct images, and this recipe runs stage 2 before "
                "that; a recipe of stages 1 and 2 takes upstream's"
            )
        if root not in self.exposures:
            return f"{root}{UNCAL} is not held; select it in programs, if MAST has it"
        others = self._names.get((recipe.name, root), ())
        if others:
            return f"of this exposure the recipe made {', '.join(sorted(others))}"
        return f"the recipe made nothing of {root}{UNCAL}"


def stock_of(
    entries: Iterable[Entry],
    results: Iterable[Result],
    troubles: Iterable[Wait | Failure] = (),
    coming: Iterable[Chain] = (),
) -> Stock:
    """What can be taken for members, from what is held, made, failed and still to be made."""
    entries = tuple(entries)
    held = of_upstream(entries)
    return Stock(
        made={(result.recipe, file.filename): file for result in results for file in result.files},
        coming=frozenset(
            (chain.recipe, derivation.product, derivation.stage)
            for chain in coming
            for derivation in chain.derivations
        ),
        troubles=dict(_told(trouble) for trouble in troubles),
        exposures=raw_exposures(entries),
        begun={root_of(entry.filename): entry for entry in held.values() if entry.header},
        held=held,
    )


def of_upstream(entries: Iterable[Entry]) -> dict[str, Entry]:
    """Upstream's files by name."""
    return {entry.filename: entry for entry in entries if entry.origin == UPSTREAM}


def taken_from_upstream(
    entries: Iterable[Entry], associations: Associations, recipes: Iterable[Recipe]
) -> tuple[Entry, ...]:
    """Upstream's files that recipes take for inputs besides raw exposures."""
    stock = stock_of(entries, ())
    names: dict[str, None] = {}
    for recipe in recipes:
        for association in (*associations.of(recipe, 2), *associations.of(recipe, 3)):
            members = (member.name for member in association.members)
            names |= {name: None for name in members if not _makes(recipe, name)}
            beside = beside_of(association, stock.header(association), stock.held)
            names |= {item.name: None for item in beside.found}
    return tuple(stock.held[name] for name in names if name in stock.held)


def beside_of(association: Association, header: str, held: Mapping[str, Entry]) -> Inputs:
    """The shutter configuration that stage 2 of NIRSpec's multi-object spectra reads."""
    is_stage_2 = association.stage == 2
    if not (is_stage_2 and header and headers.value(header, "exp_type") == WITH_SHUTTERS):
        return Inputs()
    listed = headers.parse(header).get(SHUTTERS_FILE, "")
    name = str(listed) or "its shutter configuration (MSAMETFL)"
    if name not in held:
        why = f"{name} is not held; add msa to the products of program {association.program}"
        return Inputs(why=why)
    return Inputs((_input(Member(name=name, exptype=SHUTTERS), _file_of(held[name])),))


def _makes(recipe: Recipe, name: str) -> bool:
    return registry.stage_that_makes(name) in recipe.stages


def _file_of(entry: Entry) -> ResultFile:
    identity = entry.identity or entry.sha256
    return ResultFile(
        filename=entry.filename, sha256=entry.sha256, size=entry.size, identity=identity
    )


def _input(member: Member, file: ResultFile) -> Input:
    return Input(name=member.name, role=member.exptype, identity=file.identity, sha256=file.sha256)


# ---- why not ---------------------------------------------------------------------------------


def _mixture(entries: Iterable[Entry]) -> str:
    """How upstream's members differ in what MAST made them with; "" if they do not.

    One of which that is not known is not taken to be like the others; catalogues have none.
    """
    products = [e.product for e in entries if e.product and e.filename.endswith(".fits")]
    for field, label in CALIBRATION.items():
        values = sorted({getattr(product, field) or "unknown" for product in products})
        if len(values) > 1:
            return (
                f"upstream's members are of {label} {' and '.join(values)}; it waits until MAST "
                "has made them all with one"
            )
    return ""


def _not_held(name: str, recipe: Recipe, stage: int) -> str:
    suffix = name.rpartition("_")[2].partition(".")[0]
    return (
        f"it is not held, and recipe {recipe.name} starts after stage {stage}; add {suffix} to "
        "the products of its program, or the stage to the recipe"
    )


def _told(trouble: Wait | Failure) -> tuple[tuple[str, str], str]:
    """(recipe, product) and why; a worker's Failure is named recipe/product."""
    if isinstance(trouble, Wait):
        return (trouble.recipe, trouble.product), trouble.why
    recipe, _, product = trouble.name.partition("/")
    return (recipe, product), trouble.message
