"""How to cite a generation: observations, versions, parameters, a methods paragraph, BibTeX."""

import re
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from functools import cache
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
from jwmirror.services.inspect.answers.bibliography import bibtex
from jwmirror.services.inspect.answers.changed_parameters import changed_parameters, set_parameters
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
) -> records.Citation:
    """Return how to cite a generation (its number, a pin, or `current`), or `only` some recipes.

    Files that this user may not read are left out, and counted; or those, by sha256, that are not
    to be shown.

    Raises:
        StoreError: there is no such generation or recipe, or it was pruned.
    """
    generation, may_read = _generation(root, name), is_shown or may_be_read(root)
    entries = generation.entries()
    rows = list(_rows(entries))
    allowed = [row for row in rows if may_read(row["sha256"])]
    of_mast = [row for row in allowed if row["origin"] == UPSTREAM]
    setup = generation.setup()
    of_recipes = list(_of_recipes(allowed, only, generation.number))
    recipes = tuple(_recipes(root, of_recipes, setup, entries))
    citation = records.Citation(
        mirror=str(root),
        generation=generation.number,
        made_at=generation.made_at,
        manifest_sha256=generation.manifest_sha256,
        programs=tuple(sorted({row["program"] for row in allowed if row["program"]})),
        observations=tuple(_observations(of_mast, _targets(of_mast, entries))),
        upstream=_values_at_mast(allowed),
        recipes=recipes,
        methods="",
        bibtex=bibtex(_cited(recipes), _versions(setup, recipes)),
        left_out=len(rows) - len(allowed),
    )
    return replace(citation, methods=methods_paragraph(citation, only[0] if len(only) == 1 else ""))


def methods_paragraph(citation: records.Citation, recipe: str = "") -> str:
    """Return the paragraph in LaTeX on the methods, of all recipes or of one. Pure."""
    of_one = tuple(each for each in citation.recipes if recipe in ("", each.recipe))
    is_from_raw = bool(recipe) and all("detector1" in each.pipelines for each in of_one)
    return " ".join(_sentences(replace(citation, recipes=of_one), is_from_raw))


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


def _is_observation(root: str) -> bool:
    """Return whether MAST has a root as an observation: of one exposure, or combined."""
    name = parse_combined(root)
    return is_exposure_root(root) or (name is not None and name.instrument in INSTRUMENTS)


def _values_at_mast(rows: Iterable[Row]) -> dict[str, tuple[str, ...]]:
    upstream = [row for row in rows if row["origin"] == UPSTREAM]
    return {
        keyword: tuple(sorted({row[field] for row in upstream if row[field]}))
        for field, keyword in OF_MAST.items()
    }


def _recipes(
    root: Path, rows: Iterable[Row], setup: Setup | None, entries: Entries
) -> Iterator[records.CitedRecipe]:
    """Yield the results of each recipe, with the versions that made them."""
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
    made = (provenance.read_if_allowed(key) for key in mosaics)
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


# ---- the methods paragraph -------------------------------------------------------------------


