"""What every kind of blob store does: on a disk, in a bucket, in memory."""

import hashlib
import random
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from sortline.storage.blobs import Blobs, Stored, open_blobs
from sortline.storage.errors import InvalidBlobName, InvalidBlobsUrl, UnknownBlob

KINDS = ["folder", "file", "memory", "s3"]
Open = Callable[..., Blobs]


@pytest.fixture(params=KINDS)
def url(request: pytest.FixtureRequest, tmp_path: Path) -> str | None:
    """Where blobs can be kept."""
    if request.param == "s3":
        return str(request.getfixturevalue("s3_url"))
    return {"folder": None, "file": (tmp_path / "elsewhere").as_uri(), "memory": "memory://"}[request.param]


@pytest.fixture
def opened(url: str | None, tmp_path: Path) -> Iterator[Open]:
    """Opens a store of each kind, below a prefix if one is given."""
    with ExitStack() as closing:

        def one(prefix: str = "", *, durable: bool = True) -> Blobs:
            blobs = open_blobs(url, tmp_path / "blobs", prefix, durable=durable)
            closing.callback(blobs.close)
            return blobs

        yield one


@pytest.fixture
def blobs(opened: Open) -> Blobs:
    """An empty store of each kind."""
    return opened()


def named(*contents: bytes) -> list[tuple[str, bytes]]:
    """Contents with their SHA-256."""
    return [(hashlib.sha256(data).hexdigest(), data) for data in contents]


def names(blobs: Blobs) -> list[str]:
    """The names of all blobs, in the order they are told."""
    return [one.name for one in blobs.stored()]


def test_what_was_put_can_be_got(blobs: Blobs) -> None:
    """Several at once, one twice, an empty one; again without harm; deleted for good."""
    group = named(b"one", b"two", b"one", b"")
    blobs.put_many(group)
    blobs.put_many(group)
    blobs.put_many([])
    assert [blobs.get(name) for name, _ in group] == [b"one", b"two", b"one", b""]
    assert all(blobs.exists(name) for name, _ in group)
    name = group[0][0]
    blobs.delete(name)
    blobs.delete(name)
    assert not blobs.exists(name)
    with pytest.raises(UnknownBlob):
        blobs.get(name)


def test_a_chunk_of_an_import_is_put_at_once(blobs: Blobs) -> None:
    """Hundreds, some of them there before, one twice, one large."""
    group = named(*(b"%d" % number for number in range(200)), random.Random(1).randbytes(6_000_000))
    blobs.put_many(group[50:100])
    blobs.put_many([*group, group[7]])
    assert all(blobs.get(name) == data for name, data in group)
    assert names(blobs) == sorted(name for name, _ in group)


@pytest.mark.parametrize(
    "name", ["", "../../etc/passwd", "a" * 63, "A" * 64, "a" * 64 + "\n", "a" * 63 + "/"]
)
def test_a_name_that_is_no_hash_is_refused(blobs: Blobs, name: str) -> None:
    """No name can leave the folder, whatever is asked."""
    for use in (blobs.get, blobs.exists, blobs.delete, lambda bad: blobs.put_many([(bad, b"")])):
        with pytest.raises(InvalidBlobName):
            use(name)


def test_all_are_listed_in_the_order_of_their_names(blobs: Blobs) -> None:
    """With size and time; the order is that of the hashes, whatever the order they came in."""
    assert list(blobs.stored()) == []
    before = datetime.now(UTC)
    group = named(*(b"x" * size for size in range(60)))
    random.Random(2).shuffle(group)
    for each in group[:3]:
        blobs.put_many([each])
    blobs.put_many(group[3:])
    found = list(blobs.stored())
    assert [(one.name, one.size) for one in found] == [(name, len(data)) for name, data in sorted(group)]
    # A bucket tells whole seconds.
    assert all(abs(one.modified - before) < timedelta(seconds=30) for one in found)
    assert isinstance(found[0], Stored)


def test_a_listing_may_be_left_and_blobs_deleted_meanwhile(blobs: Blobs) -> None:
    """Whoever repairs deletes what is listed, and may stop at any time."""
    group = named(*(b"%d" % number for number in range(100)))
    blobs.put_many(group)
    for number, one in enumerate(blobs.stored()):
        blobs.delete(one.name)
        if number == 49:
            break
    assert names(blobs) == sorted(name for name, _ in group)[50:]


