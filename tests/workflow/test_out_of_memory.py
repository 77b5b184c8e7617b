"""An exposure that needs more memory than its job has costs only itself, and gets more."""

import re
from collections import Counter

import pytest

from tests.setup.configs import THREE_EXPOSURES

CAL = re.compile(r"recalibrated/.*_cal\.fits")
LARGE = "jw01345002001_02101_00002_nrca1"
HOOK = """
import os, signal

def take(model):
    with open({told!r}, "a+") as told:
        told.write(model.meta.filename + "\\n")
        told.flush()
        told.seek(0)
        if {large!r} in model.meta.filename and told.read().count({large!r}) <= 2:
            os.kill(os.getpid(), signal.SIGKILL)
"""


@pytest.mark.slow
def test_what_is_killed_for_memory_is_tried_alone_and_then_with_twice_as_much(fresh_site, tmp_path):
    """Killed beside others, then alone, made by the second attempt; the others are made once."""
    told, where = tmp_path / "told", {"PYTHONPATH": str(tmp_path)}
    (tmp_path / "memory_hook.py").write_text(HOOK.format(told=str(told), large=LARGE))
    recipe = {
        "stages": [1, 2],
        "parameters": {"detector1": {"jump": {"pre_hooks": ["memory_hook.take"]}}},
    }
    fresh_site.configure(
        programs=THREE_EXPOSURES, settle={"accept": [1345]}, recipes={"deep": recipe}
    )

    said = fresh_site.snakemake(profile="profiles/default", environment=where)

    runs = Counter(name.partition("_uncal")[0] for name in told.read_text().split())
    assert runs[LARGE] == 3 and sorted(runs.values()) == [1, 1, 3]
    first, second = map(int, re.findall(r"Calibrating \d exposures? .* with (\d+) MB", said))
    assert second == 2 * first
    assert f"deep/{LARGE}: killed also when tried again alone" in said
    assert len([path for path in fresh_site.entries() if CAL.match(path)]) == 3
