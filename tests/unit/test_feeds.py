"""Feeds of the site: valid for any reader, the same identifiers for ever, no exclusive data."""

import json
import re
import shutil
from datetime import datetime
from functools import partial
from xml.etree import ElementTree as ET

import pytest

from jwmirror.core.model import Poll
from jwmirror.core.model.plan import Published
from jwmirror.core.model.run import Stop
from jwmirror.report.site.feeds import Feed, FeedEntry, atom_feed, json_feed
from jwmirror.services.run.session import RunSession
from jwmirror.services.run.site import write_site
from jwmirror.store.access import exclusive_site, public_site
from jwmirror.store.generations import Generations
from jwmirror.store.maintenance.prune import prune
from jwmirror.store.maintenance.retention import RetentionPolicy
from tests.setup.mirrors import EXPOSURE, RUN, image_writer, made_from
from tests.unit.test_site import SECRET, pages_of

A = "{http://www.w3.org/2005/Atom}"
TAG = re.compile(r"tag:m[0-9a-f]{16}\.jwmirror\.invalid,\d{4}-\d\d-\d\d:\S+")
HOSTILE = "<script>&]]>\x00\x1b\u202e\ud800 end"
write_pages = partial(write_site, budget_s=0)  # without drawing, which takes seconds


def feed(*entries, **fields) -> Feed:
    """A feed of a mirror."""
    given = {"identity": "ab" * 32, "since": "2026-01-01T00:00:00+00:00", "title": "Mirror"}
    return Feed(**given | {"is_public": True} | fields, entries=entries)


def entry(number, **fields) -> FeedEntry:
    """An entry about a generation."""
    given = {"name": f"generation/{number}", "kind": "generation", "title": f"Generation {number}"}
    times = {"at": f"2026-03-{number:02d}T00:00:00+00:00", "lines": ("one", "two")}
    return FeedEntry(**given | times | fields)


def check_atom(text: str) -> ET.Element:
    """AssertionError unless a document has what RFC 4287 requires; its root."""
    root = ET.fromstring(text.encode())
    assert root.tag == f"{A}feed"
    entries = root.findall(f"{A}entry")
    for element in (root, *entries):  # 4.1.1 and 4.1.2: exactly one of each
        for name in ("id", "title", "updated"):
            (found,) = element.findall(f"{A}{name}")
            assert found.text and not list(found)
        assert TAG.fullmatch(element.find(f"{A}id").text)
        time = datetime.fromisoformat(element.find(f"{A}updated").text)
        assert time.tzinfo is not None  # 3.3: RFC 3339
        alternates = [
            (link.get("type"), link.get("hreflang"))
            for link in element.findall(f"{A}link")
            if link.get("rel") == "alternate"
        ]
        assert len(alternates) == len({*alternates})  # at most one of a type and language
        assert all(link.get("href") for link in element.findall(f"{A}link"))
    (author,) = root.findall(f"{A}author")  # of the feed, so that entries need none
    assert author.find(f"{A}name").text
    assert [link.get("rel") for link in root.findall(f"{A}link")].count("self") == 1
    for each in entries:
        (content,) = each.findall(f"{A}content")
        assert content.get("type") == "text" and not list(content)
        assert all(category.get("term") for category in each.findall(f"{A}category"))
    ids = [each.find(f"{A}id").text for each in entries]
    assert len(ids) == len({*ids})
    return root


def check_json(text: str) -> dict:
    """AssertionError unless a document is a JSON Feed 1.1; its content."""
    content = json.loads(text)
    assert content["version"] == "https://jsonfeed.org/version/1.1"
    assert isinstance(content["title"], str)
    assert {*content} <= {"version", "title", "language", "authors", "items"}
    assert all(author["name"] for author in content["authors"])
    for item in content["items"]:
        assert isinstance(item["id"], str) and isinstance(item["content_text"], str)
        assert datetime.fromisoformat(item["date_published"]).tzinfo is not None
        assert all(isinstance(tag, str) for tag in item["tags"])
    ids = [item["id"] for item in content["items"]]
    assert len(ids) == len({*ids})
    return content


@pytest.mark.parametrize("entries", [(), (entry(2), entry(1))])
def test_feeds_are_as_their_standards_require(entries):
    """With entries and without."""
    root, content = check_atom(atom_feed(feed(*entries))), check_json(json_feed(feed(*entries)))

    assert [each.find(f"{A}title").text for each in root.findall(f"{A}entry")] == [
        item["title"] for item in content["items"]
    ]
    newest = entries[0].at if entries else "2026-01-01T00:00:00+00:00"
    assert root.find(f"{A}updated").text == newest


def test_texts_from_outside_break_no_feed():
    """Of file names, messages and causes; characters that XML does not know are escaped."""
    hostile = feed(entry(1, title=HOSTILE, lines=(HOSTILE, HOSTILE)), title=HOSTILE)

    root, content = check_atom(atom_feed(hostile)), check_json(json_feed(hostile))

    shown = root.find(f"{A}entry/{A}content").text
    assert shown == content["items"][0]["content_text"]
    assert shown.count("\n") == 1
    assert shown.startswith("<script>&]]>\\x00\\x1b\\u202e\\ud800 end")
    assert "<script>" not in atom_feed(hostile)


