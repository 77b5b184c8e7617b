"""A job that is killed whenever it computes one exposure does not keep the rest from readers."""

import re
from collections import Counter

import pytest

from tests.setup.configs import THREE_EXPOSURES
from tests.workflow.test_out_of_memory import CAL, LARGE

HOOK = """
import time
import psutil

def take(model):
    with open({told!r}, "a") as told:
        told.write(model.meta.filename + "\\n")
    if {fatal!r} in model.meta.filename:
        time.sleep(4)  # a heartbeat says that this stage runs
        psutil.Process().parent().parent().kill()
        time.sleep(60)
"""


@pytest.mark.slow
def test_the_last_attempt_leaves_out_what_kills_the_job(fresh_site, tmp_path):
    """The exposure is tried twice, then named as a failure; the others are published."""
    told, where = tmp_path / "told", {"PYTHONPATH": str(tmp_path)}
    (tmp_path / "fatal_hook.py").write_text(HOOK.format(told=str(told), fatal=LARGE))
    recipe = {
        "stages": [1, 2],
        "parameters": {"detector1": {"jump": {"pre_hooks": ["fatal_hook.take"]}}},
    }
    fresh_site.configure(
        programs=THREE_EXPOSURES, settle={"accept": [1345]}, recipes={"deep": recipe}
    )

    said = fresh_site.snakemake(profile="profiles/default", environment=where, expect=1)

    runs = Counter(name.partition("_uncal")[0] for name in told.read_text().split())
    assert runs[LARGE] == 2 and len(runs) == 3
    assert re.search(f"deep/{LARGE}: detector1: its job was killed whenever this stage ran", said)
    assert "all else is done and published" in said
    assert len([path for path in fresh_site.entries() if CAL.match(path)]) == 2
