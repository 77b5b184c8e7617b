"""Call the console command inside the test process."""

import json

from typer.testing import CliRunner

from jwmirror.cli import app


def run(*arguments: object, code: int = 0) -> str:
    """Return what `jwmirror ARGUMENTS` prints (stdout and stderr); it must exit with `code`."""
    result = CliRunner().invoke(app, [str(each) for each in arguments])
    assert result.exit_code == code, result.output
    return result.output


def answer(*arguments: object, code: int = 0) -> dict:
    """Return what `jwmirror ARGUMENTS --json` prints; it must exit with `code`."""
    return json.loads(run(*arguments, "--json", code=code))
