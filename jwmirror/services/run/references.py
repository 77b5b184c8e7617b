"""Sync the CRDS references that the recipes of a mirror need."""

import os
from collections.abc import Sequence
from pathlib import Path

from jwmirror.core.model import Poll, Recipe, References, SettleResult
from jwmirror.crds.client import CrdsClient
from jwmirror.crds.sync import BUILD, LATEST, resolve_context, sha1s_of, sync_files, sync_mappings
from jwmirror.pipeline.crds_rules import crds_environment
from jwmirror.planning.plan import headers_and_pipelines
from jwmirror.planning.resolvers import Resolvers, resolvers_of
from jwmirror.services.run.holdings import Holdings, load_holdings
from jwmirror.store.generations import Generations

FOLLOW, HOLD = "follow", "hold"  # values of references.on_new_context in the config
PARAMETERS = "_pars-"  # in the name of a parameter reference: small, and read to plan


def sync_references(
    *,
    mirror: Path,
    poll: Poll,
    settling: SettleResult | None,
    recipes: Sequence[Recipe],
    url: str,
    policy: str,
    on_new_context: str,
    cache: Path,
) -> References:
    """Resolve the CRDS context, and sync into the cache what the recipes need of it.

    Where `on_new_context` is "hold" and `policy` names no context, that of the current generation
    is used, and the one that `policy` means now is recorded as offered. CRDS is not
    contacted if nothing is to be calibrated.
    """
    holdings = load_holdings(mirror, poll, settling, recipes)
    if not headers_and_pipelines(holdings.entries, holdings.associations, recipes):
        return References(context="", server=url, files={})
    client = CrdsClient(url)
    offered = resolve_context(client, policy, cache)
    is_held = on_new_context == HOLD and policy in (BUILD, LATEST)
    context = (_published_context(mirror) if is_held else "") or offered
    names = _needed(client, context, cache, holdings, recipes)
    files = sync_files(client, names, context, cache)
    other = offered if offered != context else ""
    return References(context=context, server=url, files=files, offered=other)


def preview_references(
    url: str, policy: str, cache: Path, holdings: Holdings, recipes: Sequence[Recipe]
) -> References:
    """Resolve the CRDS context, and sync only what is needed to plan with it.

    Mappings and parameter references are synced; of other files CRDS gives only the sha1.
    """
    client = CrdsClient(url)
    context = resolve_context(client, policy, cache)
    names = _needed(client, context, cache, holdings, recipes)
    small = [name for name in names if PARAMETERS in name]
    files = sha1s_of(client, set(names) - set(small)) | sync_files(client, small, context, cache)
    return References(context=context, server=url, files=files)


def offline_resolvers(cache: Path, references: References) -> Resolvers:
    """Return resolvers on the synced cache; set the environment that they and children need."""
    os.environ.update(crds_environment(cache, references.context))
    return resolvers_of(cache, references.context, references.files)


def _published_context(mirror: Path) -> str:
    """Return the context of the current generation; "" without one."""
    current = Generations(mirror).current()
    return current.facts.get("context", "") if current else ""


def _needed(
    client: CrdsClient, context: str, cache: Path, holdings: Holdings, recipes: Sequence[Recipe]
) -> tuple[str, ...]:
    """Return the names of all references that recipes may need, by the jwst of each recipe."""
    sync_mappings(client, context, cache)
    resolvers = offline_resolvers(cache, References(context=context, server=client.url, files={}))
    names: set[str] = set()
    for python in {recipe.python for recipe in recipes}:
        same = [recipe for recipe in recipes if recipe.python == python]
        headers = headers_and_pipelines(holdings.entries, holdings.associations, same)
        names.update(resolvers.of(python).needed(headers) if headers else ())
    return tuple(sorted(names))
