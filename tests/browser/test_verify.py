"""Verification in a real Chromium: what passes, what fails and how it says so, what could not run."""

from __future__ import annotations

import asyncio
import json
import os
import shutil
import signal
import stat
import threading
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from tiny_bundle import cases_and_references, graph, predict, write_bundle

from tfjs_bundle import convert
from tfjs_bundle.bundle import load_bundle
from tfjs_bundle.cli import main
from tfjs_bundle.config import BuildOptions
from tfjs_bundle.errors import BrowserError, ParityError, SourceError
from tfjs_bundle.graph import serde
from tfjs_bundle.graph.kernels import BackendSupport
from tfjs_bundle.progress import Progress
from tfjs_bundle.verify import browser, driver
from tfjs_bundle.verify.browser import VARIABLE, find_chromium
from tfjs_bundle.verify.parity import run, verify_build, verify_golden

EVERYWHERE = dict.fromkeys(("webgpu", "webgl", "wasm", "cpu"), BackendSupport(True))


@pytest.fixture
def bundle(tiny_bundle, tmp_path):
    """A copy that a test may damage."""
    return shutil.copytree(tiny_bundle, tmp_path / "bundle")


def shard(directory):
    return next(directory / file.path for file in load_bundle(directory).files if file.role == "weights")


# what passes


def test_all_four_backends_run_and_agree_the_gpu_ones_on_software_adapters(tiny_bundle):
    report = run(tiny_bundle, *cases_and_references(), backends=("wasm", "cpu", "webgl", "webgpu"))
    assert [(entry.backend, entry.status) for entry in report.backends] == [
        ("wasm", "passed"),
        ("cpu", "passed"),
        ("webgl", "passed"),
        ("webgpu", "passed"),
    ], report.describe()
    for entry in report.backends:
        assert [found.output for found in entry.worst] == ["probabilities", "sum"]
        assert entry.worst[0].largest < 1e-6
        assert min(entry.load_ms, entry.first_ms, entry.warm_ms) > 0
    document = json.loads(report.dumps())
    assert (document["status"], document["atol"], document["rtol"]) == ("passed", 1e-4, 1e-4)
    assert document["cases"] == ["random 1, batch 1", "random 2, batch 3"]
    assert document["backends"]["webgpu"]["outputs"]["sum"]["passed"] is True
    assert document["browser"].startswith("Chromium ")


def test_verification_works_where_an_event_loop_is_running(tiny_bundle):
    async def notebook_cell():
        return run(tiny_bundle, *cases_and_references(), backends=("cpu",))

    # on a thread of its own: Playwright, which other tests share, has its loop on this one
    with ThreadPoolExecutor(1) as thread:
        assert thread.submit(asyncio.run, notebook_cell()).result().passed


def test_a_bundle_is_verified_by_its_golden_cases_at_its_address(tiny_bundle, static_host):
    host = static_host(tiny_bundle, prefix="repo")
    report = verify_golden(host.url, backends=("cpu",))
    assert report.passed, report.describe()
    assert report.reference == "the golden cases in the bundle"
    assert host.counts["loader.js"] == 1


# what fails


def test_a_wrong_reference_is_a_parity_error_that_names_output_backend_and_difference(tiny_bundle):
    cases, references = cases_and_references()
    references[1]["sum"][2, 3] += 0.5
    with pytest.raises(ParityError) as caught:
        verify_build(tiny_bundle, cases, references, EVERYWHERE, BuildOptions(backends=("cpu",)), Progress())
    assert caught.value.exit_code == 5
    assert "cpu: failed, output 'sum' (random 2, batch 3): largest difference 0.5 at [2, 3]" in str(
        caught.value
    )
    assert "probabilities" not in str(caught.value)
    assert "atol 0.0001, rtol 0.0001" in str(caught.value)


