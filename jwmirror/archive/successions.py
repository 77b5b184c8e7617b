"""Which new names carry on which vanished ones: restamped associations, renamed products. Pure."""

from collections import defaultdict
from collections.abc import Callable, Hashable, Iterable, Mapping

from jwmirror.core import names
from jwmirror.core.model import Entry, Product


def successions(gone: Iterable[Entry], fresh: Iterable[Product]) -> Mapping[str, Entry]:
    """URI of each fresh product that carries on a vanished one -> that entry; one to one.

    Associations and pools: of the same program, candidate and type, with the same counter, or
    else the only ones left; of several stamps the latest carry on. Others: with the same bytes,
    or of the same name but for the target; only where there is one such pair.
    """
    entries = {entry.product.uri: entry for entry in gone}
    olds, news = [entry.product for entry in entries.values()], list(fresh)
    found: dict[str, Entry] = {}
    for key_of, may_choose in _RULES:
        former, later = _by_key(olds, key_of), _by_key(news, key_of)
        for key in former.keys() & later.keys():
            old, new = (_heir(group[key], may_choose) for group in (former, later))
            if old and new:
                found[new.uri] = entries[old.uri]
                olds.remove(old)
                news.remove(new)
    return found


def _by_key(
    products: Iterable[Product], key_of: Callable[[Product], Hashable]
) -> dict[Hashable, list[Product]]:
    groups = defaultdict(list)
    for product in products:
        if (key := key_of(product)) is not None:
            groups[key].append(product)
    return groups


def _heir(group: list[Product], may_choose: bool) -> Product | None:
    """The one product of a group; of several the latest, if there may be a choice."""
    if len(group) == 1:
        return group[0]
    return max(group, key=lambda product: product.filename) if may_choose else None


def _numbered(product: Product) -> Hashable:
    """Of an association or pool: all but the stamp."""
    named = names.association(product.filename)
    return named and (named.series, named.counter)


def _series(product: Product) -> Hashable:
    """Of an association or pool: all but the stamp and the counter, which may change too."""
    named = names.association(product.filename)
    return named and named.series


def _content(product: Product) -> Hashable:
    """Of other products: what kind of file, with which bytes."""
    if not product.checksum or names.association(product.filename):
        return None
    return (product.observation, product.suffix, product.checksum)


def _target(product: Product) -> Hashable:
    """Of other products: the name without the target."""
    named = names.parse(product.filename)
    if named is None or names.association(product.filename):
        return None
    return (product.observation, product.level, product.suffix, names.without_target(named.root))


_RULES = ((_numbered, True), (_series, False), (_content, False), (_target, False))
