"""The bundle's JavaScript API in a real Chromium: every backend, every way it can fail."""

from __future__ import annotations

import brotli
import numpy as np
import pytest
from tiny_bundle import predict, write_bundle

from tfjs_bundle.site.security import content_security_policy

pytestmark = pytest.mark.browser

X = np.linspace(-1, 1, 8, dtype=np.float32).reshape(2, 4)
Y = np.full((2, 4), 0.5, np.float32)

#: Loads the model of the page's directory as `model` and calls the body with it.
WITH_MODEL = """async ([options, x, y]) => {
  const { loadModel } = await import(new URL("loader.js", location.href).href);
  const inputs = { x: { data: new Float32Array(x), shape: [x.length / 4, 4] },
                   y: { data: new Float32Array(y), shape: [y.length / 4, 4] } };
  try {
    const model = await loadModel(options);
    const plain = (outputs) => Object.fromEntries(Object.entries(outputs).map(
      ([name, { data, shape, dtype }]) => [name, { data: [...data], shape, dtype }]));
    try { %s } finally { model.dispose(); }
  } catch (error) {
    return { code: error.code, message: error.message };
  }
}"""
PREDICT = "return { backend: model.backend, threads: model.threads, ...plain(await model.predict(inputs)) };"


@pytest.fixture(scope="module")
def bundle(tmp_path_factory):
    return write_bundle(tmp_path_factory.mktemp("bundle"), bias=0.25)


@pytest.fixture
def run(page, static_host, bundle):
    """A function that opens the bundle's page and runs ``body`` there with ``model`` and ``inputs``."""

    def start(body=PREDICT, *, directory=bundle, init=None, isolated=True, **options):
        host = static_host(directory, isolated=isolated)
        if init:
            page.add_init_script(init)
        page.goto(f"{host.url}loader.d.ts")  # a page of the bundle's origin that runs nothing of its own
        return page.evaluate(WITH_MODEL % body, [options, X.ravel().tolist(), Y.ravel().tolist()])

    return start


