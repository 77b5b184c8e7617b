"""The guard of a group of checks: an error that ends them is shown as a check that failed."""

from collections.abc import Iterable, Iterator

from urllib3.exceptions import HTTPError

from jwmirror.core.errors import JwmirrorError, plain_text
from jwmirror.net.http import error_words
from jwmirror.report.diagnosis import FAIL, Check

STEP = "correct this, and run `jwmirror doctor` again"


def guarded(subject: str, checks: Iterable[Check], step: str = STEP) -> Iterator[Check]:
    """Yield checks and, if an error ends them, a failed one called `subject` that says why."""
    try:
        yield from checks
    except (JwmirrorError, HTTPError, OSError) as err:
        words = error_words(err) if isinstance(err, HTTPError) else plain_text(err)
        yield Check(subject, FAIL, words, step)
