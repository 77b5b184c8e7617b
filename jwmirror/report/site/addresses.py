"""The addresses of the pages of a site, and of files that they link to. Pure."""

import hashlib
import re
from urllib.parse import quote

SAFE = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,150}")
UNSAFE = re.compile(r"[^A-Za-z0-9._-]+")
PLAIN_PATH = re.compile(r"[A-Za-z0-9_.~/-]*")  # characters that an address has as they are
INDEX, ATTENTION, MOSAICS = "index.html", "attention.html", "mosaics.html"
RELEASES, CITATION = "releases.html", "cite.html"
ATOM, JSON_FEED = "feed.xml", "feed.json"
SINGLE_PAGES = (INDEX, ATTENTION, MOSAICS, RELEASES, CITATION, ATOM, JSON_FEED)
PICTURES = "pictures"  # folder
PAGE_FOLDERS = ("generations", "programs", "observations", "products")


def generation_address(number: int) -> str:
    """Return the address of a generation's page, from the folder of the site."""
    return f"generations/{number}.html"


def program_address(program: str) -> str:
    """Return the address of a program's page; `program` is its folder, jw01345."""
    return f"programs/{_stem(program)}.html"


def observation_address(program: str, observation: str) -> str:
    """Return the address of the page of an observation or candidate, by its folders."""
    return f"observations/{_stem(f'{program}-{observation}')}.html"


def product_address(root: str) -> str:
    """Return the address of the page of an exposure or combined product, by its root."""
    return f"products/{_stem(root)}.html"


def _stem(name: str) -> str:
    """Return a name that is safe in a folder and in an address; other names get a digest."""
    if SAFE.fullmatch(name):
        return name
    digest = hashlib.sha256(name.encode(errors="surrogatepass")).hexdigest()[:12]
    return f"{UNSAFE.sub('-', name)[:80].strip('.-')}-{digest}"


def quoted(path: str) -> str:
    """Return a relative path as an address, in which no character has a meaning."""
    if PLAIN_PATH.fullmatch(path):  # as quote does, in a fifth of the time
        return path
    return quote(path, safe="/", errors="surrogateescape")
