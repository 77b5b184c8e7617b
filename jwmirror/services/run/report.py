"""Write the report page of a run's generation."""

from pathlib import Path

from jwmirror.core.files import restrict
from jwmirror.core.model.plan import Published
from jwmirror.crds.affected import reference_notices
from jwmirror.report.html import write_page
from jwmirror.store.access import report_path
from jwmirror.store.generations import Generations
from jwmirror.store.provenance import Provenance
from jwmirror.store.runs import read_run


def write_report(
    *, mirror: Path, run: Path, published: Published, group: str | None = None
) -> Path:
    """Write the page of the current generation if it is new or has none; return the page's path.

    An unchanged mirror keeps the page that it has. `run` is the folder of the run. `group` may read
    a page that shows exclusive data.
    """
    page = report_path(mirror, published.generation)
    if published.is_new or (published.generation and not page.exists()):
        generations = Generations(mirror)
        generation = generations.read(published.generation)
        entries = generation.entries()
        is_closed = bool(generations.access().closed(entries))
        read, locate = Provenance(mirror).read, generations.objects.path
        records = read_run(run)
        notices = reference_notices(mirror, records.findings)
        write_page(
            page,
            generation,
            entries,
            records,
            read,
            locate,
            is_closed=is_closed,
            references=notices,
        )
        if is_closed:
            restrict(page, group)
    return page
