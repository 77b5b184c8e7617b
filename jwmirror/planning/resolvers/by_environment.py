"""One resolver for each Python environment that recipes run in."""

import functools
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from types import MappingProxyType

from jwmirror.core.errors import CalibrationError, MissingSliceError, ReferencesError
from jwmirror.core.model import Recipe
from jwmirror.core.model.derivation import whole_pipeline
from jwmirror.core.model.parameters import PlainMapping
from jwmirror.core.model.plan import ReferenceFinding
from jwmirror.core.model.sky.slices import GaiaSlices, mosaic_field
from jwmirror.pipeline.gaia.catalogues import queried_catalogues
from jwmirror.pipeline.parameters.resolution import effective_parameters
from jwmirror.pipeline.registry import types_by_step
from jwmirror.planning.resolvers.local import LocalResolver, ResolvedStage, Resolver
from jwmirror.planning.resolvers.remote import RemoteResolver

PARAMETERS = "pars-"  # begins the types of parameter references


class Resolvers:
    """The resolvers of a run with this CRDS context, and the files that CRDS has declared invalid.

    `slices` are those of Gaia that mosaics are aligned to. `make` returns the resolver for the
    environment of a Python ("" is the running one) and a context; it is called once for each.
    """

    def __init__(
        self,
        context: str,
        make: Callable[[str, str], Resolver],
        findings: Iterable[ReferenceFinding] = (),
        slices: GaiaSlices | None = None,
    ):
        self.context, self._slices = context, slices or GaiaSlices()
        self.retracted = tuple(each for each in findings if each.kind == "retracted")
        self._made = functools.cache(make)

    def of(self, python: str, context: str = "") -> Resolver:
        """Return the resolver for a recipe's Python and context ("" is the one of the run)."""
        return self._made(python, context or self.context)

    def refuse_retracted(self, pipeline: str, stage: ResolvedStage, context: str = "") -> None:
        """Raise CalibrationError if a stage would use a file that CRDS has declared invalid.

        The message names the steps and the ways out; jwst itself raises in the middle of a stage.
        """
        for finding in self.retracted:
            if not finding.is_about(stage.references, context or self.context):
                continue
            types = [kind for kind, (name, _) in stage.references.items() if name == finding.name]
            ways = ["name another context (references.context in the config)"]
            if types and not types[0].startswith(PARAMETERS):
                other = f"give another file in the recipe (override_{types[0]})"
                ways = [other, "skip the step", *ways]
            steps = ", ".join(_steps_with(pipeline, types, stage)) or "all steps"
            of = context or self.context
            raise CalibrationError(
                f"{pipeline}: {finding.name} of {of}, used by {steps}, was declared invalid by "
                f"CRDS; nothing was computed with it; ways out: {'; or '.join(ways)}."
            )

    def slice_references(
        self, parameters: PlainMapping, header: str, members: tuple[str, ...]
    ) -> dict[str, tuple[str, str]]:
        """Return the slices that steps query for these science members, as in a derivation.

        `header` is that of the first member.

        Raises:
            MissingSliceError: a slice is missing.
        """
        return {
            name: self._slice_reference(mosaic_field(catalogue, members), catalogue)
            for name, catalogue in queried_catalogues(parameters, header).items()
        }

    def _slice_reference(self, mosaic: str, catalogue: str) -> tuple[str, str]:
        if found := self._slices.found.get(mosaic):
            return found.name, found.sha256
        unknown = "its slice was not fetched yet; the next run fetches it"
        raise MissingSliceError(
            f"alignment to {catalogue}: {self._slices.missing.get(mosaic, unknown)}"
        )


def resolve_stage(
    resolver: Resolver, recipe: Recipe, pipeline: str, members: Sequence[str]
) -> ResolvedStage:
    """Return a stage of an exposure or association as a recipe has it; raises as Resolver.resolve.

    `members` are the headers of the exposure, or of all science members of the association. The
    first one decides about references, as in stpipe.
    """
    of_recipe = effective_parameters(recipe, *members)
    requested = of_recipe.get(whole_pipeline(pipeline), {"steps": {}})
    return resolver.resolve(pipeline, members[0], requested)


def _steps_with(pipeline: str, types: Iterable[str], stage: ResolvedStage) -> list[str]:
    """Return the steps that run with references of these types."""
    steps = stage.parameters["steps"]
    return [
        step
        for step, of_step in types_by_step(pipeline).items()
        if set(types) & set(of_step) and not steps.get(step, {}).get("skip")
    ]


def resolvers_of(
    cache: Path,
    context: str,
    sha1s: Mapping[str, str] | None = None,
    findings: Iterable[ReferenceFinding] = (),
    slices: GaiaSlices | None = None,
    missing_contexts: Mapping[str, str] = MappingProxyType({}),
) -> Resolvers:
    """Return the resolvers for a reference cache; `sha1s` is that of LocalResolver.

    For a context of `missing_contexts`, Resolvers.of raises ReferencesError with the reason there.
    """
    cache, base, sha1s = Path(cache).absolute(), Path.cwd(), sha1s or {}

    def make(python: str, context: str) -> Resolver:
        if context in missing_contexts:
            raise ReferencesError(missing_contexts[context])
        if python:
            return RemoteResolver(python, cache, context, sha1s, base)
        return LocalResolver(cache, context, sha1s, base)

    return Resolvers(context, make, findings, slices)
