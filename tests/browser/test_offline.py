"""A bundle works with its server gone after one visit, and downloads nothing twice."""

from __future__ import annotations

import re

import pytest
from layered_bundle import agrees, load_and_predict, write_layered
from playwright.sync_api import expect

pytestmark = pytest.mark.browser

CACHED_PATHS = """async () => {
  const paths = [];
  for (const name of await caches.keys()) {
    for (const { url } of await (await caches.open(name)).keys()) paths.push(new URL(url).pathname);
  }
  return paths;
}"""


@pytest.fixture(scope="module")
def bundle(tmp_path_factory):
    return write_layered(tmp_path_factory.mktemp("offline") / "v1")


def paths(bundle, *roles, backend="cpu"):
    """Return the paths of files that a visit on ``backend`` downloads."""
    return {
        file.path
        for file in bundle.files
        if file.role in roles
        and not file.part.startswith("lazy-")
        and (not file.backends or backend in file.backends)
    }


def test_after_one_visit_it_loads_and_predicts_with_the_server_stopped(bundle, static_host, page):
    host = static_host(bundle.directory, prefix="repo")
    page.goto(host.url)
    first = load_and_predict(page)
    assert agrees(first)
    assert first["offline"] == {"ready": True, "reason": ""}
    host.stop()
    page.reload()
    assert page.inner_text("p") == "layers"
    again = load_and_predict(page)
    assert agrees(again)
    assert all(event["fromCache"] for event in again["progress"])


@pytest.mark.parametrize("address", ["", "index.html", "?utm_source=mail", "#top"])
def test_every_address_of_the_page_opens_with_the_server_stopped(bundle, static_host, page, address):
    host = static_host(bundle.directory)
    page.goto(host.url)
    load_and_predict(page)
    host.stop()
    page.goto("about:blank")
    page.goto(host.url + address)
    assert page.inner_text("p") == "layers"
    assert agrees(load_and_predict(page))


def test_a_deeper_address_is_not_answered_with_the_page(bundle, static_host, page):
    """Its relative links would break there."""
    host = static_host(bundle.directory)
    page.goto(host.url)
    load_and_predict(page)
    assert page.goto(host.url + "some/where").status == 404
    host.stop()
    with pytest.raises(Exception, match="ERR_CONNECTION_REFUSED"):
        page.goto(host.url + "some/where/")


@pytest.mark.parametrize("caching", ["none", "no-store", "no-cache", "max-age"])
def test_a_first_visit_asks_once_for_every_shard_and_script(bundle, static_host, page, caching):
    host = static_host(bundle.directory, caching=caching)
    page.goto(host.url)
    result = load_and_predict(page)
    assert agrees(result)
    assert result["offline"]["ready"]
    wanted = paths(bundle, "weights", "model", "runtime", "worker", "engine", "backend")
    assert {path: host.counts[path] for path in wanted} == dict.fromkeys(wanted, 1)


@pytest.mark.parametrize("caching", ["no-store", "max-age"])
def test_a_second_visit_asks_for_no_shard_and_no_script(bundle, static_host, page, caching):
    host = static_host(bundle.directory, caching=caching)
    page.goto(host.url)
    load_and_predict(page)
    host.forget()
    page.reload()
    assert agrees(load_and_predict(page))
    assert [path for path in host.counts if path.startswith(("model/", "runtime/"))] == []


def test_progress_counts_every_byte_and_says_where_it_came_from(bundle, static_host, page):
    host = static_host(bundle.directory)
    page.goto(host.url)
    first = load_and_predict(page)["progress"]
    assert first[-1]["loaded"] == first[-1]["total"] >= 4 * 102_400
    assert not first[-1]["fromCache"]
    page.reload()
    second = load_and_predict(page)["progress"]
    assert second[-1] == {**first[-1], "fromCache": True}


def test_the_backends_to_fall_back_on_are_stored_after_a_visit(bundle, static_host, page):
    host = static_host(bundle.directory)
    page.goto(host.url)
    assert load_and_predict(page, backend="cpu")["offline"]["ready"]
    host.stop()
    page.reload()
    result = load_and_predict(page, backend="wasm")
    assert agrees(result)
    assert result["backend"] == "wasm"


def test_files_that_nobody_needs_are_not_stored(bundle, static_host, page):
    host = static_host(bundle.directory)
    page.goto(host.url)
    load_and_predict(page)
    stored = page.evaluate(CACHED_PATHS)
    assert len(stored) == len(set(stored))
    assert "/model/model.json" in stored
    assert not any("webgl" in path or path.endswith((".md", ".ts", "_headers")) for path in stored)


def test_cross_origin_isolation_survives_offline(bundle, static_host, page):
    """Without its headers the page would lose its threads."""
    host = static_host(bundle.directory)
    page.goto(host.url)
    load_and_predict(page)
    host.stop()
    page.reload()
    assert page.evaluate("crossOriginIsolated")
    assert agrees(load_and_predict(page, backend="wasm"))


