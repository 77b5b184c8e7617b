"""`jwmirror init`: make a mirror."""

from jwmirror.cli import app, options, output
from jwmirror.core.mirror import mark_mirror


@app.command("init")
def init_command(
    config: options.ConfigFile = None,
    mirror: options.Mirror = None,
    as_json: options.Json = False,
) -> None:
    """Make the folder of a mirror, and mark it with the file JWMIRROR.

    A run does this itself in a new or empty folder. Use `init` to make a mirror in a folder that
    has other files; none of them may have a name that a mirror uses, such as work or objects.
    """
    root = options.named_mirror(mirror, config)
    is_new = mark_mirror(root, among_others=True)
    state = "is a mirror now, and empty" if is_new else "is a mirror already"
    if as_json:
        output.print_json({"mirror": str(root), "is_new": is_new})
    else:
        output.say(f"{root} {state}; `snakemake` fills it")
