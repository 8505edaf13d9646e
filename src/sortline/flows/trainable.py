"""Whether a run could come to anything: what is asked before one is queued, so that the asker hears what is missing."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import timedelta

from sortline.catalogue.entry import Split
from sortline.catalogue.store.plans import staged_plan, wanted_after
from sortline.catalogue.store.summaries import line_summary, version_summary
from sortline.catalogue.store.versions import active_version, get_version
from sortline.db.session import Session
from sortline.flows.runs import FINETUNE
from sortline.jobs.pulse import SILENCE_S
from sortline.jobs.worker_store import alive
from sortline.lines.classes import class_ids, list_classes
from sortline.registry.store import live_bundles
from sortline.training.extra import TrainingExtraMissing, can_finetune
from sortline.training.recipe import Method
from sortline.training.run import NothingToTrain


def check_method(session: Session, method: Method, *, here: bool = False) -> None:
    """Nothing, for a method that is not known to be impossible; `here`: with no worker this process does the run.

    Workers say what they can do. Where none lives, the one of an SQLite database will run on this machine, most likely
    from this installation, and that of another database anywhere.

    Raises:
        TrainingExtraMissing: nobody could do it.
    """
    if method != "finetune":
        return
    if workers := alive(session, timedelta(seconds=SILENCE_S)):
        if not any(kinds is None or FINETUNE in kinds for kinds in workers):
            raise TrainingExtraMissing
    elif (here or session.dialect.name == "sqlite") and not can_finetune():
        raise TrainingExtraMissing(here=here)


def check_version(session: Session, line_id: int, version: int | str | None) -> None:
    """Nothing, for a version (None: the active one) that a run may be made from.

    What the live bundle remembers counts, too. A run may still find that less can be read than there is.

    Raises:
        NoVersion, UnknownVersion: there is no such version.
        NothingToTrain: there are not two classes with a training picture.
    """
    found = get_version(session, line_id, version)
    counts = version_summary(session, found.id).counts
    there = {class_id for (class_id, split), count in counts.items() if count and split is Split.TRAIN}
    held_out = sum(count for (_, split), count in counts.items() if split in (Split.VALIDATION, Split.TEST))
    advice = "label pictures of another class and make a version of them"
    _require_two(session, line_id, there, advice, held_out=held_out)


def check_labelled(session: Session, line_id: int) -> None:
    """Nothing, where something is labelled from which a run may be made: in the active version, or staged.

    Raises:
        NothingToTrain: it is not; says what is missing.
    """
    if not waits_for_version(session, line_id) and active_version(session, line_id) is None:
        raise NothingToTrain(
            "no picture is labelled yet; send pictures with their classes (class_names), or class folders in a ZIP "
            "(data_zip), or label those that wait for review"
        )
    _require_two(session, line_id, labelled_classes(session, line_id), "send pictures of another class")


def waits_for_version(session: Session, line_id: int) -> bool:
    """Whether labels were given, corrected or undone since a version last took them up."""
    return bool(wanted_after(session, line_id, None, staged_plan(), 0, 1))


def new_classes(session: Session, line_id: int, labels: Iterable[str] = ()) -> list[str]:
    """Classes with labelled pictures, or among `labels`, that the live bundle does not know; by name."""
    live = live_bundles(session).get(line_id)
    known = class_ids(session, line_id, live.classes) if live else {}
    names = {one.id: one.name for one in list_classes(session, line_id, retired=False)}
    found = {names[one] for one in labelled_classes(session, line_id) if one in names}
    return sorted((found | set(labels)) - {names.get(one, "") for one in known.values()} - set(known))


def labelled_classes(session: Session, line_id: int) -> set[int]:
    """The ids of classes that a picture of the line has."""
    counts = line_summary(session, line_id).counts
    return {class_id for (class_id, _), count in counts.items() if count and class_id is not None}


def _require_two(
    session: Session, line_id: int, there: Iterable[int | None], advice: str, *, held_out: int = 0
) -> None:
    live = live_bundles(session).get(line_id)
    remembered = set(class_ids(session, line_id, live.classes).values()) if live else set()
    found = len({one for one in there if one is not None} | remembered)
    if found < 2:
        held = f"; {held_out} pictures are for validation or test alone" if held_out else ""
        classes = f"{found or 'no'} class{'' if found == 1 else 'es'}"
        raise NothingToTrain(f"{classes} with training pictures, and two are needed{held}; {advice}")
