"""Each reader of foreign input, given odd input of one seed: it may raise its own error only.

As a program: reads all seeds from FIRST to LAST, under limits of time and memory, and prints each
before it begins; an error is printed as a line of JSON.
"""

import json
import logging
import os
import re
import resource
import shutil
import signal
import sys
import traceback
import warnings
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from random import Random
from tempfile import TemporaryDirectory
from types import SimpleNamespace
from typing import Any

from jwmirror.archive.events import read_events
from jwmirror.archive.tables import rows
from jwmirror.archive.tables.answers import read_pages
from jwmirror.archive.tables.joining import assemble_listing
from jwmirror.archive.tables.reader import MastTable
from jwmirror.archive.tables.unread import UnreadCells
from jwmirror.compare.fitsfiles import has_values
from jwmirror.compare.pictures import Pair, draw
from jwmirror.compare.versions import compare_files
from jwmirror.core import names
from jwmirror.core.errors import (
    ArchiveError,
    CalibrationError,
    JwmirrorError,
    ReferencesError,
    RejectedError,
    StoreError,
)
from jwmirror.core.jsonio import canonical
from jwmirror.crds.client import CrdsClient
from jwmirror.net.integrity import check_readable
from jwmirror.pipeline.associations.pool import generate_associations
from jwmirror.pipeline.associations.reading import read_association_file
from jwmirror.pipeline.crds_rules import crds_environment, forget_mappings, rules_of
from jwmirror.pipeline.identity import UNREAD, identified_version, science_identity
from jwmirror.pipeline.measure import files as measured
from jwmirror.planning.estimates.memory import stage_bytes
from jwmirror.planning.resolvers.local import LocalResolver
from jwmirror.services.inspect.answers.identification import read_loose_file
from jwmirror_simulator.crds import mappings
from tests.setup.records import derivation, product
from tests.torture import odd_inputs

UNCAL = "jw01345001001_02101_00001_nrcb1_uncal.fits"
DERIVATION = derivation("detector1", UNCAL)
Kind = type[JwmirrorError]
SECONDS, MEMORY = 10, 1 << 30  # of processor time; bytes


def may_raise(
    kind: type[JwmirrorError] | tuple[type[JwmirrorError], ...], read: Callable[[], Any]
) -> Any:
    """Read in little time; errors of the kind are what is expected, unless memory ran out."""
    signal.setitimer(signal.ITIMER_PROF, SECONDS)
    try:
        return read()
    except kind as err:
        if isinstance(err.__cause__, MemoryError):
            raise err.__cause__ from err
        return None


def read_fits(path: Path) -> None:
    """As after a download, for a measurement, a picture, and a comparison with the sound file."""
    sound = path.with_name("sound.fits")
    sound.write_bytes(odd_inputs.sound_fits())
    may_raise(RejectedError, lambda: check_readable(path, UNCAL))
    may_raise(StoreError, lambda: read_loose_file(str(path)))
    may_raise(StoreError, lambda: has_values(path, UNCAL))
    version = may_raise(StoreError, lambda: identified_version(product(UNCAL), path, "0" * 64, 1))
    assert version.scheme != UNREAD, version.refusal
    assert UNCAL in version.refusal or version.identity
    canonical(version)
    stage_bytes(DERIVATION, version.header)
    may_raise(StoreError, lambda: compare_files(sound, path, UNCAL))
    for suffix in ("i2d.fits", "s3d.fits", "x1d.fits"):
        draw_beside(sound, path, suffix)
    with suppress_but_memory():
        measured._fits_quantities(path)


def draw_beside(sound: Path, odd: Path, suffix: str) -> None:
    """Draw the comparison of two files: odd content gives a note, and no error."""
    versions = {"old": sound, "new": odd}
    for name in (f"jw01345-o001_t001_nircam_x_{suffix}", f"{UNCAL[:35]}_{suffix}"):
        pair = Pair(kind="change", filename=name, recipe="deep", old="old", new="new")
        with TemporaryDirectory() as folder:
            comparison = draw(pair, versions.__getitem__, Path(folder))
        assert not any("allocate" in note for note in comparison.notes), comparison.notes


