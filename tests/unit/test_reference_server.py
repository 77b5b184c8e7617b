"""The synthetic CRDS context is a real one to crds and jwst, and its server to the crds client."""

import ast
import json
import os
import subprocess
import sys
from pathlib import Path
from urllib.error import HTTPError
from urllib.request import Request as HttpRequest
from urllib.request import urlopen

import numpy as np
import pytest
from astropy.io import fits
from crds.core.rmap import load_mapping

from jwmirror_simulator.crds.closure import mappings_of, references_of
from jwmirror_simulator.crds.context import (
    add_context,
    build_context,
    mappings_folder,
    newest_context,
    offline_environment,
)
from jwmirror_simulator.crds.server import ReferenceServer

FLAT = "jwst_nircam_flat_0001.fits"
HEADER = {
    "META.INSTRUMENT.NAME": "NIRCAM",
    "META.INSTRUMENT.DETECTOR": "NRCB1",
    "META.INSTRUMENT.FILTER": "F200W",
    "META.INSTRUMENT.PUPIL": "CLEAR",
    "META.SUBARRAY.NAME": "SUB160",
    "META.EXPOSURE.TYPE": "NRC_IMAGE",
    "META.EXPOSURE.READPATT": "RAPID",
    "META.OBSERVATION.DATE": "2025-11-20",
    "META.OBSERVATION.TIME": "02:00:00",
}


@pytest.fixture(scope="module")
def crds_root(tmp_path_factory):
    """A root with two contexts that differ in one flat."""
    root = tmp_path_factory.mktemp("crds")
    build_context(root, detectors=["NRCB1"])
    add_context(root, detector="NRCB1", filter_name="F200W", subarray="SUB160")
    return root


@pytest.fixture
def server(crds_root):
    """A running reference server."""
    with ReferenceServer(crds_root) as running:
        yield running


def real_data() -> Path:
    """The folder of real material; skips where there is none."""
    folder = os.environ.get("JWMIRROR_REAL_DATA")
    if not folder or not Path(folder).is_dir():
        pytest.skip("JWMIRROR_REAL_DATA names no folder of real data")
    return Path(folder)


def ask(server, method, *parameters):
    """Call a remote procedure as the crds client does; the whole answer."""
    call = {"jsonrpc": "1.0", "method": method, "params": parameters, "id": "1"}
    with urlopen(HttpRequest(f"{server.url}/json/{method}/1/", json.dumps(call).encode())) as body:
        return json.load(body)


def get(server, name):
    """The bytes served for a NIRCam reference."""
    with urlopen(f"{server.url}/unchecked_get/references/jwst/{name}") as body:
        return body.read()


def run_client(server, cache, *command):
    """Run Python in a process whose crds knows just this server and an empty cache."""
    known = {name: text for name, text in os.environ.items() if not name.startswith("CRDS_")}
    environment = {**known, "CRDS_PATH": str(cache), "CRDS_SERVER_URL": server.url}
    return subprocess.run(
        [sys.executable, *command], env=environment, capture_output=True, text=True, timeout=120
    )


def test_every_mapping_bears_a_valid_signature(crds_root):
    """crds loads each pmap, imap and rmap with its checksum verified."""
    paths = sorted(mappings_folder(crds_root).iterdir())

    loaded = [load_mapping(str(path)).name for path in paths]

    assert loaded == [path.name for path in paths]


def test_a_second_context_differs_in_one_flat_only(crds_root):
    """The new context replaces one flat by another one of really different data."""
    folder = mappings_folder(crds_root)
    old, new = (set(references_of(folder, f"jwst_000{n}.pmap")) for n in (1, 2))

    (gone,), (come,) = old - new, new - old

    shelf = crds_root / "references" / "jwst" / "nircam"
    ratio = fits.getdata(shelf / come, "SCI") / fits.getdata(shelf / gone, "SCI")
    assert newest_context(crds_root) == "jwst_0002.pmap"
    np.testing.assert_allclose(ratio.mean(axis=0)[[0, -1]], [0.995, 1.005], atol=1e-4)


def test_a_flat_that_no_context_has_cannot_be_replaced(crds_root):
    """The message names the rmap and what was looked for."""
    with pytest.raises(ValueError, match=r"flat_0002\.rmap has no flat for .*NRCA1"):
        add_context(crds_root, detector="NRCA1", filter_name="F200W", subarray="SUB160")


