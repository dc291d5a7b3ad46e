"""Diagrams: whole SVG and HTML, marks where the numbers put them."""

from xml.etree import ElementTree

import pytest
from vemo.evaluation.reports.diagrams import (
    Point,
    bar_pairs,
    confusion_table,
    few_shot_curve,
    interval_mark,
    reliability_diagram,
    transfer_table,
    value_mark,
)

BINS = [
    {"count": 1200, "lowest": 0.3, "highest": 0.33, "confidence": 0.32, "accuracy": 0.5},
    {"count": 40, "lowest": 0.94, "highest": 1.0, "confidence": 1.0, "accuracy": 0.75},
]


def svg(text):
    return ElementTree.fromstring(text)


def circles(root, kind):
    return [each for each in root.iter("circle") if kind in each.get("class", "").split()]


def test_reliability_points_lie_at_confidence_and_accuracy():
    root = svg(reliability_diagram(BINS, [{**BINS[0], "confidence": 0.4}]))
    frame = next(root.iter("rect"))
    left, top, side = (float(frame.get(name)) for name in ("x", "y", "width"))
    first, last = circles(root, "before")
    assert float(first.get("cx")) == pytest.approx(left + 0.32 * side, abs=0.06)
    assert float(first.get("cy")) == pytest.approx(top + 0.5 * side, abs=0.06)
    assert float(last.get("cx")) == pytest.approx(left + side, abs=0.06)
    assert len(circles(root, "after")) == 1
    texts = ["".join(each.itertext()) for each in root.iter("text")]
    assert "1.2k" in texts and "40" in texts
    bars = [each for each in root.iter("rect") if each.get("class") == "bars before"]
    assert float(bars[0].get("x")) == pytest.approx(left + 4 * side / 15 + 1, abs=0.06)  # (4/15, 5/15]
    assert float(bars[1].get("x")) == pytest.approx(left + 14 * side / 15 + 1, abs=0.06)
    (after,) = (each for each in root.iter("rect") if each.get("class") == "bars after")
    assert float(after.get("x")) == pytest.approx(
        left + 5 * side / 15 + 1, abs=0.06
    )  # (5/15, 6/15]: 0.4 is in
    alone = svg(reliability_diagram(BINS))
    assert not circles(alone, "after") and len(circles(svg(reliability_diagram([])), "dot")) == 0


@pytest.mark.parametrize("classes", [2, 8, 12, 26])
def test_confusion_rows_are_shares(classes, read):
    names = [f"class <{number}>" for number in range(classes)]
    counts = [
        [3 if row == column else 1 if column == 0 else 0 for column in range(classes)]
        for row in range(classes)
    ]
    counts[-1] = [0] * classes
    page = read(confusion_table(names, counts))
    cells = page.all("td")
    shades = [each["style"] for each in cells if "style" in each]
    assert len(shades) == classes**2 and shades[0] == "--h:1.000"
    assert shades[-1] == "--h:0.000"  # a class that never occurs divides nothing
    assert "true class <0>, said class <0>: 3 of 3" in [each.get("title") for each in cells]
    assert bool(page.all("small")) == (classes <= 12)
    if classes > 2:
        assert shades[classes] == "--h:0.250" and "75" in page.text


def test_transfer_frames_the_diagonal_and_says_why_a_cell_is_empty(read):
    values = {("a", "a"): 0.8, ("b", "a"): 0.4}
    html = transfer_table(
        {"a": "A & co", "b": "B"},
        {"a": "A & co"},
        values,
        {("a", "a"): 1.7, ("b", "a"): -0.2},
        {("b", "a"): 'why"'},
    )
    page = read(html)
    own, other = page.all("td")
    assert own["class"] == "own" and own["style"] == "--h:1.000"
    assert other["style"] == "--h:0.000" and other["title"] == 'why"'
    assert "0.800" in page.text and "A & co" in page.text
    (empty,) = read(transfer_table({"a": "A"}, {"b": "B"}, {}, {}, {("a", "b"): "no map"})).all("td")
    assert empty["class"] == "empty" and empty["title"] == "no map"


def test_bar_pairs_share_one_scale(read):
    page = read(bar_pairs(["x<", "y"], [0.5, 0.1], [0.25, 0.0]))
    assert [each["style"] for each in page.all("i")] == [
        "width:100.0%", "width:50.0%", "width:20.0%", "width:0.0%",
    ]  # fmt: skip
    assert "50.0%" in page.text and "x<" in page.text
    tiny = read(bar_pairs(["x"], [0.0], [0.0], tiny=True))
    assert tiny.text == "x" and tiny.all("tr")[0]["title"] == "x: true 0.0%, said 0.0%"


def test_marks_are_drawn_where_the_numbers_are():
    root = svg(value_mark(-1.0, 1.0, "a & b"))
    assert float(circles(root, "before")[0].get("cx")) < float(circles(root, "after")[0].get("cx"))
    assert root.get("aria-label") == "a & b"
    assert not circles(svg(value_mark(None, 0.0, "")), "before")
    dot = circles(svg(interval_mark({"value": 0.1, "low": 0.0, "high": 0.2}, 0.2, "better", "")), "here")[0]
    assert float(dot.get("cx")) == pytest.approx(85 * 1.5, abs=0.06)


def test_few_shot_curves_rise_with_the_score_and_names_do_not_collide():
    curves = [
        ("A & B", [Point(0.01, 0.2, 0.1, 0.3), Point(1.0, 0.6, 0.6, 0.6)]),
        ("nothing", []),
        ("C", [Point(0.1, 0.59, 0.58, 0.6), Point(1.0, 0.601, 0.6, 0.61)]),
    ]
    root = svg(few_shot_curve(curves, "macro-F1", baseline=0.05))
    lines = [each for each in root.iter("path") if each.get("class") == "line"]
    bands = [each for each in root.iter("path") if each.get("class") == "area"]
    assert len(lines) == len(bands) == 2
    (x0, y0), (x1, y1) = (map(float, point.split(",")) for point in lines[0].get("d")[1:].split("L"))
    assert x0 < x1 and y0 > y1
    middle = float(lines[1].get("d")[1:].split(",")[0])
    assert middle == pytest.approx((x0 + x1) / 2, abs=0.1)  # logarithmic
    groups = [each.get("style") for each in root.iter("g")]
    assert "color:var(--c1)" in groups and "color:var(--c3)" in groups  # colours stay with the encoders
    texts = {"".join(each.itertext()): float(each.get("y")) for each in root.iter("text")}
    assert {"A & B", "C", "majority", "1 %", "100 %"} <= texts.keys() and "nothing" not in texts
    assert abs(texts["A & B"] - texts["C"]) >= 13
    assert few_shot_curve([("A", [])], "x") == ""
    svg(few_shot_curve([("A", [Point(0.1, 0.0, 0.0, 0.0)])], "x"))  # one point, no span
