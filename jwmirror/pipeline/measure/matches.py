"""Matched sources: what tweakwcs logs of each exposure that tweakreg aligns."""

import logging

from jwmirror.pipeline.measure.arrays import rounded

LOGGER = "tweakwcs.wcsimage"
# Source: the calls of `log` in tweakwcs 0.9; the numbers are their arguments.
FOUND = "Found %d matches for '%s'..."
FITTED = "Computed '%s' fit for '%s':"
RESIDUALS = "FIT RMSE: %.6g   FIT MAE: %.6g"
GROUP = "GROUP ID: "  # jw01345001001_02101_00001: all detectors of an exposure
MAS = 1000.0  # in an arcsecond


class MatchRecorder(logging.Handler):
    """A handler of log records that keeps how each exposure was matched with the others."""

    def __init__(self) -> None:
        super().__init__(logging.INFO)
        self._exposure = ""
        self._exposures: dict[str, dict[str, float | None]] = {}

    def emit(self, record: logging.LogRecord) -> None:
        """Keep the numbers of a record about matches or about the fit to them."""
        values = record.args
        if record.name != LOGGER or not isinstance(values, tuple) or len(values) != 2:
            return
        if record.msg == FOUND:
            self._of(values[1])["matched"] = float(str(values[0]))
        elif record.msg == FITTED:
            self._exposure = str(values[1])
        elif record.msg == RESIDUALS:
            self._of(self._exposure)["residual"] = float(str(values[0])) * MAS

    def _of(self, group: object) -> dict[str, float | None]:
        return self._exposures.setdefault(str(group).removeprefix(GROUP), {})

    def of_exposure(self, exposure: str) -> dict[str, float]:
        """Return `matched` (sources) and `residual` (mas, RMS) of an exposure, if it was fitted."""
        return rounded(self._exposures.get(exposure, {}))
