"""The content of FITS files: volatile keywords, embedded ASDF trees, and the structure of HDUs."""

import math
import re
from collections.abc import Collection, Iterator
from contextlib import suppress
from io import BytesIO
from pathlib import Path
from typing import Any, BinaryIO

from jwmirror.core.errors import plain_text
from jwmirror.core.files import open_regular

VOLATILE = frozenset({"DATE", "CHECKSUM", "DATASUM", "FILENAME"})  # cards, and columns of HDRTAB
VOLATILE_BRANCHES = frozenset({"asdf_library", "history", "cal_logs", "_fits_hash"})  # of a tree
VOLATILE_META = frozenset({"date", "filename"})  # below "meta" in a tree
ASDF_COLUMN = "ASDF_METADATA"  # of the table that has the tree
ASDF_BLOCK_MAGIC = b"\xd3BLK"
MAX_EMPTY_ROWS = 1_000_000  # of no bytes
MIN_HEAP = 1 << 26  # bytes; smaller arrays may overlap
FITS_BLOCK, CARD = 2880, 80  # bytes
MAX_HEADER_BLOCKS = 4096  # a longer header is taken for damage
SPECTRA = ("EXTRACT1D", "COMBINE1D")  # tables with a column FLUX
MAX_HDUS = 30_000  # astropy takes 10 s for them; 1,000 slits of wide-field spectra have 18,000
MAX_TREE = 64 << 20  # bytes of an ASDF file that its tree may take
MAX_BLOCK = 1 << 28  # bytes that a compressed block may become
ARRAY = "ndarray"  # in the tags of arrays
MAX_DEPTH = 300  # levels of a tree; libyaml's reader crashes beyond some 10,000
MAX_NODES = 3_000_000  # keys and values that a tree may have in the file: 1 GB when it is read
MAX_COPIES = 500_000  # nodes that its aliases may repeat; MAX_RATIO times its nodes, if more
MAX_RATIO = 20
_INTERNAL = re.compile(r"-?\d+|fits:.*", re.S)  # an array in a block, or in another HDU
_TREE_END = re.compile(rb"\r?\n\.\.\.(\r?\n|$)")  # as in asdf.constants
_TREE_OR_BLOCK = re.compile(rb"%YAML|\xd3BLK")  # where asdf begins to read
_ARRAYS = re.compile("[PQ]([A-Z])")  # in the format of a column: arrays of variable length
_ITEM_BYTES = {"I": 2, "J": 4, "K": 8, "E": 4, "D": 8, "C": 8, "M": 16}
_TEXT_CARD = re.compile(r"([A-Z0-9_-]{1,8}) *= '((?:[^']|'')*)'")  # a keyword with a text
_SIZE_KEYWORDS = (b"BITPIX", b"NAXIS", b"PCOUNT", b"GCOUNT", b"GROUPS")


# ---- science content -------------------------------------------------------------------------


def is_volatile(key: str, place: tuple[str, ...]) -> bool:
    """Return whether a key of an ASDF tree, at `place` in it, is not science content."""
    return key in VOLATILE_BRANCHES or (place == ("meta",) and key in VOLATILE_META)


def card_value(card: Any) -> Any:  # a card of astropy, which has no types
    """Return the value of a card, and None for a card without one.

    astropy's object for the latter is written differently in each process.
    """
    from astropy.io.fits.card import Undefined

    return None if isinstance(card.value, Undefined) else card.value


def asdf_content(hdu: Any) -> bytes | None:  # an HDU of astropy, which has no types
    """Return the ASDF file embedded in an astropy HDU; None without one.

    `hdu` is of any HDU class; astropy has no type for them. The ASDF file is the one row of a
    table, or the bytes of an image: early versions of asdf wrote such.
    """
    if hdu.name != "ASDF":
        return None
    if (columns := getattr(hdu, "columns", None)) is not None:
        is_tree = ASDF_COLUMN in columns.names
        return bytes(hdu.data[ASDF_COLUMN].tobytes()) if is_tree else None
    is_tree = hdu.header.get("BITPIX") == 8 and hdu.header.get("NAXIS") == 1
    return bytes(hdu.data.tobytes()) if is_tree and hdu.data is not None else None


