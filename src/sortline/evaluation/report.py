"""The report of a run: one HTML file with everything in it, from the verdict down to the recipe."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from sortline.engine.bundle import OodChoice
from sortline.evaluation.checks import Check
from sortline.evaluation.compare import Comparison, LeftOut, View
from sortline.evaluation.detectors import NOTE, WORDS, head_of, rows_of
from sortline.evaluation.figures import Mistake
from sortline.evaluation.gates import Verdict
from sortline.evaluation.inline import inline
from sortline.evaluation.markup import Html, image, joined, lines, section, table, tag, text
from sortline.evaluation.page import page
from sortline.evaluation.plots import (
    Plot,
    class_changes,
    confusion_matrix,
    learning_curves,
    reliability_diagram,
    risk_coverage,
)
from sortline.evaluation.report_tables import (
    class_table,
    confusion_table,
    counts_sentence,
    difference_strip,
    headline_table,
)
from sortline.evaluation.wording import percent, photos

_STATISTICS = (
    "Intervals are 95 %. Accuracies: Wilson 1927. Their difference on the same photos: percentile interval of a paired "
    "bootstrap (Efron 1979), half a photo added to each count (Agresti and Min 2005); p: the exact form of McNemar's "
    "test (1947). Difference of macro F1: infinitesimal jackknife (Efron 1982). Calibration error: 15 bins (Naeini et "
    "al. 2015, Guo et al. 2017), what chance allows by consistency resampling (Bröcker and Smith 2007). AURC: mean "
    "error over all coverages (Geifman et al. 2019). AUROC and FPR95: outliers told from known photos, and let through "
    "where 95 % of the known are (Liang et al. 2018)."
)
# Classes up to which two confusion matrices can be read beside each other.
_BESIDE = 25


@dataclass(frozen=True, slots=True, kw_only=True)
class Picture:
    """A picture to show: a JPEG, PNG, WebP or GIF as it is, and what it is called."""

    media_type: str
    data: bytes
    name: str


def report(
    comparison: Comparison,
    verdict: Verdict,
    *,
    title: str,
    subtitle: str = "",
    pictures: Mapping[str, Picture] | None = None,
    epochs: Sequence[Mapping[str, object]] = (),
    recipe: str = "",
    provenance: Mapping[str, object] | None = None,
    detectors: OodChoice | None = None,
) -> str:
    """The report as one self-contained HTML document; what is empty has no section.

    Args:
        comparison: the candidate beside the live bundle, or alone.
        verdict: what follows from it.
        title: what the report is of: "waste: candidate waste-probe-20261127".
        subtitle: a line below it: who asked for the run, and when.
        pictures: by key, of the comparison's mistakes; of those without one only the words are shown.
        epochs: the rows of the training log.
        recipe: the recipe as it was read.
        provenance: what → value: versions, hashes, seeds.
        detectors: how the candidate's detector of unknown items was chosen.
    """
    header = tag("header", tag("h1", text(title)), *([tag("p", text(subtitle))] if subtitle else []))
    sections = [
        header,
        _verdict(verdict),
        _checks(verdict.checks),
        _headline(comparison),
        _classes(comparison),
        _confusions(comparison.everything),
        _confidence(comparison.judged),
        _detectors(detectors),
        _learning(epochs),
        _gallery(comparison.mistakes, pictures or {}),
        _left_out(comparison.left_out),
        section("Recipe", tag("pre", lines(recipe))) if recipe else None,
        _provenance(provenance or {}),
        tag("footer", tag("p", text(_STATISTICS))),
    ]
    return page(title, joined(one for one in sections if one is not None))


def run_plots(comparison: Comparison, epochs: Sequence[Mapping[str, object]] = ()) -> dict[str, Plot]:
    """Every plot of a run by the name of its file: those of the report, for whoever wants them alone."""
    everything, judged = comparison.everything, comparison.judged
    found = [_matrix(everything, "confusion_matrix", "Candidate")]
    if everything.live is not None:
        found += [_matrix(everything, "confusion_matrix_live", "Live"), class_changes(judged)]
    found += [
        reliability_diagram(judged.candidate, judged.live),
        risk_coverage(judged.candidate, judged.live),
    ]
    if epochs:
        found.append(learning_curves(epochs))
    return {plot.name: plot for plot in found}


def _verdict(verdict: Verdict) -> Html:
    word = "Promote" if verdict.promote else "Keep what is live"
    sign = "✓" if verdict.promote else "✕"
    return tag(
        "div",
        tag("h2", tag("span", text(sign), aria_hidden="true"), text(word)),
        tag("ul", *(tag("li", text(_sentence(reason))) for reason in verdict.reasons)),
        class_="verdict promote" if verdict.promote else "verdict",
        id="verdict",
    )


def _checks(checks: Sequence[Check]) -> Html:
    rows = [
        tag(
            "li",
            tag("span", text("✓" if check.passed else "✕"), class_="mark", aria_hidden="true"),
            tag("b", text(_sentence(check.name))),
            tag("span", *([] if check.passed else [text("failed: ")]), text(check.detail)),
            class_=None if check.passed else "failed",
        )
        for check in checks
    ]
    return section("Checks", tag("ul", *rows, class_="checks"))


def _headline(comparison: Comparison) -> Html:
    judged, parts = comparison.judged, []
    if judged.difference is not None:
        parts += [difference_strip(judged.difference), tag("p", text(counts_sentence(judged.difference)))]
    if comparison.shared is not None and comparison.shared is not comparison.everything:
        note = (
            "The two know different classes. The verdict stands on the photos of the classes both know; over all "
            "classes, one that a bundle does not know counts as sent to review by it."
        )
    else:
        note = f"On {photos(judged.images)} of the frozen test part that no compared bundle was trained on."
    title = "How well it does" if comparison.live_classes is None else "Candidate and live"
    return section(title, *parts, headline_table(comparison), note=note)


def _classes(comparison: Comparison) -> Html:
    changes = class_changes(comparison.judged)
    drawn = [inline(changes)] if comparison.live_classes is not None and comparison.judged.images else []
    return section(
        "Class by class",
        *drawn,
        class_table(comparison),
        note="Small supports move by chance: p is that of the change alone, one-sided for a fall.",
    )


def _confusions(view: View) -> Html | None:
    if not view.images:
        return None
    plots, pairs = [_matrix(view, "confusion_matrix", "Candidate")], confusion_table(view)
    if view.live is not None:
        plots.append(_matrix(view, "confusion_matrix_live", "Live"))
    return section(
        "What is taken for what",
        tag(
            "div",
            *(inline(plot) for plot in plots),
            class_="pair" if len(view.classes) <= _BESIDE else "pair stacked",
        ),
        *([tag("h3", text("Most often mistaken")), pairs] if pairs else []),
        note="A row is the true class, a column the answer; blue is right, orange wrong. Shades grow with the square "
        "root of the share of the row, so that rare mistakes show.",
    )


def _matrix(view: View, name: str, title: str) -> Plot:
    figures = view.live if title == "Live" and view.live is not None else view.candidate
    return confusion_matrix(figures, name=name, title=title, elsewhere=view.elsewhere)


def _confidence(view: View) -> Html | None:
    if view.candidate.calibration is None:
        return None
    plots = reliability_diagram(view.candidate, view.live), risk_coverage(view.candidate, view.live)
    return section(
        "How far to trust a confidence",
        tag("div", *(inline(plot) for plot in plots), class_="pair"),
        note="Left: on the dotted line confidences mean what they say; above it the bundle is better than it says. "
        "Right: the error that remains if only the surest answers are taken and a person sees the others.",
    )


def _detectors(choice: OodChoice | None) -> Html | None:
    if choice is None:
        return None
    rows = [[text(cell) for cell in row] for row in rows_of(choice)]
    told = tag("p", text(f"{WORDS[choice.detector]}, by {choice.why}."))
    return section("How it tells the unknown", told, table(head_of(choice), rows), note=NOTE)


def _learning(epochs: Sequence[Mapping[str, object]]) -> Html | None:
    return section("How it learned", inline(learning_curves(epochs))) if epochs else None


def _gallery(mistakes: Sequence[Mistake], pictures: Mapping[str, Picture]) -> Html | None:
    if not mistakes:
        return None
    return section(
        "The most confident mistakes",
        tag("div", *(_mistake(one, pictures.get(one.key)) for one in mistakes), class_="gallery"),
        note=_about(mistakes, pictures),
    )


def _about(mistakes: Sequence[Mistake], pictures: Mapping[str, Picture]) -> str:
    note = "Worth a look: some are wrong labels."
    if all(one.key in pictures for one in mistakes):
        return note
    return f"{note} No preview: the bundle remembers the photo, which is not here itself or was erased."


def _mistake(mistake: Mistake, picture: Picture | None) -> Html:
    name = picture.name if picture else mistake.key
    alt = f"{mistake.truth} taken for {mistake.predicted}"
    shown = image(picture.media_type, picture.data, alt) if picture else None
    told = [
        tag("b", text(mistake.predicted)),
        text(f" {percent(mistake.confidence, 0)}"),
        Html("<br>"),
        text(f"is {mistake.truth}"),
    ]
    if mistake.live is not None:
        told.append(text("; live: right" if mistake.live == mistake.truth else f"; live: {mistake.live}"))
    if mistake.flagged:
        told.append(text("; would go to review"))
    told.append(tag("span", text(name), class_="name", title=name))
    blank = tag("div", text("no preview"), class_="blank")
    return tag("figure", shown or blank, tag("figcaption", *told))


def _left_out(out: LeftOut) -> Html | None:
    reasons = {
        "the candidate was trained on them": out.candidate,
        "the live bundle was trained on them": out.live,
        "both were trained on them": out.both,
        "only one of the two could be asked": out.elsewhere,
        "neither knows their class": out.unknown,
    }
    rows = [tag("li", text(f"{photos(count)}: {why}")) for why, count in reasons.items() if count]
    if not rows:
        return None
    return section(
        "Left out of the comparison",
        tag("ul", *rows),
        note="A photo that a bundle was trained or tuned on says nothing of how it will do.",
    )


def _provenance(provenance: Mapping[str, object]) -> Html | None:
    rows = [tag("dt", text(what)) + tag("dd", text(value)) for what, value in provenance.items()]
    return section("Where it comes from", tag("dl", Html("".join(rows)))) if rows else None


def _sentence(phrase: str) -> str:
    return phrase[:1].upper() + phrase[1:]
