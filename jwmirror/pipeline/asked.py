"""What pipelines and their steps ask CRDS for, by the classes of the installed jwst."""

from functools import cache

from jwmirror.pipeline import registry


@cache
def pars_types(pipeline: str) -> dict[str, str]:
    """Step ("" for the pipeline, last) -> its pars reference type (pars-jumpstep)."""
    whole = registry.class_of(pipeline)
    steps = {step: found.get_config_reftype() for step, found in whole.step_defs.items()}
    return {**steps, "": whole.get_config_reftype()}


@cache
def own_types(pipeline: str) -> dict[str, tuple[str, ...]]:
    """Step ("" for the pipeline) -> the reference types it asks for."""
    whole = registry.class_of(pipeline)
    own = whole.__dict__.get("reference_file_types", ())
    types = {"": tuple(own) if isinstance(own, list) else ()}
    return types | {s: registry.reference_types_of(c) for s, c in whole.step_defs.items()}


def reference_types(pipeline: str) -> list[str]:
    """All of them, each once."""
    return list(dict.fromkeys(t for types in own_types(pipeline).values() for t in types))