def test_a_host_that_sends_no_headers_gets_a_worker_with_the_policy(bundle, static_host, page):
    host = static_host(bundle.directory, isolated=False)
    host.headers.clear()
    page.goto(host.url)
    assert agrees(load_and_predict(page))
    worker = next(path for path in paths(bundle, "worker"))
    policy = page.evaluate(
        """(path) => new Promise((resolve, reject) => {
          addEventListener("securitypolicyviolation", (event) => reject(event.violatedDirective));
          const worker = new Worker(path, { type: "module" });
          worker.onmessage = ({ data }) => resolve(data);
          // The worker imports what it is told to; its policy lets it import nothing of this kind.
          const engine = "data:text/javascript,export const createEngine = () => ({ ok() {} })";
          worker.postMessage({ engine });
          worker.postMessage({ id: 1, method: "ok", args: [] });
        })""",
        worker,
    )
    assert "Failed to fetch dynamically imported module" in policy["error"]


def test_a_page_of_a_forced_reload_is_controlled_again(bundle, static_host, page):
    host = static_host(bundle.directory)
    page.goto(host.url)
    load_and_predict(page)
    page.context.new_cdp_session(page).send("Page.reload", {"ignoreCache": True})
    page.wait_for_function("document.readyState === 'complete' && !navigator.serviceWorker.controller")
    result = load_and_predict(page)
    assert agrees(result)
    assert result["offline"]["ready"]
    assert page.evaluate("navigator.serviceWorker.controller !== null")


def test_a_server_that_hangs_is_answered_for_by_the_cache(bundle, static_host, page):
    host = static_host(bundle.directory)
    page.goto(host.url)
    load_and_predict(page)
    host.hold("")
    page.goto(host.url)
    assert page.inner_text("p") == "layers"
    host.hold("loader.js")  # what belongs to a page from the cache is not waited for again
    assert agrees(load_and_predict(page))


@pytest.mark.parametrize("trouble", ["answer_error", "answer_missing"])
def test_a_host_out_of_order_is_answered_for_by_the_cache(bundle, static_host, page, trouble):
    host = static_host(bundle.directory)
    page.goto(host.url)
    load_and_predict(page)
    getattr(host, trouble)("")
    getattr(host, trouble)("loader.js")
    page.reload()
    assert page.inner_text("p") == "layers"
    assert agrees(load_and_predict(page))


def test_a_part_of_a_file_can_be_asked_for_and_is_never_stored(bundle, static_host, page):
    host = static_host(bundle.directory)
    page.goto(host.url)
    load_and_predict(page)
    before = sorted(page.evaluate(CACHED_PATHS))
    host.stop()
    shard = min(paths(bundle, "weights"))
    answer = page.evaluate(
        """async (path) => {
          const response = await fetch(path, { headers: { range: "bytes=4-11" } });
          const bytes = [...new Uint8Array(await response.arrayBuffer())];
          return [response.status, response.headers.get("content-range"), bytes];
        }""",
        shard,
    )
    expected = list((bundle.directory / shard).read_bytes()[4:12])
    assert answer == [206, "bytes 4-11/102400", expected]
    assert sorted(page.evaluate(CACHED_PATHS)) == before


def test_without_service_workers_it_predicts_and_says_why_it_is_not_offline(bundle, static_host, chromium):
    host = static_host(bundle.directory)
    context = chromium.new_context(service_workers="block")
    page = context.new_page()
    page.goto(host.url)
    result = load_and_predict(page)
    assert agrees(result)
    assert not result["offline"]["ready"]
    assert result["offline"]["reason"]
    context.close()


def test_a_service_worker_that_cannot_be_installed_says_why(bundle, static_host, page):
    """For instance where the host writes something into every page."""
    host = static_host(bundle.directory)
    host.flip("icon.svg")
    page.goto(host.url)
    result = load_and_predict(page)
    assert agrees(result)
    assert not result["offline"]["ready"]
    assert "icon.svg on the host is not the one of the build" in result["offline"]["reason"]


def test_a_page_opened_as_a_file_says_to_put_it_on_a_web_server(tiny_bundle, page):
    page.goto((tiny_bundle / "index.html").as_uri())
    expect(page.get_by_text("put its directory on a web server instead")).to_be_visible()


@pytest.mark.parametrize("caching", ["none", "no-cache", "max-age"])
def test_the_demo_page_asks_once_for_what_the_model_needs(tiny_bundle, static_host, page, caching):
    """Its own script and style, which the browser loads by itself, are at most asked for again."""
    host = static_host(tiny_bundle, caching=caching)
    page.goto(host.url)
    expect(page.get_by_text("Works offline")).to_be_visible()
    counts = host.counts
    again = {path for path, count in counts.items() if count > 1}
    assert not {path for path in again if re.match("(model|runtime)/(?!demo-style-|elements-)", path)}
    assert max(counts.values()) <= 2
    if caching == "no-cache":
        assert {request.path for request in host.requests if request.status == 304} == again


def test_the_whole_demo_page_works_with_the_server_stopped(tiny_bundle, static_host, page):
    host = static_host(tiny_bundle)
    page.goto(host.url)
    expect(page.get_by_text("Works offline")).to_be_visible()
    page.wait_for_load_state("networkidle")  # icons are fetched when there is nothing else to do
    host.stop()
    failed = []
    page.on("requestfailed", lambda request: failed.append(request.url))
    page.reload()
    expect(page.get_by_text("Works offline")).to_be_visible()
    assert failed == []
