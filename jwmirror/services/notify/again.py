"""The summary of the last run, sent again on demand."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from jwmirror.config.load import Config, read_content
from jwmirror.core.errors import StoreError, command_to_run
from jwmirror.core.model.history.run_summary import RunSummary
from jwmirror.services.configure.checked_config import build_checked_config
from jwmirror.services.notify.commands import send_summary
from jwmirror.services.notify.summary import run_summary
from jwmirror.store.runs import newest_first


def summary_of_last_run(config_file: Path, settings: Sequence[str] = ()) -> RunSummary:
    """Return the summary of the newest run that has records, without exclusive files.

    Raises:
        ConfigError: the config has mistakes.
        StoreError: there was no run, or its records are damaged.
    """
    return _summary(_read(config_file, settings), with_exclusive=False)


def notify_again(
    config_file: Path, settings: Sequence[str] = ()
) -> tuple[RunSummary, tuple[str, ...]]:
    """Send the summary to each command of the config; return it, and a line for each failure.

    Raises:
        As `summary_of_last_run`.
    """
    config = _read(config_file, settings)
    failures: list[str] = []
    for notification in config.notifications:
        summary = _summary(config, with_exclusive=notification.exclusive)
        failures += send_summary(summary, notification, {config.token_variable})
    return _summary(config, with_exclusive=False), tuple(failures)


def _read(config_file: Path, settings: Sequence[str]) -> Config:
    return build_checked_config(read_content(config_file, settings), check_parameters=False)


def _summary(config: Config, *, with_exclusive: bool) -> RunSummary:
    runs = newest_first(config.mirror / "receipts" / "runs")
    if not runs:
        raise StoreError(
            f"{config.mirror.absolute()}: no run is recorded, so there is no summary to send; "
            f"{command_to_run()} makes one."
        )
    summary = run_summary(config.mirror, runs[0].name, with_exclusive=with_exclusive)
    return replace(summary, is_repeated=True)
