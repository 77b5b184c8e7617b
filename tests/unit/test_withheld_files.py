"""Files that MAST withholds, through whole runs: public ones go on, and every door says why."""

import shutil

import pytest
from msgspec import structs

from jwmirror.archive.transfer import MastDownloader
from jwmirror.core.errors import StoreError
from jwmirror.core.model import Change, Poll, Receipt, Selection, read
from jwmirror.core.model.product import RELEASED, REPROCESSED, WITHHELD
from jwmirror.core.model.run import Run
from jwmirror.core.model.stored import PRESENT, Entry, Failure
from jwmirror.net.token_socket import serve_token
from jwmirror.planning.inputs import available_files
from jwmirror.report.status import build_status
from jwmirror.services.inspect.explain import explain_file
from jwmirror.services.inspect.status import mirror_status
from jwmirror.services.run.holdings import load_holdings
from jwmirror.store.generations import Generations
from jwmirror_simulator.mast import TOKEN, Oddities
from jwmirror_simulator.observatory import Observatory
from tests.setup.file_server import (  # noqa: F401
    HASTY,
    body,
    file_server,
    hasty_fetch,
    small_image,
)
from tests.setup.listings import changes_of
from tests.setup.records import ASN, RATE, entry, listing, product
from tests.setup.runs import Runs

PAST, FUTURE = "2024-05-01T00:00:00.000", "2099-01-01T00:00:00.000"
PASSED = "MAST withholds it although its release date 2024-05-01 has passed"


@pytest.fixture
def runs(tmp_path, built_observatory, port, process):
    """A served observatory with one association that is exclusive, and an empty mirror."""
    shutil.copytree(built_observatory, tmp_path / "observatory")
    observatory = Observatory.open(tmp_path / "observatory")
    with observatory.serve(port):
        archive = observatory.archive
        archive.restrict(closed_name(archive.filenames()))
        yield Runs(
            archive,
            tmp_path / "mirror",
            process,
            serve_token(TOKEN),
            (Selection(program=1345, products=("asn",)),),
        )


def closed_name(names) -> str:
    """The association that is exclusive."""
    return next(name for name in sorted(names) if name.endswith("_asn.json"))


def rows_of(runs: Runs) -> dict[str, Entry]:
    """The rows of the current generation, by file name."""
    return {row.filename: row for row in Generations(runs.mirror).entries()}


def test_a_dead_token_does_not_end_a_run(runs):
    """Public files arrive; the exclusive one is withheld, the run succeeds, and status says why."""
    runs.archive.oddities = Oddities(token="refused")
    closed = closed_name(runs.archive.filenames())

    _, _, conclusion = runs.run(1)

    status = mirror_status(runs.mirror, None)
    (notice,) = [change for change in status.changes if change.file == closed]
    assert conclusion.error == ""
    assert f"`jwmirror status` says until when): {closed}" in conclusion.summary
    assert "MAST does not accept the token in MAST_API_TOKEN" in conclusion.summary
    assert (notice.kind, notice.reasons[0]) == (WITHHELD, "the token was rejected")
    assert closed not in rows_of(runs) and len(rows_of(runs)) > 2


def test_a_new_version_that_is_withheld_is_in_one_list_only():
    """Not among the news, too: nothing of it has arrived."""
    change = Change(kind=REPROCESSED, product=product(RATE))
    other = Change(kind=REPROCESSED, product=product(RATE.replace("00001", "00002")))
    failure = Failure(name=RATE, message="the token was rejected", is_withheld=True)
    poll = Poll(listings=(listing(),), changes=(change, other))
    run = Run(id="1", poll=poll, fetch_receipts=(Receipt(failures=(failure,)),))

    notices = build_status("m", None, (), run).changes

    assert [(each.kind, each.file) for each in notices] == [
        (REPROCESSED, other.product.filename),
        (WITHHELD, RATE),
    ]
    assert notices[1].reasons == ("the token was rejected", "reprocessed at MAST")


def test_a_token_that_dies_leaves_the_mirror_as_it_is(runs):
    """Exclusive files keep their state and stay closed, also if MAST lists them no longer."""
    closed = closed_name(runs.archive.filenames())
    runs.run(1)
    before = rows_of(runs)
    runs.archive.oddities = Oddities(token="refused")
    runs.archive.withdraw(closed)

    published, _, conclusion = runs.run(2)

    assert (published.is_new, conclusion.error) == (False, "")
    assert rows_of(runs)[closed] == before[closed]
    assert (before[closed].state, before[closed].product.is_closed) == (PRESENT, True)
    assert read(runs.files(2).poll, Poll).doubts == ()


