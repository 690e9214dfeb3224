"""What cannot be verified is an error that a visitor understands, never a wrong number."""

from __future__ import annotations

import pytest
from layered_bundle import agrees, load_and_predict, write_layered

from tfjs_bundle.verify.browser import FLAGS, find_chromium

pytestmark = pytest.mark.browser

#: Changes one byte of the stored entry whose URL has ``part`` in it.
DAMAGE_STORED = """async (part) => {
  for (const name of await caches.keys()) {
    const cache = await caches.open(name);
    for (const request of await cache.keys()) {
      if (!request.url.includes(part)) continue;
      const response = await cache.match(request);
      const bytes = new Uint8Array(await response.arrayBuffer());
      bytes[bytes.length >> 1] ^= 1;
      await cache.put(request, new Response(bytes, { headers: response.headers }));
      return true;
    }
  }
  return false;
}"""


@pytest.fixture(scope="module")
def bundle(tmp_path_factory):
    return write_layered(tmp_path_factory.mktemp("integrity") / "v1")


def path_of(bundle, role, part=""):
    return min(file.path for file in bundle.files if file.role == role and part in file.part)


@pytest.mark.parametrize("service_worker", [True, False])
def test_a_flipped_byte_of_a_shard_is_an_integrity_error(bundle, static_host, page, service_worker):
    host = static_host(bundle.directory)
    shard = path_of(bundle, "weights")
    host.flip(shard, at=-1)
    page.goto(host.url)
    result = load_and_predict(page, serviceWorker=service_worker)
    assert result["code"] == "integrity"
    assert result["message"].startswith(
        f"integrity: {shard} is damaged or belongs to another build: its bytes"
    )


@pytest.mark.parametrize("role", ["model", "engine", "worker", "backend"])
def test_a_flipped_byte_of_any_other_file_is_an_integrity_error(bundle, static_host, page, role):
    host = static_host(bundle.directory)
    path = path_of(bundle, role, part="backend-cpu" if role == "backend" else "")
    host.flip(path, at=20)
    page.goto(host.url)
    result = load_and_predict(page)
    assert result["code"] == "integrity"
    assert path in result["message"]


def test_a_changed_manifest_is_an_integrity_error(bundle, static_host, page):
    host = static_host(bundle.directory)
    host.flip("bundle.json", at=30)
    page.goto(host.url)
    result = load_and_predict(page)
    assert result["code"] == "integrity"
    assert "bundle.json is damaged or belongs to another build" in result["message"]


def test_a_damaged_download_is_tried_once_more_past_the_browsers_own_cache(bundle, static_host, page):
    host = static_host(bundle.directory, caching="max-age")
    shard = path_of(bundle, "weights")
    host.flip(shard)
    page.goto(host.url)
    assert load_and_predict(page)["code"] == "integrity"
    assert host.counts[shard] == 2
    host.heal()
    assert agrees(load_and_predict(page))


def test_a_page_in_place_of_a_shard_is_an_integrity_error_that_says_so(bundle, static_host, page):
    host = static_host(bundle.directory)
    shard = path_of(bundle, "weights")
    host.answer_html(shard)
    page.goto(host.url)
    result = load_and_predict(page)
    assert result["code"] == "integrity"
    assert result["message"] == (
        f"integrity: the host answered with a web page in place of {shard}: the file is missing there. "
        "Upload the whole bundle again."
    )


def test_a_missing_shard_is_a_network_error_that_names_it(bundle, static_host, page):
    host = static_host(bundle.directory)
    shard = path_of(bundle, "weights")
    host.answer_missing(shard)
    page.goto(host.url)
    result = load_and_predict(page)
    assert result["message"] == (
        f"network: the server has no {shard} (404). The bundle was not uploaded completely."
    )
    assert host.counts[shard] == 1


def test_a_server_gone_mid_download_is_a_network_error_and_the_next_visit_works(bundle, static_host, page):
    host = static_host(bundle.directory)
    shard = path_of(bundle, "weights")
    waiting = host.hold(shard, after=1000)
    page.goto(host.url)
    page.evaluate(
        """() => {
          globalThis.loading = import(new URL("loader.js", document.baseURI).href)
            .then(({ loadModel }) => loadModel({ backend: "cpu", serviceWorker: true }))
            .then(() => "loaded", (error) => error.message);
        }"""
    )
    assert waiting.wait(30)
    host.stop()
    message = page.evaluate("loading")
    assert message.startswith("network: ")
    # shards and scripts are on their way at once, and any of them may be the first to be lost
    assert any(file.path in message for file in bundle.files), message
    assert "Check the network and try again." in message
    host.heal()
    host.start()
    host.forget()
    page.reload()
    assert agrees(load_and_predict(page))
    assert host.counts[shard] == 1


