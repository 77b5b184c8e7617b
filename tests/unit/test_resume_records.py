"""Records of unfinished downloads: of the same version, of a known end, under a strong ETag."""

from dataclasses import replace
from pathlib import Path

import pytest
from msgspec import structs

from jwmirror.core.errors import ArchiveError
from jwmirror.net.download import download
from jwmirror.net.http import HttpClient
from jwmirror.net.request import DownloadRequest
from jwmirror.net.resume_record import (
    ResumeRecord,
    is_strong,
    read_record,
    record_path,
    remove_partial,
    resume_key,
    write_record,
)
from tests.setup.file_server import (  # noqa: F401
    HASTY,
    FileServer,
    body,
    file_server,
    small_image,
)
from tests.setup.records import RATE, product

RECORD = ResumeRecord(version="v1", etag='"e1"', size=10)
EAGER = replace(HASTY, bodies=1, keep_from=1)  # everything is worth resuming


@pytest.fixture
def part(tmp_path: Path) -> Path:
    """An unfinished file of four bytes, with its record."""
    part = tmp_path / "key.part"
    part.write_bytes(b"half")
    write_record(part, RECORD)
    return part


@pytest.mark.parametrize("size", [10, None])
def test_a_record_of_the_same_version_is_used(part, size):
    """Whether or not the listing has a size."""
    assert read_record(part, "v1", size) == RECORD


@pytest.mark.parametrize(("version", "size"), [("v2", 10), ("", 10), ("v1", 11), ("v1", 9)])
def test_a_record_of_another_version_or_size_is_not_used(part, version, size):
    """The bytes on disk would be the beginning of another file."""
    assert read_record(part, version, size) is None


@pytest.mark.parametrize("data", [b"", b"0123456789", b"0123456789+"])
def test_a_file_that_is_empty_or_has_no_missing_end_is_not_resumed(part, data):
    """There is nothing to ask for, or nothing to add to."""
    part.write_bytes(data)

    assert read_record(part, "v1", 10) is None


@pytest.mark.parametrize("etag", ['W/"e1"', "e1", '""', '"e1', 'e1"'])
def test_a_weak_or_malformed_etag_promises_nothing(part, etag):
    """Only a strong ETag promises equal bytes."""
    write_record(part, replace(RECORD, etag=etag))

    assert not is_strong(etag)
    assert read_record(part, "v1", 10) is None


def test_no_etag_is_not_strong():
    """A server without ETags cannot be asked for the rest."""
    assert not is_strong(None)
    assert is_strong('"e"')


@pytest.mark.parametrize("damage", ["no record", "torn record", "no file"])
def test_a_record_in_doubt_is_none(part, damage):
    """After a power cut anything may be missing."""
    if damage == "no file":
        part.unlink()
    elif damage == "no record":
        record_path(part).unlink()
    else:
        record_path(part).write_bytes(b'{"version": "v1"')

    assert read_record(part, "v1", 10) is None


def test_one_byte_is_worth_resuming(part):
    """Where the rest is missing."""
    part.write_bytes(b"h")

    assert read_record(part, "v1", 10) == RECORD


def test_a_removed_file_leaves_no_record(part):
    """The next request starts at the first byte."""
    remove_partial(part)
    remove_partial(part)

    assert list(part.parent.iterdir()) == []


def test_an_unfinished_file_is_named_by_product_and_version():
    """Two products, and two versions of one, never share it; without a checksum there is none."""
    one = product(RATE, checksum="a" * 32)
    others = [
        structs.replace(one, checksum="b" * 32),
        structs.replace(one, uri="mast:JWST/product/other.fits"),
    ]

    keys = {resume_key(each) for each in (one, *others)}

    assert len(keys) == 3 and all(key and len(key) == 32 for key in keys)
    assert resume_key(product(RATE)) is None


