"""Odd input of every kind, made from sound input by seeded mutations: equal seeds, equal bytes."""

import json
import re
from collections.abc import Callable
from functools import cache
from io import BytesIO
from random import Random
from typing import Any

import asdf
import numpy as np
from astropy.io import fits

CARD, BLOCK = 80, 2880  # bytes of FITS
ODD_NUMBERS = (0, -1, 1, 2**31, 2**63, 2**64, 10**30, 10**400, 1e308, float("inf"), float("nan"))
ODD_TEXTS = (
    *(
        "",
        " ",
        "..",
        "../../x",
        "/etc/passwd",
        "a/b",
        "a\0b",
        "a\nb",
        "\x1b[2J",
        "\ud800",
        "\u202e",
    ),
    *("N/A", "x" * 5000, "-rf", "{}", "1e400", "NaN", "jw01345", "%s%n", "٣", "__class__"),
)
ODD_CARDS = (
    *("FIRSTOBS= visit 1, not quoted", "NAXIS1  = 99999999999999999999", "NAXIS   = 999"),
    *("NAXIS1  = -1", "BITPIX  = 7", "BITPIX  = -64", "GCOUNT  = 1000000", "PCOUNT  = 1000000000"),
    *("TFORM1  = '1000000000E'", "TFORM1  = '1PE(1000)'", "TFORM1  = 'Q'", "TFORM1  = '0A'"),
    *(
        "TDIM1   = '(99999,99999)'",
        "TSCAL1  = 'x'",
        "TZERO1  = 1E400",
        "TFIELDS = 999",
        "TFIELDS = 0",
    ),
    *("EXTNAME = 'ASDF'", "EXTNAME = 'HDRTAB'", "EXTNAME = 'SCI'", "EXTNAME = 1", "EXTVER  = 'x'"),
    *("ZIMAGE  = T", "ZCMPTYPE= 'RICE_1'", "ZNAXIS1 = 100000", "ZNAXIS  = 2", "ZBITPIX = 16"),
    *("BSCALE  = 1E300", "BZERO   = 'x'", "BLANK   = 1.5", "GROUPS  = T", "INHERIT = 3"),
    *("CONTINUE  'abc&'", "HIERARCH a b c = 1", "END", "", "DATE-OBS= 'never'", "NGROUPS = 'many'"),
    *("NINTS   = 1E9", "NGROUPS = -3", "INTSTART= 'a'", "INSTRUME= 3", "TELESCOP= 'HUBBLE'"),
    *("EXP_TYPE= T", "DATAMODL= 'NoModel'", "DATAMODL= 'MultiSlitModel'", "SUBSIZE1= (1,2)"),
    *(
        "FILTER  = 'F2\x0700W'",
        "FILTER  = 'F2\xff0W'",
        "\0\0\0\0\0\0\0\0= 1",
        "XTENSION= 'TABLE   '",
    ),
)
ODD_YAML = (
    *("&a [*a]", "&a {k: *a}", "[" * 3000 + "]" * 3000, "{a: " * 500 + "1" + "}" * 500),
    *("!core/ndarray-1.0.0 {source: 99, datatype: float64, byteorder: little, shape: [9]}",),
    *("!core/ndarray-1.0.0 {source: -1, datatype: int8, byteorder: big, shape: [999999999999]}",),
    *("!core/ndarray-1.0.0 {source: /etc/passwd, datatype: int8, byteorder: big, shape: [1]}",),
    *("!core/ndarray-1.0.0 {source: 0, datatype: int8, byteorder: big, shape: [1], strides: [0]}",),
    *("!!python/object/apply:os.system [id]", "!transform/identity-1.0.0 {}", "*nowhere", "@"),
    *(
        "!core/complex-1.0.0 x",
        "!!timestamp 9999-99-99",
        "? [a]\n: b",
        "1e999999",
        "0x" + "f" * 5000,
    ),
    *("!gwcs/wcs-1.0.0 {name: x, steps: []}", "!transform/polynomial-1.2.0 {coefficients: 1}"),
)
TOKENS = {
    "fits": [card.ljust(CARD).encode("latin1") for card in ODD_CARDS],
    "text": [text.encode("utf-8", "surrogatepass") for text in ODD_TEXTS] + [b"\xff\xfe", b"\0"],
    "yaml": [text.encode() for text in ODD_YAML],
}


