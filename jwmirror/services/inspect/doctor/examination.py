"""All checks of `jwmirror doctor`, in their order, for the programs of a config."""

from collections.abc import Iterator, Sequence
from contextlib import closing
from pathlib import Path

from jwmirror.archive.evidence.record import write_answers
from jwmirror.config.load import Config, read_content, token_variable
from jwmirror.core.errors import StoreError
from jwmirror.core.mirror import mark_mirror
from jwmirror.core.model import Entry, Product
from jwmirror.net.http import HttpClient
from jwmirror.report.diagnosis import FAIL, OK, Check, Diagnosis
from jwmirror.services.configure.checked_config import build_checked_config
from jwmirror.services.inspect.doctor.archive import ArchiveVisit
from jwmirror.services.inspect.doctor.disk import disk_checks, file_system_checks
from jwmirror.services.inspect.doctor.references import ReferencesVisit
from jwmirror.services.inspect.doctor.servers import BRIEF, clock_checks, guarded
from jwmirror.services.inspect.doctor.stars import StarsVisit
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
        archive = ArchiveVisit(config=config, client=client, entries=_entries(config.mirror))
        checks = [*guarded("MAST", archive.checks())]
    references = ReferencesVisit(config=config)
    checks += guarded("CRDS", references.checks())
    stars = StarsVisit(config=config, selected=archive.selected or ())
    checks += guarded("Gaia", stars.checks())
    checks += clock_checks(*filter(None, (archive.made, references.made, stars.made)))
    is_mirror = _mirror_check(config.mirror)
    checks.append(is_mirror)
    if is_mirror.outcome == OK:
        checks += guarded("disk", _disk_checks(config, archive.selected))
        checks += guarded("record", _record_checks(config.mirror, archive))
    return Diagnosis(mirror=str(config.mirror), checks=tuple(checks))


def _entries(mirror: Path) -> Sequence[Entry]:
    """Return the rows of the current generation; none if they cannot be read."""
    try:
        return Generations(mirror).entries()
    except (StoreError, OSError):  # the checks of the mirror say so
        return ()


def _record_checks(mirror: Path, archive: ArchiveVisit) -> Iterator[Check]:
    """Write the answers of MAST; nothing to show if that succeeds."""
    write_answers(mirror, archive.etag, archive.rows)
    yield from ()


def _mirror_check(mirror: Path) -> Check:
    """Make the mirror if its folder is new or empty."""
    try:
        is_new = mark_mirror(mirror)
    except StoreError as err:
        return Check("mirror", FAIL, str(err), "first correct this; the disk was not checked")
    return Check("mirror", OK, f"{mirror} was made" if is_new else f"{mirror} exists")


def _disk_checks(config: Config, selected: list[Product] | None) -> Iterator[Check]:
    yield from file_system_checks(config.mirror)
    missing = None
    if selected is not None:
        held = set(Generations(config.mirror).entries().column("product_uri"))
        missing = [product for product in selected if product.uri not in held]
    yield from disk_checks(config.mirror, config.keep_free, missing)