def test_numbers_that_contradict_the_self_check_fail_and_are_shown(tmp_path):
    directory = write_bundle(tmp_path, bias=0.0, golden_bias=0.3)
    report = run(directory, *cases_and_references(bias=0.3), backends=("cpu",))
    assert report.status == "failed"
    (entry,) = report.backends
    assert "self-check" in entry.reason
    assert entry.worst[0].output == "probabilities"
    assert entry.worst[0].largest > 0.01


def test_a_refusing_self_check_fails_even_where_the_cases_agree(tmp_path):
    directory = write_bundle(tmp_path, golden_bias=0.3)
    report = run(directory, *cases_and_references(), backends=("cpu",))
    assert report.status == "failed"
    assert "self-check" in report.describe()


def test_a_damaged_shard_fails_with_the_loaders_words(bundle):
    data = bytearray(shard(bundle).read_bytes())
    data[0] ^= 1
    shard(bundle).write_bytes(data)
    report = run(bundle, *cases_and_references(), backends=("wasm", "cpu"))
    assert [entry.status for entry in report.backends] == ["failed", "failed"]
    assert all("integrity" in entry.reason for entry in report.backends), report.describe()


@pytest.mark.parametrize("policy", ["the bundle's policy", "no policy"])
def test_a_bundle_that_asks_for_another_origin_fails_and_gets_nothing(bundle, tmp_path, static_host, policy):
    (tmp_path / "elsewhere").mkdir()
    elsewhere = static_host(tmp_path / "elsewhere")
    if policy == "no policy":
        (bundle / "_headers").write_text("/*\n  Content-Security-Policy: upgrade-insecure-requests\n")
    loader = bundle / "loader.js"
    loader.write_text(f"fetch({elsewhere.url + 'telemetry'!r}).catch(() => 0);" + loader.read_text())
    report = run(bundle, *cases_and_references(), backends=("cpu",))
    assert report.status == "failed"
    assert f"{elsewhere.url}telemetry, which is not its own origin" in report.describe()
    assert elsewhere.requests == []


def test_a_worker_that_asks_for_another_origin_fails_too(bundle, tmp_path, static_host):
    (tmp_path / "elsewhere").mkdir()
    elsewhere = static_host(tmp_path / "elsewhere")
    (bundle / "_headers").write_text("/*\n  Content-Security-Policy: upgrade-insecure-requests\n")
    (bundle / "spy.js").write_text(f"fetch({elsewhere.url!r}).catch(() => 0).then(() => postMessage(1));")
    loader = bundle / "loader.js"
    spy = "await new Promise((done) => { new Worker(new URL('spy.js', import.meta.url)).onmessage = done; });"
    loader.write_text(spy + loader.read_text())
    report = run(bundle, *cases_and_references(), backends=("cpu",))
    assert report.status == "failed"
    assert "which is not its own origin" in report.describe()
    assert elsewhere.requests == []


def test_a_loader_that_never_settles_is_given_up(bundle, monkeypatch):
    monkeypatch.setattr(driver, "TIMEOUT", 0.5)
    (bundle / "loader.js").write_text("export const loadModel = () => new Promise(() => {});")
    report = run(bundle, *cases_and_references(), backends=("cpu",))
    assert report.describe() == "cpu: failed, loading took more than 0.5 s"


# a build


@pytest.fixture
def build_tiny(tmp_path, monkeypatch, capsys):
    """Build the tiny model's model.json by the command line; the reference is numpy's, plus ``error``."""
    source = tmp_path / "source"
    source.mkdir()
    files = serde.dump(graph(), "tests")
    (source / "model.json").write_bytes(files.model_json)
    for file in files.shards:
        file.write(source / file.name)

    def build(*options, error=0.0):
        def reference(converted, inputs, child):
            outputs = predict(inputs)
            return {**outputs, "sum": outputs["sum"] + np.float32(error)}

        monkeypatch.setattr(convert, "predict", reference)
        with pytest.raises(SystemExit) as ended:
            main(["build", str(source / "model.json"), "-o", str(tmp_path / "dist"), *options])
        captured = capsys.readouterr()
        return ended.value.code, captured.out, captured.err

    return build


