"""References that are damaged in the cache, corrected in place, or retracted by CRDS."""

import os
import re

import pytest

from jwmirror_simulator.crds.context import mappings_folder
from jwmirror_simulator.crds.mappings import correct_mapping

CONTEXT, RMAP = "jwst_0001.pmap", "jwst_nircam_flat_0001.rmap"


def flip_silently(path):
    """Change a byte of a file under the same size and mtime."""
    status, data = path.stat(), bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(data)
    os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns))


@pytest.mark.slow
def test_wrong_references_are_noticed_by_the_next_run_with_the_results_made_with_them(site):
    """Also under a context given by name: the damaged one is repaired, the rmap corrected in place.

    The retracted one is refused; what was made with it stays published, with a caveat.
    """
    site.configure(references={"context": CONTEXT})
    root = site.observatory.root / "crds"
    rules = (mappings_folder(root) / RMAP).read_text()
    ours, other = (
        re.search(
            rf"'NRCB1', '{name}', 'CLEAR', 'SUB160'\).*?'(jwst_nircam_flat_\d+\.fits)'", rules, re.S
        )[1]
        for name in ("F200W", "F150W")
    )
    cached = site.folder / "crds_cache" / "references" / "jwst" / "nircam"
    flip_silently(cached / other)
    correct_mapping(mappings_folder(root) / RMAP, f"'{ours}'", f"'{other}'")

    corrected = site.snakemake()
    status = site.status()
    site.observatory.references.retract(other)
    retracted = site.snakemake(expect=1)

    (notice,) = status["references"]
    right = (root / "references" / "jwst" / "nircam" / other).read_bytes()
    assert (cached / other).read_bytes() == right
    assert f"corrected {RMAP}" in corrected and "made with it: deep: image2/" in corrected
    assert (notice["kind"], notice["file"]) == ("corrected", RMAP) and notice["results"]
    assert f"{other} of {CONTEXT}, used by flat_field, was declared invalid" in retracted
    assert f"retracted {other}: CRDS has declared it invalid" in retracted
    rows = [row for row in site.entries().values() if row.result.startswith("image2/")]
    assert any("reference" in row.caveats for row in rows)
