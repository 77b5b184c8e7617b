"""`jwmirror log`: list the generations, or the versions of a file."""

from typing import Annotated

from jwmirror.cli import app, options, output
from jwmirror.report.terminal.maintenance import file_history_page
from jwmirror.report.terminal.status import log_page
from jwmirror.services.inspect.log import history_of_file, mirror_history


@app.command("log")
def log_command(
    file: Annotated[str | None, options.FILE] = None,
    config: options.ConfigFile = None,
    mirror: options.Mirror = None,
    verbose: options.Verbose = False,
    as_json: options.Json = False,
) -> None:
    """List the generations, newest first, and what each changed; or the versions of FILE.

    Each version of FILE is shown with the reason why it differs from the one before. Without FILE,
    pruned generations are listed, too; with FILE, they are not searched.
    """
    root = options.find_mirror(mirror, config)
    if file is None:
        history = mirror_history(root)
        output.show(history, log_page, as_json)
    else:
        versions = history_of_file(root, file)
        output.show(versions, lambda shown: file_history_page(shown, verbose), as_json)
