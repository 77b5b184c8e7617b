"""The feeds of a site, which feed readers poll: Atom (RFC 4287) and JSON Feed 1.1. Pure.

Identifiers are tag URIs (RFC 4151). They come from the identity of the mirror and not from an
address, so that they stay when the mirror moves or a web server serves it.
"""

import json
from collections.abc import Iterable
from dataclasses import dataclass
from xml.etree import ElementTree as ET

from jwmirror import __version__
from jwmirror.core.printing import LINES, printable
from jwmirror.report.site.addresses import ATOM, INDEX, quoted

ATOM_NAMESPACE = "http://www.w3.org/2005/Atom"
VERSION = "https://jsonfeed.org/version/1.1"
AUTHORITY = "jwmirror.invalid"  # a reserved name (RFC 2606), which cannot be registered
AUTHOR = "jwmirror"


@dataclass(frozen=True, kw_only=True)
class FeedEntry:
    """One thing that happened in a mirror."""

    name: str  # generation/43, run/20260301T120000.000000Z-1: within the mirror, for ever
    kind: str  # generation, failure
    title: str
    at: str  # ISO, UTC
    lines: tuple[str, ...]
    page: str = ""  # its address in the site; "": the first page


@dataclass(frozen=True, kw_only=True)
class Feed:
    """The feed of one site, the newest entries first."""

    identity: str  # of the mirror: hex digits
    since: str  # ISO: when its first generation was published
    title: str
    is_public: bool
    entries: tuple[FeedEntry, ...]

    def tag(self, name: str) -> str:
        """Return the tag URI of something in the mirror."""
        return f"tag:m{self.identity[:16]}.{AUTHORITY},{self.since[:10]}:{name}"

    def entry_tag(self, name: str) -> str:
        """Return the tag URI of an entry, so that a reader of both feeds keeps them apart."""
        return self.tag(name if self.is_public else f"exclusive/{name}")

    @property
    def id(self) -> str:
        """Its own identifier."""
        return self.tag("feed" if self.is_public else "feed-exclusive")

    @property
    def updated(self) -> str:
        """The time of its newest entry; that of the first generation, if it has none."""
        return max((entry.at for entry in self.entries), default=self.since)


def atom_feed(feed: Feed) -> str:
    """Return a feed as an Atom document. Links are relative to the folder of the site."""
    root = ET.Element("feed", xmlns=ATOM_NAMESPACE)
    root.set("xml:lang", "en")
    _texts(root, {"id": feed.id, "title": feed.title, "updated": feed.updated})
    _texts(ET.SubElement(root, "author"), {"name": AUTHOR})
    ET.SubElement(root, "generator", version=__version__).text = AUTHOR
    ET.SubElement(root, "link", rel="self", type="application/atom+xml", href=ATOM)
    ET.SubElement(root, "link", rel="alternate", type="text/html", href=INDEX)
    for entry in feed.entries:
        element = ET.SubElement(root, "entry")
        words = {"id": feed.entry_tag(entry.name), "title": entry.title, "updated": entry.at}
        _texts(element, words)
        address = quoted(entry.page or INDEX)
        ET.SubElement(element, "link", rel="alternate", type="text/html", href=address)
        ET.SubElement(element, "category", term=entry.kind)
        ET.SubElement(element, "content", type="text").text = _content(entry.lines)
    ET.indent(root)
    return f'<?xml version="1.0" encoding="utf-8"?>\n{ET.tostring(root, encoding="unicode")}\n'


def json_feed(feed: Feed) -> str:
    """Return a feed as a JSON Feed, without addresses, which would have to be absolute."""
    items = [
        {
            "id": feed.entry_tag(entry.name),
            "title": printable(entry.title),
            "content_text": _content(entry.lines),
            "date_published": entry.at,
            "tags": [entry.kind],
        }
        for entry in feed.entries
    ]
    top = {"version": VERSION, "title": printable(feed.title), "language": "en"}
    return json.dumps({**top, "authors": [{"name": AUTHOR}], "items": items}, indent=1) + "\n"


def _texts(element: ET.Element, words: dict[str, str]) -> None:
    """Add children with texts."""
    for name, text in words.items():
        ET.SubElement(element, name).text = printable(text)


def _content(lines: Iterable[str]) -> str:
    return printable("\n".join(lines), LINES)