def test_a_build_with_a_wrong_reference_exits_with_5_and_leaves_the_previous_output(build_tiny, tmp_path):
    code, _, errors = build_tiny("--backend", "cpu")
    assert code == 0, errors
    parity = json.loads((tmp_path / "dist" / "parity.json").read_bytes())
    assert (parity["status"], list(parity["backends"])) == ("passed", ["cpu"])
    before = {path: path.read_bytes() for path in (tmp_path / "dist").rglob("*") if path.is_file()}

    code, out, errors = build_tiny("--backend", "cpu", "--backend", "wasm", error=0.25)
    assert code == 5
    assert "cpu: failed" in errors
    assert "wasm: failed" in errors
    assert "output 'sum'" in errors
    assert "largest difference 0.25" in errors
    assert "Traceback" not in out + errors
    assert {path: path.read_bytes() for path in (tmp_path / "dist").rglob("*") if path.is_file()} == before
    assert sorted(path.name for path in tmp_path.iterdir()) == ["dist", "source"]


def test_verify_exits_with_5_when_the_golden_cases_do_not_agree(tmp_path, capsys):
    directory = write_bundle(tmp_path, golden_bias=0.3)
    with pytest.raises(SystemExit) as ended:
        main(["verify", str(directory), "--backend", "cpu"])
    assert ended.value.code == 5
    assert "output 'probabilities' (golden 1): largest difference" in capsys.readouterr().err


def test_verify_prints_one_json_object_and_nothing_else(tiny_bundle, capsys):
    with pytest.raises(SystemExit) as ended:
        main(["verify", str(tiny_bundle), "--backend", "cpu", "--json"])
    captured = capsys.readouterr()
    assert (ended.value.code, captured.err) == (0, "")
    assert json.loads(captured.out)["backends"]["cpu"]["status"] == "passed"


def test_a_build_without_a_browser_exits_with_7_only_when_verification_was_asked_for(
    build_tiny, tmp_path, monkeypatch
):
    monkeypatch.setattr(browser, "find_chromium", lambda playwright=None: None)
    code, _, errors = build_tiny("--verify")
    assert code == 7
    assert "No Chromium" in errors
    assert not (tmp_path / "dist").exists()
    code, _, errors = build_tiny()
    assert (code, json.loads((tmp_path / "dist" / "parity.json").read_bytes())["status"]) == (0, "not run")
    assert "Parity was not run" in errors


# what does not run


def test_a_backend_without_the_models_ops_is_not_run_and_never_passed(tmp_path):
    lacking = {"supported": False, "missing_ops": ["Einsum"]}
    directory = write_bundle(tmp_path, backends={"wasm": lacking})
    report = run(directory, *cases_and_references(), backends=("wasm", "cpu"))
    assert report.describe().startswith("wasm: not run, the backend lacks Einsum\ncpu: passed")
    alone = run(directory, *cases_and_references(), backends=("wasm",))
    assert (alone.status, alone.passed) == ("not run", False)


def test_gpu_backends_without_any_adapter_are_not_run(tiny_bundle, monkeypatch):
    monkeypatch.setattr(
        browser, "FLAGS", ("--disable-gpu", "--disable-3d-apis", "--disable-software-rasterizer")
    )
    report = run(tiny_bundle, *cases_and_references(), backends=("webgl", "webgpu", "cpu"))
    assert [entry.status for entry in report.backends] == ["not run", "not run", "passed"], report.describe()
    assert all("not available" in entry.reason for entry in report.backends[:2]), report.describe()
    assert json.loads(report.dumps())["backends"]["webgl"]["status"] == "not run"


def test_without_cases_parity_is_skipped_and_says_so(tiny_bundle):
    progress = Progress()
    report = verify_build(tiny_bundle, [], [], EVERYWHERE, BuildOptions(verify=True), progress)
    assert (report.status, report.passed) == ("skipped", False)
    assert "random" in progress.warnings[0]


