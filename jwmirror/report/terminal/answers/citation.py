"""The terminal page of `jwmirror cite`. Pure: records in, text out."""

from collections.abc import Iterator

from rich.console import Group, RenderableType
from rich.text import Text

from jwmirror.core.errors import as_typed
from jwmirror.core.model.answers import citation as records
from jwmirror.report import formatting

PORTAL = "https://mast.stsci.edu/portal/Mashup/Clients/DOI/DOIPortal.html"
HELP = "https://archive.stsci.edu/publishing/doi"
ATTRIBUTIONS = "https://archive.stsci.edu/publishing/data-attributions"


def citation_page(citation: records.Citation, all_lines: bool = False) -> Group:
    """Return what a paper says about a generation, in the order in which it is needed."""
    made_at = formatting.minute(citation.made_at)
    title = f"Generation {citation.generation} of {made_at}"
    parts: list[RenderableType] = [Text(title, style="bold")]
    identifiers = [
        line for each in citation.observations for line in _identifiers(each, citation.made_at)
    ]
    heading = "Observations, by their identifiers at MAST, for a DOI"
    parts += formatting.section(heading, identifiers, all_lines)
    parts.append(Text(f"Make the DOI at {PORTAL} ({HELP}), and put it into the paragraph below"))
    parts += formatting.section("Versions and parameters", list(_facts(citation)), True, False)
    parts += [Text("\nMethods (LaTeX)", style="bold"), Text(citation.methods)]
    parts += [Text("\nBibTeX", style="bold"), *map(Text, citation.bibtex)]
    parts.append(Text(f"\nAcknowledgements that MAST asks for: {ATTRIBUTIONS}"))
    if citation.left_out:
        files = formatting.count(citation.left_out, "file")
        parts.append(Text(f"left out: {files} that you may not read", style="dim"))
    return Group(*parts)


def _identifiers(observation: records.CitedObservation, made_at: str) -> Iterator[str]:
    """Yield the identifiers, with the target, and which of them have exclusive data."""
    until = f" until {observation.released[:10]}" if observation.released > made_at else ""
    for name in observation.identifiers:
        is_exclusive = name in observation.exclusive
        words = [*filter(None, [observation.target]), *[f"exclusive{until}"] * is_exclusive]
        yield f"{name}  ({', '.join(words)})" if words else name


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
