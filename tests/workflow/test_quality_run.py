"""The quality of results through real runs: held back, accepted, judged by other thresholds."""

import pytest

from jwmirror.core.model.quality import CAVEAT, SOUND
from tests.setup.command_line import answer, run

ONE = [{"program": 1345, "files": ["jw01345002001_02101_00002_nrca1_uncal.fits"]}]


def qualities(site) -> set[str]:
    """The qualities of the published rates."""
    rows = site.entries().values()
    return {row.quality for row in rows if row.filename.endswith("_rate.fits")}


@pytest.mark.slow
def test_a_held_result_waits_for_its_acceptance_and_other_thresholds_compute_nothing(
    fresh_site, tmp_path
):
    """With `strict`, the runs end with an error until the caveat is accepted or allowed."""
    thresholds = tmp_path / "thresholds.yaml"
    thresholds.write_text("thresholds: {unusable pixels: {value: 0.0}}")
    recipes = {"deep": {"stages": [1], "publish": "hold"}}
    common = {"programs": ONE, "recipes": recipes, "strict": True}
    fresh_site.configure(**common, thresholds=str(thresholds))

    text = fresh_site.snakemake(expect=1)
    held = answer("status", "--mirror", fresh_site.mirror)["look_at"]

    assert "Look at these first" in text and "not published" in text
    assert "not sound, although `strict` is set" in text
    assert qualities(fresh_site) == set()
    assert held and {each["is_published"] for each in held} == {False}
    assert {caveat["cause"] for each in held for caveat in each["quality"]["caveats"]} == {
        "flagged pixels"
    }

    for each in held:
        file = each["files"][0]["filename"]
        run("accept", file, "--because", "a test", "--mirror", fresh_site.mirror)
    fresh_site.snakemake()

    assert (qualities(fresh_site), fresh_site.tally().computed) == ({CAVEAT}, {})
    files = {path: row.sha256 for path, row in fresh_site.entries().items()}

    fresh_site.configure(**common)
    fresh_site.snakemake()

    assert (qualities(fresh_site), fresh_site.tally().computed) == ({SOUND}, {})
    assert {path: row.sha256 for path, row in fresh_site.entries().items()} == files
