"""What a warm process remembers is what it would find anew."""

import subprocess
import sys

from tests.setup.calibration import ROOT

SCHEMAS = """
from asdf import get_config, schema
from jwmirror.engine.preload import preload
parse = schema._make_schema_loader()
preload()
kept = schema._make_schema_loader()
names = [name for name in get_config().resource_manager if "/schemas/asdf/core/" in name]
assert len(names) > 10
for name in names:
    assert kept(name) is kept(name) and kept(name) == parse(name), name
"""
KEYWORDS = """
from crds.jwst import locate
from crds.jwst.schema import get_flat_schema
from jwmirror.engine.preload import preload
walk = locate.cached_dm_find_fits_keyword
preload()
index = locate.cached_dm_find_fits_keyword
assert index is not walk
keywords = {v for k, v in get_flat_schema().items() if k.endswith(".FITS_KEYWORD")}
assert len(keywords) > 200
for keyword in (*keywords, "exp_type", "CAL_LOGS.CALWEBB_DETECTOR1.0", "DATA.SHAPE.0", "NONE"):
    assert index(keyword) == walk(keyword), keyword
"""


def test_schemas_that_are_kept_are_as_they_were_parsed():
    """A warm process has written and read files by them, and they have not changed."""
    subprocess.run([sys.executable, "-c", SCHEMAS], cwd=ROOT, check=True)


def test_keywords_are_found_where_crds_finds_them():
    """Each keyword of the models, and what is none: lines of logs, shapes of arrays."""
    subprocess.run([sys.executable, "-c", KEYWORDS], cwd=ROOT, check=True)
