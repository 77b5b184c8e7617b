"""The RO-Crate metadata (1.1) of a bag: its files, and which were made from which, by what. Pure.

The folder of the bag is the crate. It is JSON-LD with a fixed context, as a list of entities.
"""

import json
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from typing import Any
from urllib.parse import quote

from jwmirror.core.model import Entry
from jwmirror.core.model.plan import ProvenanceRecord
from jwmirror.core.model.stored import Generation

CRATE = "ro-crate-metadata.json"
PROFILE = "https://w3id.org/ro/crate/1.1"
CONTEXT = f"{PROFILE}/context"
LICENCE = {
    "@id": "#licence",
    "@type": "CreativeWork",
    "name": "Data of JWST",
    "description": "Public data may be used by everybody, and MAST asks that you cite them. Files "
    "under exclusive access belong to their program until their release date.",
}
FORMATS = {"fits": "image/fits", "json": "application/json", "jpg": "image/jpeg"}
LANGUAGE = "text/plain"  # of other files

Entity = dict[str, Any]  # as in JSON-LD


def crate_metadata(
    title: str,
    generation: Generation,
    rows: Sequence[Entry],
    records: Iterable[ProvenanceRecord],
    tags: Collection[str],
) -> bytes:
    """Return the metadata file of a bag with some files (`rows`, below data/) and tag files.

    `records` say how the results among the files were made. The same content gives the same bytes.
    """
    files = [_file(f"data/{row.path}", row.filename, row) for row in rows]
    described = [*files, *(_file(name, name) for name in sorted(tags))]
    by_sum: dict[str, str] = {row.sha256: _address(f"data/{row.path}") for row in rows}
    records = sorted(records, key=lambda record: record.key)
    actions = [_action(record, by_sum, tags) for record in records]
    root = {
        "@id": "./",
        "@type": "Dataset",
        "name": title,
        "description": f"Generation {generation.number} of a mirror: {generation.cause}",
        "datePublished": generation.made_at,
        "identifier": f"sha256:{generation.manifest_sha256}",
        "license": {"@id": LICENCE["@id"]},
        "hasPart": _links(described),
        "mentions": _links(actions),
    }
    descriptor = {
        "@id": CRATE,
        "@type": "CreativeWork",
        "conformsTo": {"@id": PROFILE},
        "about": {"@id": "./"},
    }
    graph = [descriptor, root, LICENCE, *described, *_software(records), *actions]
    return (json.dumps({"@context": CONTEXT, "@graph": graph}, indent=1) + "\n").encode()


def _file(path: str, name: str, row: Entry | None = None) -> Entity:
    """Return a file; the sums of its bytes are in the bag's manifests, too."""
    entity: Entity = {"@id": _address(path), "@type": "File", "name": name}
    entity["encodingFormat"] = FORMATS.get(path.rpartition(".")[2], LANGUAGE)
    if row is not None:
        entity |= {"contentSize": str(row.size), "identifier": f"sha256:{row.sha256}"}
    return entity


def _action(record: ProvenanceRecord, by_sum: Mapping[str, str], tags: Collection[str]) -> Entity:
    """Return how a result was made; inputs that are not in the bag are left out."""
    made = record.derivation
    inputs = dict.fromkeys(by_sum[each.sha256] for each in made.inputs if each.sha256 in by_sum)
    results = dict.fromkeys(by_sum[each.sha256] for each in record.files if each.sha256 in by_sum)
    entity: Entity = {
        "@id": f"#{record.key}",
        "@type": "CreateAction",
        "name": f"{made.pipeline} of {made.product}",
        "endTime": record.made_at,
        "instrument": [{"@id": _package(*each)} for each in sorted(made.engine.items())],
        "object": [{"@id": each} for each in inputs],
        "result": [{"@id": each} for each in results],
    }
    if (name := f"metadata/provenance/{record.key}.json") in tags:
        entity["subjectOf"] = {"@id": name}  # all parameters and references
    return entity


def _software(records: Iterable[ProvenanceRecord]) -> Iterator[Entity]:
    versions = {each for record in records for each in record.derivation.engine.items()}
    for name, version in sorted(versions):
        kind = {"@id": _package(name, version), "@type": "SoftwareApplication"}
        yield kind | {"name": name, "version": version}


def _package(name: str, version: str) -> str:
    return f"#{quote(f'{name}-{version}')}"


def _address(path: str) -> str:
    """Return a path as a relative URI."""
    return quote(path)


def _links(entities: Iterable[Entity]) -> list[Entity]:
    return [{"@id": entity["@id"]} for entity in entities]
