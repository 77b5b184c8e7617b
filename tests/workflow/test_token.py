"""The token stays secret: no child has it, no file, no argument, and no request to another host."""

import os
import sys
import uuid
from pathlib import Path

import pytest
import yaml

from demo.site import ROOT, Site
from jwmirror.pipeline.allowed_environments import ALLOWED
from jwmirror_simulator.mast import Archive, faults
from tests.setup.processes import watch_children

UNCAL = "jw01345002001_02101_00002_nrca1_uncal.fits"
PATH = f"upstream/jw01345/o002/{UNCAL}"
TOKEN = f"token-{uuid.uuid4().hex}"  # of no other process on this machine
SELECTED = [{"program": 1345, "observations": [2], "files": [UNCAL]}]
MARK = "JWMIRROR_TEST_MARK"
SECRET = {"authorization", "cookie"}
HOOK = "import os\n\ndef note(model):\n    {note}\n    return model\n"


def files_with_token(*folders: Path) -> list[Path]:
    """Files in which the token stands."""
    found = [path for folder in folders for path in folder.rglob("*") if path.is_file()]
    assert len(found) > 20
    return [path for path in found if TOKEN.encode() in path.read_bytes()]


def other_environment(folder: Path) -> Path:
    """A Python environment that notes its variables, and is this one."""
    python = folder / "other" / "bin" / "python"
    python.parent.mkdir(parents=True)
    noted = folder / "seen" / "environment"
    python.write_text(f'#!/bin/sh\nenv >> {noted}\nexec {sys.executable} "$@"\n')
    python.chmod(0o700)
    return python.parents[1]


def configure(site: Site, recipes: dict, **changes: object) -> None:
    """A config that mirrors one file, with these recipes instead of the demo's."""
    site.configure(programs=SELECTED, **changes)
    config = yaml.safe_load(site.config_file.read_text())
    site.config_file.write_text(yaml.safe_dump(config | {"recipes": recipes}))


def noting_recipe(site: Site) -> dict:
    """A recipe with a hook, in another environment; both note their variables in seen/."""
    seen = site.folder / "seen"
    seen.mkdir()
    note = f"open({str(seen / 'hook')!r}, 'a').write(repr(dict(os.environ)))"
    (site.folder / "noting.py").write_text(HOOK.format(note=note))
    hooks = {"gain_scale": {"post_hooks": ["noting.note"]}}
    return {"stages": [1], "environment": "other", "parameters": {"detector1": hooks}}


def redirect_download(archive: Archive, elsewhere: Archive) -> None:
    """Make a file exclusive, and send requests for it to another archive."""
    elsewhere.publish(archive.path(UNCAL))
    archive.restrict(UNCAL)
    target = f"{elsewhere.url}/api/v0.1/Download/file?uri=mast:JWST/product/{UNCAL}"
    archive.fault(UNCAL, faults.redirect_to(target))


def run_with_token(site: Site, temporary: Path) -> list[tuple[bytes, bytes]]:
    """Run snakemake with the token; command line and environment of all that it starts."""
    mark = uuid.uuid4().hex
    variables = {"MAST_API_TOKEN": TOKEN, MARK: mark, "TMPDIR": str(temporary)}
    variables |= {"PYTHONPATH": f"{ROOT}:{site.folder}", ALLOWED: str(site.folder / "other")}
    run = site.start(log=site.folder / "run.log", environment=variables)
    children = watch_children(run, f"{MARK}={mark}")
    assert run.returncode == 0, (site.folder / "run.log").read_text()[-3000:]
    return children


@pytest.mark.slow
def test_only_requests_to_the_archive_have_the_token(fresh_site, tmp_path_factory):
    """Not a worker, a hook, another environment, a file, an argument or where one is redirected."""
    site, archive = fresh_site, fresh_site.observatory.archive
    temporary = tmp_path_factory.mktemp("t")  # short: a socket has at most 107 characters
    environments = {"other": str(other_environment(site.folder))}
    configure(site, {"noted": noting_recipe(site)}, environments=environments)
    archive.tokens = {TOKEN}

    with Archive(site.folder / "elsewhere") as elsewhere:
        redirect_download(archive, elsewhere)
        children = run_with_token(site, temporary)
        redirected = elsewhere.requests

    assert site.tally().computed == {"detector1": 1} and PATH in site.entries()
    for name in (b"fetch_products", b"calibrate_batch", b"forkserver", b"resolvers.remote"):
        assert any(name in command for command, _ in children), name
    with_token = {command for command, rest in children if TOKEN.encode() in command + rest}
    assert with_token <= {
        b"scontrol\0show\0config\0"
    }  # Snakemake starts it before it reads anything
    assert {path.name for path in (site.folder / "seen").iterdir()} == {"hook", "environment"}
    assert any(each.with_token for each in archive.requests if each.filename == UNCAL)
    assert redirected and not any(SECRET & each.headers.keys() for each in redirected)
    heads = site.observatory.references.heads
    assert heads and TOKEN not in repr((redirected, heads))
    folders = (site.folder, temporary, ROOT / ".snakemake", Path.home() / ".astropy")
    assert files_with_token(*folders) == []


@pytest.mark.slow
def test_orders_that_do_not_fit_are_refused_before_the_first_byte(fresh_site):
    """The reserve that cannot be kept ends the run with figures, and nothing was downloaded."""
    configure(fresh_site, {}, archive={"keep_free_gb": 10**9})

    said = fresh_site.snakemake(expect=1)

    assert "are ordered, and 1000000000.000 GB are to stay free" in said
    assert "CalledProcessError" not in said  # of Snakemake, after the sentence
    assert fresh_site.observatory.archive.downloads() == []
    assert not os.path.lexists(fresh_site.mirror / "current")


@pytest.mark.slow
def test_a_dead_token_does_not_end_the_run(fresh_site):
    """Public files are fetched, the exclusive one is withheld; one warning names the variable."""
    archive = fresh_site.observatory.archive
    archive.restrict(UNCAL)
    fresh_site.configure(programs=[{"program": 1345, "products": ["uncal"]}], recipes=None)

    printed = fresh_site.snakemake(environment={"MAST_API_TOKEN": "dead"})

    names = {entry.filename for entry in fresh_site.entries().values()}
    assert UNCAL not in names and any(name.endswith("_uncal.fits") for name in names)
    (log,) = (fresh_site.mirror / "logs").rglob("query_archive.log")
    assert log.read_text().count("rejects the token in MAST_API_TOKEN") == 1
    assert f"withheld {UNCAL}: the token was rejected" in log.read_text()
    assert "Withheld by MAST (1; it gives them only with a token that covers them" in printed
