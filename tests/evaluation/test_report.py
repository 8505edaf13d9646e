"""The report: one page that says the verdict first and holds whatever it is given."""

import json
import os
import re
from html.parser import HTMLParser
from io import BytesIO
from pathlib import Path

import pytest
from PIL import Image

from sortline.evaluation.answers import Answers
from sortline.evaluation.checks import Parity
from sortline.evaluation.compare import Comparison, compare
from sortline.evaluation.figures import Measured, OutlierFigures
from sortline.evaluation.gates import Gates, judge
from sortline.evaluation.report import Picture, report
from sortline.evaluation.report_tables import class_table, headline_table
from tests.evaluation.drawn import at_random, said
from tests.evaluation.test_plots import EPOCHS, HOSTILE, hostile


class Outline(HTMLParser):
    """What a browser would make of a page: its elements, what they refer to, and its words."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.references: list[str] = []
        self.ids: list[str] = []
        self.words = ""
        self.feed(page)
        self.words = " ".join(self.words.replace("\xa0", " ").split())

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Notes the element."""
        self.tags.append(tag)
        self.references += [value or "" for name, value in attrs if name in ("src", "href", "xlink:href")]
        self.ids += [value or "" for name, value in attrs if name == "id"]
        assert not any(name.startswith("on") for name, _ in attrs)

    def handle_data(self, data: str) -> None:
        """Notes the words."""
        self.words += f" {data}"


def told(comparison: Comparison, **more: object) -> Outline:
    """The report of a comparison."""
    verdict = judge(comparison, Gates(max_calibration_error=1), parity=None, leaks=0, golden=True)
    return Outline(report(comparison, verdict, title="waste: a candidate", **more))  # type: ignore[arg-type]


def outliers(auroc: float) -> OutlierFigures:
    """Figures of a set of outliers."""
    return OutlierFigures(name="flowers & <b>people</b>", images=90, auroc=auroc, fpr95=0.3, flagged=0.7)


@pytest.fixture(scope="module")
def full() -> str:
    """A report with everything in it, all of it hostile."""
    comparison = compare(
        at_random(HOSTILE, list(HOSTILE) * 8, seed=1, skill=1.5),
        at_random(HOSTILE[1:], list(HOSTILE) * 8, seed=2, skill=2),
        candidate_trained=["0" * 64],
        candidate_measured=Measured(latency_ms=3.4, size_bytes=9_100_000, outliers=(outliers(0.9),)),
        live_measured=Measured(latency_ms=3.3, size_bytes=9_000_000, outliers=(outliers(0.88),)),
    )
    parity = Parity(
        between="<i>PyTorch</i> and ONNX Runtime",
        images=16,
        largest_difference=2e-5,
        allowed=1e-3,
        equal_answers=1,
    )
    buffer = BytesIO()
    Image.new("RGB", (8, 8), "red").save(buffer, "JPEG")
    pictures = {
        one.key: Picture(
            media_type="image/jpeg" if place % 2 else "image/svg+xml",
            data=buffer.getvalue(),
            name='"><img src=x onerror=alert(1)>.jpg',
        )
        for place, one in enumerate(comparison.mistakes[1:])
    }
    return report(
        comparison,
        judge(comparison, Gates(), parity=[parity], leaks=1, golden=True),
        title="</title><script>alert(1)</script>",
        subtitle="</p><script>",
        pictures=pictures,
        epochs=EPOCHS,
        recipe='method = "probe"\n# </pre><script>alert(1)</script>\n\tseed = 0',
        provenance={"<script>": "</dd><script>", "seed": 0},
    )


def test_nothing_it_shows_becomes_markup(full: str) -> None:
    """However classes, files, recipes and versions are called, there is no script and no handler."""
    outline = Outline(full)

    assert not {"script", "i", "iframe", "link", "object"} & set(outline.tags)
    assert "<script>alert(1)</script>" in outline.words
    assert "onerror=alert(1)>.jpg" in outline.words
    assert "default-src 'none'" in full.replace("&#x27;", "'")


def test_it_is_one_file(full: str) -> None:
    """It refers to nothing outside, and plots do not share ids."""
    outline = Outline(full)

    assert all(one.startswith(("#", "data:image/")) for one in outline.references)
    assert not re.search(r"url\((?!#)", full)
    assert len(outline.ids) == len(set(outline.ids))
    used = [one[1:] for one in outline.references if one.startswith("#")] + re.findall(
        r"url\(#([^)]+)\)", full
    )
    assert used
    assert set(used) <= set(outline.ids)


def test_only_pictures_are_shown(full: str) -> None:
    """JPEGs as they are; an SVG could bring styles of its own, and is told in words like one without a picture."""
    outline = Outline(full)
    shown = [one for one in outline.references if one.startswith("data:image/jpeg;base64,")]

    assert shown
    assert not any(one.startswith("data:image/svg") for one in outline.references)
    assert outline.words.count("no preview") >= len(shown)
    assert "No preview: the bundle remembers" in outline.words