def test_a_connection_that_is_always_cut_is_a_network_error(bundle, static_host, page):
    host = static_host(bundle.directory)
    shard = path_of(bundle, "weights")
    host.cut(shard, after=5000)
    page.goto(host.url)
    result = load_and_predict(page)
    # a connection cut before the browser has handed on a byte is one that was never there
    lost = f"the connection was lost while {shard} was being downloaded"
    unreachable = f"the server could not be reached for {shard}"
    assert result["message"] in [
        f"network: {what}. Check the network and try again." for what in (lost, unreachable)
    ]
    assert host.counts[shard] == 3


def test_an_overloaded_server_is_asked_again(bundle, static_host, page):
    host = static_host(bundle.directory)
    shard = path_of(bundle, "weights")
    host.answer_error(shard, 503)
    page.goto(host.url)
    result = load_and_predict(page)
    assert result["message"] == f"network: the server answered 503 for {shard}. Try again later."
    assert host.counts[shard] == 3


def test_a_visit_that_is_given_up_is_aborted(bundle, static_host, page):
    host = static_host(bundle.directory)
    shard = path_of(bundle, "weights")
    waiting = host.hold(shard)
    page.goto(host.url)
    page.evaluate(
        """() => {
          globalThis.control = new AbortController();
          globalThis.loading = import(new URL("loader.js", document.baseURI).href)
            .then(({ loadModel }) => loadModel({ backend: "cpu", signal: control.signal }))
            .then(() => "loaded", (error) => error.code);
        }"""
    )
    assert waiting.wait(30)
    assert page.evaluate("control.abort(), loading") == "aborted"


@pytest.mark.parametrize("role", ["weights", "model", "engine"])
def test_a_damaged_stored_file_is_fetched_again(bundle, static_host, page, role):
    host = static_host(bundle.directory)
    path = path_of(bundle, role)
    page.goto(host.url)
    load_and_predict(page)
    assert page.evaluate(DAMAGE_STORED, path)
    host.forget()
    page.reload()
    assert agrees(load_and_predict(page))
    assert host.counts[path] == 1
    host.stop()
    page.reload()
    assert agrees(load_and_predict(page))


def test_a_damaged_stored_shard_without_a_server_is_a_network_error(bundle, static_host, page):
    host = static_host(bundle.directory)
    shard = path_of(bundle, "weights")
    page.goto(host.url)
    load_and_predict(page)
    assert page.evaluate(DAMAGE_STORED, shard)
    host.stop()
    page.reload()
    result = load_and_predict(page)
    assert result["message"] == (
        f"network: the server could not be reached for {shard}. Check the network and try again."
    )


def test_a_stored_page_that_was_damaged_is_stored_anew_by_the_next_visit(bundle, static_host, page):
    host = static_host(bundle.directory)
    page.goto(host.url)
    load_and_predict(page)
    assert page.evaluate(DAMAGE_STORED, "/loader.js")
    page.reload()
    load_and_predict(page)
    page.evaluate(
        """async () => {
          const { active } = await navigator.serviceWorker.ready;
          const { port1, port2 } = new MessageChannel();
          const done = new Promise((resolve) => { port1.onmessage = resolve; });
          active.postMessage({ type: "claim" }, [port2]);
          await done;
        }"""
    )
    host.stop()
    page.reload()
    assert agrees(load_and_predict(page))


def test_a_full_storage_does_not_keep_the_model_from_working(bundle, static_host, page):
    host = static_host(bundle.directory)
    page.goto(host.url)
    session = page.context.new_cdp_session(page)
    session.send("Storage.overrideQuotaForOrigin", {"origin": host.url.rstrip("/"), "quotaSize": 200_000})
    result = load_and_predict(page)
    assert agrees(result)
    assert not result["offline"]["ready"]
    assert "storage is full" in result["offline"]["reason"]


@pytest.fixture(scope="module")
def named_chromium(chromium):
    """A Chromium for which ``insecure.test`` is this machine, as a name without https."""
    browser = chromium.browser_type.launch(
        executable_path=find_chromium(),
        chromium_sandbox=False,
        args=[*FLAGS, "--host-resolver-rules=MAP insecure.test 127.0.0.1"],
    )
    yield browser
    browser.close()


def test_plain_http_predicts_and_says_that_there_is_no_offline(bundle, static_host, named_chromium):
    host = static_host(bundle.directory)
    page = named_chromium.new_page()
    page.goto(f"http://insecure.test:{host.port}/")
    assert not page.evaluate("isSecureContext")
    result = load_and_predict(page, backend="wasm")
    assert agrees(result)
    assert result["offline"] == {"ready": False, "reason": "no offline here: serve over https"}
    page.close()


def test_plain_http_still_checks_every_byte(bundle, static_host, named_chromium):
    host = static_host(bundle.directory)
    shard = path_of(bundle, "weights")
    host.flip(shard)
    page = named_chromium.new_page()
    page.goto(f"http://insecure.test:{host.port}/")
    result = load_and_predict(page)
    assert result["code"] == "integrity"
    assert shard in result["message"]
    page.close()
