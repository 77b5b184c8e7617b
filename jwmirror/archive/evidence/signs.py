"""The signs that MAST has changed a file that it lists without a checksum. Pure.

Such files have no row in a keyword table: none ever, or none any more. The mirror keeps a baseline
of each: MD5, size, CAL_VER and ETag of its bytes, and the newest row of its siblings, the files of
the same root. docs/decisions/0033-files-without-a-row.md describes the order of evidence.
"""

from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import replace
from datetime import datetime, timedelta

from msgspec import structs

from jwmirror.archive.index import HeldIndex, HeldRow
from jwmirror.core import names
from jwmirror.core.model import Entry, Listing, Product, Reason
from jwmirror.core.model.product import PEDIGREE, SIBLINGS
from jwmirror.core.model.stored import PRESENT
from jwmirror.net.resume_record import is_strong

UNPROVEN = "unproven"  # in place of a validator: nothing shows that the bytes are the same
SHA256 = "sha256:"  # prefix of a validator that is no ETag
SAME_MOMENT = timedelta(milliseconds=10)  # MAST's spellings of one date differ by 1 ms

HeldFiles = list[tuple[Product, HeldRow]]  # as listed, and as the mirror has them


# ---- one file --------------------------------------------------------------------------------


def content_differences(entry: Entry, product: Product) -> tuple[Reason, ...]:
    """Return what shows that a product is not the held version any more; empty if it is.

    Different checksums prove another content, and then the pedigree gives the reasons. Where one
    is unknown, bytes that were read decide; else any difference in what is known of both.
    """
    held = entry.upstream
    if held.checksum and product.checksum:
        is_same = held.checksum == product.checksum
    elif (product.validator or "").startswith(SHA256):
        is_same = product.validator == f"{SHA256}{entry.sha256}"
    elif product.checksum:
        is_same = False  # it may be the checksum of other bytes
    else:
        return tuple(_differences(entry, product))
    if is_same:
        return ()
    reasons = tuple(
        Reason(label, _text(held, field), _text(product, field))
        for field, label in EVIDENCE.items()
        if _text(held, field) != _text(product, field)
    )
    return reasons or (Reason("content", f"{SHA256}{entry.sha256}", product.validator or ""),)


EVIDENCE = {  # fields that show new content -> their names in reasons
    **{field: field for field in ("checksum", "size")},
    **PEDIGREE,
}


def _differences(entry: Entry, product: Product) -> Iterator[Reason]:
    """Yield the evidence against a product without checksum, or without known checksum."""
    held = entry.upstream
    if product.size not in (None, held.size, entry.size):
        yield Reason("size", _text(held, "size") or str(entry.size), str(product.size))
    versions = held.listed_cal_ver or held.cal_ver, product.listed_cal_ver or product.cal_ver
    if _is_other(*versions):
        yield Reason("CAL_VER", str(versions[0]), str(versions[1]))
    for field in ("crds_ctx", "sdp_ver", "date"):
        values = getattr(held, field), getattr(product, field)
        if _is_other(*values):
            yield Reason(PEDIGREE[field], str(values[0]), str(values[1]))
    if product.validator and product.validator != held.validator:
        for field, old, new in _sibling_values(held.siblings, product.siblings):
            if _is_other(old, new):
                yield Reason(f"{PEDIGREE[field]} of its siblings", old, new)
        new = "" if product.validator == UNPROVEN else product.validator
        yield Reason("validator", held.validator or "", new)


def _text(product: Product, field: str) -> str:
    value = getattr(product, field)
    return "" if value is None else str(value)


def _is_other(old: str | None, new: str | None) -> bool:
    """Return whether two values are known and differ; dates may differ by a few milliseconds."""
    if old == new or not old or not new:
        return False
    try:
        return abs(datetime.fromisoformat(old) - datetime.fromisoformat(new)) > SAME_MOMENT
    except (ValueError, TypeError):
        return True


def _sibling_values(old: str | None, new: str | None) -> Iterator[tuple[str, str, str]]:
    """Yield field, old and new value of two texts of Product.siblings."""
    olds, news = ((text or "||").split("|") for text in (old, new))
    return zip(SIBLINGS, olds, news, strict=False)


def siblings_changed(old: str | None, new: str | None) -> bool:
    """Return whether a sibling's row is new, or has another DATE, CRDS_CTX or CAL_VER.

    Rows that disappeared, and siblings that were not recorded, show nothing.
    """
    if old == new or old is None or not new:
        return False
    return not old or any(_is_other(was, now) for _, was, now in _sibling_values(old, new))


def is_undisputed(row: HeldRow, product: Product) -> bool:
    """Return whether a file without a row is clearly as in the mirror, and so are its siblings."""
    return (
        product.siblings == row.siblings
        and product.validator is None
        and not product.has_row
        and _is_same_but_for_siblings(row, product)
    )


