"""Write docs/reliability.md: `python -m tests.reliability`."""

import logging

from tests.reliability.page import PAGE, page

logging.disable()
PAGE.write_text(page())
