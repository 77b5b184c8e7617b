"""`jwmirror verify`: check that the mirror is complete and undamaged, and repair it."""

from typing import Annotated

import typer

from jwmirror.cli import app, options, output
from jwmirror.report.terminal.maintenance import repairs_page, verification_page
from jwmirror.services.maintain.verify import verify_mirror


@app.command("verify")
def verify_command(
    config: options.ConfigFile = None,
    mirror: options.Mirror = None,
    full: Annotated[
        bool, typer.Option("--full", help="Also read every stored file and check its sha256.")
    ] = False,
    repair: Annotated[
        bool, typer.Option("--repair", help="Repair what can be repaired; this may ask MAST.")
    ] = False,
    wait: options.Wait = False,
    dry_run: options.DryRun = False,
    all_lines: options.AllLines = False,
    as_json: options.Json = False,
) -> None:
    """Check that every file of the kept generations is on the disk and undamaged.

    Exit code 1 if a problem was found and not repaired. Without --full, only the sizes of files are
    compared. With --repair, lost files of MAST are downloaded again if MAST still has the same
    version; the records of lost results are removed, so that the next run recomputes them; views
    and pointers are rebuilt.
    """
    root = options.find_mirror(mirror, config)
    if repair:
        from jwmirror.services.maintain.repair import repair_mirror  # imports the MAST client

        config_file, timeout_s = options.find_config(mirror, config), options.lock_timeout_s(wait)
        repairs = repair_mirror(root, full, config_file, timeout_s, dry_run)
        output.show(repairs, lambda shown: repairs_page(shown, dry_run, all_lines), as_json)
        is_whole = all(outcome.is_mended for outcome in repairs.outcomes)
    else:
        verification = verify_mirror(root, full)
        output.show(verification, lambda shown: verification_page(shown, all_lines), as_json)
        is_whole = not verification.problems
    raise typer.Exit(0 if is_whole else 1)
