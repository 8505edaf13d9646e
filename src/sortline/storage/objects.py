"""Blobs in a bucket (S3, Google Cloud Storage, Azure), or in this process's memory."""

from __future__ import annotations

import re
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor, wait
from contextlib import contextmanager, suppress
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

import obstore
from obstore.exceptions import BaseError
from obstore.store import AzureStore, GCSStore, MemoryStore, S3Store

from sortline.storage.blobs import FOLDERS, Stored, is_name, valid_name
from sortline.storage.errors import InvalidBlobsUrl, StorageUnavailable, UnknownBlob

if TYPE_CHECKING:
    from obstore.store import ObjectStore, RetryConfig

# A bucket takes tens of milliseconds for an answer, however many it gives at once: at 30 ms, 500 pictures in 0.5 s, and
# 0.35 ms of processor time each, as with asyncio.
_AT_ONCE = 32
# Folders listed before their turn.
_AHEAD = 8
# Who waits for an answer is told within the time a browser waits; an import is taken up again where it stood.
_RETRIES: RetryConfig = {"max_retries": 4, "retry_timeout": timedelta(seconds=20)}
_PAGE = 1000


class ObjectBlobs:
    """Blobs as objects in the folders of `LocalBlobs`; in this process's memory, and gone with it, if not told where.

    What a put to a bucket returned from is durable. `place` is how errors call it; `open_bucket` makes one.
    """

    def __init__(self, store: ObjectStore | None = None, place: str = "memory://") -> None:
        self._store, self._place = store or MemoryStore(), place
        self._pool = ThreadPoolExecutor(_AT_ONCE, thread_name_prefix="blobs")

    def ask(self) -> None:
        """It is there and takes the credentials.

        Raises:
            StorageUnavailable: it is not, or does not.
        """
        with self._available():
            next(iter(obstore.list(self._store, FOLDERS[0], chunk_size=1)), None)

    def put_many(self, blobs: Sequence[tuple[str, bytes]]) -> None:
        """See `Blobs`. All are sent, known ones too: to ask for each would take as long."""
        objects = {_key(sha256): data for sha256, data in blobs}
        if len(objects) == 1:
            self._put(*next(iter(objects.items())))
            return
        running = [self._pool.submit(self._put, key, data) for key, data in objects.items()]
        try:
            for future in running:
                future.result()
        finally:
            for future in running:
                future.cancel()
            # Nothing is written after `put_many` has failed.
            wait(running)

    def get(self, sha256: str) -> bytes:
        """See `Blobs`."""
        key = _key(sha256)
        with self._available(sha256):
            return obstore.get(self._store, key).bytes().to_bytes()

    def exists(self, sha256: str) -> bool:
        """See `Blobs`. A bucket deleted meanwhile looks like a blob that is not there: both answer a bare 404."""
        key = _key(sha256)
        with suppress(UnknownBlob), self._available(sha256):
            obstore.head(self._store, key)
            return True
        return False

    def delete(self, sha256: str) -> None:
        """See `Blobs`."""
        key = _key(sha256)
        with suppress(UnknownBlob), self._available(sha256):
            obstore.delete(self._store, key)

    def delete_older(self, sha256: str, than: datetime) -> bool:
        """See `Blobs`."""
        key = _key(sha256)
        with suppress(UnknownBlob), self._available(sha256):
            if obstore.head(self._store, key)["last_modified"] >= than:
                return False
            obstore.delete(self._store, key)
        return True

    def stored(self) -> Iterator[Stored]:
        """See `Blobs`. Folder by folder, some asked for beforehand, each sorted here: not every store does."""
        ahead: deque[Future[list[Stored]]] = deque()
        try:
            for folder in FOLDERS:
                ahead.append(self._pool.submit(self._listed, folder))
                if len(ahead) > _AHEAD:
                    yield from ahead.popleft().result()
            while ahead:
                yield from ahead.popleft().result()
        finally:
            for future in ahead:
                future.cancel()

    def close(self) -> None:
        """See `Blobs`."""
        self._pool.shutdown()

    def _put(self, key: str, data: bytes) -> None:
        with self._available():
            # In one piece: what is left of an upload in parts that broke off costs money and is not listed.
            obstore.put(self._store, key, data, use_multipart=False)

    def _listed(self, folder: str) -> list[Stored]:
        found = []
        with self._available():
            for page in obstore.list(self._store, folder, chunk_size=_PAGE):
                for each in page:
                    name = each["path"].rpartition("/")[2]
                    if is_name(name):
                        found.append(Stored(name=name, size=each["size"], modified=each["last_modified"]))
        return sorted(found, key=lambda one: one.name)

    @contextmanager
    def _available(self, sha256: str | None = None) -> Iterator[None]:
        """What goes wrong is told in our words; that there is no such object as UnknownBlob, where one is named."""
        try:
            yield
        except FileNotFoundError as error:
            if sha256 is not None and not _NO_BUCKET.search(str(error)):
                raise UnknownBlob(sha256) from None
            raise _unavailable(self._place, error) from error
        except (BaseError, OSError) as error:
            raise _unavailable(self._place, error) from error


