"""What to fetch: the products that a poll's changes want and that never arrived. Pure: no I/O."""

from collections import defaultdict
from collections.abc import Iterable

from jwmirror.core.model import Orders, Poll, Product, Version, digest

NAME_DIGITS = 16  # of the digest in an order's name


def orders(poll: Poll, fetched: Iterable[Version]) -> Orders:
    """One order per observation: jw01345-o001.<digest> -> its products, sorted by URI.

    The digest covers when it was asked, so that what failed is ordered afresh by the next run.
    `fetched` is read only if something is wanted.
    """
    wanted = [change.product for change in poll.changes if change.wants_bytes]
    if not wanted:
        return Orders()
    arrived = {(version.product.uri, version.product.token) for version in fetched}
    grouped: dict[str, list[Product]] = defaultdict(list)
    for product in sorted(wanted, key=lambda product: product.uri):
        if (product.uri, product.token) not in arrived:
            grouped[f"jw{product.program:05d}-{product.observation}"].append(product)
    asked = [listing.asked_at for listing in poll.listings]
    return Orders(
        products={
            f"{name}.{digest((asked, products))[:NAME_DIGITS]}": tuple(products)
            for name, products in sorted(grouped.items())
        }
    )
