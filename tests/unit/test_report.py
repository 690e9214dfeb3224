"""What verification says: the status of the whole, parity.json, the table, and the error."""

from __future__ import annotations

import json
import math

import pytest
from rich.console import Console

from tfjs_bundle.errors import ParityError
from tfjs_bundle.verify.difference import Difference
from tfjs_bundle.verify.report import BackendParity, ParityReport, worst_of

GOOD = Difference(
    "p", "case", largest=2e-7, relative=1e-6, index=(0, 1), reference=0.5, actual=0.5, elements=2
)
BAD = Difference(
    "p", "case", largest=math.inf, index=(0, 0), reference=0.5, actual=math.nan, wrong=1, elements=2
)


def report(*statuses):
    return ParityReport(tuple(BackendParity(f"b{index}", status) for index, status in enumerate(statuses)))


@pytest.mark.parametrize(
    ("statuses", "status"),
    [
        (["passed", "passed"], "passed"),
        (["passed", "not run"], "passed"),
        (["passed", "failed"], "failed"),
        (["not run", "failed"], "failed"),
        (["not run", "not run"], "not run"),
        ([], "not run"),
    ],
)
def test_what_was_not_compared_is_never_passed(statuses, status):
    assert report(*statuses).status == status
    assert report(*statuses).passed is (status == "passed")


def test_skipped_is_its_own_status():
    skipped = ParityReport(reason="the model draws random numbers", skipped=True)
    assert (skipped.status, skipped.passed) == ("skipped", False)
    skipped.raise_if_failed()
    assert skipped.describe() == "skipped, the model draws random numbers"


def test_the_error_names_every_backend_that_failed_and_only_those():
    failed = ParityReport(
        (
            BackendParity("wasm", "passed", worst=(GOOD,)),
            BackendParity("cpu", "failed", worst=(BAD,)),
            BackendParity("webgl", "failed", "the context was lost"),
        )
    )
    with pytest.raises(ParityError) as caught:
        failed.raise_if_failed()
    message = str(caught.value)
    assert "wasm:" not in message
    assert "cpu: failed, output 'p' (case): largest difference inf at [0, 0]" in message
    assert "webgl: failed, the context was lost" in message


def test_the_error_of_a_model_with_many_outputs_stays_readable():
    many = tuple(Difference(f"p{index}", "case", problem="missing") for index in range(40))
    text = BackendParity("cpu", "failed", worst=many).describe()
    assert text.count("output 'p") == 3
    assert text.endswith("and 37 more outputs")


def test_parity_json_is_strict_json_whatever_the_numbers():
    text = ParityReport((BackendParity("cpu", "failed", worst=(BAD,), load_ms=12.3456),)).dumps()
    document = json.loads(text, parse_constant=lambda constant: pytest.fail(f"{constant} is not JSON"))
    output = document["backends"]["cpu"]["outputs"]["p"]
    assert (output["largest_difference"], output["actual"], output["passed"]) == ("Infinity", "NaN", False)
    assert document["backends"]["cpu"]["load_ms"] == 12.35
    assert "first_ms" not in document["backends"]["cpu"]


def test_the_worst_case_of_each_output_is_kept_failures_first():
    mild = Difference("p", "a", largest=5.0, relative=1e-9, index=(0,), elements=1)
    wrong = Difference("p", "b", largest=0.1, wrong=1, elements=1)
    other = Difference("q", "a", largest=0.2, elements=1)
    assert worst_of([mild, wrong, other]) == (wrong, other)
    assert worst_of([GOOD, mild]) == (mild,)
    assert worst_of([wrong, Difference("p", "c", problem="missing")])[0].problem == "missing"


def test_the_table_shows_every_output_and_why_a_backend_did_not_run():
    console = Console(width=120, record=True, file=None, quiet=False, force_terminal=False)
    with console.capture() as capture:
        console.print(
            ParityReport(
                (
                    BackendParity(
                        "wasm", "passed", worst=(GOOD,), load_ms=1234.5, first_ms=8.25, warm_ms=0.75
                    ),
                    BackendParity("webgpu", "not run", "webgpu is [not] available in this browser"),
                ),
                cases=("a", "b"),
            ).table()
        )
    text = capture.get()
    assert "2e-07" in text
    assert "1,234 ms" in text
    assert "webgpu is [not] available in this browser" in text
    assert "atol 0.0001, rtol 0.0001; 2 cases" in text