def check_table(hdu: Any) -> None:  # Any: an HDU of astropy
    """Raise ValueError if the values of a table take far more memory than its bytes on disk.

    Rows may have no bytes, and arrays of variable length may overlap (FITS standard 4.0, 7.3.5).
    `hdu` is of any HDU class of astropy.
    """
    if getattr(hdu, "columns", None) is None:
        return
    rows, width = (hdu.header[key] for key in ("NAXIS2", "NAXIS1"))
    if rows > MAX_EMPTY_ROWS and not width:
        raise ValueError(f"the table {hdu.name} has {rows} rows of no bytes")
    size = _size_of_arrays(hdu)
    if size > max(hdu.header.get("PCOUNT", 0), MIN_HEAP):
        raise ValueError(f"the arrays of the table {hdu.name} overlap: they have {size} bytes")


def _size_of_arrays(hdu: Any) -> int:  # Any: an HDU of astropy
    """Return the bytes of all arrays of variable length in a table, as their rows state it."""
    import numpy as np

    size = 0
    for number, column in enumerate(hdu.columns):
        if array := _ARRAYS.search(str(column.format)):
            records = np.asarray(hdu.data)  # whose values are not converted
            field = list(records.dtype.fields or ())[number]
            lengths = records[field].reshape(-1, 2)[:, 0]
            size += int(lengths.astype("u8").sum()) * _ITEM_BYTES.get(array[1], 1)
    return size


def read_tree(content: bytes) -> Any:  # nested dicts, lists and values of YAML
    """Return the tree of an ASDF file with its tags, without the arrays.

    ValueError if it is damaged; LargeTreeError if it is too large.
    """
    from asdf.util import load_yaml
    from yaml import YAMLError

    try:
        check_asdf_tree(content)
        return load_yaml(BytesIO(content), tagged=True)
    except (ValueError, YAMLError) as err:
        kind = LargeTreeError if isinstance(err, LargeTreeError) else ValueError
        raise kind(f"the tree in the ASDF extension: {err}") from err


def asdf_blocks(content: bytes) -> Iterator[bytes]:
    """Yield the used bytes of each binary block after the tree.

    A block is its magic, 2 bytes of header size, 4 flags, 4 compression, then three sizes of 8
    bytes (allocated, used, data); the index after the last block holds offsets only. Source: ASDF
    standard 1.5, section "Blocks". ValueError if one is longer than its space, or the file.
    """
    end_of_tree = _TREE_END.search(content)
    at = content.find(ASDF_BLOCK_MAGIC, end_of_tree.start()) if end_of_tree else -1
    while at >= 0 and content[at : at + 4] == ASDF_BLOCK_MAGIC:
        start = at + 6 + int.from_bytes(content[at + 4 : at + 6], "big")
        allocated, used, data = (
            int.from_bytes(content[at + size : at + size + 8], "big") for size in (14, 22, 30)
        )
        if used > allocated or start + used > len(content):
            raise ValueError(f"a block of the ASDF extension ends {used} bytes after its start")
        if data > max(used, MAX_BLOCK):
            raise ValueError(f"a compressed block of the ASDF extension has {data} bytes")
        yield content[start : start + used]
        at = start + allocated


# ---- trees of YAML ---------------------------------------------------------------------------


class LargeTreeError(ValueError):
    """A tree of YAML has more nodes than are read, in the file or by its aliases."""


def check_asdf_file(path: Path) -> None:
    """Raise ValueError as check_asdf_tree, for a file; nothing is raised for other formats."""
    with open_regular(path) as file:
        content = file.read(MAX_TREE)
    if content.startswith(b"#ASDF"):
        check_asdf_tree(content)


def check_asdf_tree(content: bytes) -> None:
    """Raise ValueError unless the tree of an ASDF file can be read in bounded time and memory."""
    end, start = _TREE_END.search(content), _TREE_OR_BLOCK.search(content)
    if not end:
        raise ValueError("the tree has no end")
    if start and start[0] == b"%YAML" and start.start() > end.start():
        raise ValueError("the tree begins after its end")  # asdf would read a part not checked
    check_yaml(content[: end.end()])


