"""Sync the CRDS references that the recipes of a mirror need."""

import logging
import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from jwmirror.astrometry.service import CatalogueService
from jwmirror.astrometry.slices import SliceStore, find_slices
from jwmirror.core.errors import ReferencesError
from jwmirror.core.grouping import group_by
from jwmirror.core.model import Poll, Recipe, References, SettleResult, canonical
from jwmirror.core.model.plan import AffectedResult, ReferenceFinding
from jwmirror.core.model.recipe import ReferencePolicy
from jwmirror.core.model.sky.slices import AlignedMosaic
from jwmirror.core.names import cache_path
from jwmirror.crds.affected import current_findings
from jwmirror.crds.cache import cache_errors, ledger_of
from jwmirror.crds.client import Arrivals, CrdsClient
from jwmirror.crds.sync import BUILD, LATEST, resolve_context, sha1s_of, sync_files, sync_mappings
from jwmirror.crds.watch import known_sums, watch_files
from jwmirror.engine.heartbeats import Heartbeats
from jwmirror.pipeline.child_environment import remove_user_variables
from jwmirror.pipeline.crds_rules import crds_environment, forget_mappings
from jwmirror.planning.alignment import aligned_mosaics
from jwmirror.planning.inputs import available_files
from jwmirror.planning.plan import headers_and_pipelines
from jwmirror.planning.resolvers.by_environment import Resolvers, resolvers_of
from jwmirror.services.run.holdings import Holdings, load_holdings
from jwmirror.store.generations import Generations
from jwmirror.store.runs import REFERENCES, RunFiles, last_references

FOLLOW, HOLD = "follow", "hold"  # values of references.on_new_context in the config
PARAMETERS = "_pars-"  # in the name of a parameter reference: small, and read to plan

Findings = Mapping[ReferenceFinding, Sequence[AffectedResult]]

log = logging.getLogger(__name__)


class SyncedContexts:
    """The context that a policy means now, and those that recipes name, with their mappings.

    Made first in a sync, which then syncs the files and calls `watched`.

    Raises:
        ReferencesError: the run's context cannot be synced.
    """

    def __init__(
        self,
        mirror: Path,
        policy: ReferencePolicy,
        recipes: Sequence[Recipe],
        last: References | None,
        arrivals: Arrivals | None = None,
    ):
        self.client = CrdsClient(policy.url, arrivals=arrivals)
        self.cache = Path(policy.cache)
        self.ledger = ledger_of(mirror, self.cache)
        self._mirror, self._last = mirror, last
        same = last if last and last.server == policy.url else None  # else names may be others
        self._before = known_sums(self.cache, same, self.ledger)
        self._offered = resolve_context(self.client, policy.context, self.cache)
        self.context = context_to_use(mirror, self._offered, policy)
        where = (self.client, self.context, self.cache, self.ledger)
        self._mappings, self._missing = _sync_mappings(*where, recipes, self._before)
        self.recipes = [recipe for recipe in recipes if recipe.context not in self._missing]

    def watched(
        self, references: References, files: Mapping[str, str]
    ) -> tuple[References, Findings]:
        """Return `references` with these contexts and synced files, and the findings on them."""
        now = replace(
            references,
            context=self.context,
            server=self.client.url,
            files=dict(files),
            mappings=self._mappings,
            offered=self._offered if self._offered != self.context else "",
            unwatched=self.client.unreachable,
            missing_contexts=self._missing,
        )
        found = watch_files(self.client, self.cache, self._before, now, self.ledger)
        findings = current_findings(found, now, self._last, self._mirror)
        return replace(now, findings=tuple(findings)), findings


def sync_references(
    *,
    mirror: Path,
    poll: Poll,
    settling: SettleResult | None,
    recipes: Sequence[Recipe],
    policy: ReferencePolicy,
    run: Path | None = None,
) -> References:
    """Resolve the CRDS context; sync what recipes need of it, and slices of Gaia for mosaics.

    Slices older than the policy allows are fetched again. If a new context is held and the policy
    names none, that of the current generation is used, and the new one is offered. A recipe whose
    own context cannot be synced is left out. Without work, nothing is queried. A heartbeat in the
    folder of the `run` says meanwhile how much has arrived.
    """
    holdings, none = load_holdings(mirror, poll, settling, recipes), no_references(policy.url)
    if not _headers(holdings, recipes):
        return none
    arrivals = Arrivals()
    heartbeats = Heartbeats(RunFiles(run).fetch_heartbeat(REFERENCES) if run else None)
    with cache_errors(Path(policy.cache)), heartbeats.fetch(arrivals.beat):
        synced = SyncedContexts(mirror, policy, recipes, last_references(mirror), arrivals)
        cache, client = synced.cache, synced.client
        needed = _needed(client, synced.context, cache, holdings, synced.recipes)
        files = _sync_files(client, needed, cache, synced.ledger)
        references, findings = synced.watched(none, files)
    mosaics = _aligned_mosaics(cache, references, holdings, synced.recipes)
    service = CatalogueService(policy.gaia_url)
    gaia = find_slices(mosaics, SliceStore(mirror, cache), service, policy.gaia_refresh)
    _log(findings, gaia.notes)
    return replace(references, gaia=gaia)


def no_references(server: str) -> References:
    """Return the references of a run in which nothing is to be calibrated."""
    return References(context="", server=server, files={})


def watched_references(
    mirror: Path, last: References, recipes: Sequence[Recipe], policy: ReferencePolicy
) -> References:
    """Return what CRDS says now of the context and the files of the `last` run of the mirror.

    It equals that record if nothing changed. Files that are missing in the cache are synced.

    Raises:
        ReferencesError: CRDS gives no valid answer.
    """
    if not last.context:  # nothing was to be calibrated
        return last
    with cache_errors(Path(policy.cache)):
        synced = SyncedContexts(mirror, policy, recipes, last)
        where = (synced.context, synced.cache, synced.ledger)
        references, _ = synced.watched(last, sync_files(synced.client, last.files, *where))
    return references


