"""Checks of CRDS: the context that a run would use, and its mappings."""

import os
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path

from jwmirror.config.load import Config
from jwmirror.core.errors import ReferencesError
from jwmirror.core.grouping import group_by
from jwmirror.core.model import Recipe
from jwmirror.crds.cache import has_config, ledger_of, read_verified
from jwmirror.crds.client import CrdsClient
from jwmirror.crds.sync import query_context
from jwmirror.net.http import Timeouts
from jwmirror.report.diagnosis import FAIL, OK, WARN, Check
from jwmirror.report.formatting import count
from jwmirror.services.inspect.doctor.servers import Contact, contact, server_check

QUERIES = Timeouts(connect_s=10, read_s=60, attempts=2)
HELP_DESK = "report it to the CRDS help desk"
NO_CONTEXT = (
    "name a context that CRDS has in references.context in the config, such as jwst_1464.pmap; "
    "or `latest`"
)


@dataclass(kw_only=True)
class ReferencesVisit:
    """The checks of one CRDS server and of the cache; `made` is the contact with the server."""

    config: Config
    made: Contact | None = None

    def checks(self) -> Iterator[Check]:
        """Yield all checks, in their order; one if nothing is to be recalibrated."""
        references = self.config.references
        url, policy, cache = references.url, references.context, self.config.cache
        if not self.config.recipes:
            yield Check("CRDS", OK, "not needed: the config has no recipes")
            return
        crds = CrdsClient(url, QUERIES)
        self.made = contact(f"{crds.url}/")
        server = server_check("CRDS", self.made, "references.url", has_pages=True)
        if server.outcome == FAIL and is_cached(
            cache, policy, ledger_of(self.config.mirror, cache)
        ):
            found = f"{server.found}; {policy} is in the reference cache, and is used"
            server = replace(server, outcome=WARN, found=found)
        yield server
        if server.outcome == OK:
            yield from reference_checks(crds, policy)
            yield from _own_contexts(crds, self.config.recipes)
        yield cache_check(cache, policy, ledger_of(self.config.mirror, cache))


def reference_checks(client: CrdsClient, policy: str) -> Iterator[Check]:
    """Check the context that `policy` (build, latest or a name) means, and its mappings."""
    try:
        context = query_context(client, policy)
        mappings = client.mappings_of(context)
    except ReferencesError as err:
        yield Check("context", FAIL, str(err), NO_CONTEXT)
        return
    yield Check("context", OK, f"{policy}: {context}, with {count(len(mappings), 'mapping')}")
    yield _mapping_check(client, mappings)


def _own_contexts(client: CrdsClient, recipes: Iterable[Recipe]) -> Iterator[Check]:
    """Check the contexts that recipes name, each once."""
    for context, of_context in group_by(
        (r for r in recipes if r.context), lambda recipe: recipe.context
    ).items():
        names = ", ".join(recipe.name for recipe in of_context)
        subject = f"context of {names}"
        try:
            found = f"{context}, with {count(len(client.mappings_of(context)), 'mapping')}"
        except ReferencesError as err:
            step = "correct `context` of the recipe; until then, it is not computed"
            yield Check(subject, FAIL, str(err), step)
        else:
            yield Check(subject, OK, found)


def _mapping_check(client: CrdsClient, mappings: tuple[str, ...]) -> Check:
    try:
        listed = client.listed(mappings)
    except ReferencesError as err:
        return Check("mappings", FAIL, str(err), HELP_DESK)
    unknown = [name for name in mappings if name not in listed]
    unsummed = [name for name, file in listed.items() if not file.sha1]
    rejected = [name for name, file in listed.items() if file.is_rejected]
    if unknown:
        found = f"CRDS does not know {_some(unknown)}"
        return Check("mappings", FAIL, found, f"name another context; {HELP_DESK}")
    if unsummed:
        found = f"CRDS has no checksum of {_some(unsummed)}; the bytes cannot be verified"
        return Check("mappings", WARN, found, HELP_DESK)
    if rejected:
        found = f"CRDS has rejected {_some(rejected)}"
        return Check("mappings", WARN, found, "name a newer context in references.context")
    return Check("mappings", OK, "CRDS has a checksum of each")


def _some(names: list[str]) -> str:
    others = f" and {len(names) - 3} more" if len(names) > 3 else ""
    return f"{', '.join(sorted(names)[:3])}{others}"


def cache_check(cache: Path, policy: str, ledger: Path | None = None) -> Check:
    """Check whether references can be written to the cache, or whether it has what a run needs."""
    folder = cache
    while not folder.exists():
        folder = folder.absolute().parent
    if os.access(folder, os.W_OK | os.X_OK):
        return Check("reference cache", OK, f"{cache} can be written")
    if is_cached(cache, policy, ledger):
        return Check("reference cache", OK, f"{cache} may only be read, and has {policy}")
    step = "correct the permissions, or name another folder in references.cache in the config"
    return Check("reference cache", FAIL, f"{cache} may only be read", step)


def is_cached(cache: Path, context: str, ledger: Path | None = None) -> bool:
    """Return whether a context can be used without CRDS, as far as its mappings are concerned."""
    return has_config(cache) and context in read_verified(cache, ledger).contexts
