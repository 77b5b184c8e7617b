"""Write docs/reliability.md: `python -m tests.reliability`, or only its table of clusters.

`python -m tests.reliability cluster` writes this table, on a private Slurm.
"""

import logging
import os
import sys

import pytest

from tests.reliability import cluster
from tests.reliability.page import PAGE, page

if sys.argv[1:] == ["cluster"]:
    os.environ |= {"JWMIRROR_TORTURE": "long", cluster.WRITE: "yes"}
    sys.exit(pytest.main(["-q", "--timeout", "7200", *cluster.TESTS]))
logging.disable()
PAGE.write_text(page())