def open_bucket(scheme: str, bucket: str, prefix: str) -> ObjectBlobs:
    """Blobs below a prefix in a bucket of S3 (`s3`), Google (`gs`) or Azure (`az`), credentials from their variables.

    Raises:
        InvalidBlobsUrl: what its variables say is not enough to find it.
    """
    place = f"{scheme}://{bucket}/{prefix}".rstrip("/")
    try:
        return ObjectBlobs(_STORES[scheme](bucket, prefix or None), place)
    except BaseError as error:
        raise InvalidBlobsUrl(place, _first_line(error)) from error


_STORES: dict[str, Callable[[str, str | None], ObjectStore]] = {
    "s3": lambda bucket, prefix: S3Store(bucket, prefix=prefix, retry_config=_RETRIES),
    "gs": lambda bucket, prefix: GCSStore(bucket, prefix=prefix, retry_config=_RETRIES),
    "az": lambda bucket, prefix: AzureStore(bucket, prefix=prefix, retry_config=_RETRIES),
}

# The part of an error that tells why, and the first piece of advice whose pattern is found in the error.
_NO_BUCKET = re.compile(r"<Code>(NoSuchBucket|ContainerNotFound)</Code>|The specified bucket does not exist")
_NO_CREDENTIALS = re.compile(r"http://(169\.254\.|metadata\.google)")
_REASONS = (
    re.compile(r"<Code>(?P<code>[^<]+)</Code>.*?<Message>(?P<why>[^<]+?)[.]?\s*</Message>", re.DOTALL),
    re.compile(r'(message|error): "(?P<why>[^"]+)"'),
    re.compile(r"^.* - (?P<why>.*?):? *$", re.MULTILINE),
    re.compile(r"^(?P<why>.*)$", re.MULTILINE),
)
_ADVICE = (
    (_NO_BUCKET, "create it, or name another in SORTLINE_BLOBS_URL"),
    (re.compile(r"RequestTimeTooSkewed"), "set this machine's clock"),
    (
        re.compile(rf"status code: 40[13]|{_NO_CREDENTIALS.pattern}"),
        "check the credentials (AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, GOOGLE_… or AZURE_…): they must be "
        "allowed to list, read, write and delete there",
    ),
    (re.compile(r"redirect", re.IGNORECASE), "set AWS_REGION to the region it is in"),
    (re.compile(r"builder error"), "set AWS_ALLOW_HTTP=true if its address begins with http://"),
    (re.compile(r"status code: 4"), "check AWS_ENDPOINT_URL and SORTLINE_BLOBS_URL"),
    (re.compile(r"status code: 5"), "try again when the service is well"),
    (
        re.compile(r""),
        "check that the service runs, the network, and AWS_ENDPOINT_URL if it is not the provider's own",
    ),
)


def _unavailable(place: str, error: Exception) -> StorageUnavailable:
    text = str(error)
    advice = next(advice for pattern, advice in _ADVICE if pattern.search(text))
    return StorageUnavailable(place, _reason(text), advice)


def _reason(text: str) -> str:
    """What went wrong, in the words of the service or the system."""
    if _NO_CREDENTIALS.search(text):
        return "there are no credentials for it"
    found = next(found for pattern in _REASONS if (found := pattern.search(text)))
    code = found.groupdict().get("code")
    return f"{code}: {found['why']}" if code else found["why"]


def _first_line(error: Exception) -> str:
    return str(error).partition("\n")[0]


def _key(sha256: str) -> str:
    name = valid_name(sha256)
    return f"{name[:2]}/{name}"