def test_what_was_put_since_is_not_deleted(blobs: Blobs) -> None:
    """Somebody else needs it again; what is older is gone, and so is what never was."""
    (name, _), (never, _) = group = named(b"put again", b"never put")
    blobs.put_many(group[:1])
    (stored,) = blobs.stored()
    assert not blobs.delete_older(name, stored.modified - timedelta(seconds=5))
    assert blobs.get(name) == b"put again"
    assert blobs.delete_older(name, stored.modified + timedelta(seconds=5))
    assert not blobs.exists(name)
    assert blobs.delete_older(name, stored.modified)
    assert blobs.delete_older(never, stored.modified)


def test_stores_below_a_prefix_are_their_own(opened: Open) -> None:
    """The same name in three stores: neither sees what the others hold."""
    name = "ab" * 32
    stores = [opened(), opened("thumbnails/128", durable=False), opened("thumbnails/384", durable=False)]
    for number, store in enumerate(stores):
        assert not store.exists(name)
        assert names(store) == []
        store.put_many([(name, b"%d" % number)])
    assert [store.get(name) for store in stores] == [b"0", b"1", b"2"]
    assert [names(store) for store in stores] == [[name]] * 3
    stores[1].delete(name)
    assert [store.exists(name) for store in stores] == [True, False, True]


def test_what_can_be_made_again_is_replaced(opened: Open) -> None:
    """A thumbnail made anew, of another size in bytes, takes the place of the first."""
    derived = opened("thumbnails/128", durable=False)
    name = "ab" * 32
    derived.put_many([(name, b"first")])
    derived.put_many([(name, b"another")])
    assert derived.get(name) == b"another"


@pytest.mark.parametrize("url", ["folder", "file", "s3"], indirect=True)
def test_blobs_are_there_when_the_store_is_opened_again(opened: Open) -> None:
    """Both kinds, by another process as it were."""
    group = named(b"kept")
    for prefix, durable in (("", True), ("embeddings", False)):
        opened(prefix, durable=durable).put_many(group)
        assert opened(prefix, durable=durable).get(group[0][0]) == b"kept"


@pytest.mark.parametrize("url", ["folder"], indirect=True)
def test_folders_are_where_the_documents_say(opened: Open, tmp_path: Path) -> None:
    """Pictures in the folder itself, a namespace below it."""
    ((name, data),) = group = named(b"here")
    opened().put_many(group)
    opened("thumbnails/128", durable=False).put_many(group)
    for folder in (tmp_path / "blobs", tmp_path / "blobs" / "thumbnails" / "128"):
        assert (folder / name[:2] / name).read_bytes() == data


def test_threads_may_put_and_get_at_once(blobs: Blobs) -> None:
    """Eight threads with pictures in common: all are whole, nothing else is there."""
    group = named(*(bytes([number]) * 1000 for number in range(12)))
    threads = [threading.Thread(target=blobs.put_many, args=(group[first:],)) for first in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert {one.name: one.size for one in blobs.stored()} == {name: 1000 for name, _ in group}
    assert all(blobs.get(name) == data for name, data in group)


@pytest.mark.parametrize(
    ("url", "reason"),
    [
        ("s4://bucket/prefix", "cannot be kept"),
        ("/var/pictures", "cannot be kept"),
        ("s3://", "no bucket"),
        ("s3:///prefix", "no bucket"),
        ("file://pictures", "whole path"),
        ("file:///", "whole path"),
        ("s3://bucket?region=x", "variables"),
    ],
)
def test_a_url_that_names_no_place_is_refused(url: str, reason: str, tmp_path: Path) -> None:
    """The error says what can be given."""
    with pytest.raises(InvalidBlobsUrl, match=rf"{reason}.*s3://BUCKET/PREFIX"):
        open_blobs(url, tmp_path)


def test_a_password_in_a_url_is_not_repeated(tmp_path: Path) -> None:
    """It would end in a log."""
    with pytest.raises(InvalidBlobsUrl) as caught:
        open_blobs("s3://key:secret@bucket/prefix", tmp_path)
    assert "secret" not in str(caught.value)


def test_who_has_a_disk_does_not_pay_for_buckets() -> None:
    """A server that keeps pictures on a disk starts without loading the library for the others."""
    program = """
import sys, tempfile
from pathlib import Path
import sortline.wiring
from sortline.storage.blobs import open_blobs
with tempfile.TemporaryDirectory() as folder:
    open_blobs(None, Path(folder)).close()
print("obstore" in sys.modules)
"""
    run = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert run.stdout.strip() == "False"