def mutate_bytes(random: Random, data: bytes, tokens: list[bytes], changes: int = 4) -> bytes:
    """Flip, cut, double, overwrite and insert parts of some bytes."""
    octets = bytearray(data)
    for _ in range(random.randint(1, changes)):
        at = random.randrange(len(octets) + 1)
        length = random.choice((1, 4, 80, 2880))
        match random.randrange(6):
            case 0 if octets:
                octets[min(at, len(octets) - 1)] ^= 1 << random.randrange(8)
            case 1:
                del octets[at : at + length]
            case 2:
                octets[at:at] = octets[at : at + length] * random.choice((1, 2, 50))
            case 3:
                octets[at : at + length] = random.randbytes(length)
            case 4:
                token = random.choice(tokens)
                octets[at : at + len(token)] = token
            case _:
                octets[at:at] = random.choice(tokens)
    return bytes(octets[: random.randrange(len(octets) + 1)] if random.random() < 0.1 else octets)


def mutate_cards(random: Random, data: bytes) -> bytes:
    """Replace some cards of the headers by odd ones; the blocks stay whole."""
    octets = bytearray(data)
    for _ in range(random.randint(1, 3)):
        starts = [at for at in range(0, len(octets), CARD) if octets[at + 8 : at + 9] == b"="]
        at = random.choice(starts or [0])
        octets[at : at + CARD] = random.choice(TOKENS["fits"])
    return bytes(octets)


def mutate_json(random: Random, value: Any, depth: int = 0) -> Any:
    """Replace, remove or add some nodes of a tree of JSON."""
    odd = [*ODD_NUMBERS, *ODD_TEXTS, None, True, [], {}, [[]], nested(random.choice((50, 900)))]
    path = random.random()
    if isinstance(value, dict) and value and path < 0.85:
        key = random.choice(list(value))
        changed = {**value, key: mutate_json(random, value[key], depth + 1)}
        match random.randrange(8):
            case 0:
                del changed[key]
            case 1:
                changed[random.choice(ODD_TEXTS)] = random.choice(odd)
        return changed
    if isinstance(value, list) and value and path < 0.85:
        at = random.randrange(len(value))
        changed_list = [*value[:at], mutate_json(random, value[at], depth + 1), *value[at + 1 :]]
        return changed_list * (random.choice((1, 1, 1, 2, 20)) if depth < 4 else 1)
    return random.choice(odd)


def nested(depth: int) -> Any:
    """A list in a list in a list."""
    value: Any = 1
    for _ in range(depth):
        value = [value]
    return value


def odd_json(random: Random, value: Any) -> bytes:
    """The text of mutated JSON; sometimes its bytes are mutated, too, or it nests very deeply."""
    for _ in range(random.randint(1, 3)):
        value = mutate_json(random, value)
    text = json.dumps(value).encode()
    match random.randrange(12):
        case 0:
            return b"[" * 50_000 + text
        case 1 | 2:
            return mutate_bytes(random, text, TOKENS["text"])
        case 3:
            return text.replace(b"1", b"1e400", 1)
    return text


# ---- sound input -----------------------------------------------------------------------------


@cache
def sound_tree() -> bytes:
    """An ASDF file with some values and two arrays."""
    buffer = BytesIO()
    tree = {
        "meta": {"instrument": {"name": "NIRCAM", "detector": "NRCB1"}, "date": "2026-01-01"},
        "table": np.arange(20.0).reshape(4, 5),
        "more": [np.arange(3), {"a": 1.5, "b": "text", "c": None, "d": [True, 1]}],
    }
    asdf.AsdfFile(tree).write_to(buffer)
    return buffer.getvalue()


def fits_with(tree: bytes) -> bytes:
    """A raw exposure of few pixels, with a table of headers, a spectrum, and this ASDF file."""
    primary = fits.PrimaryHDU()
    primary.header.update(TELESCOP="JWST", INSTRUME="NIRCAM", DETECTOR="NRCB1", FILTER="F200W")
    primary.header.update(PUPIL="CLEAR", EXP_TYPE="NRC_IMAGE", NINTS=1, NGROUPS=2, READPATT="RAPID")
    primary.header.update(DATAMODL="Level1bModel", SUBSIZE1=8, SUBSIZE2=8, SUBARRAY="SUB8")
    primary.header.update({"DATE-OBS": "2026-01-01", "TIME-OBS": "00:00:00"}, PROGRAM="01345")
    raw = fits.ImageHDU(np.arange(128, dtype="u2").reshape(1, 2, 8, 8), name="SCI")
    error = fits.ImageHDU(np.ones((8, 8), "f4"), name="ERR")
    rows = [
        fits.Column("FILENAME", "20A", array=np.array(["a", "b"])),
        fits.Column("PATT_NUM", "J", array=np.array([1, 2])),
    ]
    headers = fits.BinTableHDU.from_columns(rows, name="HDRTAB")
    flux = fits.Column("FLUX", "E", array=np.arange(9, dtype="f4"))
    spectrum = fits.BinTableHDU.from_columns([flux], name="EXTRACT1D")
    column = fits.Column("ASDF_METADATA", f"{len(tree)}B", array=np.frombuffer(tree, "u1")[None, :])
    metadata = fits.BinTableHDU.from_columns([column], name="ASDF")
    buffer = BytesIO()
    fits.HDUList([primary, raw, error, headers, spectrum, metadata]).writeto(buffer)
    return buffer.getvalue()