def preview_references(
    mirror: Path,
    url: str,
    policy: str,
    cache: Path,
    holdings: Holdings,
    recipes: Sequence[Recipe],
) -> References:
    """Resolve the CRDS context, and sync only what is needed to plan with it.

    Mappings and parameter references are synced; of other files CRDS gives only the sha1. The
    findings are those about files that the context would use. Slices of Gaia are those that the
    mirror has.
    """
    with cache_errors(cache):
        client = CrdsClient(url)
        context, ledger = resolve_context(client, policy, cache), ledger_of(mirror, cache)
        mappings, missing = _sync_mappings(client, context, cache, ledger, recipes, {})
        recipes = [recipe for recipe in recipes if recipe.context not in missing]
        files: dict[str, str] = {}
        for each, names in _needed(client, context, cache, holdings, recipes):
            listed = sha1s_of(client, {name for name in names if PARAMETERS not in name})
            files |= listed | sync_files(client, names - listed.keys(), each, cache, ledger)
    references = References(
        context=context, server=url, files=files, mappings=mappings, missing_contexts=missing
    )
    mosaics = _aligned_mosaics(cache, references, holdings, recipes)
    return replace(
        references,
        findings=watch_files(client, cache, {}, references, ledger),
        gaia=find_slices(mosaics, SliceStore(mirror)),
    )


def _aligned_mosaics(
    cache: Path, references: References, holdings: Holdings, recipes: Sequence[Recipe]
) -> Iterator[AlignedMosaic]:
    """Yield the mosaics of recipes that are aligned to Gaia."""
    if not _names_gaia(cache, references, recipes):
        return
    resolvers = offline_resolvers(cache, references)
    available = available_files(holdings.entries, own=holdings.own)
    yield from aligned_mosaics(available, holdings.associations, recipes, resolvers)


def _names_gaia(cache: Path, references: References, recipes: Sequence[Recipe]) -> bool:
    """Return whether a recipe or a parameter reference has the name; to resolve them takes long."""
    files = (cache_path(cache, name) for name in references.files if PARAMETERS in name)
    texts = (path.read_bytes() for path in files if path.is_file())
    return any(b"GAIA" in text.upper() for text in (canonical(recipes).encode(), *texts))


def offline_resolvers(cache: Path, references: References) -> Resolvers:
    """Return resolvers on the synced cache; set the environment that they and children need."""
    remove_user_variables()
    os.environ.update(crds_environment(cache, references.context))
    return resolvers_of(
        cache,
        references.context,
        references.files,
        references.findings,
        references.gaia,
        references.missing_contexts,
    )


def _log(findings: Findings, notes: Iterable[str]) -> None:
    for finding, results in findings.items():
        count = f"{len(results)} results of the kept generations were made with it"
        log.warning("%s %s: %s; %s", finding.kind, finding.name, finding.message, count)
        for result in results if finding.is_new else ():
            log.warning("  %s: %s, key %s", result.recipe, result.result, result.key)
    for note in notes:
        log.warning("%s", note)


def context_to_use(mirror: Path, offered: str, policy: ReferencePolicy) -> str:
    """Return the `offered` context, or that of the current generation if it is held.

    A context that the policy names is never replaced.
    """
    current = Generations(mirror).current()
    published = current.facts.get("context", "") if current else ""
    is_held = policy.on_new_context == HOLD and policy.context in (BUILD, LATEST)
    return published if is_held and published else offered


def _needed(
    client: CrdsClient, context: str, cache: Path, holdings: Holdings, recipes: Sequence[Recipe]
) -> Iterator[tuple[str, set[str]]]:
    """Yield each context with the names of all references that its recipes may need.

    The jwst of each recipe says which; `context` is that of recipes that name none.
    """
    resolvers = offline_resolvers(cache, References(context=context, server=client.url, files={}))
    for (python, own), same in group_by(recipes, lambda r: (r.python, r.context)).items():
        if headers := _headers(holdings, same):
            yield own or context, set(resolvers.of(python, own).needed(headers))


def _sync_files(
    client: CrdsClient, needed: Iterable[tuple[str, set[str]]], cache: Path, ledger: Path
) -> dict[str, str]:
    """Sync the references that contexts need; name -> sha1."""
    files: dict[str, str] = {}
    for context, names in needed:
        files |= sync_files(client, names, context, cache, ledger)
    return files


def _sync_mappings(
    client: CrdsClient,
    context: str,
    cache: Path,
    ledger: Path,
    recipes: Sequence[Recipe],
    before: Mapping[str, str],
) -> tuple[dict[str, str], dict[str, str]]:
    """Sync the mappings of the run's context, and of those that recipes name.

    Return name -> sha1, and the contexts that only recipes name and that failed -> why. Mappings
    that have another sha1 than `before` are loaded again.

    Raises:
        ReferencesError: the run's context cannot be synced.
    """
    mappings, missing = sync_mappings(client, context, cache, ledger), {}
    for other in dict.fromkeys(r.context for r in recipes if r.context not in ("", context)):
        try:
            mappings |= sync_mappings(client, other, cache, ledger)
        except ReferencesError as err:
            missing[other] = str(err)
    if any(before.get(name, sha1) != sha1 for name, sha1 in mappings.items()):
        forget_mappings()
    return mappings, missing


def _headers(
    holdings: Holdings, recipes: Sequence[Recipe]
) -> tuple[tuple[str, tuple[str, ...]], ...]:
    return headers_and_pipelines(holdings.entries, holdings.associations, recipes, holdings.own)