def test_the_verdict_comes_first_and_then_why(full: str) -> None:
    """In this order, with what was left out, the recipe and where it comes from at the end."""
    words = Outline(full).words
    order = [
        "Keep what is live",
        "Checks",
        "Candidate and live",
        "Class by class",
        "What is taken for what",
        "How far to trust a confidence",
        "How it learned",
        "The most confident mistakes",
        "Left out of the comparison",
        "Recipe",
        "Where it comes from",
    ]
    places = [words.index(one) for one in order]
    assert places == sorted(places)
    assert "1 photo: the candidate was trained on them" in words
    assert "1 photo of test with a near-duplicate in another part" in words


def test_light_dark_and_paper(full: str) -> None:
    """Plots take the page's colours: not one of their own is left but white on dense cells."""
    assert "prefers-color-scheme: dark" in full
    assert "@media print" in full
    plots = re.findall(r"<svg.*?</svg>", full, re.DOTALL)
    assert len(plots) == 7  # two matrices, changes, reliability, risk, curves, and the difference
    assert set(re.findall(r"#[0-9a-f]{6}\b", " ".join(plots))) <= {"#ffffff", "#000000"}


def test_the_headline_has_both_views_and_intervals() -> None:
    """Where classes differ, figures stand for shared and for all classes."""
    truth = ["a"] * 30 + ["b"] * 30 + ["new"] * 4
    ours = said(("a", "b", "new"), truth, ["a"] * 29 + ["b"] * 31 + ["new"] * 4)
    found = compare(ours, said("ab", truth, ["a"] * 33 + ["b"] * 31))
    words = Outline(headline_table(found) + class_table(found)).words

    assert "Accuracy, classes both know 60 photos 98.3 % 91.1 % to 99.7 % 95.0 %" in words
    assert "Accuracy, all classes 64 photos 98.4 %" in words
    assert "new new insufficient evidence 4 \N{EN DASH} 100 %" in words


@pytest.mark.parametrize(
    ("ours", "theirs", "says"),
    [
        (said("ab", (), ()), said("ab", (), ()), "Nothing to compare on: no test photos"),
        (said("ab", (), ()), None, "Nothing to compare on: no test photos"),
        (said("ab", "ab", "ab"), said("ab", "ab", "ba"), "Only 2 photos to compare on"),
        (said("abc", "aabb" * 9, "aabb" * 9), said("abc", "aabb" * 9, "aabb" * 9), "c no test pictures 0"),
        (said("ab", "aabb" * 9, "aabb" * 9), None, "nothing is live to compare with"),
        (said("ab", "ab" * 9, "ab" * 9), said("cd", "ab" * 9, "cd" * 9), "the two share no class"),
        (said("ab", "cc", "ab"), said("abc", "cc", "cc"), "No test photos of the classes both know"),
    ],
)
def test_unusual_comparisons_have_a_report(ours: Answers, theirs: Answers | None, says: str) -> None:
    """No pictures, a class without any, nothing live, nothing in common: each is told."""
    found = compare(ours, theirs)

    assert says.lower() in told(found).words.lower()
    json.dumps(found.as_json(), allow_nan=False)


def test_two_hundred_classes_have_a_report() -> None:
    """Every class has its row, and the page stays small."""
    names = tuple(f"class {i}" for i in range(200))
    found = compare(at_random(names, names), None)

    page = report(found, judge(found, Gates(), parity=None, leaks=None, golden=None), title="many")

    assert len(page) < 500_000
    assert Outline(page).tags.count("tr") > 200


def test_a_browser_shows_it_and_loads_nothing(full: str, tmp_path: Path) -> None:
    """Light and dark differ, nothing is asked of the network, nothing complains, no sideways scrolling on a phone."""
    chromium = os.environ.get("SORTLINE_TEST_CHROMIUM")
    if not chromium:
        pytest.skip("set SORTLINE_TEST_CHROMIUM to a Chromium to open the report in it")
    from playwright.sync_api import sync_playwright

    file = tmp_path / "report.html"
    file.write_text(full, encoding="utf-8")
    heard: list[str] = []
    grounds = []
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
        for scheme, width in (("light", 1200), ("dark", 390)):
            page = browser.new_page(color_scheme=scheme, viewport={"width": width, "height": 900})  # type: ignore[arg-type]
            page.on("console", lambda message: heard.append(message.text))
            page.on("request", lambda request: heard.append(request.url))
            page.goto(file.as_uri())
            grounds.append(page.evaluate("getComputedStyle(document.body).backgroundColor"))
            assert page.evaluate("document.documentElement.scrollWidth") <= width
        browser.close()

    assert grounds[0] != grounds[1]
    assert [one for one in heard if not one.startswith(("data:", "file:"))] == []


def test_hostile_names_are_plain_json_too() -> None:
    """The document keeps them as they are."""
    document = json.loads(json.dumps(hostile().as_json(), allow_nan=False))

    assert document["candidate_classes"] == list(HOSTILE)
