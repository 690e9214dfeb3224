"""What a search reports: the table, compression.json and the picture, of a trade-off that is made up."""

from __future__ import annotations

import itertools
import json
import math
from xml.etree import ElementTree

import numpy as np
import pytest
from rich.console import Console

from tfjs_bundle.compress import report
from tfjs_bundle.compress.apply import Recipe
from tfjs_bundle.compress.budget import Tradeoff, largest_difference
from tfjs_bundle.compress.plot import BOTTOM, layout, svg
from tfjs_bundle.compress.search import Trial

SVG = "{http://www.w3.org/2000/svg}"
LOST = {
    Recipe(): (40_000, 0.0),
    Recipe("float16"): (20_000, 0.0),
    Recipe("uint8"): (9_000, 0.75),
    Recipe("int8"): (10_000, 0.25),
    Recipe("int8", 0.5): (6_000, 0.5),
    Recipe("int8", 0.7): (4_000, 30.0),
}


def tradeoff(outputs=("digit",), lost=None, budget=0.5) -> Tradeoff:
    trials = [
        Trial(recipe, size, tuple(98 - points for _ in outputs), points, points / 10)
        for recipe, (size, points) in (lost or LOST).items()
    ]
    return Tradeoff(
        budget,
        dict.fromkeys(outputs, "accuracy"),
        (98.0,) * len(outputs),
        tuple(trials),
        360,
        "wasm in Chromium",
    )


@pytest.fixture
def picture() -> ElementTree.Element:
    return ElementTree.fromstring(svg(tradeoff(), "digits"))


def texts(picture) -> list[str]:
    return [each.text for each in picture.iter(f"{SVG}text")]


def test_the_document_has_every_trial_and_what_was_chosen():
    document = json.loads(report.dumps(tradeoff()))
    assert document["metrics"] == {"digit": "accuracy"}
    assert (document["budget"], document["rows"], document["measured_on"]) == (0.5, 360, "wasm in Chromium")
    assert len(document["trials"]) == len(LOST)
    (chosen,) = (trial for trial in document["trials"] if trial["chosen"])
    assert chosen == {
        "quantize": "int8",
        "prune": 0.5,
        "bytes": 6000,
        "percent": {"digit": 97.5},
        "lost": 0.5,
        "largest_difference": 0.05,
        "within_budget": True,
        "chosen": True,
    }


def test_what_is_not_finite_is_text_in_the_document():
    document = json.loads(report.dumps(tradeoff(lost={Recipe(): (9, 0.0), Recipe("int8"): (5, math.inf)})))
    assert document["trials"][1]["lost"] == "Infinity"
    assert document["trials"][1]["percent"] == {"digit": "-Infinity"}


def test_the_table_marks_what_was_chosen_and_what_costs_too_much():
    console = Console(width=120)
    with console.capture() as capture:
        console.print(report.table(tradeoff()))
    lines = capture.get().splitlines()
    (chosen,) = (line for line in lines if "chosen" in line)
    assert all(part in chosen for part in ("int8 + 50% pruned", "6.0 kB", "97.50 %", "0.50"))
    assert [line.split("│")[1].strip() for line in lines if "over budget" in line] == [
        "uint8",
        "int8 + 70% pruned",
    ]
    assert "accuracy on 360 rows, 98.00 % by the original" in capture.get()


def test_the_picture_says_what_it_shows(picture):
    assert picture.get("role") == "img"
    title, description = picture.find(f"{SVG}title"), picture.find(f"{SVG}desc")
    assert picture.get("aria-labelledby") == f"{title.get('id')} {description.get('id')}"
    assert title.text == "digits: bytes on the wire and accuracy"
    assert "Chosen: int8, 50% pruned, with 6 kB and 0.50 percentage points lost" in description.text


def test_the_picture_marks_one_point_and_labels_all(picture):
    assert [each.get("r") for each in picture.iter(f"{SVG}circle")].count("9") == 1
    assert {"float32", "float16", "uint8", "int8", "int8, 50% pruned"} <= set(texts(picture))
    assert "budget: 0.5 points" in texts(picture)


def test_what_lost_far_more_than_the_budget_lies_at_the_edge_and_says_how_much():
    drawn = {point["text"]: point for point in layout(tradeoff(), "digits")["points"]}
    far = drawn["int8, 70% pruned: 68.0 %"]
    assert far["below"]
    assert far["y"] == BOTTOM
    assert not drawn["uint8"]["below"]


def test_smaller_is_further_left_and_worse_further_down():
    drawn = {point["text"]: point for point in layout(tradeoff(), "digits")["points"]}
    assert drawn["float32"]["x"] > drawn["float16"]["x"] > drawn["int8"]["x"] > drawn["uint8"]["x"]
    assert drawn["float32"]["y"] == drawn["float16"]["y"] < drawn["int8"]["y"] < drawn["uint8"]["y"]
    budget = layout(tradeoff(), "digits")["budget"]["y"]
    assert drawn["int8"]["y"] < budget < drawn["uint8"]["y"]


def test_labels_do_not_lie_on_each_other():
    crowd = {Recipe(): (40_000, 0.0)}
    crowd |= {Recipe("uint8", share / 100): (9_000 - share, 0.1) for share in range(30, 40)}
    boxes = []
    for point in layout(tradeoff(lost=crowd), "digits")["points"]:
        if label := point["label"]:
            wide = 6 * len(point["text"])
            left = label["x"] - {"start": 0, "middle": wide / 2, "end": wide}[label["anchor"]]
            boxes.append((left, left + wide, label["y"]))
    assert len(boxes) > 8
    for one, other in itertools.combinations(boxes, 2):
        assert one[1] <= other[0] or other[1] <= one[0] or abs(one[2] - other[2]) >= 12


def test_a_name_is_text_in_the_picture():
    content = svg(tradeoff(), '</title><script>alert("1")</script>')
    picture = ElementTree.fromstring(content)
    assert not list(picture.iter(f"{SVG}script"))
    assert picture.find(f"{SVG}title").text.startswith("</title><script>")


def test_several_outputs_are_shown_by_what_the_worst_loses():
    values = layout(tradeoff(outputs=("kind", "age")), "people")
    assert values["y_label"] == "points lost by the output that suffers most"
    assert all(not text.endswith("%") for _, text in values["y_ticks"])


def test_nothing_lost_at_a_budget_of_nothing_can_be_drawn():
    ElementTree.fromstring(svg(tradeoff(lost={Recipe(): (9, 0.0), Recipe("int8"): (5, 0.0)}, budget=0), "a"))


def test_the_largest_difference_is_that_of_floats_and_infinite_where_one_side_is():
    before = {"a": np.array([1.0, np.nan], np.float32), "b": np.array([1, 2])}
    assert largest_difference(before, {"a": np.array([1.5, np.nan]), "b": np.array([7, 7])}) == 0.5
    assert largest_difference(before, {"a": np.array([1.5, 0.0]), "b": before["b"]}) == math.inf
    assert largest_difference({"b": before["b"]}, {"b": before["b"]}) is None
