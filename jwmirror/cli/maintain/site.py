"""`jwmirror site`: write the pages of a mirror outside of a run."""

from typing import Annotated

import typer

from jwmirror.cli import app, options, output
from jwmirror.services.run.site import group_of_site, write_site
from jwmirror.services.site.pictures import COMMAND_BUDGET_S


@app.command("site")
def site_command(
    config: options.ConfigFile = None,
    mirror: options.Mirror = None,
    rebuild: Annotated[
        bool, typer.Option("--rebuild", help="Write all pages, also those that are up to date.")
    ] = False,
    as_json: options.Json = False,
) -> None:
    """Write the site of the mirror, and print the path of its first page.

    The site is a folder of pages for a browser, `site` in the mirror. A run writes it, too. If some
    data are exclusive, `site-exclusive` shows everything, and only you, or your group, can read it.
    """
    root = options.find_mirror(mirror, config)
    page = write_site(
        mirror=root, group=group_of_site(root), rebuild=rebuild, budget_s=COMMAND_BUDGET_S
    )
    if as_json:
        output.print_json({"page": str(page.absolute())})
    else:
        output.say(str(page.absolute()))
