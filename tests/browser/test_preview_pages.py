"""What the pages of a preview do while builds come and go: real Chromium, bundles made without TensorFlow."""

from __future__ import annotations

import http.client
import shutil
from urllib.error import HTTPError
from urllib.request import Request, urlopen

import pytest
from playwright.sync_api import expect
from tiny_bundle import write_bundle

from tfjs_bundle.bundle import load_bundle
from tfjs_bundle.errors import SourceError
from tfjs_bundle.serve.pages import application
from tfjs_bundle.serve.preview import BUILDS_KEPT, Preview
from tfjs_bundle.serve.server import serving, start

HOSTILE = '<img src="x" onerror="document.title=\'owned\'">{{ 7 * 7 }}</script>'

expect.set_options(timeout=60_000)


@pytest.fixture(scope="module")
def bundles(tmp_path_factory):
    """Two small bundles of different models."""
    return [write_bundle(tmp_path_factory.mktemp(f"bias{bias}"), bias=bias) for bias in (0, 3)]


class Builder:
    """Stands for what builds: a build is a copy."""

    def __init__(self, preview: Preview, url: str) -> None:
        self.preview, self.url = preview, url

    def build(self, bundle) -> str:
        """Let a copy of ``bundle`` be the new build; return its address."""
        output = self.preview.new_output()
        shutil.copytree(bundle, output)
        self.preview.built(output)
        return f"{self.url}{self.preview.state.version}/"


@pytest.fixture
def builder(tmp_path):
    """A preview with no build yet."""
    preview = Preview(tmp_path)
    server = start(application(preview))
    yield Builder(preview, server.url)
    preview.close()
    server.close()


@pytest.fixture
def problem(page):
    """Where a page shows why a build failed."""
    return page.locator("tfjs-bundle-preview .problem")


def fetch(url: str, **headers: str):
    with urlopen(Request(url, headers=headers), timeout=30) as answer:
        return answer.url, answer.headers, answer.read()


def runs(page) -> None:
    """Wait until the page's model does."""
    expect(page.locator("#engine")).to_contain_text("Runs on your processor")


def test_an_open_page_loads_the_next_build_and_keeps_query_and_fragment(builder, bundles, page):
    first = builder.build(bundles[0])
    page.goto(f"{builder.url}?view=1#below")
    runs(page)
    assert page.url == f"{first}?view=1#below"
    second = builder.build(bundles[1])
    page.wait_for_url(f"{second}?view=1#below")
    runs(page)


def test_a_page_that_is_there_before_the_first_build_shows_it_when_it_comes(builder, bundles, page):
    page.goto(builder.url)
    expect(page.get_by_role("heading", name="No build yet")).to_be_visible()
    builder.preview.building("Converting")
    expect(page.get_by_role("status")).to_have_text("Building… Converting")
    builder.build(bundles[0])
    runs(page)


def test_a_failed_first_build_is_shown_until_it_is_mended(builder, bundles, page, problem):
    page.goto(builder.url)
    builder.preview.failed(SourceError("m.keras is damaged.", "Save it again."))
    expect(problem).to_contain_text("m.keras is damaged.")
    builder.build(bundles[0])
    runs(page)
    expect(problem).to_be_empty()


def test_a_failed_build_lies_over_the_last_good_page_which_goes_on_predicting(
    builder, bundles, page, problem
):
    builder.build(bundles[0])
    page.goto(builder.url)
    runs(page)
    builder.preview.failed(SourceError("m.keras is damaged.", "Save it again."))
    expect(problem).to_contain_text("m.keras is damaged.")
    expect(problem).to_contain_text("Save it again.")
    page.get_by_role("button", name="Predict").click()
    expect(page.locator("#engine")).to_contain_text("Predicted on")


def test_an_error_that_came_before_the_page_was_opened_is_shown_too(builder, bundles, page, problem):
    builder.build(bundles[0])
    builder.preview.failed(SourceError("m.keras is damaged."))
    page.goto(builder.url)
    expect(problem).to_contain_text("m.keras is damaged.")


def test_an_error_goes_away_when_the_build_comes_out_as_before(builder, bundles, page, problem):
    builder.build(bundles[0])
    page.goto(builder.url)
    builder.preview.failed(SourceError("m.keras is damaged."))
    expect(problem).to_contain_text("m.keras is damaged.")
    builder.build(bundles[0])
    expect(problem).to_be_empty()


def test_an_error_is_shown_as_text_whatever_is_in_it(builder, bundles, page, problem):
    builder.build(bundles[0])
    page.goto(builder.url)
    builder.preview.failed(SourceError(HOSTILE, HOSTILE))
    expect(problem.locator(".what")).to_have_text(HOSTILE)
    expect(problem.locator(".cure")).to_have_text(HOSTILE)
    assert page.title() == "tiny"


