"""What a bundle has for its host: the file with the headers, its limits, and compressed twins."""

from __future__ import annotations

import gzip
import json
import re
from dataclasses import replace

import brotli
import pytest

from tfjs_bundle.bundle import Bundle
from tfjs_bundle.cache import Cache
from tfjs_bundle.config import BuildOptions, options
from tfjs_bundle.errors import UsageError
from tfjs_bundle.serve.server import serving
from tfjs_bundle.site import twins
from tfjs_bundle.site.hosting import FILES_OF_HOSTS, HOSTS, check, place
from tfjs_bundle.site.render import Site
from tfjs_bundle.site.security import content_security_policy
from tfjs_bundle.site.templates import render_templates
from tfjs_bundle.site.twins import with_twins

TEXT = b"what repeats itself " * 500
NOISE = bytes(range(256)) * 8


def file_of(host: str) -> str:
    """Return what the host's file says."""
    values = {"content_security_policy": content_security_policy()}
    ours = {HOSTS[host].reads[0]}
    files = render_templates(None, values, lambda path: place(HOSTS[host], path) if path in ours else None)
    ((path, text),) = files
    assert path == HOSTS[host].reads[1]
    return text.decode()


@pytest.mark.parametrize("host", [name for name, host in HOSTS.items() if host.reads])
def test_the_file_of_every_host_has_all_headers_and_the_policy(host):
    text = file_of(host).replace("\\u0027", "'")  # as JSON may have it
    assert content_security_policy() in text
    for words in (
        "Cross-Origin-Opener-Policy",
        "same-origin",
        "Cross-Origin-Embedder-Policy",
        "require-corp",
        "X-Content-Type-Options",
        "nosniff",
        "Referrer-Policy",
        "no-referrer",
        "Cache-Control",
        "public, max-age=31536000, immutable",
    ):
        assert words in text


@pytest.mark.parametrize("host", HOSTS)
def test_a_site_has_the_file_of_its_host_and_of_no_other(host):
    read = HOSTS[host].reads
    placed = {place(HOSTS[host], each.reads[0]) for each in HOSTS.values() if each.reads}
    assert placed - {None} == ({read[1]} if read else set())
    assert place(HOSTS[host], "index.html") == "index.html"


@pytest.mark.parametrize(("host", "member"), [("vercel", None), ("firebase", "hosting")])
def test_addresses_that_may_be_cached_for_ever_are_those_named_by_content(host, member):
    rules = json.loads(file_of(host))
    rules = rules[member] if member else rules
    (rule,) = [rule for rule in rules["headers"] if "immutable" in json.dumps(rule)]
    source = rule["source"]
    if host == "firebase":  # a glob
        assert source == "**/@(runtime|model)/*.@(js|wasm|css|bin)"
    else:
        pattern = re.compile(source)
        assert pattern.fullmatch("/runtime/engine-0123.js")
        assert pattern.fullmatch("/model/0123.bin")
        assert not pattern.fullmatch("/model/model.json")
        assert not pattern.fullmatch("/loader.js")


def test_a_shard_size_that_the_host_does_not_take_is_refused():
    with pytest.raises(UsageError, match=r"Cloudflare Pages takes no file larger than 26,214,400 bytes, and"):
        options({"hosting": "cloudflare-pages", "shard_size": "26M"}, use_directory=False)
    options({"hosting": "cloudflare-pages", "shard_size": "25M"}, use_directory=False)
    with pytest.raises(UsageError, match="There is no hosting preset 'nowhere'"):
        options({"hosting": "nowhere"}, use_directory=False)


def test_a_site_beyond_the_hosts_limits_is_refused_or_doubted():
    small = replace(HOSTS["any"], title="A host", largest_file=10, most_files=2, largest_site=12)
    assert check(small, [("a", 10), ("b", 2)]) == []
    with pytest.raises(UsageError, match="A host takes no file larger than 10 bytes; b has 11"):
        check(small, [("a", 1), ("b", 11)])
    with pytest.raises(UsageError, match="A host takes no more than 2 files; these are 3"):
        check(small, [("a", 1), ("b", 1), ("c", 1)])
    (doubt,) = check(small, [("a", 10), ("b", 3)])
    assert doubt == "A host may refuse the site: it takes 12 bytes; these are 13."


def test_twins_are_written_for_hosts_that_send_them_and_where_they_are_asked_for():
    assert BuildOptions(hosting="nginx").sends_twins
    assert not BuildOptions(hosting="netlify").sends_twins
    assert BuildOptions(precompress=True).sends_twins
    assert not BuildOptions(hosting="apache", precompress=False).sends_twins
    assert not BuildOptions(hosting="apache", format="npm").sends_twins


@pytest.fixture
def site() -> Site:
    bundle = Bundle("m", {}, {}, (), (), (), backends={})
    return Site({"loader.js": TEXT, "model/0.bin": NOISE, "small.js": b"1" * 1000}, bundle)


def test_a_twin_holds_the_bytes_of_its_file_and_is_there_only_where_it_is_smaller(site, tmp_path):
    files = with_twins(
        replace(site, files={**site.files, "noise": gzip.compress(TEXT * 9) * 20}), Cache(), tmp_path
    ).files
    assert {"loader.js.br", "loader.js.gz"} <= set(files)
    assert brotli.decompress(files["loader.js.br"].read_bytes()) == TEXT
    assert gzip.decompress(files["loader.js.gz"].read_bytes()) == TEXT
    assert "small.js.br" not in files
    assert all(
        len(site.files[path.rsplit(".", 1)[0]]) > file.stat().st_size
        for path, file in files.items()
        if path.startswith("loader.js.")
    )


def test_the_same_bytes_give_the_same_twins_and_are_compressed_once(site, tmp_path, monkeypatch):
    cache = Cache(tmp_path / "cache")
    first = with_twins(site, cache, tmp_path).files
    monkeypatch.setattr(twins, "ENCODINGS", dict.fromkeys(twins.ENCODINGS, lambda data: pytest.fail("again")))
    second = with_twins(site, cache, tmp_path).files
    assert first.keys() == second.keys()
    assert all(
        first[path].read_bytes() == second[path].read_bytes()
        for path in first
        if path.endswith((".br", ".gz"))
    )


def test_the_server_sends_a_twin_in_place_of_its_file_also_for_weights(site, tmp_path):
    import urllib.request

    twin = brotli.compress(NOISE)
    for path, data in {"model/0.bin": NOISE, "model/0.bin.br": twin, "model/1.bin": NOISE}.items():
        (tmp_path / path).parent.mkdir(exist_ok=True)
        (tmp_path / path).write_bytes(data)
    with serving(tmp_path, compress=True) as server:

        def get(path: str, accepted: str) -> tuple[str | None, bytes]:
            request = urllib.request.Request(server.url + path, headers={"Accept-Encoding": accepted})
            with urllib.request.urlopen(request, timeout=30) as response:
                return response.headers["content-encoding"], response.read()

        assert get("model/0.bin", "br") == ("br", twin)
        assert get("model/0.bin", "gzip") == (None, NOISE)
        assert get("model/1.bin", "br") == (None, NOISE)


def test_files_of_hosts_are_no_part_of_the_page():
    assert {"_headers", ".htaccess", "firebase.json", "nginx.conf", "vercel.json"} == FILES_OF_HOSTS