def assert_right(result):
    assert "probabilities" in result, result
    for name, expected in predict({"x": X, "y": Y}, bias=0.25).items():
        assert result[name]["dtype"] == "float32"
        assert result[name]["shape"] == list(expected.shape)
        actual = np.array(result[name]["data"]).reshape(expected.shape)
        np.testing.assert_allclose(actual, expected, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("worker", [True, False], ids=["worker", "page"])
@pytest.mark.parametrize("backend", ["cpu", "wasm", "webgl", "webgpu"])
def test_every_backend_predicts_in_a_worker_and_in_the_page(run, backend, worker):
    result = run(backend=backend, worker=worker)
    assert_right(result)
    assert result["backend"] == backend
    assert list(result)[2:] == ["probabilities", "sum"]  # in the order of the signature


def test_software_adapters_are_left_alone_unless_they_are_named(run):
    assert run(backend="auto")["backend"] == "wasm"


def test_wasm_without_isolation_runs_on_one_thread(run):
    result = run(backend="wasm", isolated=False)
    assert_right(result)
    assert result["threads"] == 1


def test_page_worker_and_threads_live_under_the_policy_of_the_page(page, static_host, bundle):
    host = static_host(bundle)
    policy = content_security_policy()
    host.headers["Content-Security-Policy"] = policy
    complaints = []
    page.on("console", lambda message: complaints.append(message.text))
    page.goto(f"{host.url}loader.d.ts")
    arguments = [{"backend": "wasm"}, X.ravel().tolist(), Y.ravel().tolist()]
    assert_right(page.evaluate(WITH_MODEL % PREDICT, arguments))
    threads = [request.path for request in host.requests if "wasm-thread-" in request.path]
    assert threads, "the threaded variant was not tried"
    assert [text for text in complaints if "Content Security Policy" in text] == []


@pytest.mark.parametrize(("backend", "binaries"), [("cpu", 0), ("wasm", 1)])
def test_a_visit_downloads_scripts_within_the_budget_and_one_binary(
    page, static_host, bundle, backend, binaries
):
    """The binaries' own sizes are TF.js's; tests/unit/test_op_sets.py adds them up."""
    host = static_host(bundle, isolated=False)
    page.goto(f"{host.url}loader.d.ts")
    arguments = [{"backend": backend}, X.ravel().tolist(), Y.ravel().tolist()]
    assert_right(page.evaluate(WITH_MODEL % PREDICT, arguments))
    scripts = [bundle / path for path in host.counts if path.endswith(".js")]
    assert len(scripts) == 5
    assert sum(path.endswith(".wasm") for path in host.counts) == binaries
    assert sum(len(brotli.compress(path.read_bytes(), quality=11)) for path in scripts) <= 68_000


def test_a_thousand_predictions_leave_no_tensor_behind(run):
    result = run(
        """await model.predict(inputs);
        const before = await model.memory();
        for (let i = 0; i < 1000; i++) await model.predict(inputs);
        return { before, after: await model.memory() };""",
        backend="cpu",
    )
    assert result["before"] == result["after"]
    assert result["before"]["tensors"] > 0


def test_predictions_at_once_are_all_right(run):
    result = run(
        """const asked = [0, 1, 2, 3].map((k) => model.predict({
          ...inputs, y: { data: new Float32Array(8).fill(k), shape: [2, 4] } }));
        return (await Promise.all(asked)).map(({ sum }) => sum.data[0]);""",
        backend="wasm",
    )
    np.testing.assert_allclose(result, X[0, 0] + np.arange(4))


def test_two_models_share_a_page(run):
    result = run(
        """const other = await loadModel({ backend: "wasm", worker: false });
        const [a, b] = await Promise.all([model.predict(inputs), other.predict(inputs)]);
        other.dispose();
        const c = await model.predict(inputs);
        return [a, b, c].map(({ sum }) => sum.data[0]);""",
        backend="cpu",
        worker=False,
    )
    np.testing.assert_allclose(result, [X[0, 0] + 0.5] * 3)


def test_the_callers_arrays_stay_usable(run):
    result = run(
        "const { x } = inputs; await model.predict(inputs); return { length: x.data.length };", backend="cpu"
    )
    assert result == {"length": 8}


def test_progress_ends_at_the_total_and_counts_bytes(page, static_host, bundle):
    host = static_host(bundle)
    page.goto(f"{host.url}loader.d.ts")
    events = page.evaluate(
        """async () => {
          const { loadModel } = await import(new URL("loader.js", location.href).href);
          const events = [];
          (await loadModel({ backend: "cpu", onProgress: (event) => events.push(event) })).dispose();
          return events;
        }"""
    )
    assert events[-1]["loaded"] == events[-1]["total"] > 100_000
    assert [event["loaded"] for event in events] == sorted(event["loaded"] for event in events)
    assert not events[-1]["fromCache"]


def test_a_wrong_number_on_every_backend_is_an_error_and_no_result(run, tmp_path):
    wrong = write_bundle(tmp_path, bias=0.25, golden_bias=2.0)
    result = run(directory=wrong, backend="auto")
    assert result["code"] == "backend"
    assert result["message"].startswith("backend: no backend works on this device")
    for name in ("wasm", "cpu"):
        assert f"{name}" in result["message"]
    assert "it fails the self-check: the output probabilities differs" in result["message"]


def test_without_the_self_check_the_golden_cases_are_not_even_asked_for(page, static_host, tmp_path):
    host = static_host(write_bundle(tmp_path, bias=0.25, golden_bias=2.0))
    page.goto(f"{host.url}loader.d.ts")
    options = {"backend": "cpu", "selfCheck": False}
    assert_right(page.evaluate(WITH_MODEL % PREDICT, [options, X.ravel().tolist(), Y.ravel().tolist()]))
    assert host.counts["model/golden.json"] == 0


BROKEN_WASM = "WebAssembly.instantiate = () => Promise.reject(new Error('no wasm today'));"


def test_the_next_backend_is_tried_when_one_does_not_start(run):
    result = run(backend=["wasm", "cpu"], worker=False, init=BROKEN_WASM)
    assert_right(result)
    assert result["backend"] == "cpu"


def test_a_named_backend_that_does_not_start_is_an_error(run):
    result = run(backend="wasm", worker=False, init=BROKEN_WASM)
    assert result["code"] == "backend"
    assert "wasm (simd): " in result["message"]
    assert "no wasm today" in result["message"]


def test_a_backend_the_model_does_not_support_is_unsupported(run, tmp_path):
    lacking = {"wasm": {"supported": False, "missing_ops": ["Einsum"]}}
    directory = write_bundle(tmp_path, bias=0.25, backends=lacking)
    result = run(directory=directory, backend="wasm")
    assert result["code"] == "unsupported"
    assert "wasm cannot run this model (it lacks Einsum)" in result["message"]


def test_an_unknown_backend_is_unsupported(run):
    result = run(backend="tpu")
    assert result["code"] == "unsupported"
    assert 'there is no backend "tpu"' in result["message"]


def test_a_script_answered_with_a_web_page_is_an_integrity_error(page, static_host, bundle):
    host = static_host(bundle)
    (engine,) = (bundle / "runtime").glob("engine-*.js")
    host.answer_html(f"runtime/{engine.name}")
    page.goto(f"{host.url}loader.d.ts")
    result = page.evaluate(WITH_MODEL % PREDICT, [{"backend": "cpu"}, [], []])
    assert result["code"] == "integrity"
    assert f"a web page in place of runtime/{engine.name}" in result["message"]


def test_a_worker_that_may_not_start_is_an_error_and_not_a_wait(page, static_host, bundle):
    host = static_host(bundle)
    host.headers["Content-Security-Policy"] = "worker-src 'none'"
    page.goto(f"{host.url}loader.d.ts")
    result = page.evaluate(WITH_MODEL % PREDICT, [{"backend": "cpu"}, [], []])
    assert result["code"] == "backend"
    assert "worker" in result["message"]


def test_an_aborted_load_says_so(page, static_host, bundle):
    host = static_host(bundle)
    shard = next(path.relative_to(bundle).as_posix() for path in (bundle / "model").glob("*.bin"))
    host.hold(shard)
    page.goto(f"{host.url}loader.d.ts")
    result = page.evaluate(
        """async () => {
          const { loadModel } = await import(new URL("loader.js", location.href).href);
          const controller = new AbortController();
          const loading = loadModel({ backend: "cpu", signal: controller.signal,
            onProgress: ({ loaded, total }) => { if (loaded > 0.9 * total) controller.abort(); } });
          return loading.then(() => ({}), ({ code, message }) => ({ code, message }));
        }"""
    )
    assert result["code"] == "aborted"
    assert result["message"].startswith("aborted: ")


def test_an_aborted_prediction_is_rejected_and_the_next_one_is_right(run):
    result = run(
        """const controller = new AbortController();
        const first = model.predict(inputs);
        const second = model.predict(inputs, { signal: controller.signal });
        controller.abort();
        const code = await second.then(() => "", (error) => error.code);
        return { code, right: plain(await first), ...plain(await model.predict(inputs)) };""",
        backend="cpu",
    )
    assert result["code"] == "aborted"
    assert_right(result["right"])
    assert_right(result)


def test_a_lost_webgl_context_ends_in_an_error_and_not_in_a_wait(run):
    record = """
      const contexts = [];
      for (const type of [HTMLCanvasElement, OffscreenCanvas]) {
        const original = type.prototype.getContext;
        type.prototype.getContext = function (...given) {
          const context = original.apply(this, given);
          if (context?.isContextLost) contexts.push(context);
          return context;
        };
      }
      const lose = (gl) => gl.getExtension("WEBGL_lose_context")?.loseContext();
      globalThis.loseContexts = () => contexts.forEach(lose);
    """
    result = run(
        """await model.predict(inputs);
        loseContexts();
        const told = ({ code, message }) => ({ code, message });
        const first = await model.predict(inputs).then(() => ({}), told);
        const again = await loadModel({ backend: "webgl", worker: false });
        return { first, ...plain(await again.predict(inputs)) };""",
        backend="webgl",
        worker=False,
        init=record,
    )
    assert result["first"] == {
        "code": "backend",
        "message": "backend: webgl could not predict: the WebGL context was lost.",
    }
    assert_right(result)


def test_a_wrong_input_is_named_with_what_it_takes(run):
    result = run("return await model.predict({ ...inputs, x: new ImageData(2, 2) });", backend="cpu")
    assert result == {
        "code": "input",
        "message": 'input: the input "x" takes float32 of the shape [any, 4], but was given a value of type '
        "ImageData; it is no image input, so pass numbers.",
    }


def test_a_model_that_was_disposed_says_so(run):
    result = run("model.dispose(); return await model.predict(inputs);", backend="cpu")
    assert result == {"code": "backend", "message": "backend: the model was disposed."}