def cut(server: FileServer, folder: Path, image: bytes, **headers: str) -> DownloadRequest:
    """A download that was cut after 5,000 bytes; what was left is in the folder."""
    length = {"Content_Length": str(len(image)), "ETag": '"v1"', **headers}
    server.put(RATE, body(image[:5000], **length))
    request = DownloadRequest.of(product(RATE, image), f"{server.url}/{RATE}")
    with pytest.raises(Exception, match="cut 1 times"):
        download(HttpClient(1, EAGER), request, folder)
    server.requests.clear()
    return request


def test_only_a_strong_etag_makes_a_cut_file_worth_keeping(server, tmp_path, image):
    """With a weak one, the rest might be of other bytes."""
    for name, etag in (("strong", '"v1"'), ("weak", 'W/"v1"')):
        (tmp_path / name).mkdir()
        cut(server, tmp_path / name, image, ETag=etag)

    assert sorted(path.suffix for path in (tmp_path / "strong").iterdir()) == [".kept", ".part"]
    assert list((tmp_path / "weak").iterdir()) == []


def test_a_small_file_and_one_of_another_size_are_not_kept(server, tmp_path, image):
    """To fetch a small file again costs less than to resume it."""
    for name, timeouts, changes in (
        ("small", replace(EAGER, keep_from=1 << 20), {}),
        ("other", EAGER, {"size": len(image) + 1}),
        ("keyless", EAGER, {"key": None}),
    ):
        (tmp_path / name).mkdir()
        server.put(RATE, body(image[:5000], Content_Length=str(len(image)), ETag='"v1"'))
        request = DownloadRequest.of(product(RATE, image), f"{server.url}/{RATE}")
        with pytest.raises(Exception, match="cut 1 times"):
            download(HttpClient(1, timeouts), replace(request, **changes), tmp_path / name)

        assert list((tmp_path / name).iterdir()) == [], name


RESTS = {
    "right": ({}, True),
    "another range": ({"Content_Range": "bytes 4999-{last}/{size}"}, False),
    "another size": ({"Content_Range": "bytes 5000-{last}/99999"}, False),
    "another version": ({"ETag": '"v2"'}, False),
    "no version": ({"ETag": ""}, False),
    "compressed": ({"Content_Encoding": "gzip"}, False),
    "another length": ({"Content_Length": "17"}, False),
    "no length": ({"Content_Length": ""}, True),
    "plain": ({"Content_Encoding": "identity"}, True),
}


@pytest.mark.parametrize("case", RESTS)
def test_the_rest_is_taken_only_if_it_is_the_rest_of_this_file(server, tmp_path, image, case):
    """Range, size, version and encoding must fit; else the whole file is asked for."""
    changes, is_resumed = RESTS[case]
    request = cut(server, tmp_path, image)
    facts = {"last": len(image) - 1, "size": len(image)}
    headers = {"Content_Range": "bytes 5000-{last}/{size}", "ETag": '"v1"', **changes}
    headers = {name: value.format(**facts) for name, value in headers.items()}
    server.put(RATE, body(image[5000:], status=206, **headers), body(image))

    file = download(HttpClient(1, EAGER), request, tmp_path)

    assert (file.resumed, len(server.requests)) == (is_resumed, 1 if is_resumed else 2)
    assert file.path.read_bytes() == image
    assert file.announced == str(len(image))


def test_a_resumed_file_with_wrong_bytes_is_fetched_whole(server, tmp_path, image):
    """What was on disk may be at fault, so it is not yet a rejected file."""
    request = cut(server, tmp_path, image)
    (part,) = tmp_path.glob("*.part")
    part.write_bytes(b"x" * 5000)
    range_ = f"bytes 5000-{len(image) - 1}/{len(image)}"
    rest = body(image[5000:], status=206, Content_Range=range_, ETag='"v1"')
    server.put(RATE, rest, body(image))

    file = download(HttpClient(1, replace(EAGER, bodies=2)), request, tmp_path / ".")

    assert file.path.read_bytes() == image
    assert not file.resumed
    assert ["Range" in headers for _, headers in server.requests] == [True, False]