def test_client_syncs_a_whole_context(server, crds_root, tmp_path):
    """`crds.sync` brings every mapping and reference, byte for byte."""
    options = ("--contexts", "jwst_0001.pmap", "--fetch-references")

    done = run_client(server, tmp_path, "-m", "crds.sync", *options)

    folder = mappings_folder(crds_root)
    names = {*mappings_of(folder, "jwst_0001.pmap"), *references_of(folder, "jwst_0001.pmap")}
    fetched = {path.name: path for path in tmp_path.rglob("jwst_*.*")}
    assert done.returncode == 0, done.stderr
    assert set(fetched) == names
    assert all(
        path.read_bytes() == (crds_root / path.relative_to(tmp_path)).read_bytes()
        for path in fetched.values()
    )


def test_client_finds_contexts_and_references(server, tmp_path):
    """The client tells the build from the latest context, and fetches what a header needs."""
    server.build = "jwst_0001.pmap"
    code = (
        "import crds, sys; from crds.client import api;"
        "print(api.get_build_context('jwst'), api.get_default_context('jwst', 'latest'));"
        f"print(crds.getreferences({HEADER}, reftypes=['flat', 'pars-tweakregstep', 'ipc'],"
        " observatory='jwst'))"
    )

    done = run_client(server, tmp_path, "-c", code)

    contexts, references = done.stdout.splitlines()
    assert contexts == "jwst_0001.pmap jwst_0002.pmap"
    assert ast.literal_eval(references) == {
        "flat": str(tmp_path / "references" / "jwst" / "nircam" / FLAT),
        "pars-tweakregstep": str(
            tmp_path / "references/jwst/nircam/jwst_nircam_pars-tweakregstep_0001.asdf"
        ),
        "ipc": "NOT FOUND n/a",
    }
    assert server.fetched(FLAT) == 1


def test_a_corrupt_file_is_wrong_as_often_as_told(server, crds_root):
    """The wrong body has the right length, and the next one is right."""
    right = (crds_root / "references" / "jwst" / "nircam" / FLAT).read_bytes()
    server.corrupt(FLAT, times=1)

    first, second = get(server, FLAT), get(server, FLAT)

    assert first != right
    assert len(first) == len(right)
    assert second == right


def test_a_slow_file_stops_half_way(crds_root):
    """Half of a slow file arrives at once, the rest when the wait is over."""
    server = ReferenceServer(crds_root).start()
    server.slow(FLAT, 3600)
    size = (crds_root / "references" / "jwst" / "nircam" / FLAT).stat().st_size

    with urlopen(f"{server.url}/unchecked_get/references/jwst/{FLAT}") as body:
        half = body.read(size // 2)
        server.stop()  # ends the wait
        rest = body.read()

    assert len(half) == size // 2
    assert len(half) + len(rest) == size


def test_what_is_not_there_is_said_so(server):
    """An unknown method is an error in the answer, an unknown file a 404."""
    answer = ask(server, "get_moon")

    with pytest.raises(HTTPError, match="404"):
        get(server, "jwst_nircam_flat_9999.fits")
    assert answer["result"] is None
    assert "get_moon" in answer["error"]["message"]


def test_server_info_has_the_keys_of_the_real_one(server):
    """Whatever the real server was recorded to tell, this one tells in the same type."""
    recorded = real_data() / "recorded" / "crds_jwst_server_config.py.txt"
    real = ast.literal_eval(recorded.read_text())

    info = ask(server, "get_server_info")["result"]

    assert {key: type(info.get(key)) for key in real} == {key: type(real[key]) for key in real}
    assert info["download_metadata"].keys() == real["download_metadata"].keys()


def test_guider_pipeline_runs_on_a_real_exposure(crds_root, tmp_path):
    """The FGS references suffice for GuiderPipeline on a flight exposure, with no override."""
    exposure = real_data() / "uncal" / "jw01019001001_gs-acq1_2022117003102_uncal.fits"
    code = (
        "import sys; from jwst.pipeline import GuiderPipeline;"
        "GuiderPipeline.call(sys.argv[1], save_results=True)"
    )

    done = subprocess.run(
        [sys.executable, "-c", code, str(exposure)],
        env={**os.environ, **offline_environment(crds_root, "jwst_0001.pmap")},
        cwd=tmp_path, capture_output=True, text=True, timeout=300,
    )  # fmt: skip

    assert done.returncode == 0, done.stderr
    header = fits.getheader(tmp_path / exposure.name.replace("_uncal", "_cal"))
    assert header["S_GUICDS"] == header["S_FLAT"] == "COMPLETE"
