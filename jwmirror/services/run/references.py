"""Contexts: where what is held and the recipes meet CRDS, for a run, a look ahead, or a bundle.

Like the bench it may call all wings; scripts and the command line call it.
"""

import os
from collections.abc import Sequence
from pathlib import Path

from jwmirror.core.model import Generation, Recipe, References
from jwmirror.crds.sync import resolve_context, sums_of, sync_files, sync_mappings
from jwmirror.pipeline.bestrefs import environment
from jwmirror.planning.plan import wanted
from jwmirror.planning.resolver import Resolver
from jwmirror.services.run.plan import Held

FOLLOW, HOLD = "follow", "hold"  # what to do when a policy means another context than before
PARAMETERS = "_pars-"  # in the name of a parameter reference: small, and read to plan


def synced(
    url: str, policy: str, cache: Path, held: Held, recipes: Sequence[Recipe], hold: str = ""
) -> References:
    """The context that a policy means now, with all that the recipes need of it in the cache.

    `hold` names the context to stay with instead, if any; what the policy means is noted then.
    Nothing is asked or fetched where there is nothing to calibrate.
    """
    if not wanted(held.entries, held.associations, recipes):
        return References(context="", server=url, files={})
    offered = resolve_context(url, policy, cache)
    context = hold or offered
    names = _needed(url, context, cache, held, recipes)
    files = sync_files(names, context, cache, url)
    return References(
        context=context, server=url, files=files, offered=offered if offered != context else ""
    )


def held_at(current: Generation | None, on_new_context: str) -> str:
    """The context to stay with: that of the current generation, if the config holds it; or ""."""
    return current.facts.get("context", "") if current and on_new_context == HOLD else ""


def foreseen(
    url: str, policy: str, cache: Path, held: Held, recipes: Sequence[Recipe]
) -> References:
    """The context that a policy means now, with what is needed to plan by it, and no more.

    Mappings and parameter references are synced; of the others CRDS tells the sums.
    """
    context = resolve_context(url, policy, cache)
    names = _needed(url, context, cache, held, recipes)
    small = [name for name in names if PARAMETERS in name]
    files = sums_of(set(names) - set(small), url)
    return References(
        context=context, server=url, files=files | sync_files(small, context, cache, url)
    )


def offline_resolver(cache: Path, references: References) -> Resolver:
    """A resolver on the synced cache, and the environment that this and child processes need."""
    os.environ.update(environment(cache, references.context))
    return Resolver(cache, references.context, references.files)


def _needed(
    url: str, context: str, cache: Path, held: Held, recipes: Sequence[Recipe]
) -> tuple[str, ...]:
    """Names of all references that recipes may need, each by the jwst that runs it."""
    sync_mappings(url, context, cache)
    resolver = offline_resolver(cache, References(context=context, server=url, files={}))
    found: set[str] = set()
    for python in {recipe.python for recipe in recipes}:
        same = [recipe for recipe in recipes if recipe.python == python]
        headers = wanted(held.entries, held.associations, same)
        found.update(resolver.within(python).needed(headers) if headers else ())
    return tuple(sorted(found))
