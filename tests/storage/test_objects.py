"""Blobs in a bucket: what is told when it is gone, wrong or refuses. A real S3 server, on this machine."""

import hashlib
import socket
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import pytest

from sortline.storage.blobs import Blobs, open_blobs
from sortline.storage.errors import InvalidBlobsUrl, StorageUnavailable
from sortline.storage.objects import ObjectBlobs, open_bucket

NAME = "ab" * 32
GROUP = [(hashlib.sha256(b"%d" % number).hexdigest(), b"%d" % number) for number in range(60)]
USES: list[Callable[[Blobs], object]] = [
    lambda blobs: blobs.put_many(GROUP[:1]),
    lambda blobs: blobs.put_many(GROUP),
    lambda blobs: blobs.get(NAME),
    lambda blobs: blobs.exists(NAME),
    lambda blobs: blobs.delete(NAME),
    lambda blobs: list(blobs.stored()),
]


@contextmanager
def bucket(url: str) -> Iterator[ObjectBlobs]:
    """Blobs in a bucket that is not looked at when it is opened."""
    scheme, _, place = url.partition("://")
    name, _, prefix = place.partition("/")
    blobs = open_bucket(scheme, name, prefix)
    yield blobs
    blobs.close()


@pytest.fixture
def refusing(s3_server: str, s3_url: str) -> Iterator[None]:
    """From now on the server refuses the credentials with which the bucket was made."""
    httpx.post(f"{s3_server}/moto-api/reset-auth", content="0").raise_for_status()
    yield
    httpx.post(f"{s3_server}/moto-api/reset-auth", content="inf").raise_for_status()


def test_a_bucket_that_is_not_there_is_told_when_it_is_opened(s3_url: str, tmp_path: Path) -> None:
    """By its URL, with what to do."""
    url = s3_url.replace("pictures-", "nowhere-")
    with pytest.raises(StorageUnavailable, match=rf"{url}: NoSuchBucket: .*; create it.*SORTLINE_BLOBS_URL"):
        open_blobs(url, tmp_path)


@pytest.mark.parametrize("use", [use for number, use in enumerate(USES) if number != 3])
def test_a_bucket_that_is_gone_is_no_unknown_blob(use: Callable[[Blobs], object], s3_url: str) -> None:
    """Nobody shall take it for the loss of a picture. Only `exists` cannot tell."""
    with (
        bucket(s3_url.replace("pictures-", "nowhere-")) as blobs,
        pytest.raises(StorageUnavailable) as caught,
    ):
        use(blobs)
    assert caught.value.reason.startswith("NoSuchBucket: ")


@pytest.mark.usefixtures("refusing")
def test_credentials_that_are_refused_are_told_when_it_is_opened(s3_url: str, tmp_path: Path) -> None:
    """In the words of the service, with the names of the variables."""
    with pytest.raises(StorageUnavailable, match=r"InvalidAccessKeyId: .*; check .*AWS_ACCESS_KEY_ID"):
        open_blobs(s3_url, tmp_path)


@pytest.mark.usefixtures("refusing")
@pytest.mark.parametrize("use", USES)
def test_credentials_that_are_refused_later_are_told(use: Callable[[Blobs], object], s3_url: str) -> None:
    """Whatever is asked."""
    with bucket(s3_url) as blobs, pytest.raises(StorageUnavailable, match="AWS_ACCESS_KEY_ID"):
        use(blobs)


@pytest.mark.parametrize("use", USES)
def test_a_server_that_is_gone_is_told_soon(
    use: Callable[[Blobs], object], monkeypatch: pytest.MonkeyPatch, s3_url: str
) -> None:
    """Whatever is asked; many are not tried one after the other."""
    refused = r"s3://.*Connection refused; .*AWS_ENDPOINT_URL"
    with socket.socket() as deaf:
        deaf.bind(("127.0.0.1", 0))  # and does not listen
        monkeypatch.setenv("AWS_ENDPOINT_URL", f"http://127.0.0.1:{deaf.getsockname()[1]}")
        with bucket(s3_url) as blobs, pytest.raises(StorageUnavailable, match=refused):
            use(blobs)


def test_a_server_without_tls_must_be_allowed(monkeypatch: pytest.MonkeyPatch, s3_url: str) -> None:
    """The error says how."""
    monkeypatch.delenv("AWS_ALLOW_HTTP")
    with bucket(s3_url) as blobs, pytest.raises(StorageUnavailable, match="AWS_ALLOW_HTTP"):
        blobs.ask()


def test_a_store_that_lacks_a_variable_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    """Azure does not say whose container it is."""
    monkeypatch.delenv("AZURE_STORAGE_ACCOUNT_NAME", raising=False)
    with pytest.raises(InvalidBlobsUrl, match=r"az://container/prefix: .*Account"):
        open_bucket("az", "container", "prefix")


def test_objects_have_the_names_of_files(s3_server: str, s3_url: str, tmp_path: Path) -> None:
    """So that a folder can be copied into a bucket: prefix, two characters, hash."""
    blobs = open_blobs(f"{s3_url}/", tmp_path, "thumbnails/128", durable=False)
    blobs.put_many([(NAME, b"x")])
    blobs.close()
    name = s3_url.removeprefix("s3://").partition("/")[0]
    (listed,) = httpx.get(f"{s3_server}/{name}").text.split("<Key>")[1:]
    assert listed.partition("<")[0] == f"plant/one/thumbnails/128/ab/{NAME}"