def _is_same_but_for_siblings(row: HeldRow, product: Product) -> bool:
    version = product.listed_cal_ver
    if version and version == row.listed_cal_ver and product.size == row.listed_size:
        return True  # at once, for nearly all files
    return product.size in (None, row.listed_size, row.size) and not _is_other(
        row.listed_cal_ver or row.cal_ver, product.listed_cal_ver or product.cal_ver
    )


# ---- what the mirror knows, and the listing does not -----------------------------------------


def with_known_keywords(listing: Listing, held: HeldIndex) -> Listing:
    """Return the listing with keywords of files whose exposures have no listed rows any more.

    So a file stays selected when its rows disappear, and closed until its release if it was.
    """
    lacking = [
        product.uri
        for product in listing.products
        if product.date_obs is None and product.uri in held.rows and _needs_row(product)
    ]
    if not lacking:
        return listing
    known = {uri: entry.upstream for uri, entry in held.entries(lacking).items()}
    products = (
        _with_keywords_of(known[product.uri], product) if product.uri in known else product
        for product in listing.products
    )
    return replace(listing, products=tuple(products))


def _with_keywords_of(known: Product, product: Product) -> Product:
    """Return a listed product with the keywords of the held one, and closed if a row closed that.

    Only a row has a release date: that of the file itself, or of another file of its exposure.
    """
    product = product.completed(known, is_same=False)
    had_row = known.has_row or known.release_date is not None
    was_closed = known.exclusive and had_row and not product.has_row
    if was_closed and not (product.exclusive or product.is_release_past):
        return structs.replace(product, exclusive=True)
    return product


def version_after(entry: Entry, product: Product, generation: int) -> Product:
    """Return a product without checksum as the version that follows the held one.

    Its fingerprint is that of no version fetched before: it has the ETag, or else the number of the
    generation with the held one.
    """
    listed = structs.replace(product, validator=None).fingerprint
    etag = product.validator
    is_new = is_strong(etag) and etag != entry.upstream.validator
    version = etag if is_new else f"after generation {generation}"
    return structs.replace(product, validator=f"{version} {listed}")


# ---- all files of a program ------------------------------------------------------------------


def _needs_row(product: Product) -> bool:
    """Return whether only other evidence shows changes. A table's stamp changes with it."""
    return not product.checksum and names.parse_association(product.filename) is None


def files_without_checksum(
    listing: Listing, selected_uris: Collection[str], held: HeldIndex
) -> HeldFiles:
    """Return the selected files that the mirror has, and MAST lists without a checksum."""
    rows = held.rows
    return [
        (product, row)
        for product in listing.products
        if product.checksum is None
        and (row := rows.get(product.uri))
        and product.uri in selected_uris
        and _needs_row(product)
    ]


def suspects(files: HeldFiles) -> tuple[HeldFiles, HeldFiles]:
    """Return the files that may have changed, and those of whose siblings nothing is known.

    The former are those that vanished before, and those with another size or CAL_VER, or with
    siblings that changed.
    """
    changed: HeldFiles = []
    alone: HeldFiles = []
    for product, row in files:
        is_same = row.state == PRESENT and _is_same_but_for_siblings(row, product)
        if is_same and product.siblings and product.siblings == row.siblings:
            continue
        if not is_same or siblings_changed(row.siblings, product.siblings):
            changed.append((product, row))
        elif is_strong(row.validator) and not (product.siblings and row.siblings is not None):
            alone.append((product, row))
    return changed, alone


def confirmed_products(
    files: HeldFiles, held: HeldIndex, validators: Mapping[str, str], changed_uris: Collection[str]
) -> tuple[Product, ...]:
    """Return the files whose siblings changed, and which are shown to be the same.

    The siblings of now become the baseline. So they do where nothing of siblings was recorded.
    """
    same: dict[str, Product] = {}
    for product, row in files:
        if row.siblings == product.siblings or product.uri in changed_uris:
            continue
        is_asked = validators.get(product.uri) in (row.validator, f"{SHA256}{row.sha256}")
        is_first = row.siblings is None and not is_strong(row.validator)
        if row.state == PRESENT and (
            is_first or (is_asked and (product.siblings or row.siblings is None))
        ):
            same[product.uri] = product
    return tuple(
        same[uri].completed(entry.upstream, is_same=True)
        for uri, entry in held.entries(list(same)).items()
    )


def undecided_files(
    files: HeldFiles,
    decided_uris: Collection[str],
    former: Mapping[str, str],
    now: str,
    doubted_uris: Iterable[str] = (),
) -> dict[str, str]:
    """Return the files that may have changed or not, and since when that is open, by URI.

    A file that a doubt covers stays as in `former`.
    """
    doubted = {uri: former[uri] for uri in doubted_uris if uri in former}
    return doubted | {
        product.uri: former.get(product.uri, now)
        for product, row in files
        if row.state == PRESENT and product.uri not in decided_uris
    }