def _sentences(citation: records.Citation, is_from_raw: bool) -> Iterator[str]:
    """Yield the sentences; those on results from raw data do not say how MAST calibrated them."""
    programs = _listed(map(str, citation.programs)) or "none"
    noun = "program" if len(citation.programs) == 1 else "programs"
    yield (
        rf"We used data of the James Webb Space Telescope \citep{{jwst-mission}}, {noun} "
        rf"{programs}, from the Mikulski Archive for Space Telescopes (MAST) at the Space "
        r"Telescope Science Institute: \dataset[doi:YOUR-DOI]{https://doi.org/YOUR-DOI}."
    )
    raw = _listed(citation.upstream.get("SDP_VER", ()))
    sdp = rf" (SDP\_VER {_escaped(raw)})" if raw else ""
    made = _made_with("jwst", citation.upstream.get("CAL_VER", ()))
    if is_from_raw:
        yield f"We started from the raw data{sdp}."
    elif made:
        contexts = _made_with("CRDS context", citation.upstream.get("CRDS_CTX", ()))
        yield f"MAST made its products with {made}{f' and {contexts}' if contexts else ''}{sdp}."
    alike = group_by(citation.recipes, lambda each: (each.versions.get("jwst", ()), each.contexts))
    for recipes in alike.values():
        yield _recalibration(recipes)
    for recipe in citation.recipes:
        yield from _sentences_on(recipe)
    if citation.recipes:
        yield r"The pipeline uses astropy \citep{astropy} and NumPy \citep{numpy}."
    if any(each.uses_gaia for each in citation.recipes):
        yield r"Images were aligned to stars of Gaia DR3 \citep{gaia}."
    yield (
        rf"The state of the data is that of {citation.made_at[:10]} (generation "
        rf"{citation.generation}), recorded by jwmirror "
        rf"\citep{{jwmirror}}, which uses Snakemake \citep{{snakemake}}, astropy \citep{{astropy}} "
        rf"and astroquery \citep{{astroquery}}, as a list of all files and their checksums (sha256 "
        rf"of the list: \texttt{{{citation.manifest_sha256}}})."
    )


def _recalibration(recipes: Sequence[records.CitedRecipe]) -> str:
    """Return a sentence on what recipes with the same versions and contexts have made."""
    versions, contexts = recipes[0].versions.get("jwst", ()), recipes[0].contexts
    pipelines = _listed(dict.fromkeys(name for each in recipes for name in each.pipelines))
    names = _listed(each.recipe for each in recipes)
    return (
        rf"We recalibrated the data with the JWST calibration pipeline \citep{{jwst}}, "
        rf"{_made_with('version', versions) or 'a version that is not recorded'}"
        rf"{f' ({_escaped(pipelines)})' if pipelines else ''}, with references of "
        rf"{_made_with('CRDS context', contexts) or 'CRDS'} \citep{{crds}} "
        rf"(recipe{'s' * (len(recipes) > 1)} {_escaped(names)})."
    )


def _sentences_on(recipe: records.CitedRecipe) -> Iterator[str]:
    """Yield what a recipe sets and leaves out."""
    name = _escaped(recipe.recipe)
    settings = (
        rf"{_escaped(each.name)} = {_escaped(each.value)}"
        + (f" (for {_escaped(each.where)})" if each.where else "")
        for each in recipe.parameters
    )
    if recipe.parameters:
        yield f"Recipe {name} sets {'; '.join(settings)}. {_others(recipe)}"
    elif recipe.is_recorded:
        yield f"In recipe {name}, all parameters have the values of the pipeline and of CRDS."
    else:
        yield f"The parameters of recipe {name} are YOUR-PARAMETERS."
    for match, because in recipe.excluded.items():
        yield f"It leaves out {_escaped(match)}: {_escaped(because)}."


def _others(recipe: records.CitedRecipe) -> str:
    """Return what holds for the parameters that are not named."""
    versions = _made_with("jwst", recipe.versions.get("jwst", ())) or "the pipeline"
    contexts = _made_with("CRDS context", recipe.contexts) or "CRDS"
    return f"Its other parameters have the values of {versions} and of {contexts}."


def _made_with(noun: str, values: tuple[str, ...]) -> str:
    """Return "CRDS context a", "CRDS contexts a and b"; "" without a value."""
    if not values:
        return ""
    plural = "" if len(values) == 1 or noun == "jwst" else "s"
    return f"{noun}{plural} {_escaped(_listed(values))}"


def _listed(values: Iterable[str]) -> str:
    *others, last = [*values] or [""]
    return f"{', '.join(others)} and {last}" if others else last


def _escaped(text: str) -> str:
    """Return a text with the characters escaped that LaTeX would act on."""
    names = {"\\": r"\textbackslash{}", "~": r"\textasciitilde{}", "^": r"\textasciicircum{}"}
    return re.sub(r"[\\~^&%$#_{}]", lambda found: names.get(found[0], f"\\{found[0]}"), text)
