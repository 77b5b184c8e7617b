"""NIRSpec MOS with an edited shutter configuration: it enters the key, and spec2 reads it."""

import pytest

from demo.site import Site
from jwmirror.pipeline.identity import science_identity
from jwmirror_simulator.modes.scenes import shutters
from tests.torture.mill import LONG

pytestmark = pytest.mark.skipif(not LONG, reason="minutes of jwst; make torture runs it")

PROGRAM = {"program": 1346, "products": ["rate", "pool", "msa"]}


def test_spec2_reads_the_edited_shutters_before_it_lacks_fpa_and_camera(tmp_path):
    """The simulation has no references of NIRSpec's optics: assign_wcs cannot go on."""
    observatory = shutters.build(tmp_path / "observatory")
    edited = shutters.write_shutters(tmp_path / "edited.fits", [7])
    assert 7 not in shutters.SLITLETS
    with observatory.serve():
        site = Site(tmp_path, observatory)
        msa = {shutters.SHUTTERS: str(edited)}
        recipe = {"stages": [2], "where": [], "parameters": None, "msa": msa}
        site.configure(programs=[PROGRAM], recipes={"deep": recipe})

        site.snakemake(expect=1)

    (chain,) = (chain for plan in site.run().plans for chain in plan.chains)
    rate, configuration = chain.derivations[0].inputs
    (log,) = (site.mirror / "logs").glob(f"*/calibrate_batch/{shutters.EXPOSURE.root}.log")
    messages = log.read_text()
    assert (rate.role, configuration.role) == ("science", "msa")
    assert configuration.identity == science_identity(edited)
    assert "Slitlet 7 is background only" in messages and "Slitlet 1 " not in messages
    assert "model = (fpa | camera" in messages.rpartition("Slitlet 7")[2]