# the browser


def test_a_missing_browser_is_an_error_with_its_cure_when_verification_was_asked_for(
    tiny_bundle, monkeypatch
):
    monkeypatch.setattr(browser, "find_chromium", lambda playwright: None)
    with pytest.raises(BrowserError) as caught:
        verify_build(tiny_bundle, *cases_and_references(), EVERYWHERE, BuildOptions(verify=True), Progress())
    assert caught.value.exit_code == 7
    assert "No Chromium, Chrome or Edge was found" in str(caught.value)
    assert "playwright install chromium" in str(caught.value)
    assert "--no-verify" in str(caught.value)


def test_a_missing_browser_is_a_warning_and_not_run_when_nobody_asked(tiny_bundle, monkeypatch):
    monkeypatch.setattr(browser, "find_chromium", lambda playwright: None)
    progress = Progress()
    report = verify_build(tiny_bundle, *cases_and_references(), EVERYWHERE, BuildOptions(), progress)
    assert (report.status, report.passed) == ("not run", False)
    assert "No Chromium" in report.reason
    assert "No Chromium" in progress.warnings[0]


def test_a_browser_that_is_named_but_does_not_exist_is_an_error(tiny_bundle, monkeypatch):
    monkeypatch.setenv(VARIABLE, "/nowhere/chromium")
    with pytest.raises(BrowserError, match="TFJS_BUNDLE_CHROMIUM is '/nowhere/chromium'"):
        run(tiny_bundle, *cases_and_references())


def test_a_browser_that_does_not_start_is_an_error(tiny_bundle, monkeypatch):
    monkeypatch.setenv(VARIABLE, shutil.which("false"))
    with pytest.raises(BrowserError, match="does not start"):
        run(tiny_bundle, *cases_and_references())


@pytest.mark.skipif(os.name == "nt", reason="the wrapper is a shell script")
def test_a_browser_that_dies_in_the_middle_is_an_error(
    chromium, tiny_bundle, tmp_path, monkeypatch, static_host
):
    wrapper, noted = tmp_path / "chromium", tmp_path / "pid"
    executable = find_chromium() or chromium.browser_type.executable_path
    wrapper.write_text(f'#!/bin/sh\necho $$ > "{noted}"\nexec "{executable}" "$@"\n')
    wrapper.chmod(wrapper.stat().st_mode | stat.S_IXUSR)
    monkeypatch.setenv(VARIABLE, str(wrapper))
    host = static_host(tiny_bundle)
    waiting = host.hold("model/model.json")

    def kill_while_it_loads():
        if waiting.wait(60):
            os.kill(int(noted.read_text()), signal.SIGKILL)

    threading.Thread(target=kill_while_it_loads, daemon=True).start()
    with pytest.raises(BrowserError, match="died while it ran the model on cpu") as caught:
        run(host.url, *cases_and_references(), backends=("cpu",))
    assert "--backend" in str(caught.value)


# what is no bundle


def test_an_address_without_a_bundle_is_a_source_error(tmp_path, static_host):
    (tmp_path / "index.html").write_text("<!doctype html>")
    host = static_host(tmp_path)
    with pytest.raises(SourceError, match=r"bundle\.json answers with status 404"):
        verify_golden(host.url)
    host.answer_html("bundle.json")
    (tmp_path / "bundle.json").write_text("{}")
    with pytest.raises(SourceError, match="is not JSON"):
        verify_golden(host.url)
    host.stop()
    with pytest.raises(SourceError, match="cannot be reached"):
        verify_golden(host.url)


def test_damaged_golden_cases_are_a_source_error(bundle):
    golden = bundle / "model" / "golden.json"
    golden.write_bytes(golden.read_bytes().replace(b'"seed"', b'"sead"', 1))
    with pytest.raises(SourceError, match=r"golden\.json is damaged"):
        verify_golden(bundle)
