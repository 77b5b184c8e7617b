"""The RO-Crate of a bag: what RO-Crate 1.1 requires, and how the results were made."""

import json
from dataclasses import replace
from datetime import datetime
from urllib.parse import unquote

import bagit
import pytest
from msgspec import structs

from jwmirror.store.generations import Generations
from jwmirror.store.maintenance.bag import freeze
from jwmirror.store.provenance import Provenance
from tests.setup.mirrors import EXPOSURE, overwrite, store_row

UNCAL = f"data/upstream/jw01345/o001/{EXPOSURE}_uncal.fits"
RATE = f"data/recalibrated/deep/jw01345/o001/{EXPOSURE}_rate.fits"


def crate_of(bag) -> dict[str, dict]:
    """The entities of a bag's crate by id, which are as RO-Crate 1.1 requires."""
    document = json.loads((bag / "ro-crate-metadata.json").read_text())
    assert document["@context"] == "https://w3id.org/ro/crate/1.1/context"
    graph = {entity["@id"]: entity for entity in document["@graph"]}
    assert len(graph) == len(document["@graph"])
    descriptor, root = graph["ro-crate-metadata.json"], graph["./"]
    assert descriptor["@type"] == "CreativeWork" and descriptor["about"] == {"@id": "./"}
    assert descriptor["conformsTo"] == {"@id": "https://w3id.org/ro/crate/1.1"}
    assert root["@type"] == "Dataset" and root["name"] and root["description"]
    datetime.fromisoformat(root["datePublished"])
    for link in _links(list(graph.values())):  # flattened: each link has an entity
        assert link in graph or link == "https://w3id.org/ro/crate/1.1"
    for each in graph.values():
        assert isinstance(each["@type"], str)
        if each["@type"] == "File":
            assert (bag / unquote(each["@id"])).is_file()
            assert {"@id": each["@id"]} in root["hasPart"]
    return graph


def _links(value):
    """The ids that values refer to."""
    if isinstance(value, dict):
        if set(value) == {"@id"}:
            yield value["@id"]
        for each in value.values():
            yield from _links(each)
    elif isinstance(value, list):
        for each in value:
            yield from _links(each)


def test_a_bag_is_a_crate_that_says_how_results_were_made(small_mirror, tmp_path):
    """With all files, and each result with its software and its inputs; bagit counts it."""
    freeze(small_mirror.root, 1, tmp_path / "bag")

    graph = crate_of(tmp_path / "bag")

    (action,) = [each for each in graph.values() if each.get("name") == f"detector1 of {EXPOSURE}"]
    assert action["@type"] == "CreateAction"
    assert (action["object"], action["result"]) == ([{"@id": UNCAL}], [{"@id": RATE}])
    assert {graph[each["@id"]]["name"] for each in action["instrument"]} >= {"jwst"}
    assert graph[action["subjectOf"]["@id"]]["encodingFormat"] == "application/json"
    assert {name for name in graph if name.startswith("data/")} == {
        f"data/{path}" for path in small_mirror.rows
    }
    row = small_mirror.rows[UNCAL.removeprefix("data/")]
    assert graph[UNCAL]["contentSize"] == str(row.size)
    assert graph[UNCAL]["identifier"] == f"sha256:{row.sha256}"
    bag = bagit.Bag(str(tmp_path / "bag"))
    assert bag.is_valid() and "ro-crate-metadata.json" in bag.entries


def test_names_become_addresses(small_mirror, tmp_path):
    """A name may have characters with a meaning in an address."""
    row = store_row(small_mirror.root, "a b#c%.txt", b"1")
    Generations(small_mirror.root).publish([row], "odd", {})

    freeze(small_mirror.root, 2, tmp_path / "bag")

    graph = crate_of(tmp_path / "bag")
    assert "data/upstream/jw01345/o001/a%20b%23c%25.txt" in graph


def test_exclusive_files_are_not_in_the_crate(small_mirror, tmp_path):
    """Nor what was made from them."""
    rows = list(small_mirror.rows.values())
    place = next(n for n, row in enumerate(rows) if row.filename == f"{EXPOSURE}_uncal.fits")
    closed = structs.replace(rows[place].product, exclusive=True)
    rows[place] = replace(rows[place], product=closed)
    Generations(small_mirror.root).publish(rows, "closed", {})

    freeze(small_mirror.root, 2, tmp_path / "bag")

    assert EXPOSURE not in json.dumps(crate_of(tmp_path / "bag"))


@pytest.mark.parametrize("damage", [b"{", None])
def test_a_result_without_a_record_is_a_file_only(small_mirror, tmp_path, damage):
    """A damaged or lost record prevents no bag."""
    key = next(row.key for row in small_mirror.rows.values() if row.filename.endswith("_rate.fits"))
    path = Provenance(small_mirror.root).path(key)
    path.unlink() if damage is None else overwrite(path, damage)

    freeze(small_mirror.root, 1, tmp_path / "bag", with_exclusive=True)

    graph = crate_of(tmp_path / "bag")
    assert RATE in graph and f"#{key}" not in graph


def test_the_same_generation_gives_the_same_crate(small_mirror, tmp_path):
    """Whenever it is frozen."""
    for name in ("one", "two"):
        freeze(small_mirror.root, 1, tmp_path / name)

    first, second = ((tmp_path / n / "ro-crate-metadata.json").read_bytes() for n in ("one", "two"))
    assert first == second
