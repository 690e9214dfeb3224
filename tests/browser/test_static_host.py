"""The tests' own static host, met by a real Chromium: what other tests rely on."""

from __future__ import annotations

import pytest

READ = """async (path) => {
  try {
    const response = await fetch(path);
    const bytes = new Uint8Array(await response.arrayBuffer());
    return [response.status, response.headers.get("content-type"), Array.from(bytes)];
  } catch (error) {
    return String(error);
  }
}"""


@pytest.fixture
def host(tmp_path, static_host, page):
    (tmp_path / "index.html").write_text("<!doctype html><title>site</title><link rel=icon href=data:,>")
    (tmp_path / "a.bin").write_bytes(bytes([1, 2, 3, 4]))
    host = static_host(tmp_path, prefix="repo")
    page.goto(host.url)
    return host


def test_requests_are_counted_by_path_under_the_prefix(host, page):
    assert page.title() == "site"
    assert page.evaluate(READ, "a.bin") == [200, "application/octet-stream", [1, 2, 3, 4]]
    assert host.counts == {"": 1, "a.bin": 1}
    assert page.evaluate(READ, "/a.bin")[0] == 404


@pytest.mark.parametrize(
    ("caching", "asked", "statuses"),
    [("no-store", 2, [200, 200]), ("no-cache", 2, [200, 304]), ("max-age", 1, [200])],
)
def test_caching_headers_are_those_of_the_policy(host, page, caching, asked, statuses):
    host.caching = caching
    for _ in range(2):
        assert page.evaluate(READ, "a.bin")[2] == [1, 2, 3, 4]
    assert host.counts["a.bin"] == asked
    assert [request.status for request in host.requests if request.path == "a.bin"] == statuses


def test_a_stopped_host_refuses_and_a_restarted_one_answers_at_the_same_address(host, page):
    url = host.url
    host.stop()
    assert "Failed to fetch" in page.evaluate(READ, "a.bin")
    host.start()
    assert host.url == url
    assert page.evaluate(READ, "a.bin")[0] == 200


def test_damage_is_served_until_it_is_healed(host, page):
    host.caching = "no-store"
    host.flip("a.bin", 1)
    assert page.evaluate(READ, "a.bin")[2] == [1, 2 ^ 0x10, 3, 4]
    host.answer_html("a.bin")
    assert page.evaluate(READ, "a.bin")[:2] == [200, "text/html; charset=utf-8"]
    host.answer_missing("a.bin")
    assert page.evaluate(READ, "a.bin")[0] == 404
    host.cut("a.bin", after=2)
    assert "TypeError" in page.evaluate(READ, "a.bin")
    host.heal()
    assert page.evaluate(READ, "a.bin")[2] == [1, 2, 3, 4]


def test_a_held_answer_waits_until_it_is_released(host, page):
    waiting = host.hold("a.bin", after=1)
    page.evaluate(
        "() => { window.answer = fetch('a.bin').then((r) => r.arrayBuffer()).then((b) => b.byteLength); }"
    )
    assert waiting.wait(20)
    host.release("a.bin")
    assert page.evaluate("() => window.answer") == 4


def test_a_new_directory_is_a_new_deployment(host, page, tmp_path_factory):
    other = tmp_path_factory.mktemp("v2")
    (other / "a.bin").write_bytes(b"\x09")
    page.evaluate(READ, "a.bin")
    host.directory = other
    assert page.evaluate(READ, "a.bin")[2] == [9]