def test_a_resumed_file_with_wrong_bytes_is_no_result_of_the_last_try(server, tmp_path, image):
    """Nothing is returned, and nothing is left to go wrong again."""
    request = cut(server, tmp_path, image)
    (part,) = tmp_path.glob("*.part")
    part.write_bytes(b"x" * 5000)
    range_ = f"bytes 5000-{len(image) - 1}/{len(image)}"
    server.put(RATE, body(image[5000:], status=206, Content_Range=range_, ETag='"v1"'))

    with pytest.raises(ArchiveError, match="cut again and again"):
        download(HttpClient(1, EAGER), request, tmp_path)

    assert list(tmp_path.iterdir()) == []


def test_a_whole_file_of_wrong_bytes_that_was_left_is_fetched_again(server, tmp_path, image):
    """It has the size of the listing, and not its checksum."""
    request = cut(server, tmp_path, image)
    (part,) = tmp_path.glob("*.part")
    part.write_bytes(b"x" * len(image))
    server.put(RATE, body(image))

    file = download(HttpClient(1, EAGER), request, tmp_path)

    assert file.path.read_bytes() == image
    assert list(tmp_path.iterdir()) == [file.path]


def test_a_whole_file_that_was_left_has_no_record_any_more(server, tmp_path, image):
    """Killed between its last byte and the end of its checks: nothing is asked for."""
    request = cut(server, tmp_path, image)
    (part,) = tmp_path.glob("*.part")
    part.write_bytes(image)

    file = download(HttpClient(1, EAGER), request, tmp_path)

    assert file.path.read_bytes() == image and server.requests == []
    assert list(tmp_path.iterdir()) == [file.path]


def test_an_error_of_the_caller_ends_the_download(server, tmp_path, image):
    """Also an interrupt: it is not taken for a cut body, and leaves nothing."""
    server.put(RATE, body(image, ETag='"v1"'))
    request = DownloadRequest.of(product(RATE, image), f"{server.url}/{RATE}")

    def interrupt(_count: int) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        download(HttpClient(1, EAGER), request, tmp_path, on_bytes=interrupt)

    assert list(tmp_path.iterdir()) == [] and len(server.requests) == 1


def test_the_bytes_of_a_file_are_counted_once(server, tmp_path, image):
    """Resumed or whole, their sum is its size."""
    request, counts = cut(server, tmp_path, image), []
    range_ = f"bytes 5000-{len(image) - 1}/{len(image)}"
    server.put(RATE, body(image[5000:], status=206, Content_Range=range_, ETag='"v1"'))

    download(HttpClient(1, EAGER), request, tmp_path, on_bytes=counts.append)

    assert sum(counts) == len(image)


def test_refused_rests_leave_no_connection_open(server, tmp_path, image, monkeypatch):
    """What the server sends of another range is not read; its connection is closed."""
    request, closed = cut(server, tmp_path, image), []
    monkeypatch.setattr("jwmirror.net.request.discard", closed.append)
    wrong = body(b"x" * 9, status=206, Content_Range="bytes 0-8/9")
    server.put(RATE, wrong, body(image))

    file = download(HttpClient(1, EAGER), request, tmp_path)

    assert file.path.read_bytes() == image
    assert [response.status for response in closed] == [206]


def test_a_whole_answer_to_a_request_for_the_rest_is_taken_as_it_is(server, tmp_path, image):
    """A server that does not know ranges, or whose file has changed, sends the whole file."""
    request = cut(server, tmp_path, image)
    server.put(RATE, body(image))

    file = download(HttpClient(1, EAGER), request, tmp_path)

    assert (file.resumed, len(server.requests)) == (False, 1)
    assert file.path.read_bytes() == image


@pytest.mark.parametrize("status", [412, 416])
def test_a_refused_range_costs_one_more_request(server, tmp_path, image, status):
    """The whole file is asked for."""
    request = cut(server, tmp_path, image)
    server.put(RATE, body(b"", status=status), body(image))

    file = download(HttpClient(1, EAGER), request, tmp_path)

    assert (file.resumed, len(server.requests)) == (False, 2)