def check_yaml(text: bytes | str) -> None:
    """Raise ValueError unless a YAML text can be read in bounded time and memory.

    It is refused if it nests deeply, refers to itself, or has too many nodes, also where its
    aliases repeat a few many times.
    """
    import yaml

    loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
    sizes = _TreeSizes()
    try:
        for event in yaml.parse(text, Loader=loader):
            sizes.add(event)
    except yaml.YAMLError as err:
        raise ValueError(f"it is not YAML: {plain_text(err)}") from err


class _TreeSizes:
    """The nodes of a YAML text as far as it was read, with those that aliases repeat."""

    def __init__(self) -> None:
        self.written = 0
        self.open: list[tuple[str | None, int, bool]] = []  # anchor, nodes before, is it an array
        self.total = 0
        self.anchors: dict[str, int | None] = {}  # nodes of each; None while it is open
        self.before = ""  # the last scalar: a key, if a value follows

    def add(self, event: Any) -> None:  # an event of PyYAML, whose classes have no types
        """Count one event; ValueError if it is too much, or an array is in another file."""
        import yaml

        anchor = getattr(event, "anchor", None)
        if isinstance(event, yaml.AliasEvent):
            self._check_source("an alias")
            self._count(self._size_of(anchor))
        elif isinstance(event, yaml.CollectionStartEvent):
            self.open.append((anchor, self.total, ARRAY in (event.tag or "")))
            self._count(1)
            self._remember(anchor, None)
        elif isinstance(event, yaml.CollectionEndEvent):
            anchor, before, _ = self.open.pop()
            self._remember(anchor, self.total - before)
        elif isinstance(event, yaml.ScalarEvent):
            self._check_source(event.value)
            self._count(1)
            self._remember(anchor, 1)

    def _check_source(self, value: str) -> None:
        """Raise ValueError if this is the source of an array that asdf would read elsewhere."""
        is_source = self.before == "source" and self.open and self.open[-1][2]
        if is_source and not _INTERNAL.fullmatch(value):
            raise ValueError(f"an array is in another file: {value[:80]!a}")
        self.before = value

    def _size_of(self, anchor: str | None) -> int:
        size = self.anchors.get(anchor or "", 0)
        if size is None:
            raise ValueError("it contains itself")
        return size

    def _remember(self, anchor: str | None, size: int | None) -> None:
        if anchor is not None:
            self.anchors[anchor] = size

    def _count(self, nodes: int) -> None:
        self.written += 1
        self.total += nodes
        copies = max(MAX_COPIES, MAX_RATIO * self.written)
        if len(self.open) > MAX_DEPTH:
            raise ValueError(f"it nests deeper than {MAX_DEPTH} levels")
        if self.written > MAX_NODES or self.total > copies + self.written:
            raise LargeTreeError(f"it has more than {min(self.total, MAX_NODES)} nodes")


def primary_texts(path: Path, keywords: Collection[str]) -> dict[str, str]:
    """Return those keywords of a FITS file's first header that have a text.

    {} of a file that is no FITS. The file may be cut: as many keywords are read as there are.
    """
    with open_regular(path) as file:
        texts = _header_texts(file, "SIMPLE  =")
    return {keyword: text for keyword, text in texts.items() if keyword in keywords}


def unit_of_values(path: Path) -> str:
    """Return the unit of the values of a FITS file: BUNIT of SCI, or that of the flux of spectra.

    "" if it has none, or cannot be read. Only headers are read, up to that of the values.
    """
    start = 0
    with suppress(OSError, ValueError), open_regular(path) as file:
        for number in range(MAX_HDUS):
            file.seek(start)
            texts = _header_texts(file, "XTENSION=" if number else "SIMPLE  =")
            if texts.get("EXTNAME") == "SCI":
                return texts.get("BUNIT", "")
            if texts.get("EXTNAME") in SPECTRA:
                columns = (key[5:] for key, text in texts.items() if text == "FLUX")
                return texts.get(f"TUNIT{next(columns, '')}", "")
            start = _end_of_hdu(file, start)
    return ""