class suppress_but_memory(suppress):  # noqa: N801  a context manager, named as in contextlib
    """Suppress every error but a MemoryError, which a caller would suppress, too."""

    def __init__(self) -> None:
        super().__init__(Exception)

    def __exit__(self, kind: Any, error: Any, trace: Any) -> bool | None:
        return None if isinstance(error, MemoryError) else super().__exit__(kind, error, trace)


def odd_exposure(random: Random, folder: Path) -> None:
    """A FITS file."""
    path = folder / "odd.fits"
    path.write_bytes(odd_inputs.odd_fits(random))
    read_fits(path)


def odd_tree(random: Random, folder: Path) -> None:
    """A FITS file with an odd ASDF file in it."""
    path = folder / "odd.fits"
    path.write_bytes(odd_inputs.fits_with(odd_inputs.odd_tree(random)))
    read_fits(path)


def odd_catalogue(random: Random, folder: Path) -> None:
    """An ECSV file."""
    sound, odd = folder / "sound.ecsv", folder / "odd.ecsv"
    sound.write_bytes(odd_inputs.CATALOGUE)
    odd.write_bytes(odd_inputs.odd_catalogue(random))
    may_raise(RejectedError, lambda: check_readable(odd, odd.name))
    may_raise(CalibrationError, lambda: science_identity(odd))
    may_raise(StoreError, lambda: compare_files(sound, odd))
    draw_beside(sound, odd, "whtlt.ecsv")
    measured.file_quantities(odd)


def odd_association(random: Random, folder: Path) -> None:
    """An association file: all its names are safe."""
    sound, odd = folder / "sound_asn.json", folder / "odd_asn.json"
    sound.write_text(json.dumps(odd_inputs.ASSOCIATION))
    odd.write_bytes(odd_inputs.odd_json(random, odd_inputs.ASSOCIATION))
    may_raise(RejectedError, lambda: check_readable(odd, odd.name))
    may_raise(StoreError, lambda: compare_files(sound, odd))
    for association in may_raise(CalibrationError, lambda: read_association_file(odd, "")) or ():
        canonical(association)
        assert 0 <= association.program <= 99_999
        parts = (association.product, association.candidate, *(m.name for m in association.members))
        assert all(names.is_safe(part) for part in parts), parts


POOL = "|".join(
    ("filename", "program", "asn_candidate", "exp_type", "instrume", "detector", "targetid")
)
POOL_ROW = (
    "jw01345001001_02101_00001_nrcb1_uncal.fits|1345|[('o001','observation')]|nrc_image|n|b|1"
)


def odd_pool(random: Random, folder: Path) -> None:
    """A pool."""
    path = folder / "odd_pool.csv"
    text = f"{POOL}\n{POOL_ROW}\n{POOL_ROW}\n".encode()
    tokens = [*odd_inputs.TOKENS["text"], b"|", b"\n", b"'", b"[" * 500, b"(" * 90]
    path.write_bytes(odd_inputs.mutate_bytes(random, text, tokens))
    may_raise(RejectedError, lambda: check_readable(path, path.name))
    roots = {UNCAL.removesuffix("_uncal.fits")}
    may_raise(CalibrationError, lambda: generate_associations(path, path.name, roots))


OBSERVATION = dict.fromkeys(rows.OBSERVATION_COLUMNS, "1") | {"proposal_id": "1345"}
PRODUCT = dict.fromkeys(rows.PRODUCT_COLUMNS, "1") | {
    "dataURI": f"mast:JWST/product/{UNCAL}",
    "productFilename": UNCAL,
    "dataRights": "PUBLIC",
    "size": 10,
}
KEYWORD = dict.fromkeys(rows.KEYWORD_COLUMNS) | {
    "filename": UNCAL,
    "program": "1345",
    "checksum": "a1" * 16,
    "fileSize": 10,
    "filter": "F200W",
    "pupil": "CLEAR",
    "date_mjd": 60000.5,
    "isRestricted": False,
    "isStale": "False",
}


