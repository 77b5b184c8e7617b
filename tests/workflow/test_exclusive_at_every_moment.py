"""A run on exclusive data lets other users read none of it, at no moment, whatever the umask is."""

import os
import re
import subprocess
import sys
import tempfile

import pytest

from demo.site import ROOT
from jwmirror_simulator.mast import TOKEN
from tests.conftest import need
from tests.setup.other_user import watched_by_another_user
from tests.setup.traces import exposed_files, missing_strace, traced

NAME = "jw01345002001_02101_0000{}_nrca1_uncal.fits"
LISTED, GUARDED = NAME.format(1), NAME.format(3)
RECORDS = re.compile(  # all that another user may read where everything is exclusive
    r"\.?(CURRENT|JWMIRROR)\b.*|locks/.*|generations/.*|receipts/(fetch|runs)/.*(?<!held-back)\.json.*"
    r"|receipts/\.?stage-times-\d+\.json.*"  # seconds by kind of exposure, of no single one
    # what MAST shows of its files; no page of a product, no picture
    r"|site/((observations|programs|generations)/)?\.{0,2}[\w-]+\.(html|xml|json).*"
)


@pytest.mark.slow
def test_nothing_of_an_exclusive_exposure_can_be_read_at_any_moment(fresh_site):
    """Neither by the modes of all calls that make files, nor by a user who opens all that appears.

    The second user looks again and again; the trace has also what exists for an instant only. The
    umask is 0, so that each call has to say itself who may read. One exposure is listed as
    exclusive. The other is listed as public, and MAST gives it only with the token.
    """
    need(missing_strace() or ("" if os.getuid() == 0 else "only root can become another user"))
    site, trace = fresh_site, fresh_site.folder / "trace"
    site.configure(
        programs=[{"program": 1345, "observations": [2], "products": ["uncal"]}],
        recipes={"deep": {"stages": [1]}},
    )
    archive = site.observatory.archive
    archive.withdraw(NAME.format(2))
    archive.restrict(LISTED)
    archive.guarded.add(GUARDED)
    command = traced([sys.executable, "-m", *site.command()], trace)
    site.mirror.mkdir()

    with watched_by_another_user(site.mirror) as readable:
        environment = os.environ | {"MAST_API_TOKEN": TOKEN}
        subprocess.run(command, cwd=ROOT, env=environment, umask=0, check=True)

    made = {path.removeprefix(f"{site.mirror}/") for path in exposed_files(trace)}
    temporary = [path for path in made if path.startswith(tempfile.gettempdir())]
    inside = {path for path in made if not path.startswith("/")}
    assert len(site.entries()) >= 6
    assert [e.filename for e in site.entries().values() if e.product and e.product.needs_token] == [
        GUARDED
    ]
    assert "CURRENT" in inside and "CURRENT" in readable
    assert [path for path in {*inside, *readable} if not RECORDS.fullmatch(path)] == []
    own = (str(site.folder), str(ROOT))  # the checkout may be in the temporary folder, too
    assert [path for path in temporary if not path.startswith(own)] == []