# ---- of a mirror -------------------------------------------------------------------------------


def ids_of(site) -> list[str]:
    """The identifiers of the entries of a site's feeds, which must agree."""
    root, content = (
        check_atom((site / "feed.xml").read_text()),
        check_json((site / "feed.json").read_text()),
    )
    ids = [each.find(f"{A}id").text for each in root.findall(f"{A}entry")]
    assert ids == [item["id"] for item in content["items"]]
    return ids


def test_each_generation_is_an_entry_that_links_to_its_page(small_mirror):
    """The newest first, with its causes; identifiers stay when the mirror moves or is pruned."""
    rows = list(Generations(small_mirror.root).entries())[:-1]
    Generations(small_mirror.root).publish(rows, "less", {})
    write_pages(mirror=small_mirror.root)
    site = public_site(small_mirror.root)
    ids = ids_of(site)
    moved = small_mirror.root.with_name("moved")
    shutil.copytree(small_mirror.root, moved, symlinks=True)
    prune(moved, RetentionPolicy(keep_last=1))

    write_pages(mirror=moved)

    entries = check_atom((site / "feed.xml").read_text()).findall(f"{A}entry")
    generations = [each for each in entries if ":generation/2" in each.find(f"{A}id").text]
    assert [each.find(f"{A}title").text for each in generations] == ["Generation 2: less"]
    links = [each.find(f"{A}link").get("href") for each in entries]
    assert all((site / link).is_file() for link in links)
    assert ids_of(public_site(moved)) == ids
    assert len([name for name in ids if ":generation/" in name]) == 2
    pages = pages_of(site).values()
    assert all(any(link.endswith("feed.xml") for link in page.addresses) for page in pages)


def test_runs_that_failed_are_entries(small_mirror):
    """What the last one could not do, and why one ended early."""
    small_mirror.record("published.json", Published(generation=1, is_new=True))
    write_pages(mirror=small_mirror.root)
    failed = check_json((public_site(small_mirror.root) / "feed.json").read_text())
    (small_mirror.run_folder / "published.json").unlink()
    stop = Stop(run=RUN, at="2026-03-02T00:00:00+00:00", rule="query_archive", why="MAST is closed")
    small_mirror.record("stopped.json", stop)

    write_pages(mirror=small_mirror.root)

    (first,) = [item for item in failed["items"] if item["tags"] == ["failure"]]
    assert first["id"].endswith(f":run/{RUN}")
    assert "late_exposure: jump: <no> groups left" in first["content_text"]
    stopped = check_json((public_site(small_mirror.root) / "feed.json").read_text())
    (second,) = [item for item in stopped["items"] if item["tags"] == ["failure"]]
    assert (second["id"], second["content_text"]) == (first["id"], "query_archive: MAST is closed")


def test_a_run_that_fails_writes_the_site(small_mirror):
    """Otherwise its pages would go on to say that all is well."""
    session = RunSession(small_mirror.root, wait=False)
    session.begin()

    session.fail()

    feed_text = (public_site(small_mirror.root) / "feed.json").read_text()
    (item,) = [each for each in check_json(feed_text)["items"] if session.id in each["id"]]
    assert item["title"] == f"Run {session.id} ended before it published"
    attention = pages_of(public_site(small_mirror.root))["attention.html"].text
    assert session.id in attention


def test_the_public_feed_has_nothing_of_exclusive_data(empty_mirror):
    """The complete one has its own identifier, and names what failed."""
    mirror = empty_mirror
    mirror.hold(f"{EXPOSURE}_uncal.fits", image_writer(1.0))
    secret = mirror.hold(f"{SECRET}_uncal.fits", image_writer(2.0), exclusive=True, program=2345)
    made = made_from("detector1", SECRET, secret.filename)
    mirror.make(made, f"{SECRET}_rate.fits", image_writer(3.0))
    mirror.publish("one")
    mirror.record("changes.json", Poll(listings=(), changes=()))
    mirror.record("published.json", Published(generation=1, is_new=True))
    mirror.record("orders.json", {"products": {"jw02345-o001.1": []}})
    failure = {"name": f"deep: {SECRET}", "message": "median 7.125"}
    receipt = mirror.root / "receipts" / "fetch" / "jw02345-o001.1.json"
    receipt.parent.mkdir(parents=True, exist_ok=True)
    receipt.write_text(json.dumps({"failures": [failure]}))

    write_pages(mirror=mirror.root)

    public, whole = public_site(mirror.root), exclusive_site(mirror.root)
    assert "7.125" not in (public / "feed.xml").read_text() + (public / "feed.json").read_text()
    assert "7.125" in (whole / "feed.json").read_text()
    assert set(ids_of(public)).isdisjoint(ids_of(whole))
    assert [each.replace(":exclusive/", ":") for each in ids_of(whole)] == ids_of(public)
    texts = [(site / "feed.xml").read_text() for site in (public, whole)]
    for tag in ("id", "title"):
        assert len({check_atom(text).find(f"{A}{tag}").text for text in texts}) == 2
    assert (whole / "feed.xml").stat().st_mode & 0o077 == 0