def odd_listing(random: Random, folder: Path) -> None:
    """MAST's answers: one of the three tables is odd. All names in the listing are safe."""
    odd = random.choice((OBSERVATION, PRODUCT, KEYWORD))

    def table(row: dict[str, Any], kind: Any) -> MastTable:
        paging = {"rows": 2, "rowsFiltered": 2}
        page = {"status": "COMPLETE", "paging": paging, "data": [row, row]}
        text = odd_inputs.odd_json(random, page) if row is odd else json.dumps(page).encode()
        return read_pages(kind, "a table", [text])

    def read() -> Any:
        unread = UnreadCells(1345)
        observations = rows.read_observations(table(OBSERVATION, rows.ObservationRow), unread)
        files = rows.read_products(table(PRODUCT, rows.ProductRow), unread)
        records = rows.read_keywords(table(KEYWORD, rows.KeywordRow), "Nircam", unread)
        return assemble_listing(1345, "2026", observations, files, records)

    if listed := may_raise(ArchiveError, read):
        canonical(listed)
        assert all(names.is_safe(each.filename) for each in listed.products)


EVENT = {
    "mission": "JWST",
    "filename": UNCAL,
    "program": 1345,
    "event_type": "New",
    "archived_date": "2026-01-01",
}


def odd_events(random: Random, folder: Path) -> None:
    """An attachment of MAST's e-mail."""
    path = folder / "events.json"
    path.write_bytes(odd_inputs.odd_json(random, [EVENT, EVENT]))
    for event in may_raise(ArchiveError, lambda: read_events(path)) or ():
        str(event.observation)


NAME = "jwst_nircam_flat_0001.fits"
INFO = {
    "observatory": "jwst",
    "mapping_url": {"jwst": "http://x/mappings", "unchecked": {"jwst": "http://x/mappings"}},
    "reference_url": {"jwst": "http://x/references"},
    "bad_files_list": ["a.fits"],
}
ANSWERS = {
    "get_server_info": INFO,
    "get_file_info_map": {NAME: {"sha1sum": "a" * 40, "size": "10", "rejected": "false"}},
    "get_file_info": {"instrument": "nircam"},
    "get_mapping_names": ["jwst_0001.pmap", "jwst_nircam_0001.imap"],
    "get_default_context": "jwst_0001.pmap",
    "list_mappings": ["jwst_0001.pmap", "jwst_0002.pmap"],
}


def odd_crds(random: Random, folder: Path) -> None:
    """CRDS's answers: paths stay in the cache."""
    method = random.choice(list(ANSWERS))
    client = CrdsClient("http://localhost:1")
    whole = random.random() < 0.3

    def post(url: str, data: bytes) -> Any:
        asked = json.loads(data)["method"]
        answer = {"error": None, "result": ANSWERS[asked]}
        if asked != method:
            text = json.dumps(answer).encode()
        elif whole:
            text = odd_inputs.odd_json(random, answer)
        else:
            result = odd_inputs.mutate_json(random, ANSWERS[asked])
            text = json.dumps({"error": None, "result": result}).encode()
        return SimpleNamespace(data=text, status=200, headers={})

    client.http = SimpleNamespace(post=post)
    cache = folder / "cache"
    for read in CRDS_READERS:
        may_raise(ReferencesError, lambda read=read: read(client, cache))


def _sync(client: CrdsClient, cache: Path) -> None:
    from jwmirror.crds import sync

    sync.resolve_context(client, "latest", cache)


def _path(client: CrdsClient, cache: Path) -> None:
    path = names.cache_path(cache, NAME, client.instrument_of("odd.fits", "jwst_0001.pmap"))
    assert path.is_relative_to(cache) and ".." not in path.parts, path


def _mappings(client: CrdsClient, cache: Path) -> None:
    from jwmirror.crds import sync

    sync.sync_mappings(client, "jwst_0001.pmap", cache)


