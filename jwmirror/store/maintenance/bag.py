"""Bags: a generation as a BagIt bag, which libraries and archives can check without jwmirror.

The sums of the payload are the names of the objects; the `bagit` library then hashes every file.
"""

import logging
import os
from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import date
from pathlib import Path

import bagit
import yaml

from jwmirror.core.errors import StoreError, as_typed
from jwmirror.core.failpoints import failpoint
from jwmirror.core.files import as_store_error, path_below, restrict
from jwmirror.core.folders import new_folder
from jwmirror.core.model import Entry
from jwmirror.core.model.maintenance import BagReport
from jwmirror.core.model.plan import ProvenanceRecord
from jwmirror.store.generations import Generations, StoredGeneration
from jwmirror.store.losses import current_losses
from jwmirror.store.maintenance.checkout import COPY, check_target, place_files
from jwmirror.store.maintenance.retention import HEAD, MANIFEST, SETUP
from jwmirror.store.manifest import write_manifest
from jwmirror.store.objects import Objects
from jwmirror.store.pins import FROZEN, add_pin, check_pin, find_pin, remove_pin
from jwmirror.store.provenance import Provenance, acceptance_path
from jwmirror.store.rows.crate import CRATE, crate_metadata

MANIFEST_CHANGED = """\
manifest.parquet is not the published manifest, whose sha256 is in generation.json and CITATION.cff:
the caveats of files that were left out of this bag are left out of it, because they name numbers
that were measured on exclusive data.
"""


@dataclass(frozen=True)
class _Payload:
    generation: StoredGeneration
    rows: tuple[Entry, ...]
    left_out: tuple[Entry, ...]
    lost: tuple[Entry, ...]
    closed: frozenset[str]  # sha256 of exclusive objects


def freeze(
    root: Path,
    number: int,
    to: Path,
    mode: str = COPY,
    with_exclusive: bool = False,
    dry_run: bool = False,
) -> BagReport:
    """Write a generation as a bag, which appears at `to` when `bagit` has found it valid.

    Exclusive files, and what was made from them, are left out unless `with_exclusive`, and named in
    metadata/left-out.txt. Lost files are left out and named in metadata/lost.txt. Config,
    recipes and versions are those that were recorded when the generation was published. It gets a
    pin before the first byte is copied, so that prune does not remove it. A dry run writes nothing.

    Raises:
        StoreError: the folder is in use, an object is missing, the disk refused, or `bagit` found
            the bag not valid.
    """
    root, to = Path(root), Path(to)
    payload = _payload(root, number, with_exclusive)
    report = _report(root, payload, to, mode)
    if dry_run:
        return report
    Objects(root).restrict_open(payload.closed)  # links and copies have the objects' modes
    pin = find_pin(root, report.name)
    with as_store_error("freeze", f"{to} is whole, or not there"):
        add_pin(root, report.name, number, FROZEN, str(os.path.abspath(to)))
        try:
            with new_folder(to) as folder:
                _write_bag(root, payload, folder, report)
                _validate(folder, to)
                failpoint("freeze: bag validated")
        except BaseException:
            if pin is None:
                remove_pin(root, report.name)
            raise
        failpoint("freeze: bag named")
    return report


def _payload(root: Path, number: int, with_exclusive: bool) -> _Payload:
    generations = Generations(root)
    generation = generations.read_unpruned(number)
    entries = generation.entries()
    generations.check_objects(entries)
    closed, gone = generations.access().closed(entries), current_losses(root).keys()
    left_out = set() if with_exclusive else closed
    return _Payload(
        generation,
        rows=tuple(e for e in entries if e.sha256 not in left_out and e.sha256 not in gone),
        left_out=tuple(e for e in entries if e.sha256 in left_out),
        lost=tuple(e for e in entries if e.sha256 in gone and e.sha256 not in left_out),
        closed=frozenset(closed),
    )


def _report(root: Path, payload: _Payload, to: Path, mode: str) -> BagReport:
    check_target(root, to)
    name = f"frozen-{payload.generation.number:06d}"
    check_pin(root, name, payload.generation.number)
    return BagReport(
        mirror=str(root),
        generation=payload.generation.number,
        name=name,
        to=str(to),
        mode=mode,
        files=len(payload.rows),
        bytes=sum(entry.size for entry in payload.rows),
        left_out=tuple(entry.path for entry in payload.left_out),
        lost=tuple(entry.path for entry in payload.lost),
        is_recorded=payload.generation.setup() is not None,
    )


def _write_bag(root: Path, payload: _Payload, folder: Path, report: BagReport) -> None:
    """Write payload, sums and tag files."""
    (folder / "data").mkdir()
    files = [(entry.path, entry.sha256) for entry in payload.rows]
    place_files(root, files, folder / "data", Path(report.to) / "data", report.mode)
    failpoint("freeze: payload written")
    sums = "".join(f"{sha256}  data/{path}\n" for path, sha256 in files)
    (folder / "manifest-sha256.txt").write_text(sums)
    text = "BagIt-Version: 0.97\nTag-File-Character-Encoding: UTF-8\n"
    (folder / "bagit.txt").write_text(text)
    for name, content in _tags(root, payload).items():
        path = path_below(folder, name, "a record of the generation")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
    _close_measurements(payload, folder / "metadata")
    bag = bagit.Bag(str(folder))
    bag.info.update(_info(payload.generation, report))
    bag.save()


