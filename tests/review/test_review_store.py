"""The review queue, on both databases."""

from collections import Counter
from datetime import UTC, datetime, timedelta

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import Engine, update

from sortline.db.ids import new_id
from sortline.db.session import Session, reading, writing
from sortline.lines import store as lines
from sortline.review.item import ItemFilter, Sighting
from sortline.review.store import items as store
from sortline.review.tables import review_items

NOON = datetime(2026, 5, 1, 12, 0, tzinfo=UTC)


def sighting(line_id: int, picture: int, **changes: object) -> Sighting:
    """An unknown thing seen at noon, with changes; `picture` numbers the image."""
    facts: dict[str, object] = {
        "line_id": line_id,
        "image_sha256": f"{picture:064x}",
        "prediction_id": new_id(),
        "reason": "unknown",
        "class_name": "Glass",
        "confidence": 0.4,
        "ood_score": 0.99,
        "source": "api",
        "at": NOON,
        "width": 640,
        "height": 480,
        "bytes": 12345,
    }
    return Sighting(**{**facts, **changes})  # type: ignore[arg-type]  # the fields are the ones above


def new_line(session: Session) -> int:
    """A line of its own, so that examples do not meet."""
    return lines.create_line(session, f"line-{new_id()[-12:]}").id


def test_a_second_sight_joins_the_open_item(engine: Engine) -> None:
    """The item keeps the facts of its first sighting and counts how often the picture came."""
    with writing(engine) as session:
        line_id = new_line(session)
        first, again = sighting(line_id, 1), sighting(line_id, 1, confidence=0.5)
        (opened,) = store.open_or_join(session, [first])
        assert store.open_or_join(session, [again]) == [opened]
        (item,) = store.list_items(session, line_id).items
    assert (item.id, item.seen, item.state) == (opened, 2, "open")
    assert (item.prediction_id, item.confidence, item.at) == (first.prediction_id, 0.4, NOON)
    assert item.lease_until is None


def test_a_picture_seen_again_after_it_was_done_opens_anew(engine: Engine) -> None:
    """Only open items are joined."""
    with writing(engine) as session:
        line_id = new_line(session)
        (done,) = store.open_or_join(session, [sighting(line_id, 1)])
        session.execute(update(review_items).where(review_items.c.id == done).values(state="done"))
        (opened,) = store.open_or_join(session, [sighting(line_id, 1)])
        assert opened != done
        assert [item.id for item in store.list_items(session, line_id).items] == [opened]
        assert [item.id for item in store.list_items(session, line_id, ItemFilter(state="done")).items] == [
            done
        ]


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(groups=st.lists(st.lists(st.tuples(st.integers(0, 1), st.integers(0, 4)), max_size=8), max_size=6))
def test_one_open_item_per_picture_and_line_however_it_was_grouped(
    engine: Engine, groups: list[list[tuple[int, int]]]
) -> None:
    """Each picture of each line has one item, seen as often as it came, in one group or several."""
    with writing(engine) as session:
        line_ids = [new_line(session), new_line(session)]
    item_of: dict[tuple[int, int], str] = {}
    for group in groups:
        with writing(engine) as session:
            seen = [sighting(line_ids[line], picture) for line, picture in group]
            ids = store.open_or_join(session, seen)
        for key, item_id in zip(group, ids, strict=True):
            assert item_of.setdefault(key, item_id) == item_id
    times = Counter(key for group in groups for key in group)
    with reading(engine) as session:
        items = [item for line_id in line_ids for item in store.list_items(session, line_id).items]
        assert sum(store.count_open(session, line_id) for line_id in line_ids) == len(times)
    assert {item.id: item.seen for item in items} == {item_of[key]: n for key, n in times.items()}


def test_items_are_listed_newest_first_in_pages_and_filtered(engine: Engine) -> None:
    """The cursor goes through the queue; class and reason narrow it."""
    with writing(engine) as session:
        line_id = new_line(session)
        moments = [NOON + timedelta(minutes=n) for n in range(5)]
        ids = store.open_or_join(session, [sighting(line_id, n, at=at) for n, at in enumerate(moments)])
        store.open_or_join(session, [sighting(line_id, 9, class_name="Metal", reason="ambiguous", at=NOON)])
        first = store.list_items(session, line_id, ItemFilter(class_name="Glass"), limit=3)
        second = store.list_items(
            session, line_id, ItemFilter(class_name="Glass"), limit=3, cursor=first.next_cursor
        )
        ambiguous = store.list_items(session, line_id, ItemFilter(reason="ambiguous"))
    assert [item.id for item in (*first.items, *second.items)] == ids[::-1]
    assert second.next_cursor is None
    assert [item.class_name for item in ambiguous.items] == ["Metal"]


def test_every_filter_narrows_the_list(engine: Engine) -> None:
    """By source, score and date as well; all conditions hold at once."""
    with writing(engine) as session:
        line_id = new_line(session)
        one, two = store.open_or_join(
            session,
            [
                sighting(line_id, 1, source="belt-1", ood_score=0.2),
                sighting(line_id, 2, source="belt-2", ood_score=0.8, at=NOON + timedelta(days=1)),
            ],
        )
        found = {
            name: [item.id for item in store.list_items(session, line_id, wanted).items]
            for name, wanted in {
                "source": ItemFilter(source="belt-1"),
                "above": ItemFilter(min_score=0.5),
                "below": ItemFilter(max_score=0.5),
                "since": ItemFilter(since=NOON + timedelta(hours=1)),
                "until": ItemFilter(until=NOON + timedelta(hours=1)),
                "both": ItemFilter(source="belt-1", min_score=0.5),
            }.items()
        }
    assert found == {
        "source": [one],
        "above": [two],
        "below": [one],
        "since": [two],
        "until": [one],
        "both": [],
    }


def test_items_of_an_erased_picture_wait_no_more(engine: Engine) -> None:
    """The row stays, for the counts; nobody is shown it."""
    with writing(engine) as session:
        line_id = new_line(session)
        (item,) = store.open_or_join(session, [sighting(line_id, 1)])
        store.erase_items(session, [sighting(line_id, 1).image_sha256])
        assert store.count_open(session, line_id) == 0
        assert store.get_item(session, line_id, item).state == "erased"
