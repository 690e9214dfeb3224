"""A new build at the same address is picked up on the next visit, and only its new files are downloaded."""

from __future__ import annotations

import hashlib
import shutil

import pytest
from layered_bundle import agrees, load_and_predict, write_layered

pytestmark = [pytest.mark.browser, pytest.mark.timeout(90)]

#: Visits until the new build's page must be there.
VISITS = 5

#: Resolves to true when the service worker in charge is the one that stores the manifest with this sha256; to
#: false where it is not after so many milliseconds.
IN_CHARGE = """async ([sha256, milliseconds]) => {
  const end = performance.now() + milliseconds;
  const registration = await navigator.serviceWorker.getRegistration();
  const base = registration.scope;
  const settled = () => !registration.installing && !registration.waiting &&
    registration.active?.state === "activated";
  const cache = await caches.open(`tfjs-bundle ${base}`);
  while (!(settled() && (await cache.match(`${base}bundle.json?sha256=${sha256}`)) &&
           (await cache.keys()).filter(({ url }) => url.includes("/bundle.json")).length === 1)) {
    if (performance.now() > end) return false;
    await new Promise((resolve) => requestAnimationFrame(resolve));
  }
  return true;
}"""

#: Resolves when the new build's service worker is installed, and waits for the pages of the old one.
WAITING = """async () => {
  const registration = await navigator.serviceWorker.getRegistration();
  while (registration.waiting?.state !== "installed") await new Promise(requestAnimationFrame);
}"""

#: What is to be known of a build that does not take charge.
STATE = """async () => {
  const { installing, waiting, active, scope } = await navigator.serviceWorker.getRegistration();
  const keys = await (await caches.open(`tfjs-bundle ${scope}`)).keys();
  return {
    page: document.querySelector("p").innerText,
    workers: [installing, waiting, active].map((worker) => worker?.state),
    controlled: Boolean(navigator.serviceWorker.controller),
    manifests: keys.map(({ url }) => url).filter((url) => url.includes("/bundle.json")),
  };
}"""

STORED = """async () => {
  const keys = [];
  for (const name of await caches.keys()) {
    for (const { url } of await (await caches.open(name)).keys()) keys.push(url);
  }
  return keys;
}"""


def see(page, url: str, name: str) -> None:
    """Visit until the page is the one of that build.

    A worker waits five seconds for its host before it shows the page that it has, and a machine under load
    may let them pass.
    """
    page.goto(url)
    for _ in range(VISITS):
        if page.inner_text("p") == name:
            return
        page.reload()
    pytest.fail(f"the page is still the old one: {page.evaluate(STATE)}")


def settle(page, bundle) -> None:
    """Load, and wait until that build is in charge.

    A page offers it to the new worker after half a second, and then after pauses that double: no other visit
    may cut them short.
    """
    load_and_predict(page)
    if not page.evaluate(IN_CHARGE, [sha256_of_manifest(bundle), 40_000]):
        pytest.fail(f"{sha256_of_manifest(bundle)} is not in charge: {page.evaluate(STATE)}")


@pytest.fixture(scope="module")
def builds(tmp_path_factory):
    directory = tmp_path_factory.mktemp("update")
    return (
        write_layered(directory / "v1", name="first"),
        write_layered(directory / "v2", name="second", changed=3),
    )


def sha256_of_manifest(bundle):
    return hashlib.sha256((bundle.directory / "bundle.json").read_bytes()).hexdigest()


def shards(bundle):
    return {file.path for file in bundle.files if file.role == "weights"}


@pytest.mark.parametrize("caching", ["none", "no-cache", "max-age"])
def test_the_next_visit_has_the_new_build_and_downloads_only_its_new_files(
    builds, static_host, page, caching
):
    first, second = builds
    host = static_host(first.directory, caching=caching)
    page.goto(host.url)
    assert agrees(load_and_predict(page))
    host.directory = second.directory
    host.forget()
    page.goto(host.url)
    result = load_and_predict(page)
    assert result["name"] == "second"
    assert agrees(result, changed=3)
    (new_shard,) = shards(second) - shards(first)
    asked = [path for path in host.counts.elements() if path.startswith(("model/", "runtime/"))]
    assert sorted(asked) == sorted([new_shard, "model/model.json"])


def test_the_new_build_works_offline_and_the_old_ones_files_are_removed(builds, static_host, page):
    first, second = builds
    host = static_host(first.directory)
    page.goto(host.url)
    load_and_predict(page)
    host.directory = second.directory
    see(page, host.url, "second")
    settle(page, second)
    stored = page.evaluate(STORED)
    (old_shard,) = shards(first) - shards(second)
    assert not any(url.endswith(old_shard) for url in stored)
    assert all(any(url.endswith(path) for url in stored) for path in shards(second))
    host.stop()
    page.reload()
    assert page.inner_text("p") == "second"
    assert agrees(load_and_predict(page), changed=3)


def test_an_open_page_of_the_old_build_keeps_its_files(builds, static_host, context):
    first, second = builds
    host = static_host(first.directory)
    old = context.new_page()
    old.goto(host.url)
    load_and_predict(old)
    host.directory = second.directory
    new = context.new_page()
    see(new, host.url, "second")
    assert agrees(load_and_predict(new), changed=3)
    new.evaluate(WAITING)
    result = load_and_predict(old)
    assert result["name"] == "first"
    assert agrees(result)
    assert host.counts[min(shards(first) - shards(second))] == 1


def test_the_new_build_takes_charge_when_the_last_page_of_the_old_one_is_closed(builds, static_host, context):
    first, second = builds
    host = static_host(first.directory)
    old, new = context.new_page(), context.new_page()
    old.goto(host.url)
    load_and_predict(old)
    host.directory = second.directory
    see(new, host.url, "second")
    load_and_predict(new)
    new.evaluate(WAITING)
    old.close()
    settle(new, second)
    assert shards(second) < {url.removeprefix(host.url) for url in new.evaluate(STORED)}


def test_an_old_page_from_the_cache_is_of_one_piece(builds, static_host, page):
    """While the new build is half uploaded or the network comes and goes, nothing is mixed."""
    first, second = builds
    host = static_host(first.directory)
    page.goto(host.url)
    load_and_predict(page)
    host.directory = second.directory
    host.answer_error("")
    page.goto(host.url)
    assert page.inner_text("p") == "first"
    result = load_and_predict(page)
    assert result["name"] == "first"
    assert agrees(result)


def test_two_bundles_on_one_origin_leave_each_other_alone(builds, static_host, tmp_path, page):
    first, second = builds
    host = static_host(tmp_path)
    shutil.copytree(first.directory, tmp_path / "one")
    shutil.copytree(second.directory, tmp_path / "two")
    for name in ("one", "two", "one"):
        page.goto(f"{host.url}{name}/")
        load_and_predict(page)
    host.stop()
    page.goto(f"{host.url}two/")
    assert agrees(load_and_predict(page), changed=3)
    page.goto(f"{host.url}one/")
    assert agrees(load_and_predict(page))


def test_a_bundle_inside_the_directory_of_another_is_left_alone(builds, static_host, tmp_path, page):
    first, second = builds
    outer = tmp_path / "outer"
    shutil.copytree(first.directory, outer)
    shutil.copytree(second.directory, outer / "inner")
    host = static_host(outer)
    for address in ("inner/", "", "inner/"):
        page.goto(host.url + address)
        load_and_predict(page)
    host.stop()
    page.goto(host.url + "inner/")
    assert agrees(load_and_predict(page), changed=3)
    page.goto(host.url)
    assert agrees(load_and_predict(page))
