"""How to cite a generation: observations, versions, parameters, a methods paragraph, BibTeX."""

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from functools import cache
from itertools import chain
from pathlib import Path

import msgspec

from jwmirror.core.errors import StoreError, as_typed, unknown_name
from jwmirror.core.grouping import group_by
from jwmirror.core.jsonio import parse
from jwmirror.core.matching import describe_match
from jwmirror.core.model import UPSTREAM
from jwmirror.core.model.answers import citation as records
from jwmirror.core.model.stored import Setup
from jwmirror.core.names import (
    INSTRUMENTS,
    is_exposure_root,
    parse_combined,
    parse_product,
)
from jwmirror.pipeline.engine_content import ENGINE
from jwmirror.pipeline.identity import WITH_HEADER
from jwmirror.services.inspect.answers.bibliography import acknowledgement, bibtex
from jwmirror.services.inspect.answers.changed_parameters import changed_parameters, set_parameters
from jwmirror.services.inspect.answers.methods import methods_paragraph
from jwmirror.services.inspect.answers.selection import Row
from jwmirror.store.access import CLOSING, may_be_read
from jwmirror.store.generations import StoredGeneration
from jwmirror.store.maintenance.lookup import generation_named
from jwmirror.store.manifest import Entries
from jwmirror.store.pins import CURRENT
from jwmirror.store.provenance import Provenance

COLUMNS = (
    *("path", "origin", "sha256", "key", "result", "context", "product_uri"),
    *("product_observation", "product_suffix", "product_release_date"),
    *("product_cal_ver", "product_crds_ctx", "product_sdp_ver", *CLOSING),
)
OF_MAST = {"cal_ver": "CAL_VER", "crds_ctx": "CRDS_CTX", "sdp_ver": "SDP_VER"}
RAW = "uncal"
Place = tuple[int, str]  # program and observation
SOFTWARE = ("jwst", "crds", "astropy", "astroquery", "numpy", "snakemake", "jwmirror")
CATALOGUE = "abs_refcat"  # the parameter that names a catalogue, and the reference with its stars
OF_MIRROR = ("astropy", "astroquery", "snakemake", "jwmirror")  # without recalibrated files


class Target(msgspec.Struct, frozen=True):
    """The part of a recorded header that names the target: TARGPROP, TARGNAME."""

    proposed: object = msgspec.field(default="", name="meta.target.proposer_name")
    catalogued: object = msgspec.field(default="", name="meta.target.catalog_name")


def cite_generation(
    root: Path,
    name: str = CURRENT,
    is_shown: Callable[[str], bool] | None = None,
    only: Sequence[str] = (),
    entries: Entries | None = None,
) -> records.Citation:
    """Return how to cite a generation (its number, a pin, or `current`), or `only` some recipes.

    Then observations and MAST's versions are those of the files from which their results were made.

    Files that this user may not read are left out, and counted; or those, by sha256, that are not
    to be shown. `entries` are its rows, if they have been read.

    Raises:
        StoreError: there is no such generation or recipe, or it was pruned.
    """
    generation, may_read = _generation(root, name), is_shown or may_be_read(root)
    entries = generation.entries() if entries is None else entries
    rows = list(_rows(entries))
    allowed = [row for row in rows if may_read(row["sha256"])]
    of_mast = [row for row in allowed if row["origin"] == UPSTREAM]
    setup = generation.setup()
    of_recipes = list(_of_recipes(allowed, only, generation.number))
    used = _inputs_of_recipes(root, of_recipes, allowed)
    recipes = tuple(_recipes(root, of_recipes, setup, entries, used))
    sources = list(chain.from_iterable(used.values())) if only else of_mast
    places = {(row["program"], row["observation"]) for row in (*sources, *of_recipes)}
    cited = [row for row in of_mast if (row["program"], row["observation"]) in places]
    citation = records.Citation(
        mirror=str(root),
        generation=generation.number,
        made_at=generation.made_at,
        manifest_sha256=generation.manifest_sha256,
        programs=(programs := _programs((*cited, *of_recipes))),
        observations=tuple(_observations(cited, _targets(cited, entries))),
        upstream=_values_at_mast(sources),
        recipes=recipes,
        methods="",
        acknowledgement=acknowledgement(programs),
        bibtex=bibtex(
            _cited(recipes), {**_versions(setup, recipes), "year": generation.made_at[:4]}
        ),
        left_out=len(rows) - len(allowed),
    )
    return replace(citation, methods=methods_paragraph(citation, only[0] if len(only) == 1 else ""))


