"""A report's tables: candidate beside live, figure by figure and class by class."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from sortline.evaluation.compare import ClassChange, Comparison, Evidence, Standing, View
from sortline.evaluation.figures import Calibration, Figures, Measured, OutlierFigures
from sortline.evaluation.markup import Html, table, tag, text
from sortline.evaluation.metrics import ClassFigures, Proportion
from sortline.evaluation.paired import Difference, Interval
from sortline.evaluation.wording import equals, interval, percent, photos, points, recall, size

_NONE = text("\N{EN DASH}")


def headline_table(comparison: Comparison) -> Html:
    """Every figure of the candidate, of the live bundle, and the difference."""
    judged, live = comparison.judged, comparison.live_classes is not None
    rows = _view_rows(judged, "" if judged is comparison.everything else ", classes both know")
    if judged is not comparison.everything:
        rows += _view_rows(comparison.everything, ", all classes")
    rows += _trust_rows(judged)
    rows += _measured_rows(comparison.candidate_measured, comparison.live_measured)
    if not live:
        return table(("", "candidate"), [row[:2] for row in rows], class_="main")
    return table(("", "candidate", "live", "difference, points"), rows, class_="main")


def class_table(comparison: Comparison) -> Html:
    """Each class: how often it is found, how often its name is right, before and after."""
    if comparison.live_classes is None:
        head: Sequence[str] = ("class", "photos", "recall", "precision", "F1")
        rows = [_class_row(change) for change in comparison.everything.changes]
        return table(head, [[*row[:2], row[3], *row[6:]] for row in rows])
    head = ("class", "photos", "recall, live", "recall", "change", "p of the fall", "precision", "F1")
    return table(head, [_class_row(change) for change in comparison.everything.changes])


def confusion_table(view: View, most: int = 10) -> Html | None:
    """What is most often taken for what; None where nothing is."""
    mistaken = view.candidate.confusion[:, : len(view.classes)].copy()
    np.fill_diagonal(mistaken, 0)
    order = np.argsort(-mistaken, axis=None, kind="stable")[:most]
    rows = []
    for truth, answer in np.transpose(np.unravel_index(order, mistaken.shape)).tolist():
        count, support = int(mistaken[truth, answer]), view.candidate.classes[truth].support
        if count:
            before = None if view.live is None else text(f"{view.live.confusion[truth, answer]:,}")
            named = text(view.classes[truth]), text(view.classes[answer]), text(f"{count:,}")
            rows.append([*named, text(percent(count / support)), *([] if before is None else [before])])
    head = ("true class", "taken for", "photos", "of the class", "live")
    return table(head if view.live is not None else head[:4], rows) if rows else None


def counts_sentence(found: Difference) -> str:
    """Who got how many photos right."""
    return (
        f"Of {photos(found.total)} both get {found.both:,} right, only the candidate {found.only_candidate:,}, only "
        f"the live bundle {found.only_live:,}, neither {found.neither:,}. McNemar's test: p {equals(found.p_value)}."
    )


def difference_strip(found: Difference) -> Html:
    """The difference of the accuracies with its interval on a line, zero marked."""
    reach = max(0.01, 1.25 * max(abs(found.low), abs(found.high)))

    def at(value: float) -> str:
        return f"{360 + 330 * value / reach:.1f}"

    says = (
        f"Difference of accuracy {points(found.value)} points, 95 % interval {points(found.low)} to "
        f"{points(found.high)}"
    )
    colour = "var(--right)" if found.value >= 0 else "var(--wrong)"
    ends = [(found.low, "end", -8), (found.high, "start", 8)]
    drawn = [
        _line(30, 690, 30, "var(--hair)", 1),
        tag("line", x1="360", x2="360", y1="8", y2="52", stroke="var(--edge)", stroke_dasharray="3 3"),
        _label("360", "66", "equal", "middle"),
        _label("30", "66", "live is better", "start"),
        _label("690", "66", "candidate is better", "end"),
        _line(float(at(found.low)), float(at(found.high)), 30, colour, 6),
        tag(
            "circle",
            cx=at(found.value),
            cy="30",
            r="8",
            fill=colour,
            stroke="var(--surface)",
            stroke_width="2",
        ),
        *(_label(f"{float(at(end)) + gap:.1f}", "34", points(end), anchor) for end, anchor, gap in ends),
        _label(at(found.value), "14", f"{points(found.value)} points", "middle", strong=True),
    ]
    picture = tag("svg", *drawn, viewBox="0 0 720 74", role="img", aria_label=says)
    return tag("div", picture, class_="strip")


def _view_rows(view: View, where: str) -> list[list[Html]]:
    head = Html(text(f"Accuracy{where}") + tag("small", text(photos(view.images))))
    return [
        _row(head, view, lambda one: _proportion(one.accuracy), _interval(view.difference)),
        _row(
            text(f"Macro F1{where}"),
            view,
            lambda one: _number(one.macro_f1),
            _interval(view.macro_f1_difference),
        ),
    ]


def _trust_rows(view: View) -> list[list[Html]]:
    def change(pick: Callable[[Figures], float | None]) -> Html:
        ours, theirs = pick(view.candidate), pick(view.live) if view.live else None
        return _NONE if ours is None or theirs is None else text(points(ours - theirs))

    return [
        _row(
            text("Sent to review as unknown"),
            view,
            lambda one: _proportion(one.review),
            change(lambda one: one.review.value if one.review else None),
        ),
        _row(
            text("Accuracy of what is accepted"),
            view,
            lambda one: _proportion(one.accepted),
            change(lambda one: one.accepted.value if one.accepted else None),
        ),
        _row(
            text("Calibration error"),
            view,
            lambda one: _calibration(one.calibration),
            change(lambda one: one.calibration.error if one.calibration else None),
        ),
        _row(
            Html(text("Risk") + tag("small", text("mean over all coverages, AURC"))),
            view,
            lambda one: _NONE if one.aurc is None else text(percent(one.aurc, 2)),
            change(lambda one: one.aurc),
        ),
    ]


def _row(head: Html, view: View, show: Callable[[Figures], Html], change: Html) -> list[Html]:
    return [head, show(view.candidate), show(view.live) if view.live else _NONE, change]


def _measured_rows(ours: Measured, theirs: Measured | None) -> list[list[Html]]:
    before = {one.name: one for one in theirs.outliers} if theirs else {}
    rows = [_outlier_row(one, before.get(one.name)) for one in ours.outliers]
    live_ms, live_size = (theirs.latency_ms, theirs.size_bytes) if theirs else (None, None)
    if ours.latency_ms is not None:
        rows.append(_ratio_row("Time for a picture", ours.latency_ms, live_ms, lambda ms: f"{ms:.1f} ms"))
    if ours.size_bytes is not None:
        rows.append(_ratio_row("Size of the network", ours.size_bytes, live_size, size))
    return rows


def _outlier_row(ours: OutlierFigures, theirs: OutlierFigures | None) -> list[Html]:
    def told(one: OutlierFigures) -> Html:
        small = f"FPR95 {percent(one.fpr95)}, {percent(one.flagged)} flagged"
        return Html(text(f"{one.auroc:.3f}") + tag("small", text(small)))

    head = Html(text(f"Unknown items: {ours.name}") + tag("small", text(f"AUROC; {photos(ours.images)}")))
    change = text(points(ours.auroc - theirs.auroc)) if theirs else _NONE
    return [head, told(ours), told(theirs) if theirs else _NONE, change]


def _ratio_row(name: str, ours: float, theirs: float | None, show: Callable[[float], str]) -> list[Html]:
    ratio = text(f"\N{MULTIPLICATION SIGN} {ours / theirs:.2f}") if theirs else _NONE
    return [text(name), text(show(ours)), text(show(theirs)) if theirs is not None else _NONE, ratio]


def _class_row(change: ClassChange) -> list[Html]:
    ours, theirs, by = change.candidate, change.live, change.recall_change
    fall = by is not None and by < 0 and change.fall_p is not None
    return [
        Html(text(change.name) + _note(change)),
        text(f"{change.support:,}"),
        _recall(theirs, change.support),
        _recall(ours, change.support),
        _coloured(by) if by is not None else _NONE,
        text(equals(change.fall_p or 0).removeprefix("= ")) if fall else Html(""),
        text(percent(ours.precision)) if ours is not None and change.support else _NONE,
        text(percent(ours.f1)) if ours is not None and change.support else _NONE,
    ]


def _note(change: ClassChange) -> Html:
    notes = []
    if change.standing is Standing.NEW:
        notes.append(tag("span", text("new"), class_="tag"))
    if change.standing is Standing.GONE:
        notes.append(tag("span", text("no longer known"), class_="tag warn"))
    if change.evidence is not Evidence.MEASURED:
        notes.append(tag("span", text(change.evidence.value), class_="tag warn"))
    return Html("".join(notes))


def _recall(figures: ClassFigures | None, support: int) -> Html:
    return text(recall(figures.recall, support)) if figures is not None and support else _NONE


def _proportion(share: Proportion | None) -> Html:
    if share is None:
        return _NONE
    return Html(text(percent(share.value)) + tag("small", text(interval(share))))


def _interval(found: Difference | Interval | None) -> Html:
    if found is None:
        return _NONE
    small = tag("small", text(f"{points(found.low)} to {points(found.high)}"))
    return Html(_coloured(found.value) + small)


def _calibration(found: Calibration | None) -> Html:
    if found is None:
        return _NONE
    return Html(text(percent(found.error)) + tag("small", text(f"by chance up to {percent(found.chance)}")))


def _coloured(by: float) -> Html:
    told = points(by)
    return tag("span", text(told), class_=None if told == "0.0" else "up" if by > 0 else "down")


def _number(value: float | None) -> Html:
    return _NONE if value is None else text(f"{value:.3f}")


def _line(start: float, end: float, y: float, colour: str, width: float) -> Html:
    return tag(
        "line",
        x1=f"{start:.1f}",
        x2=f"{end:.1f}",
        y1=str(y),
        y2=str(y),
        stroke=colour,
        stroke_width=str(width),
        stroke_linecap="round",
    )


def _label(x: str, y: str, words: str, anchor: str, *, strong: bool = False) -> Html:
    return tag(
        "text",
        text(words),
        x=x,
        y=y,
        text_anchor=anchor,
        font_size="13" if strong else "12",
        font_weight="700" if strong else None,
        fill="var(--ink)" if strong else "var(--soft)",
        # A rim in the colour of the ground keeps the line from running through the letters.
        stroke="var(--surface)",
        stroke_width="5",
        paint_order="stroke",
    )
