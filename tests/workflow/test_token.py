"""The token stays secret: it is in no file, no argument and no request to another host."""

import os
import time
from pathlib import Path

import pytest
import yaml

from demo.site import ROOT, Site
from jwmirror_simulator.mast import TOKEN, Archive, faults

UNCAL = "jw01345002001_02101_00002_nrca1_uncal.fits"
PATH = f"upstream/jw01345/o002/{UNCAL}"
ENVIRONMENT = {"MAST_API_TOKEN": TOKEN}


def mirror_only(site: Site) -> None:
    """A config that mirrors an observation and recalibrates nothing."""
    site.configure(programs=[{"program": 1345, "observations": [2], "products": ["uncal"]}])
    config = yaml.safe_load(site.config_file.read_text())
    config["recipes"] = {}
    site.config_file.write_text(yaml.safe_dump(config))


def watched(site: Site) -> set[bytes]:
    """Run snakemake with the token; the command lines of all processes seen meanwhile."""
    run = site.start(log=site.folder / "run.log", environment=ENVIRONMENT)
    seen = set()
    while run.poll() is None:
        for path in Path("/proc").glob("[0-9]*/cmdline"):
            try:
                seen.add(path.read_bytes())
            except OSError:
                continue  # it has ended
        time.sleep(0.02)  # between two looks
    assert run.returncode == 0, (site.folder / "run.log").read_text()[-3000:]
    return seen


def files_with_token(*folders: Path) -> list[Path]:
    """Files in which the token stands."""
    found = [path for folder in folders for path in folder.rglob("*") if path.is_file()]
    assert len(found) > 20
    return [path for path in found if TOKEN.encode() in path.read_bytes()]


@pytest.mark.slow
def test_the_token_is_nowhere_but_in_requests_to_its_own_host(fresh_site):
    """Not in argv, logs, receipts, manifests, reports or .snakemake; not sent where redirected."""
    site, archive = fresh_site, fresh_site.observatory.archive
    mirror_only(site)
    with Archive(site.folder / "elsewhere") as elsewhere:
        elsewhere.publish(archive.path(UNCAL))
        archive.restrict(UNCAL)
        here = f"/api/v0.1/Download/file?uri=mast:JWST/product/{UNCAL}"
        archive.fault(UNCAL, faults.redirect_to(f"{elsewhere.url}{here}"))

        arguments = watched(site)
        asked_elsewhere = elsewhere.requests

    assert PATH in site.entries()
    assert any(b"fetch_products" in each for each in arguments)
    assert not any(TOKEN.encode() in each for each in arguments)
    assert any(each.with_token for each in archive.requests if each.filename == UNCAL)
    assert asked_elsewhere and not any(each.with_token for each in asked_elsewhere)
    assert files_with_token(site.mirror, site.folder / "crds_cache", ROOT / ".snakemake") == []
    assert TOKEN not in site.config_file.read_text() + (site.folder / "run.log").read_text()


@pytest.mark.slow
def test_orders_that_do_not_fit_are_refused_before_the_first_byte(fresh_site):
    """The reserve that cannot be kept ends the run with figures, and nothing was downloaded."""
    mirror_only(fresh_site)
    config = yaml.safe_load(fresh_site.config_file.read_text())
    config["archive"]["keep_free_gb"] = 10**9
    fresh_site.config_file.write_text(yaml.safe_dump(config))

    said = fresh_site.snakemake(expect=1)

    assert "are ordered, and 1000000000.000 GB are to stay free" in said
    assert fresh_site.observatory.archive.downloads() == []
    assert not os.path.lexists(fresh_site.mirror / "current")