def _generation(root: Path, name: str) -> StoredGeneration:
    number, colon, recipe = name.partition(":")
    if not colon:
        return generation_named(root, name)
    instead = as_typed(f"cite {number or CURRENT} --recipe {recipe or 'NAME'}")
    raise StoreError(f"{name}: expected a generation; {instead} cites one recipe of it.")


def _of_recipes(rows: Sequence[Row], only: Sequence[str], generation: int) -> Iterator[Row]:
    """Yield the rows of recalibrated files, `only` of these recipes if some are named."""
    known = sorted({row["origin"] for row in rows} - {UPSTREAM})
    if unknown := sorted(set(only).difference(known)):
        where = f"these are in generation {generation}"
        raise StoreError(f"{unknown_name('recipe', unknown[0], known)}; {where}")
    yield from (row for row in rows if row["origin"] in (only or known))


def _inputs_of_recipes(
    root: Path, of_recipes: Iterable[Row], rows: Sequence[Row]
) -> dict[str, list[Row]]:
    """Return MAST's files from which the results of each recipe were made, by recipe.

    An input that a recipe made may have the name of MAST's file: then its content decides. If the
    record of a result is missing, all files of its programs count as used.
    """
    of_mast = [row for row in rows if row["origin"] == UPSTREAM]
    made = {row["file"] for row in rows if row["origin"] != UPSTREAM}
    making, used = Provenance(root).making, {}
    for recipe, results in group_by(of_recipes, lambda row: str(row["origin"])).items():
        records = [making(key) for key in {row["key"] for row in results}]
        inputs = [each for known in records if known for each in known.derivation.inputs]
        names = {each.name for each in inputs} - made
        contents = {each.sha256 for each in inputs}
        programs = {row["program"] for row in results} if None in records else ()
        used[recipe] = [
            row
            for row in of_mast
            if row["file"] in names or row["sha256"] in contents or row["program"] in programs
        ]
    return used


def _rows(entries: Entries) -> Iterator[Row]:
    """Yield what is cited of each row; the program is that of its folder."""
    names = tuple(name.removeprefix("product_") for name in COLUMNS)
    for number, values in enumerate(zip(*map(entries.column, COLUMNS), strict=True)):
        row = dict(zip(names, values, strict=True))
        row["number"] = number
        *_, program, observation, row["file"] = row["path"].split("/")
        digits = program.removeprefix("jw")
        row["program"] = int(digits) if digits.isdecimal() else None
        row["observation"] = row["observation"] or observation
        yield row


def _versions(setup: Setup | None, recipes: Iterable[records.CitedRecipe]) -> dict[str, str]:
    """Return the versions of packages: of jwst, those that made results."""
    of_results = sorted({version for each in recipes for version in each.versions.get("jwst", ())})
    versions = setup.software.get("", {}) if setup else {}
    return {**versions, "jwst": ", ".join(of_results)}


def _targets(rows: Iterable[Row], entries: Entries) -> dict[Place, str]:
    """Return the target of each observation, by the recorded header of one of its files."""
    places: dict[tuple[int, str, str], int] = {}  # one of each suffix, because headers are long
    for row in rows:
        if row["suffix"] in WITH_HEADER:
            places.setdefault((row["program"], row["observation"], row["suffix"]), row["number"])
    headers = entries.rows(list(places.values())).column("header")
    targets: dict[Place, str] = {}
    for (program, observation, _), header in zip(places, headers, strict=True):
        found = parse(header, Target) if header else Target()
        names = (each for each in (found.proposed, found.catalogued) if isinstance(each, str))
        if name := next(filter(None, names), ""):
            targets[program, observation] = name
    return targets