@pytest.mark.parametrize("way", ["button", "Escape"])
def test_an_error_can_be_put_away_and_the_next_one_is_shown(builder, bundles, page, problem, way):
    builder.build(bundles[0])
    page.goto(builder.url)
    builder.preview.failed(SourceError("One."))
    expect(page.get_by_role("alert")).to_contain_text("One.")
    if way == "button":
        page.get_by_role("button", name="Dismiss").click()
    else:
        page.keyboard.press("Escape")
    expect(problem).to_be_empty()
    builder.preview.building("Converting")
    expect(page.locator("tfjs-bundle-preview .status")).to_contain_text("Converting")
    expect(problem).to_be_empty()
    builder.preview.failed(SourceError("One."))
    expect(problem).to_contain_text("One.")


def test_a_page_registers_no_service_worker(builder, bundles, page):
    builder.build(bundles[0])
    page.goto(builder.url)
    runs(page)
    expect(page.locator("#status")).to_contain_text("a preview has no service worker")
    assert page.evaluate("async () => (await navigator.serviceWorker.getRegistrations()).length") == 0


def test_a_service_worker_of_what_was_served_here_before_is_removed_with_its_store(
    builder, bundles, page, tmp_path_factory
):
    port = int(builder.url.rsplit(":", 1)[1].strip("/"))
    other = Preview(tmp_path_factory.mktemp("other"))
    with serving(bundles[0]) as server:
        port = server.port
        page.goto(server.url)
        expect(page.locator("#status")).to_contain_text("Works offline")
    again = start(application(other), port=port)
    try:
        assert again.url == server.url
        address = Builder(other, again.url).build(bundles[1])
        page.goto(again.url)
        runs(page)
        assert page.url == address
        page.wait_for_function(
            "async () => (await navigator.serviceWorker.getRegistrations()).length === 0", timeout=60_000
        )
        page.wait_for_function(
            "async (own) => (await caches.keys()).every((name) => name === `tfjs-bundle ${own}`)",
            arg=address,
            timeout=60_000,
        )
    finally:
        other.close()
        again.close()


def test_every_script_of_a_service_worker_is_one_that_removes_itself_and_what_was_stored(builder, page):
    """On a page without the preview's own script, which would not register any."""
    page.goto(f"{builder.url}__tfjs-bundle/preview.js")
    page.evaluate(
        """async () => {
          await caches.open("tfjs-bundle old");
          await caches.open("another's");
          await navigator.serviceWorker.register("/sw.js");
        }"""
    )
    page.wait_for_function(
        """async () => (await navigator.serviceWorker.getRegistrations()).length === 0
          && (await caches.keys()).join() === "another's" """,
        timeout=60_000,
    )


def test_the_files_of_a_build_are_those_of_the_bundle_to_the_byte(builder, bundles):
    address = builder.build(bundles[0])
    for file in load_bundle(bundles[0]).files:
        assert fetch(address + file.path)[2] == (bundles[0] / file.path).read_bytes()


def test_only_what_is_asked_for_as_a_page_gets_the_script(builder, bundles):
    address = builder.build(bundles[0])
    _, headers, page = fetch(address, Accept="text/html,*/*;q=0.8")
    assert b'<script src="../__tfjs-bundle/preview.js"' in page
    assert headers["cache-control"] == "no-store"
    assert b"__tfjs-bundle" not in fetch(address + "index.html", Accept="*/*")[2]


def test_a_page_that_loads_while_builds_are_replaced_gets_every_file_from_its_own(builder, bundles):
    address = builder.build(bundles[0])
    for number in range(BUILDS_KEPT):
        builder.build(bundles[(number + 1) % 2])
    for file in load_bundle(bundles[0]).files:
        assert fetch(address + file.path)[2] == (bundles[0] / file.path).read_bytes()


def test_a_build_that_is_no_longer_kept_is_gone_but_its_page_leads_to_the_newest(builder, tmp_path_factory):
    addresses = [
        builder.build(write_bundle(tmp_path_factory.mktemp("one"), bias=bias))
        for bias in range(BUILDS_KEPT + 2)
    ]
    with pytest.raises(HTTPError, match="410"):
        fetch(addresses[0] + "loader.js")
    assert fetch(addresses[0] + "?a=b", Accept="text/html")[0] == addresses[-1] + "?a=b"
    assert fetch(addresses[1] + "loader.js")[0] == addresses[1] + "loader.js"
    assert len(list(builder.preview.new_output().parent.iterdir())) == BUILDS_KEPT + 1


def test_a_page_behind_a_proxy_that_adds_a_path_finds_everything(builder, bundles):
    """Every address that is given out is relative."""
    builder.build(bundles[0])

    connection = http.client.HTTPConnection(builder.url.split("/")[2], timeout=30)
    for path, location in (
        ("/", "{}/"),
        ("/a/b.html?c", "../{}/a/b.html?c"),
        ("//example.com", "{}/example.com"),
    ):
        connection.request("GET", path)
        answer = connection.getresponse()
        answer.read()
        assert answer.headers["location"] == location.format(builder.preview.state.version)
    connection.close()
