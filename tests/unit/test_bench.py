"""`make bench`: the arithmetic and the document, without measuring anything."""

from __future__ import annotations

import random
import time
import urllib.error
import urllib.request
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack

import pytest

from bench.contenders import part_of
from bench.figures import Ratio, best_ratio
from bench.host import LOOPBACK, Host, Network
from bench.process import last_words
from bench.report import document


def test_ratios_are_taken_round_by_round_to_the_peer_with_the_smallest_median():
    # A machine that is three times as slow in the second round is so for both.
    ratio = best_ratio([1.0, 3.0, 1.0], {"slow": [9.0, 9.0, 9.0], "fast": [2.0, 6.0, 2.0], "absent": []})
    assert ratio == Ratio(0.5, "fast")


@pytest.mark.parametrize(("ours", "peers"), [([], {"fast": [1.0]}), ([1.0], {}), ([1.0], {"absent": []})])
def test_where_a_side_is_missing_there_is_no_ratio(ours, peers):
    assert best_ratio(ours, peers) is None


def test_every_file_of_a_site_is_runtime_model_entry_or_the_page_that_measures():
    paths = ["runtime/tfjs-1.js", "model/model.json", "loader.js", "bundle.json", "bench/measure.js"]
    assert [part_of(path) for path in paths] == ["runtime", "weights", "entry", "entry", "page"]


def test_the_reason_of_a_failure_is_the_last_line_with_words():
    assert (
        last_words("Traceback:\nValueError: Unsupported ops: Erfc\n\n  ~~~^^^\n")
        == "ValueError: Unsupported ops: Erfc"
    )


def test_the_document_has_ratios_to_the_best_peer():
    table = document(results())
    assert "| warm, 1 thread, median (ms) | 4.00 | 10.0 | 8.00 | – | 2.00 | 0.5 (LiteRT.js) |" in table


def test_the_document_says_which_goals_are_met_and_which_are_not():
    text = document(results())
    assert "| MobileNetV2: warm on one thread at least 10 % below stock TF.js | 0.40 of it | met |" in text
    assert (
        "| MobileNetV2: warm on one thread at least 10 % below stock TF.js, both in the page | 0.30 of it"
        in text
    )
    assert "at most 1/10 of the best peer's bytes | 0.200 of LiteRT.js's | not met |" in text


def test_weights_that_are_half_of_it_on_the_line_are_named_beside_the_first_prediction():
    found = results()
    contenders = found["models"]["mobilenet"]["contenders"]
    contenders["int8"] = contenders["ours"] | {"wire": contenders["ours"]["wire"] | {"weights": 500_000}}
    contenders["int8"]["cold"] = {"slow": [450.0]}
    text = document(found)
    goal = "a cold first prediction in at most half of LiteRT.js's time"
    weights = "the weights alone take"
    assert f"| MobileNetV2: {goal} | 1.00 of it; {weights} 12.44 on the line | not met |" in text
    assert (
        f"| MobileNetV2, with int8 weights: {goal} | 0.50 of it; {weights} 0.44 on the line | met |" in text
    )


def test_the_document_says_of_a_peer_that_is_missing_why():
    assert "ONNX Runtime Web: missing. Npm could not install it: 404 not found." in document(results())


def test_a_reload_that_downloads_weights_again_does_not_meet_the_goal():
    found = results()
    found["models"]["mobilenet"]["contenders"]["ours"]["again"]["wire"]["weights"] = 1
    goal = next(line for line in document(found).splitlines() if "in a warm reload" in line)
    assert goal.endswith("| not met |")


@pytest.fixture
def host(tmp_path, monkeypatch):
    """A function that serves a file that does not shrink and one that does, over a network."""
    monkeypatch.setattr("bench.host.WORK", tmp_path / "work")
    (tmp_path / "site").mkdir()
    (tmp_path / "site" / "weights.bin").write_bytes(random.Random(1).randbytes(200_000))
    (tmp_path / "site" / "script.js").write_text("let a;\n" * 1000)
    with ExitStack() as stack:
        yield lambda network: stack.enter_context(Host(tmp_path / "site", network))


def get(url, **headers):
    request = urllib.request.Request(url, headers=headers)
    try:
        with urllib.request.urlopen(request, timeout=60) as answer:
            return answer.status, answer.headers, answer.read()
    except urllib.error.HTTPError as error:
        return error.code, error.headers, error.read()


def test_all_connections_share_the_bandwidth(host):
    served = host(Network("slow", bytes_per_second=1e6))
    begin = time.perf_counter()
    with ThreadPoolExecutor() as pool:
        sizes = pool.map(lambda _: len(get(f"{served.url}weights.bin")[2]), range(2))
        assert list(sizes) == [200_000, 200_000]
    assert time.perf_counter() - begin > 0.39


def test_an_answer_comes_after_the_latency_of_the_connection_and_of_the_request(host):
    served = host(Network("far", latency=0.1))
    begin = time.perf_counter()
    get(f"{served.url}script.js")
    assert time.perf_counter() - begin > 0.19


def test_what_was_sent_is_counted_as_it_went_over_the_wire(host):
    served = host(LOOPBACK)
    _, headers, body = get(f"{served.url}script.js")
    assert headers["Content-Encoding"] == "br"
    assert [(sent.path, sent.status, sent.size) for sent in served.forget()] == [
        ("script.js", 200, len(body))
    ]
    assert len(body) < 100


def test_a_file_that_the_visitor_has_is_not_sent_again(host):
    served = host(LOOPBACK)
    _, headers, _ = get(f"{served.url}weights.bin")
    served.forget()
    status, _, body = get(f"{served.url}weights.bin", **{"If-None-Match": headers["ETag"]})
    assert (status, body) == (304, b"")
    assert [sent.size for sent in served.forget()] == [0]


def results():
    """Results of one model, as bench.json has them."""

    def measured(warm, runtime):
        return {
            "convert": {"seconds": 2.0, "memory": 5_000_000},
            "wire": {"runtime": runtime, "weights": 14_000_000, "entry": 0, "page": 500, "later": 0},
            "difference": {"absolute": 1e-9, "relative": 1e-6},
            "cold": {"slow": [900.0], "loopback": [200.0]},
            "again": {
                "milliseconds": [300.0],
                "wire": {"runtime": 0, "weights": 0, "entry": 400, "page": 300},
            },
            "memory": [80_000_000],
            "warm": {"1": [{"median": warm, "min": warm, "count": 60, "threads": 1}]},
        }

    native = {"warm": {"1": [{"median": 2.0, "min": 2.0, "count": 60, "threads": 1}]}}
    contenders = {
        "ours": measured(4.0, 400_000),
        "page": measured(3.0, 400_000),
        "tfjs": measured(10.0, 900_000),
        "litert": measured(8.0, 2_000_000),
        "onnx": {"missing": "npm could not install it: 404 not found"},
        "native": native,
    }
    return {
        "machine": {
            "date": "2026-11-23",
            "system": "Linux x86_64",
            "processor": "a processor",
            "cores": 2,
            "memory": 2**33,
            "load_before": 0.1,
            "load_after": 1.2,
        },
        "versions": {"tfjs-bundle": "0.1.0"},
        "options": {"rounds": 1, "visits": 1},
        "contenders": {
            "ours": "tfjs-bundle",
            "tfjs": "stock TF.js",
            "litert": "LiteRT.js",
            "onnx": "ONNX Runtime Web",
            "native": "LiteRT, native",
        },
        "models": {"mobilenet": {"title": "MobileNetV2", "about": "a network", "contenders": contenders}},
    }
