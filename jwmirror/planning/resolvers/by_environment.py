"""One resolver for each Python environment that recipes run in."""

import functools
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path

from jwmirror.core.errors import CalibrationError
from jwmirror.core.model.plan import ReferenceFinding
from jwmirror.pipeline.registry import types_by_step
from jwmirror.planning.resolvers.local import LocalResolver, ResolvedStage, Resolver
from jwmirror.planning.resolvers.remote import RemoteResolver

PARAMETERS = "pars-"  # begins the types of parameter references


class Resolvers:
    """The resolvers of one CRDS context, and the files that CRDS has declared invalid.

    `of` returns the resolver for the environment of a Python ("" is the running one); it calls
    `make` for the first use of each.
    """

    def __init__(
        self,
        context: str,
        make: Callable[[str], Resolver],
        findings: Iterable[ReferenceFinding] = (),
    ):
        self.context = context
        self.retracted = tuple(each for each in findings if each.kind == "retracted")
        self.of = functools.cache(make)

    def refuse_retracted(self, pipeline: str, stage: ResolvedStage) -> None:
        """Raise CalibrationError if a stage would use a file that CRDS has declared invalid.

        The message names the steps and the ways out. jwst itself raises CrdsBadReferenceError for
        a reference, in the middle of the stage.
        """
        for finding in self.retracted:
            if not finding.is_about(stage.references, self.context):
                continue
            types = [kind for kind, (name, _) in stage.references.items() if name == finding.name]
            ways = ["name another context (references.context in the config)"]
            if types and not types[0].startswith(PARAMETERS):
                other = f"give another file in the recipe (override_{types[0]})"
                ways = [other, "skip the step", *ways]
            steps = ", ".join(_steps_with(pipeline, types, stage)) or "all steps"
            raise CalibrationError(
                f"{pipeline}: {finding.name} of {self.context}, used by {steps}, was declared "
                f"invalid by CRDS; nothing was computed with it; ways out: {'; or '.join(ways)}."
            )


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
) -> Resolvers:
    """Return the resolvers for a reference cache; `sha1s` is that of LocalResolver."""
    cache, base, sha1s = Path(cache).absolute(), Path.cwd(), sha1s or {}

    def make(python: str) -> Resolver:
        if python:
            return RemoteResolver(python, cache, context, sha1s, base)
        return LocalResolver(cache, context, sha1s, base)

    return Resolvers(context, make, findings)
