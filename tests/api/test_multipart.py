"""Our multipart reader agrees with clients that build forms and with a reader that parses them."""

from contextlib import suppress

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sortline.api.multipart import BadMultipart, parts

names = st.text(st.characters(exclude_categories=["Cs", "Cc"]), min_size=1, max_size=20)


@given(st.lists(st.tuples(names, names, st.binary(max_size=300)), min_size=1, max_size=5))
def test_reads_what_a_client_builds(files: list[tuple[str, str, bytes]]) -> None:
    """Names and contents come back as they went in, in order, whatever bytes they hold."""
    request = httpx.Request("POST", "http://x", files=[(n, (f, data)) for n, f, data in files])
    found = list(parts(request.headers["content-type"], request.read()))
    assert [bytes(part.data) for part in found] == [data for _, _, data in files]
    for part, (name, _, _) in zip(found, files, strict=True):
        if not set(name) & set('"\\'):  # which clients escape, each in its own way
            assert part.name == name


plain = st.text(
    st.characters(exclude_categories=["Cs", "Cc"], exclude_characters='"\\'), min_size=1, max_size=20
)


@given(plain, st.none() | plain)
def test_usual_headers_say_what_the_library_reads_in_them(name: str, filename: str | None) -> None:
    """The short way gives a field and a file the names that the library's own reader gives them."""
    usual = f'form-data; name="{name}"' + ("" if filename is None else f'; filename="{filename}"')
    short, long = (named(usual), named(f"{usual}; of=old"))
    assert short == long


def named(disposition: str) -> tuple[str, str | None] | None:
    """The names in the only part of a form; None where it is refused."""
    body = b"--b\r\nContent-Disposition: " + disposition.encode() + b"\r\n\r\n\r\n--b--\r\n"
    try:
        [part] = parts("multipart/form-data; boundary=b", body)
    except BadMultipart:
        return None
    return part.name, part.filename


@given(st.binary(max_size=200), st.integers(0, 400))
def test_damage_never_raises_anything_else(noise: bytes, cut: int) -> None:
    """Cut or overwritten forms are read or refused, never a crash."""
    request = httpx.Request("POST", "http://x", files={"image": ("a.jpg", b"\r\n--" + noise)})
    body = request.read()
    for damaged in (body[:cut], body[:cut] + noise + body[cut + len(noise) :], noise):
        with suppress(BadMultipart):
            list(parts(request.headers["content-type"], damaged))


def test_preamble_blanks_and_empty_part_are_allowed() -> None:
    """RFC 2046 allows text before the first boundary and blanks behind each."""
    body = b'hello\r\n--b  \r\nContent-Disposition: form-data; name="a"\r\n\r\n\r\n--b--\r\nbye'
    assert [(part.name, bytes(part.data)) for part in parts("multipart/form-data; boundary=b", body)] == [
        ("a", b"")
    ]


def test_missing_end_is_refused() -> None:
    """A form cut inside a file is refused, not read as a shorter file."""
    body = b'--b\r\nContent-Disposition: form-data; name="a"\r\n\r\nabc'
    with pytest.raises(BadMultipart, match="ends before"):
        list(parts("multipart/form-data; boundary=b", body))
