"""The public cloud copy in a whole run: MAST says what there is, the bucket gives the bytes."""

import pytest

from jwmirror.archive.cloud import bucket_path
from jwmirror.core.files import sha256_of
from jwmirror_simulator.mast.bucket import serve_bucket
from jwmirror_simulator.mast.storage import edits


@pytest.mark.slow
def test_a_run_takes_public_bytes_from_the_bucket_and_what_it_lacks_from_mast(fresh_site):
    """Of one observation, an exclusive file, an older copy and a missing one come from MAST."""
    archive = fresh_site.observatory.archive
    ours = ("jw01345002", "jw01345-o002_")
    fits = [n for n in archive.filenames() if n.startswith(ours) and n.endswith(".fits")]
    exclusive, older, missing = fits[:3]
    with serve_bucket() as bucket:
        for name in set(fits) - {missing}:
            bucket.put(bucket_path(name), archive.path(name).read_bytes())
        archive.reprocess(older, edits.same_size)
        archive.restrict(exclusive)
        fresh_site.configure(
            programs=[{"program": 1345, "observations": [2]}],
            recipes=None,
            archive={"source": "cloud", "cloud_url": bucket.url},
        )
        fresh_site.snakemake(environment={"MAST_API_TOKEN": "observatory-token"})

    entries = {entry.filename: entry for entry in fresh_site.entries().values()}
    asked = {each.filename for each in archive.requests if each.filename}
    assert {exclusive, older, missing} == asked & set(fits)
    assert set(fits) <= entries.keys()
    for name in fits:
        assert entries[name].sha256 == sha256_of(archive.path(name))
    assert [path.name.startswith(older) for path in (fresh_site.mirror / "quarantine").iterdir()]
