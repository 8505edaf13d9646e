"""The door: bounded requests and bytes, and everything given back."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sortline.serving.admission import Admission, Overloaded


@given(st.lists(st.integers(0, 400), max_size=30))
def test_never_holds_more_than_allowed_and_gives_all_back(sizes: list[int]) -> None:
    """Whatever arrives, the bytes held stay under the bound, and none are left at the end."""
    door = Admission(max_requests=3, max_bytes=1000)
    for size in sizes:
        try:
            with door.request() as ticket:
                ticket.hold(size)
                ticket.hold(size)
                ticket.hold(size)
                assert door.bytes <= 1000
        except Overloaded:
            assert 3 * size > 1000
    assert (door.requests, door.bytes) == (0, 0)


def test_full_house_turns_away_with_a_time_to_come_back() -> None:
    """The request beyond the last place is refused; when one leaves, the next gets in."""
    door = Admission(max_requests=1, max_bytes=10)
    with door.request():
        with pytest.raises(Overloaded) as refused, door.request():
            pass
        assert refused.value.retry_after >= 1
    with door.request():
        assert door.requests == 1