def _observations(
    rows: Iterable[Row], targets: Mapping[Place, str]
) -> Iterator[records.CitedObservation]:
    """Yield the identifiers at MAST of science exposures and combined products."""
    found: dict[tuple[int, str], set[str]] = defaultdict(set)
    released: dict[tuple[int, str], str] = defaultdict(str)
    exclusive, is_observation = set[str](), cache(_is_observation)
    for row in rows:
        parts = parse_product(row["file"])
        if parts and is_observation(parts.root):
            place = row["program"], row["observation"]
            found[place].add(parts.root)
            if row["exclusive"] or row["needs_token"]:
                exclusive.add(parts.root)
            released[place] = max(released[place], row["release_date"] or "")
    for (program, observation), roots in sorted(found.items()):
        yield records.CitedObservation(
            program=program,
            observation=observation,
            identifiers=tuple(sorted(roots, key=lambda root: (is_exposure_root(root), root))),
            released=released[program, observation],
            exclusive=tuple(sorted(roots & exclusive)),
            target=targets.get((program, observation), ""),
        )


def _programs(rows: Iterable[Row]) -> tuple[int, ...]:
    return tuple(sorted({row["program"] for row in rows if row["program"]}))


def _is_observation(root: str) -> bool:
    """Return whether MAST has a root as an observation: of one exposure, or combined."""
    name = parse_combined(root)
    return is_exposure_root(root) or (name is not None and name.instrument in INSTRUMENTS)


def _values_at_mast(rows: Sequence[Row]) -> dict[str, tuple[str, ...]]:
    """Return which versions made MAST's files; the pipeline has no part in raw files."""
    calibrated = [row for row in rows if row["suffix"] != RAW]
    return {
        keyword: tuple(
            sorted(
                {row[field] for row in (rows if field == "sdp_ver" else calibrated)} - {"", None}
            )
        )
        for field, keyword in OF_MAST.items()
    }


def _recipes(
    root: Path,
    rows: Iterable[Row],
    setup: Setup | None,
    entries: Entries,
    used: Mapping[str, Sequence[Row]],
) -> Iterator[records.CitedRecipe]:
    """Yield the results of each recipe, with the versions that made them, and the files it used."""
    known = {recipe.name: recipe for recipe in setup.recipes} if setup else {}
    software = Provenance(root).software
    for name, of_recipe in sorted(group_by(rows, lambda row: str(row["origin"])).items()):
        recipe = known.get(name)
        made_with = [software(key) for key in sorted({row["key"] for row in of_recipe})]
        found = {
            each: tuple(sorted({versions[each] for versions in made_with if each in versions}))
            for each in ENGINE
        }
        parameters = set_parameters(recipe) if recipe else ()
        changed = None
        if recipe and setup:
            made = sorted({(row["key"], row["context"]) for row in of_recipe})
            changed = changed_parameters(root, recipe, made, entries, setup) if parameters else ()
        yield records.CitedRecipe(
            recipe=name,
            pipelines=tuple(sorted({row["result"].partition("/")[0] for row in of_recipe} - {""})),
            results=len(made_with),
            versions={each: versions for each, versions in found.items() if versions},
            programs=_programs((*used[name], *of_recipe)),
            upstream=_values_at_mast(used[name]),
            contexts=tuple(sorted({row["context"] for row in of_recipe if row["context"]})),
            parameters=parameters if changed is None else changed,
            is_recorded=recipe is not None,
            is_compared=changed is not None,
            uses_gaia=_names_gaia(parameters) or _has_gaia(root, of_recipe),
            excluded={describe_match(e.match): e.because for e in recipe.exclude} if recipe else {},
        )


def _names_gaia(parameters: Iterable[records.SetParameter]) -> bool:
    return any(
        each.name.endswith(f".{CATALOGUE}") and "GAIA" in each.value.upper() for each in parameters
    )


def _has_gaia(root: Path, rows: Iterable[Row]) -> bool:
    """Return whether a mosaic was aligned to Gaia, which CRDS may ask for: NIRISS images."""
    provenance = Provenance(root)
    mosaics = sorted({row["key"] for row in rows if row["result"].startswith("image3/")})
    made = (provenance.read_or_none(key) for key in mosaics)
    references = (record.derivation.references for record in made if record)
    return any(
        name.endswith(f".{CATALOGUE}") and "gaia" in file
        for each in references
        for name, (file, _) in each.items()
    )


def _cited(recipes: tuple[records.CitedRecipe, ...]) -> tuple[str, ...]:
    """Return the names of the entries that belong into the bibliography."""
    gaia = ("gaia",) if any(each.uses_gaia for each in recipes) else ()
    return ("jwst-mission", *(SOFTWARE if recipes else OF_MIRROR), *gaia)