def _tags(root: Path, payload: _Payload) -> dict[str, bytes]:
    """Return the tag files that describe the payload, and how it was made."""
    generation = payload.generation
    tags = {
        "CITATION.cff": _citation(payload),
        f"metadata/{HEAD}": (generation.folder / HEAD).read_bytes(),
        f"metadata/{MANIFEST}": (generation.folder / MANIFEST).read_bytes(),
        "metadata/left-out.txt": _sha256sum_lines(payload.left_out),
        **_setup_tags(generation),
    }
    if payload.lost:
        tags["metadata/lost.txt"] = _sha256sum_lines(payload.lost)
    provenance = Provenance(root)
    for key in sorted({entry.key for entry in payload.rows if entry.key}):
        if provenance.path(key).is_file():
            tags[f"metadata/provenance/{key}.json"] = provenance.path(key).read_bytes()
        if (accepted := acceptance_path(root, key)).is_file():
            tags[f"metadata/accepted/{key}.json"] = accepted.read_bytes()
    records = _records(provenance, payload.rows)
    tags[CRATE] = crate_metadata(_title(payload), generation, payload.rows, records, tags.keys())
    return tags


def _records(provenance: Provenance, rows: Iterable[Entry]) -> Iterator[ProvenanceRecord]:
    """Yield how the results among the rows were made; damaged records are left out."""
    for key in sorted({entry.key for entry in rows if entry.key}):
        with suppress(StoreError):
            if record := provenance.read_if_allowed(key):
                yield record


def _close_measurements(payload: _Payload, metadata: Path) -> None:
    """Let only the owner read what names numbers that were measured on exclusive files.

    Of files that are left out, these numbers are left out of the manifest, too.
    """
    if any(entry.caveats for entry in payload.left_out):
        entries = payload.generation.entries()
        left_out = {entry.path for entry in payload.left_out}
        rows = [replace(e, caveats="") if e.path in left_out else e for e in entries]
        (metadata / MANIFEST).unlink()
        write_manifest(metadata / MANIFEST, rows)
        (metadata / "changed.txt").write_text(MANIFEST_CHANGED)
    closed = [entry for entry in payload.rows if entry.sha256 in payload.closed]
    if any(entry.caveats for entry in closed):
        restrict(metadata / MANIFEST)
    for key in {entry.key for entry in closed if entry.key}:
        for folder in ("provenance", "accepted"):
            if (record := metadata / folder / f"{key}.json").is_file():
                restrict(record)


def _setup_tags(generation: StoredGeneration) -> dict[str, bytes]:
    """Return the config, recipes and versions that were recorded with a generation."""
    setup = generation.setup()
    if setup is None:
        text = (
            f"Not recorded: config, recipes and installed versions of generation "
            f"{generation.number}. An earlier version of jwmirror published it. The records in "
            "metadata/provenance/ name the parameters and versions of each result.\n"
        )
        return {"metadata/not-recorded.txt": text.encode()}
    tags = {
        f"metadata/{SETUP}": (generation.folder / SETUP).read_bytes(),
        "metadata/config.yaml": yaml.safe_dump(setup.config, sort_keys=False).encode(),
        "metadata/environment/installed.txt": _requirements(setup.software.get("", {})),
    }
    for recipe in setup.recipes:
        if recipe.python:
            versions = setup.software.get(recipe.python, {})
            tags[f"metadata/environment/recipe-{recipe.name}.txt"] = _requirements(versions)
    if setup.citation:
        tags["metadata/software/CITATION.cff"] = setup.citation.encode()
    return tags


def _requirements(versions: Mapping[str, str]) -> bytes:
    """Return versions as pip writes them, one package a line."""
    lines = (f"{name}=={versions[name]}\n" for name in sorted(versions, key=str.lower))
    return "".join(lines).encode()


def _sha256sum_lines(entries: Iterable[Entry]) -> bytes:
    """Return files as `sha256sum` prints them."""
    return "".join(f"{entry.sha256}  {entry.path}\n" for entry in entries).encode()


def _title(payload: _Payload) -> str:
    programs = sorted({entry.path.split("/")[-3][2:].lstrip("0") for entry in payload.rows})
    return f"Data of JWST programs {', '.join(programs)}, as mirrored and recalibrated"


def _citation(payload: _Payload) -> bytes:
    citation = {
        "cff-version": "1.2.0",
        "message": "If you use these data, cite the JWST programs they come from, and MAST.",
        "type": "dataset",
        "title": _title(payload),
        "authors": [{"name": "Mikulski Archive for Space Telescopes (MAST), STScI"}],
        "version": f"generation {payload.generation.number}",
        "date-released": payload.generation.made_at[:10],
        "identifiers": [
            {
                "type": "other",
                "value": f"sha256:{payload.generation.manifest_sha256}",
                "description": "metadata/manifest.parquet, which names every file by its sha256",
            }
        ],
    }
    return yaml.safe_dump(citation, sort_keys=False).encode()


def _info(generation: StoredGeneration, report: BagReport) -> dict[str, str]:
    return {
        "Bagging-Date": date.today().isoformat(),
        "Bag-Software-Agent": "jwmirror, with bagit.py",
        "External-Identifier": f"generation {generation.number}, {generation.manifest_sha256}",
        "Internal-Sender-Description": generation.cause,
        "Payload-Oxum": f"{report.bytes}.{report.files}",
    }


def _validate(folder: Path, to: Path) -> None:
    """Let bagit hash every byte of a bag. StoreError if it finds the bag not valid."""
    logging.getLogger("bagit").setLevel(logging.CRITICAL)  # its error says what it found
    try:
        bagit.Bag(str(folder)).validate(processes=os.cpu_count() or 1)
    except bagit.BagError as err:
        raise StoreError(
            f"bag {to}: bagit finds it not valid ({err}); nothing was left there; see "
            f"{as_typed('verify --full')}, and freeze again."
        ) from err