CRDS_READERS: list[Callable[[CrdsClient, Path], Any]] = [
    lambda client, cache: client.info["observatory"],
    lambda client, cache: client.facts([NAME]),
    lambda client, cache: client.url_of(NAME),
    lambda client, cache: client.url_of("jwst_0001.pmap"),
    _path,
    _sync,
    _mappings,
]
CONTEXT, FLAT = "jwst_0001.pmap", "jwst_nircam_flat_0001.rmap"
HEADER = canonical(
    {
        "meta.instrument.name": "NIRCAM",
        "meta.instrument.detector": "NRCB1",
        "meta.observation.date": "2026-01-01",
        "meta.observation.time": "00:00:00",
    }
)


def odd_mapping(random: Random, folder: Path) -> None:
    """A mapping of CRDS with its right checksum: the context, or the exposure, is refused."""
    from crds.core.rmap import Mapping

    mappings.write_rmap(
        names.cache_path(folder, CONTEXT).parent,
        "nircam",
        "flat",
        ["META.INSTRUMENT.DETECTOR"],
        {("NRCB1",): NAME, ("NRCA1|NRCA2",): NAME},
    )
    paths = [names.cache_path(folder, name) for name in (CONTEXT, FLAT)]
    imap = mappings.write_imap(paths[0].parent, "nircam", {"flat": FLAT})
    mappings.write_pmap(paths[0].parent, {"nircam": imap})
    path = random.choice([*paths, paths[1], names.cache_path(folder, imap)])
    text = odd_inputs.odd_mapping(random, path.read_bytes()).decode("latin1")
    with suppress(Exception):
        sha1 = Mapping._get_checksum(Mapping, text)
        text = re.sub(r"'sha1sum' : '\w*'", f"'sha1sum' : '{sha1}'", text)
    path.write_text(text)
    os.environ.update(crds_environment(folder, CONTEXT))
    forget_mappings()
    resolver = LocalResolver(folder, CONTEXT)
    for read in (
        lambda: rules_of(folder, CONTEXT, "nircam"),
        lambda: resolver._best(HEADER, ["flat", "pars-detector1pipeline"]),
        lambda: resolver._ask_crds(HEADER, ["flat"]),
    ):
        may_raise((ReferencesError, CalibrationError), read)


READERS: list[Callable[[Random, Path], None]] = [
    odd_exposure,
    odd_tree,
    odd_catalogue,
    odd_association,
    odd_association,
    odd_pool,
    odd_listing,
    odd_listing,
    odd_events,
    odd_crds,
    odd_mapping,
]


def read_seed(seed: int, folder: Path) -> str:
    """Give the input of a seed to its reader; return what went wrong, "" if nothing did."""
    inside = folder / "inside"
    inside.mkdir()
    try:
        READERS[seed % len(READERS)](Random(seed), inside)
        assert [path.name for path in folder.iterdir()] == [inside.name], "a path outside"
    except Exception:
        return traceback.format_exc()[-3000:]
    finally:
        shutil.rmtree(inside)
    return ""


def limit(memory: int) -> None:
    """Limit this process to so many bytes more than it has."""
    pages = int(Path("/proc/self/statm").read_text().split()[0])
    size = pages * os.sysconf("SC_PAGE_SIZE") + memory
    resource.setrlimit(resource.RLIMIT_AS, (size, resource.RLIM_INFINITY))


def main(first: int, last: int, folder: Path) -> None:
    """Read the seeds; an alarm ends the process if one takes too long."""
    warnings.simplefilter("ignore")
    logging.disable(logging.CRITICAL)
    for seed in range(2 * len(READERS)):  # what is imported and cached once does not count
        read_seed(seed, folder)
    limit(MEMORY)
    for seed in range(first, last):
        print(seed, flush=True)
        if problem := read_seed(seed, folder):
            print(json.dumps({"seed": seed, "problem": problem}), flush=True)


if __name__ == "__main__":
    main(int(sys.argv[1]), int(sys.argv[2]), Path(sys.argv[3]))
