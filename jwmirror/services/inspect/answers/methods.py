"""The paragraph on the methods that a paper copies: LaTeX. Pure: the record of a citation in."""

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace

from jwmirror.core.grouping import group_by
from jwmirror.core.model.answers import citation as records


def methods_paragraph(citation: records.Citation, recipe: str = "") -> str:
    """Return the paragraph in LaTeX on the methods, of all recipes or of one. Pure."""
    for one in citation.recipes:
        if one.recipe == recipe:
            citation = replace(
                citation, recipes=(one,), programs=one.programs, upstream=one.upstream
            )
            return " ".join(_sentences(citation, "detector1" in one.pipelines))
    return " ".join(_sentences(citation, is_from_raw=False))


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
