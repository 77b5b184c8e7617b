"""All checks of `jwmirror doctor`, in their order, for the programs of a config."""

from collections.abc import Iterable, Iterator
from contextlib import closing
from pathlib import Path

from urllib3.exceptions import HTTPError

from jwmirror.config.load import Config, read_content, token_variable
from jwmirror.core.errors import JwmirrorError, StoreError, plain_text
from jwmirror.core.mirror import mark_mirror
from jwmirror.core.model import Product
from jwmirror.crds.client import CrdsClient
from jwmirror.net.http import HttpClient, error_words
from jwmirror.report.diagnosis import FAIL, OK, WARN, Check, Diagnosis
from jwmirror.services.configure.checked_config import build_checked_config
from jwmirror.services.inspect.doctor.archive import ArchiveVisit
from jwmirror.services.inspect.doctor.disk import disk_checks
from jwmirror.services.inspect.doctor.file_system import file_system_checks
from jwmirror.services.inspect.doctor.record import write_answers
from jwmirror.services.inspect.doctor.references import cache_check, is_cached, reference_checks
from jwmirror.services.inspect.doctor.servers import (
    BRIEF,
    Contact,
    clock_checks,
    contact,
    server_check,
)
from jwmirror.store.generations import Generations

CONNECTIONS = 2


def examine(config_file: Path) -> Diagnosis:
    """Try what runs with a config rely on; change nothing but one record in its mirror.

    Raises:
        ConfigError: the config has mistakes.
    """
    content = read_content(config_file)
    config = build_checked_config(content, check_parameters=False)
    variable = token_variable(content)
    client = HttpClient(CONNECTIONS, BRIEF, config.token, token_variable=variable)
    with closing(client):
        archive = ArchiveVisit(config=config, client=client)
        checks = [*_guarded("MAST", archive.checks())]
        contacts = [archive.made] if archive.made else []
        checks += _guarded("CRDS", _references_checks(client, config, contacts))
    checks += clock_checks(*contacts)
    is_mirror = _mirror_check(config.mirror)
    checks.append(is_mirror)
    if is_mirror.outcome == OK:
        checks += _guarded("disk", _disk_checks(config, archive.selected))
        checks += _guarded("record", _record_checks(config.mirror, archive))
    return Diagnosis(mirror=str(config.mirror), checks=tuple(checks))


def _record_checks(mirror: Path, archive: ArchiveVisit) -> Iterator[Check]:
    """Write the answers of MAST; nothing to show if that succeeds."""
    write_answers(mirror, archive.etag, archive.rows)
    yield from ()


def _guarded(subject: str, checks: Iterable[Check]) -> Iterator[Check]:
    """Yield checks; if an error ends them, a failed one that says so."""
    try:
        yield from checks
    except (JwmirrorError, HTTPError, OSError) as err:
        words = error_words(err) if isinstance(err, HTTPError) else plain_text(err)
        yield Check(subject, FAIL, words, "correct this, and run `jwmirror doctor` again")


def _references_checks(
    client: HttpClient, config: Config, contacts: list[Contact]
) -> Iterator[Check]:
    """Check CRDS, unless nothing is to be recalibrated; add the contact to `contacts`."""
    if not config.recipes:
        yield Check("CRDS", OK, "not needed: the config has no recipes")
        return
    crds = CrdsClient(config.references_url, BRIEF)
    made = contact(client, f"{crds.url}/")
    contacts.append(made)
    server = server_check("CRDS", made, "references.url", has_pages=True)
    if server.outcome != FAIL:
        yield server
        yield from reference_checks(crds, config.context)
    elif is_cached(config.cache, config.context):
        found = f"{server.found}; {config.context} is in the reference cache, and is used"
        yield Check("CRDS", WARN, found, server.step)
    else:
        yield server
    yield cache_check(config.cache, config.context)


def _mirror_check(mirror: Path) -> Check:
    """Make the mirror if its folder is new or empty."""
    try:
        is_new = mark_mirror(mirror)
    except StoreError as err:
        return Check("mirror", FAIL, str(err), "first correct this; the disk was not checked")
    return Check("mirror", OK, f"{mirror} was made" if is_new else f"{mirror} is a mirror")


def _disk_checks(config: Config, selected: list[Product] | None) -> Iterator[Check]:
    yield from file_system_checks(config.mirror)
    missing = None
    if selected is not None:
        held = set(Generations(config.mirror).entries().column("product_uri"))
        missing = [product for product in selected if product.uri not in held]
    yield from disk_checks(config.mirror, config.keep_free, missing)
