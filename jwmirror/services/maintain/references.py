"""Export the references that recipes need, and verify the cache of references."""

from dataclasses import replace
from pathlib import Path

from jwmirror.astrometry.slices import SliceStore
from jwmirror.config.load import Config
from jwmirror.core.errors import ConfigError, ReferencesError, command_to_run
from jwmirror.core.folders import no_folder
from jwmirror.core.model import References
from jwmirror.core.model.maintenance import ReferenceVerification
from jwmirror.core.model.plan import ReferenceFinding
from jwmirror.crds.affected import affected_results
from jwmirror.crds.bundle import ReferenceBundle, write_bundle
from jwmirror.crds.cache import contexts_including, ledger_of
from jwmirror.crds.client import CrdsClient
from jwmirror.crds.verify import verify_cache
from jwmirror.services.configure.checked_config import load_checked_config
from jwmirror.services.inspect.preview import unpublished_poll
from jwmirror.services.run.references import FOLLOW, sync_references
from jwmirror.store.runs import last_references, last_run


def bundle_references(config_file: Path, to: Path, sync: bool) -> ReferenceBundle:
    """Copy a context's mappings, the references and the slices that the recipes need to `to`.

    Without `sync` these are the references of the last run; with it, CRDS is asked what the recipes
    of the config need now.

    Raises:
        ReferencesError: no run has synced references, CRDS cannot be asked, or `to` exists.
        ConfigError: the config has mistakes, or no recipes.
    """
    config = load_checked_config(config_file)
    if not config.recipes:
        raise ConfigError([f"{config_file}: has no recipes, and nothing else needs references"])
    references = _sync(config) if sync else last_references(config.mirror)
    if references is None or not references.context:
        raise ReferencesError(
            f"mirror {config.mirror.absolute()}: no run has synced references yet; run "
            f"{command_to_run()} first, or add --sync."
        )
    slices = SliceStore(config.mirror).files(references.gaia.found.values())
    contexts = dict.fromkeys(r.context or references.context for r in config.recipes)
    usable = (each for each in contexts if each not in references.missing_contexts)
    named = tuple(dict.fromkeys((references.context, *usable)))
    ledger = ledger_of(config.mirror, config.cache)
    return write_bundle(named, references.files, config.cache, to, slices, ledger)


def verify_references(config_file: Path, repair: bool) -> ReferenceVerification:
    """Read the whole reference cache of a config, and compare it with CRDS's checksums.

    The published results of kept generations that were made with files of the names of wrong ones
    are listed. With `repair`, wrong and missing files are fetched again.

    Raises:
        ReferencesError: there is no cache, or a file cannot be fetched.
    """
    config = load_checked_config(config_file)
    if config.recipes:  # without any, there is nothing to keep in a cache
        _check_cache(config.cache)
    last = last_references(config.mirror)
    needed = {*last.files, *last.mappings} if last else set()
    client = CrdsClient(config.references.url)
    ledger = ledger_of(config.mirror, config.cache)
    verification = verify_cache(client, config.cache, needed, repair, ledger)
    wrong = [problem.name for problem in verification.problems if problem.kind == "wrong"]
    findings = [_about(name, config.cache, ledger) for name in wrong]
    affected = (result for of in affected_results(config.mirror, findings) for result in of)
    return replace(verification, affected=tuple(dict.fromkeys(affected)))


def _check_cache(cache: Path) -> None:
    """Raise ReferencesError if there is no cache."""
    if why := no_folder(cache):
        step = f"{command_to_run()} makes it, or correct references.cache in the config"
        raise ReferencesError(f"reference cache {cache.absolute()}: {why}; {step}.")


def _about(name: str, cache: Path, ledger: Path) -> ReferenceFinding:
    """Return a finding about all results that used a file of that name."""
    contexts = contexts_including(cache, name, ledger)
    return ReferenceFinding(name=name, kind="unverified", message="", contexts=contexts)


def _sync(config: Config) -> References | None:
    """Sync what the config needs for what is in the mirror; None before the first run."""
    run = last_run(config.mirror)
    if run is None:
        return None
    return sync_references(
        mirror=config.mirror,
        poll=unpublished_poll(run),
        settling=run.settling,
        recipes=config.recipes,
        policy=replace(config.references, on_new_context=FOLLOW),
    )