def test_a_token_that_dies_during_a_run_withholds_what_it_does_not_get(runs):
    """The run goes on; the next one requests the file again."""
    closed = closed_name(runs.archive.filenames())
    orders = runs.query(1)
    runs.archive.oddities = Oddities(token="refused")
    (order,) = [
        order
        for order, products in orders.products.items()
        if closed in {product.filename for product in products}
    ]

    receipt = runs.fetch(orders, order)

    (failure,) = receipt.failures
    assert (failure.name, failure.is_withheld) == (closed, True)
    assert "the token in MAST_API_TOKEN was rejected" in failure.message
    assert len(receipt.versions) == len(orders.products[order]) - 1


def test_a_token_that_is_refused_for_many_files_is_one_warning(server, tmp_path, caplog):
    """The failures have the words for each; another variable has its name."""
    server.put(RATE, body(b"", status=401))
    server.put(ASN, body(b"", status=401))
    products = [product(name, exclusive=True) for name in (RATE, ASN)]
    transfer = MastDownloader(server.url, "t", 1, HASTY, token_variable="TOKEN_OF_ANN")

    failures = list(transfer.download(products, tmp_path / "in", tmp_path / "q"))

    (warning,) = [record for record in caplog.records if record.levelname == "WARNING"]
    assert "the token in TOKEN_OF_ANN was rejected" in warning.getMessage()
    assert all(f.is_withheld and "rejected" in f.message for f in failures) and len(failures) == 2


@pytest.mark.parametrize("token", [None, "t"])
def test_a_public_file_that_is_refused_without_a_token_is_a_failure(server, fetch, token):
    """With a token, it is withheld: the token does not cover it."""
    server.put(RATE, body(b"", status=403))

    (failure,) = fetch(product(RATE), token=token)

    assert failure.is_withheld == (token is not None)
    assert "withheld: " in failure.message


# ---- release dates in the past -------------------------------------------------------------------


def test_a_file_is_not_called_exclusive_after_its_release(server, fetch):
    """It stays closed, as MAST says; the message has the date."""
    late = product(RATE, exclusive=True, release_date=PAST)
    server.put(RATE, body(b"", status=401))

    (failure,) = fetch(late)
    (change,) = changes_of(listing(late))

    assert PASSED in failure.message and "exclusive" not in failure.message
    assert (change.kind, *map(str, change.reasons)) == (WITHHELD, PASSED)
    assert late.is_closed and late.access == PASSED


def test_a_held_copy_stays_closed_while_mast_withholds_it_after_its_release():
    """As public files of one program were for a while."""
    public = product(RATE, b"pixels")
    late = structs.replace(public, exclusive=True, release_date=PAST)

    (change,) = changes_of(listing(late), entry(public))
    again = changes_of(listing(late), entry(late))
    (released,) = changes_of(listing(public), entry(late))

    assert change.kind == WITHHELD and not change.wants_bytes
    assert f"access: public -> {PASSED}" in map(str, change.reasons)
    assert again == () and released.kind == RELEASED


def test_the_passing_of_a_release_date_is_no_change():
    """Only MAST opens a file."""
    held = product(RATE, b"pixels", exclusive=True, release_date=FUTURE)

    assert changes_of(listing(structs.replace(held, release_date=PAST)), entry(held)) == ()


# ---- members of associations ---------------------------------------------------------------------


def test_a_member_that_is_withheld_is_not_to_be_selected(runs):
    """Its wait says so, in the words of the poll."""
    runs.archive.oddities = Oddities(token="expired")
    runs.run(1)
    closed = closed_name(runs.archive.filenames())

    absent = load_holdings(runs.mirror, read(runs.files(1).poll, Poll)).absent

    assert absent == {closed: "is withheld: the token was rejected; its release date is not known"}
    assert available_files([], absent=absent).absent == absent
    with pytest.raises(StoreError, match=rf"{closed} is withheld: the token was rejected"):
        explain_file(runs.mirror, closed, None, None, ())
