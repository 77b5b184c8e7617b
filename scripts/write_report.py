"""Write the page of the generation that this run published; an unchanged mirror has its page."""

from pathlib import Path

from jwmirror.core.log import log_to
from jwmirror.core.model import Published, read, write
from jwmirror.report.html import write_page
from jwmirror.store.generations import Generations
from jwmirror.store.objects import Objects
from jwmirror.store.provenance import Provenance
from jwmirror.store.runs import read_run

log_to(snakemake.log[0])
mirror = Path(snakemake.params.mirror)
published = read(snakemake.input.published, Published)
page = mirror / "reports" / f"{published.generation:06d}.html"

if published.is_new or (published.generation and not page.exists()):
    generation = Generations(mirror).read(published.generation)
    write_page(
        page,
        generation,
        generation.entries(),
        read_run(snakemake.params.run),
        Provenance(mirror).read,
        Objects(mirror).path,
    )
write(snakemake.output.receipt, {"page": str(page.relative_to(mirror))})
