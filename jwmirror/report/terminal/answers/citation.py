"""The terminal page of `jwmirror cite`. Pure: records in, text out."""

from collections.abc import Iterable, Iterator

from rich.console import Group, RenderableType
from rich.text import Text

from jwmirror.core.errors import as_typed
from jwmirror.core.model.answers import citation as records
from jwmirror.report import formatting

PORTAL = "https://mast.stsci.edu/portal/Mashup/Clients/DOI/DOIPortal.html"
HELP = "https://archive.stsci.edu/publishing/doi"
ACKNOWLEDGEMENTS = "https://archive.stsci.edu/publishing/mission-acknowledgements"
MOST_IN_A_DOI = 10_000  # observations, as archive.stsci.edu/publishing/doi says
OF_LEVELS = (  # as MAST's questions and answers say: outerspace.stsci.edu/display/MASTDOCS/FAQ
    "A DOI of calibrated or combined products leads to their raw data, too: MAST asks to name such "
    'products, and to say under "About this data" which files were used.'
)
UNTIL_RELEASED = (
    "Others cannot get these files before they are released. Make the DOI then, or ask MAST "
    "(archive@stsci.edu) to add them to it."
)


def citation_page(citation: records.Citation, all_lines: bool = False) -> Group:
    """Return what a paper says about a generation, in the order in which it is needed."""
    made_at = formatting.minute(citation.made_at)
    title = f"Generation {citation.generation} of {made_at}"
    parts: list[RenderableType] = [Text(title, style="bold")]
    found = citation.observations
    public = [_identifier(name, [each.target]) for each in found for name in each.public]
    heading = "Observations, by their identifiers at MAST, for a DOI"
    parts += formatting.section(heading, public, all_lines)
    parts.append(Text(f"Make the DOI at {PORTAL} ({HELP}), and put it into the paragraph below"))
    parts.append(Text(OF_LEVELS))
    if len(public) > MOST_IN_A_DOI:
        parts.append(Text(f"MAST takes about {MOST_IN_A_DOI:,} in one DOI."))
    exclusive = [line for each in found for line in _exclusive(each, citation.made_at)]
    if exclusive:
        parts += formatting.section("Not for a DOI yet: exclusive", exclusive, all_lines)
        parts.append(Text(UNTIL_RELEASED))
    parts += formatting.section("Versions and parameters", list(_facts(citation)), True, False)
    parts += [Text("\nMethods (LaTeX)", style="bold"), Text(citation.methods)]
    parts += [Text("\nBibTeX", style="bold"), *map(Text, citation.bibtex)]
    parts += [Text("\nAcknowledgement (LaTeX)", style="bold"), Text(citation.acknowledgement)]
    parts.append(Text(f"MAST asks for it: {ACKNOWLEDGEMENTS}"))
    if citation.left_out:
        files = formatting.count(citation.left_out, "file")
        parts.append(Text(f"left out: {files} that you may not read", style="dim"))
    return Group(*parts)


def _identifier(name: str, remarks: Iterable[str]) -> str:
    words = ", ".join(filter(None, remarks))
    return f"{name}  ({words})" if words else name


def _exclusive(observation: records.CitedObservation, made_at: str) -> Iterator[str]:
    """Yield the identifiers with exclusive files: with the target, and until when."""
    until = f" until {observation.released[:10]}" if observation.released > made_at else ""
    for name in observation.exclusive:
        yield _identifier(name, (observation.target, f"exclusive{until}"))


def _facts(citation: records.Citation) -> Iterator[str]:
    for keyword, values in citation.upstream.items():
        if values:
            yield f"MAST: {keyword} {', '.join(values)}"
    for recipe in citation.recipes:
        versions = "; ".join(f"{name} {', '.join(v)}" for name, v in recipe.versions.items())
        results = formatting.count(recipe.results, "result")
        pipelines, contexts = ", ".join(recipe.pipelines), ", ".join(recipe.contexts)
        yield f"{recipe.recipe}: {results} ({pipelines}) with {versions}; {contexts}"
        yield from _parameters(recipe)
        if recipe.is_compared:
            yield "  (what the recipe sets to the values of the pipeline or of CRDS is left out)"
        elif recipe.parameters:
            yield "  (everything that the recipe sets; not compared with the pipeline's own values)"
        if not recipe.is_recorded:
            yield f"  its parameters are not recorded; {as_typed('explain FILE')} has them"
        for match, because in recipe.excluded.items():
            yield f"  without {match}: {because}"


def _parameters(recipe: records.CitedRecipe) -> Iterator[str]:
    for each in recipe.parameters:
        where = f", for {each.where}" if each.where else ""
        yield f"  {each.name}: {each.value}{where}"
