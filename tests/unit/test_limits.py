"""Runs that would fetch or compute more than the config allows."""

import pytest

from jwmirror.core.errors import LimitError
from jwmirror.core.model import Change, Orders, Plan, Reason, read
from jwmirror.core.model.plan import NEVER_CALIBRATED
from jwmirror.core.model.product import NEW, REPROCESSED
from jwmirror.core.model.run import Stop
from jwmirror.report.limits import check_fetch, check_results
from jwmirror.services.run.session import RUN_ID, RunSession, failures_are_recorded
from tests.setup.configs import parse
from tests.setup.records import chain, derivation, product

GB = 1_000_000_000
BIG = [product(f"jw01345001001_0210{n}_00001_nrcb1_uncal.fits", size=n * GB) for n in (1, 2, 3)]
OTHER = product("jw01366001001_02101_00001_nrcb1_uncal.fits", size=None, program=1366)


def test_a_run_at_the_limit_passes():
    """Six of six GB; a file of unknown size is counted as the mean of the others."""
    check_fetch(Orders(products={"a": tuple(BIG)}), (), 6)

    with pytest.raises(LimitError, match=r"would fetch 8\.0 GB, expected at most 7 GB"):
        check_fetch(Orders(products={"a": tuple(BIG), "b": (OTHER,)}), (), 7)


def test_files_count_though_no_size_is_known():
    """Each as a tenth of a GB."""
    names = (f"jw01345{n:03d}001_02101_00001_nrcb1_uncal.fits" for n in range(1, 51))
    orders = Orders(products={"a": tuple(product(name, size=None) for name in names)})
    check_fetch(orders, (), 5)

    with pytest.raises(LimitError, match=r"would fetch 5\.0 GB, expected at most 4 GB"):
        check_fetch(orders, (), 4)


def test_nothing_to_fetch_or_to_compute_passes_any_limit():
    """Also 0."""
    check_fetch(Orders(), (), 0)
    check_results([Plan(context="c")], 0)


def test_the_preview_says_what_would_be_fetched():
    """By program: files, kinds of change and size; and how the run may pass."""
    changes = [Change(kind=NEW, product=BIG[0]), Change(kind=REPROCESSED, product=BIG[1])]

    with pytest.raises(LimitError) as caught:
        check_fetch(Orders(products={"a": (*BIG[:2], OTHER)}), changes, 1)

    text = str(caught.value)
    assert "program 1345: 2 files (1 new, 1 reprocessed), 3.0 GB" in text
    assert "program 1366: 1 file (1 new), 0.0 GB; 1 file of unknown size" in text
    assert "--config accept=fetch" in text


def test_the_preview_says_what_would_be_computed_and_why():
    """All levels together, with the causes by how often they occur."""
    upgrade = Reason("jwst", "1.20.2", "3.0.0")
    exposures = [
        chain(derivation("detector1", root), derivation("image2", root), reasons=(upgrade,))
        for root in ("x", "y")
    ]
    mosaic = chain(derivation("image3", "m"), reasons=(NEVER_CALIBRATED,))
    plans = [Plan(context="c", batches={"a": tuple(exposures)})]
    plans.append(Plan(context="c", batches={"a": (mosaic,)}))
    check_results(plans, 5)

    with pytest.raises(LimitError) as caught:
        check_results(plans, 4)

    text = str(caught.value)
    assert "would compute 5 results, expected at most 4" in text
    assert "recipe deep: detector1 2, image2 2, image3 1 (program 1345)" in text
    assert text.index("jwst: 1.20.2 -> 3.0.0 (2)") < text.index("no result in the mirror yet (1)")
    assert "--config accept=results" in text


@pytest.mark.parametrize(
    ("accept", "limits"),
    [([], (7, 2000)), ("fetch", (None, 2000)), (["fetch", "results"], (None, None))],
)
def test_one_run_may_pass(accept, limits):
    """`accept` removes a limit; others stay."""
    config = parse({"programs": 1345, "limits": {"fetch_gb": 7}, "accept": accept})

    assert (config.max_fetch_gb, config.max_results) == limits


def test_a_run_beyond_a_limit_ends_with_code_2(tmp_path, monkeypatch, capsys):
    """The job records why, and the main process prints it at the end."""
    monkeypatch.setenv(RUN_ID, "20260301T120000.000000Z-1")
    session = RunSession(tmp_path, wait=False, is_job=True)
    with (
        pytest.raises(SystemExit, match="larger than a limit"),
        failures_are_recorded(session.files.folder, "query_archive"),
    ):
        raise LimitError("too much")

    with pytest.raises(SystemExit) as ended:
        session.fail()

    assert (read(session.files.stopped, Stop).why, ended.value.code) == ("too much", 2)
    assert "too much" in capsys.readouterr().err
