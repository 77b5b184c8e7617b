"""Changes over made-up histories of listings: whatever the order, the mirror follows."""

from collections.abc import Collection
from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st

from jwmirror.archive.changes import compare_listing
from jwmirror.archive.index import HeldIndex
from jwmirror.core.model import Entry, Listing, Poll, Product, Version
from jwmirror.core.model.stored import PRESENT
from jwmirror.store.entries import upstream_entries
from tests.setup.listings import APRIL, JANUARY, MD5, changes_of
from tests.setup.records import listing, product

NAMES = [
    *(f"jw0134500{n}001_02101_00001_nrcb1_rate.fits" for n in (1, 2)),
    *(
        f"jw01345-o001_{stamp}_image3_0000{n}_asn.json"
        for stamp in (JANUARY, APRIL)
        for n in (1, 2)
    ),
    *(f"jw01345-o001_t00{n}_nircam_clear-f200w_i2d.fits" for n in (1, 2)),
    *(f"jw01345_{stamp}_pool.csv" for stamp in (JANUARY, APRIL)),
]


@st.composite
def products(draw, filename: str) -> Product:
    """A product at some moment of its history, public."""
    content = draw(st.sampled_from([1, 2]))
    facts = {
        "cal_ver": draw(st.sampled_from(["1.20.2", "1.21.0", None])),
        "level": 3,
    }
    if filename.endswith(".fits"):
        facts["stale"] = draw(st.booleans())
        return product(filename, checksum=MD5[content], size=100 + content, **facts)
    return product(filename, validator=f'"v{content}"', **facts)


@st.composite
def listings(draw) -> Listing:
    """Some of the products, each with some content."""
    chosen = draw(st.lists(st.sampled_from(NAMES), unique=True))
    return listing(*[draw(products(name)) for name in chosen])


def poll_and_fetch(
    held: tuple[Entry, ...], listed: Listing, waiting: Collection[str] = ()
) -> tuple[Entry, ...]:
    """What is held once every change of a listing has been fetched, but for what is waiting."""
    changes = changes_of(listed, *held)
    contents = {each.uri: each for each in listed.products}
    versions = [
        Version(
            product=change.product,
            sha256=contents[change.product.uri].fingerprint,
            size=contents[change.product.uri].size or 1,
            etag=contents[change.product.uri].validator or "",
        )
        for change in changes
        if change.wants_bytes
    ]
    poll = Poll(listings=(listed,), changes=changes)
    return upstream_entries(held, poll, versions, waiting)


@given(st.lists(listings(), min_size=1, max_size=4))
def test_applying_the_changes_gives_the_listing(history):
    """After each poll the mirror holds just what was listed, with the contents listed."""
    held: tuple[Entry, ...] = ()
    for listed in history:
        held = poll_and_fetch(held, listed)

        present = {e.product.uri: e.product.fingerprint for e in held if e.state == PRESENT}
        assert present == {each.uri: each.fingerprint for each in listed.products}
        queued = {e.product.uri for e in held if e.state == PRESENT and e.product.stale}
        assert queued == {each.uri for each in listed.products if each.stale}


@given(st.lists(listings(), min_size=2, max_size=4), st.sets(st.sampled_from(NAMES)))
def test_what_waits_keeps_its_version_and_is_caught_up_in_one_poll(history, names):
    """Held back over several polls, rows stay; once free, one poll gives the listing."""
    held = poll_and_fetch((), history[0])
    before = {e.product.uri: e.product.fingerprint for e in held}
    waiting = {f"mast:JWST/product/{name}" for name in names}

    kept = waiting & before.keys()
    for listed in history[1:]:
        held = poll_and_fetch(held, listed, waiting)
        now = {e.product.uri: e.product.fingerprint for e in held}
        kept &= now.keys()  # what was renamed to something that does not wait is gone
        assert {uri: now[uri] for uri in kept} == {uri: before[uri] for uri in kept}
    held = poll_and_fetch(held, history[-1])

    present = {e.product.uri: e.product.fingerprint for e in held if e.state == PRESENT}
    assert present == {each.uri: each.fingerprint for each in history[-1].products}


@given(listings(), listings())
def test_a_listing_that_was_fetched_is_no_change_any_more(first, second):
    """Polled again without change at MAST, nothing is reported."""
    held = poll_and_fetch(poll_and_fetch((), first), second)

    assert changes_of(second, *held) == ()


@given(listings(), listings(), st.randoms())
def test_the_order_of_what_is_held_and_selected_does_not_matter(first, second, random):
    """Listing, selection and holdings may come in any order."""
    held = list(poll_and_fetch((), first))
    uris = [each.uri for each in second.products]
    shuffled = replace(second, products=tuple(random.sample(second.products, len(uris))))

    straight = compare_listing(second, uris, HeldIndex(held, second.program))
    shuffled_held = HeldIndex(random.sample(held, len(held)), second.program)
    mixed = compare_listing(shuffled, random.sample(uris, len(uris)), shuffled_held)

    assert straight == mixed