@pytest.mark.parametrize("status", [204, 206, 412, 416])
def test_a_part_that_was_not_asked_for_is_no_answer(server, tmp_path, status):
    """Only 200 has the whole file."""
    server.put(RATE, body(b"", status=status))
    request = DownloadRequest(filename=RATE, url=f"{server.url}/{RATE}")

    with pytest.raises(ArchiveError, match=f"expected status 200, got {status}"):
        download(HttpClient(1, EAGER), request, tmp_path)


@pytest.mark.parametrize(
    ("etag", "kept"), [('"v1"', "its first 5000 bytes are kept"), ("", "nothing of it was kept")]
)
def test_the_error_says_what_is_kept(server, tmp_path, image, etag, kept):
    """And from where the file did not come."""
    server.put(RATE, body(image[:5000], Content_Length=str(len(image)), ETag=etag))
    request = DownloadRequest.of(product(RATE, image), f"{server.url}/{RATE}")

    with pytest.raises(ArchiveError) as raised:
        download(HttpClient(1, EAGER), request, tmp_path)

    host = server.url.removeprefix("http://")
    words = f"{RATE} from {host}: cut 1 times (5000 bytes came, {len(image) - 5000} more were"
    assert str(raised.value).startswith(words)
    assert f"announced); {kept}; it will be fetched again" in str(raised.value)


def test_a_cut_file_is_resumed_by_the_same_download_after_a_pause(server, tmp_path, image):
    """Its bytes are hashed and counted once."""
    length = {"Content_Length": str(len(image)), "ETag": '"v1"'}
    range_ = f"bytes 5000-{len(image) - 1}/{len(image)}"
    rest = body(image[5000:], status=206, Content_Range=range_, ETag='"v1"')
    server.put(RATE, body(image[:5000], **length), rest)
    request = DownloadRequest.of(product(RATE, image), f"{server.url}/{RATE}")
    client, counts, pauses = HttpClient(1, replace(EAGER, bodies=2)), [], []
    client.halt.wait = pauses.append

    file = download(client, request, tmp_path, on_bytes=counts.append)

    assert (file.resumed, sum(counts), pauses) == (True, len(image), [EAGER.backoff_s])
    assert file.path.read_bytes() == image


@pytest.mark.parametrize(("etag", "kept"), [('"v1"', [".kept", ".part"]), ("", [])])
def test_a_stopped_download_leaves_what_can_be_resumed(server, tmp_path, image, etag, kept):
    """As a cut one does."""
    server.put(RATE, body(image, ETag=etag))
    request = DownloadRequest.of(product(RATE, image), f"{server.url}/{RATE}")
    client, receive = HttpClient(1, EAGER), HttpClient.receive

    def stopped(response, on_bytes):
        on_bytes(response.read1(5))
        client.halt.set()
        receive(client, response, on_bytes)

    client.receive = stopped
    with pytest.raises(ArchiveError, match="the download was given up"):
        download(client, request, tmp_path)

    assert sorted(path.suffix for path in tmp_path.iterdir()) == kept


def test_a_file_under_way_is_for_its_owner_alone(server, tmp_path, image):
    """It may be of an exclusive product; its name is that of its product and version."""
    server.put(RATE, body(image))
    request = DownloadRequest.of(product(RATE, image), f"{server.url}/{RATE}")

    file = download(HttpClient(1, EAGER), request, tmp_path)

    assert file.path.stat().st_mode & 0o777 == 0o600
    assert file.path.name == f"{request.key}.part"


def test_a_leftover_without_a_checksum_is_not_trusted_for_its_size(server, tmp_path, image):
    """Nothing says that its bytes are right."""
    request = replace(cut(server, tmp_path, image), checksum=None)
    (part,) = tmp_path.glob("*.part")
    part.write_bytes(image[:-2881] + b"x" + image[-2880:])
    server.put(RATE, body(image))

    file = download(HttpClient(1, EAGER), request, tmp_path)

    assert file.path.read_bytes() == image and len(server.requests) == 1