@cache
def sound_fits() -> bytes:
    """The exposure with a sound tree."""
    return fits_with(sound_tree())


def odd_fits(random: Random) -> bytes:
    """An exposure with odd cards, or other bytes."""
    if random.random() < 0.6:
        return mutate_cards(random, sound_fits())
    return mutate_bytes(random, sound_fits(), TOKENS["fits"])


def odd_tree(random: Random) -> bytes:
    """An ASDF file with odd YAML, odd blocks, or other bytes."""
    tree, odd = sound_tree(), random.choice(TOKENS["yaml"])
    match random.randrange(5):
        case 0:
            return tree.replace(b"\nmeta:", b"\nodd: " + odd + b"\nmeta:")
        case 1:
            return tree.replace(b"NIRCAM", odd)
        case 2:
            return tree.replace(b"\nmeta:", b"\n" + bomb(random) + b"\nmeta:")
        case 3:
            at = tree.index(b"\xd3BLK")
            return tree[:at] + mutate_bytes(random, tree[at:], [tree[at : at + 60], b"\xff" * 8])
    return mutate_bytes(random, tree, TOKENS["yaml"])


def bomb(random: Random) -> bytes:
    """Aliases of aliases: as many nodes as the width to the power of the levels."""
    width, levels = random.randint(2, 12), random.randint(2, 12)
    lines = [b"b0: &b0 [x, x]"]
    for level in range(1, levels):
        lines.append(
            b"b%d: &b%d [%s]" % (level, level, b", ".join([b"*b%d" % (level - 1)] * width))
        )
    return b"\n".join(lines)


CATALOGUE = b"""# %ECSV 1.0
# ---
# datatype:
# - {name: label, datatype: int64}
# - {name: flux, unit: Jy, datatype: float64, subtype: 'float64[2]'}
# - {name: name, datatype: string}
# meta: !!omap
# - {date: '2026-01-01'}
# schema: astropy-2.0
label flux name
1 [1.5,2] a
2 [2.5,1] b
"""


def odd_catalogue(random: Random) -> bytes:
    """An ECSV file with odd YAML in its header, or other bytes."""
    if random.random() < 0.5:
        odd = random.choice(TOKENS["yaml"]).replace(b"\n", b"\n# ")
        at = random.choice((b"'2026-01-01'", b"int64", b"Jy", b"'float64[2]'", b"label", b"!!omap"))
        return CATALOGUE.replace(at, odd, 1)
    tokens = [*TOKENS["text"], b"# ", b"[", b"'float64[99999999999]'", b"object", b"complex128"]
    return mutate_bytes(random, CATALOGUE, tokens)


def odd_mapping(random: Random, text: bytes) -> bytes:
    """A mapping of CRDS with odd values in its dictionaries, or other bytes."""
    odd = [*map(repr, ODD_NUMBERS), *map(repr, ODD_TEXTS), "None", "[]", "{}", "(1,", "open('x')"]
    odd += ["9" * 5000, "-" * 20_000 + "1", "[" * 150 + "]" * 150, "UseAfter({})", "Match({})"]
    if random.random() < 0.3:
        return mutate_bytes(random, text, [token.encode() for token in odd if token.isascii()])
    values = [match.span() for match in re.finditer(rb"'[^'\n]*'|\([^()\n]*\)", text)]
    start, end = random.choice(values)
    return text[:start] + random.choice(odd).encode("utf-8", "replace") + text[end:]


MEMBERS = [
    {"expname": f"jw01345001001_02101_0000{n}_nrcb1_cal.fits", "exptype": "science"}
    for n in range(1, 4)
]
ASSOCIATION = {
    "asn_type": "image3",
    "asn_id": "o001",
    "program": "01345",
    "asn_pool": "jw01345_20260101t000000_pool.csv",
    "products": [{"name": "jw01345-o001_t001_nircam_clear-f200w", "members": MEMBERS}],
}
MAKE: dict[str, Callable[[Random], bytes]] = {
    "fits": odd_fits,
    "tree": odd_tree,
    "catalogue": odd_catalogue,
    "association": lambda random: odd_json(random, ASSOCIATION),
}