def _header_texts(file: BinaryIO, begin: str) -> dict[str, str]:
    """Return the keywords that have a text of the header at the position of a file.

    {} if it does not begin so. The file may be cut.
    """
    texts: dict[str, str] = {}
    for number in range(MAX_HEADER_BLOCKS):
        block = file.read(FITS_BLOCK).decode("ascii", "replace")
        if not block or (number == 0 and not block.startswith(begin)):
            break
        for start in range(0, len(block), CARD):
            card = block[start : start + CARD]
            if card.rstrip() == "END":
                return texts
            if found := _TEXT_CARD.match(card):
                texts.setdefault(found[1], found[2].replace("''", "'").rstrip())
    return texts


# ---- structure -------------------------------------------------------------------------------


class FitsStructureError(ValueError):
    """The headers and data of a FITS file do not fill it exactly."""

    def __init__(self, what: str, expected: str, found: str):
        self.what, self.expected, self.found = what, expected, found
        super().__init__(f"{what}: expected {expected}, found {found}")


def check_structure(path: Path) -> None:
    """Raise FitsStructureError unless the HDUs of a FITS file end exactly where the file ends.

    Only headers are read. astropy does not replace this check: it drops a last HDU whose header is
    cut, and only warns.
    """
    size = path.stat().st_size
    with open(path, "rb") as file:
        start = file.read(9)
        if start != b"SIMPLE  =":
            found = repr(start.decode("ascii", "replace"))
            raise FitsStructureError("start of FITS", "SIMPLE  =", found)
        end = number = 0
        while end < size:
            try:
                end = _end_of_hdu(file, end)
            except ValueError as err:
                found = f"in HDU {number}: {err}"
                raise FitsStructureError("FITS structure", "whole HDUs", found) from err
            number += 1
            if number > MAX_HDUS:
                raise FitsStructureError("FITS structure", f"at most {MAX_HDUS} HDUs", "more")
    if end != size:
        expected = f"byte {size}, the file's end"
        raise FitsStructureError("end of the last HDU", expected, f"byte {end}")


def _end_of_hdu(file: BinaryIO, start: int) -> int:
    """Return the byte after the HDU that starts at `start`; ValueError if it has no header."""
    file.seek(start)
    keyword = b"XTENSION=" if start else b"SIMPLE  ="
    values: dict[bytes, bytes] = {}
    for number in range(MAX_HEADER_BLOCKS):
        block = file.read(FITS_BLOCK)
        if len(block) < FITS_BLOCK:
            raise ValueError("the header has no END")
        if number == 0 and not block.startswith(keyword):
            raise ValueError(f"expected a header, got {block[:16].decode('ascii', 'replace')!r}")
        if _read_cards(block, values):
            data_blocks = -(-_data_size(values) // FITS_BLOCK)
            return start + (number + 1 + data_blocks) * FITS_BLOCK
    raise ValueError(f"the header has no END within {MAX_HEADER_BLOCKS} blocks")


def _read_cards(block: bytes, values: dict[bytes, bytes]) -> bool:
    """Collect the cards that set the size of the data; return whether the header ends here."""
    for start in range(0, FITS_BLOCK, CARD):
        keyword = block[start : start + 8].rstrip()
        if keyword == b"END":
            return True
        if keyword.startswith(_SIZE_KEYWORDS) and block[start + 8 : start + 10] == b"= ":
            values[keyword] = block[start + 10 : start + CARD].partition(b"/")[0].strip()
    return False


def _data_size(values: dict[bytes, bytes]) -> int:
    """Return the bytes of data that a header announces (FITS standard 4.0, 4.4.1.1 and 6.1)."""
    axes = [_number(values, b"NAXIS%d" % n) for n in range(1, _number(values, b"NAXIS") + 1)]
    if not axes:
        return 0
    if axes[0] == 0 and values.get(b"GROUPS") == b"T":
        axes = axes[1:]
    count = math.prod(axes) + _number(values, b"PCOUNT", 0)
    return abs(_number(values, b"BITPIX")) // 8 * _number(values, b"GCOUNT", 1) * count


def _number(values: dict[bytes, bytes], keyword: bytes, default: int | None = None) -> int:
    text = values.get(keyword)
    if text is None and default is not None:
        return default
    try:
        value = int(text or b"")
    except ValueError:
        value = -1
    if value < 0 and keyword != b"BITPIX":
        shown = (text or b"missing").decode("ascii", "replace")
        raise ValueError(f"{keyword.decode()} is {shown}")
    return value
