"""The local server, over real sockets."""

from __future__ import annotations

import gzip
import http.client
import logging
import os
import signal
import socket
import subprocess
import sys
from urllib.parse import urlsplit

import brotli
import pytest
from ctrl_c import heed_ctrl_c

from tfjs_bundle.errors import UsageError
from tfjs_bundle.serve.server import HEADERS, serving

SCRIPT = b"export const answer = 42;\n" * 1000


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    directory = tmp_path_factory.mktemp("site")
    (directory / "index.html").write_text("<!doctype html><title>site</title>")
    (directory / "model").mkdir()
    (directory / "model" / "shard.bin").write_bytes(bytes(range(100)))
    for name in ("core.wasm", "loader.js", "bundle.json", "manifest.webmanifest"):
        (directory / name).write_bytes(b"{}")
    harness = tmp_path_factory.mktemp("harness")
    (harness / "page.html").write_text("harness")
    return directory, harness


@pytest.fixture(scope="module")
def server(site):
    with serving(site[0], mounts={"__verify__": site[1]}) as server:
        yield server


def get(server, path, **headers):
    address = urlsplit(server.url)
    connection = http.client.HTTPConnection(address.hostname, address.port, timeout=10)
    try:
        connection.request(
            "GET", path, headers={name.replace("_", "-"): value for name, value in headers.items()}
        )
        response = connection.getresponse()
        return response.status, response.headers, response.read()
    finally:
        connection.close()


@pytest.mark.parametrize(
    ("path", "content_type"),
    [
        ("/", "text/html; charset=utf-8"),
        ("/core.wasm", "application/wasm"),
        ("/loader.js", "text/javascript; charset=utf-8"),
        ("/bundle.json", "application/json"),
        ("/manifest.webmanifest", "application/manifest+json"),
        ("/model/shard.bin", "application/octet-stream"),
    ],
)
def test_files_have_the_types_that_browsers_insist_on(server, path, content_type):
    status, headers, _ = get(server, path)
    assert (status, headers["content-type"]) == (200, content_type)


def test_every_answer_is_isolated_and_has_a_policy(server):
    for path, expected in (("/", 200), ("/model/shard.bin", 200), ("/nothing.bin", 404)):
        status, headers, _ = get(server, path)
        assert status == expected
        assert headers["cross-origin-opener-policy"] == "same-origin"
        assert headers["cross-origin-embedder-policy"] == "require-corp"
        assert "connect-src 'self'" in headers["content-security-policy"]
        assert headers["cache-control"] == "no-cache"


def test_an_unchanged_file_is_answered_with_304(server):
    _, headers, _ = get(server, "/model/shard.bin")
    status, again, body = get(server, "/model/shard.bin", If_None_Match=headers["etag"])
    assert (status, body, again["etag"]) == (304, b"", headers["etag"])


def test_a_changed_file_has_another_entity_tag(server, site):
    path = site[0] / "changing.json"
    path.write_text("1")
    _, before, _ = get(server, "/changing.json")
    path.write_text("22")
    status, after, body = get(server, "/changing.json", If_None_Match=before["etag"])
    assert (status, body) == (200, b"22")
    assert after["etag"] != before["etag"]


def test_a_range_is_a_part_of_the_file(server):
    status, headers, body = get(server, "/model/shard.bin", Range="bytes=10-19")
    assert (status, headers["content-range"], body) == (206, "bytes 10-19/100", bytes(range(10, 20)))


@pytest.fixture(scope="module")
def compressing_server(tmp_path_factory):
    directory = tmp_path_factory.mktemp("compressed")
    (directory / "script.js").write_bytes(SCRIPT)
    (directory / "small.js").write_bytes(b"1")
    (directory / "shard.bin").write_bytes(SCRIPT)
    with serving(directory, compress=True) as server:
        yield server


@pytest.mark.parametrize(
    ("accepted", "encoding", "decompress"),
    [
        ("gzip, deflate, br", "br", brotli.decompress),
        ("gzip, deflate", "gzip", gzip.decompress),
        ("br;q=0, gzip", "gzip", gzip.decompress),
        ("identity", None, bytes),
    ],
)
def test_text_is_compressed_as_the_browser_takes_it(compressing_server, accepted, encoding, decompress):
    _, headers, body = get(compressing_server, "/script.js", Accept_Encoding=accepted)
    assert headers["content-encoding"] == encoding
    assert int(headers["content-length"]) == len(body)
    assert decompress(body) == SCRIPT
    if encoding:
        assert headers["vary"] == "Accept-Encoding"
        assert headers["content-type"] == "text/javascript; charset=utf-8"


@pytest.mark.parametrize(
    ("path", "more"), [("/shard.bin", {}), ("/small.js", {}), ("/script.js", {"Range": "bytes=0-2999"})]
)
def test_weights_small_files_and_ranges_are_not_compressed(compressing_server, path, more):
    _, headers, _ = get(compressing_server, path, Accept_Encoding="br", **more)
    assert headers["content-encoding"] is None


def test_an_unchanged_compressed_file_is_answered_with_304(compressing_server):
    _, headers, _ = get(compressing_server, "/script.js", Accept_Encoding="br")
    status, _, body = get(
        compressing_server, "/script.js", Accept_Encoding="br", If_None_Match=headers["etag"]
    )
    assert (status, body) == (304, b"")


def test_a_mount_is_served_beside_the_directory_on_one_origin(server):
    assert get(server, "/__verify__/page.html")[2] == b"harness"
    assert get(server, "/page.html")[0] == 404


def test_nothing_outside_the_directory_is_served(server, site):
    (site[0].parent / "secret.txt").write_text("secret")
    for path in ("/../secret.txt", "/%2e%2e/secret.txt", "/model/..%2f..%2fsecret.txt"):
        status, _, body = get(server, path)
        assert status == 404
        assert b"secret" not in body


def test_the_headers_file_of_the_bundle_is_honoured_but_for_caching(tmp_path):
    (tmp_path / "index.html").write_text("x")
    (tmp_path / "a.bin").write_text("x")
    (tmp_path / "_headers").write_text(
        "# comment\n/*\n  Content-Security-Policy: default-src 'self'\n\n"
        "/*.bin\n  Cache-Control: immutable\n  X-Kind: shard\n"
    )
    with serving(tmp_path) as server:
        _, page, _ = get(server, "/")
        _, shard, _ = get(server, "/a.bin")
    assert page["content-security-policy"] == "default-src 'self'"
    assert page["x-kind"] is None
    assert page["cross-origin-opener-policy"] == HEADERS["Cross-Origin-Opener-Policy"]
    assert (shard["x-kind"], shard["cache-control"]) == ("shard", "no-cache")


def test_a_busy_port_moves_on_to_the_next_and_says_so(tmp_path):
    with socket.create_server(("127.0.0.1", 0)) as busy:
        port = busy.getsockname()[1]
        with serving(tmp_path, port) as server:
            assert server.moved
            assert server.port > port
            assert get(server, "/none")[0] == 404


@pytest.mark.parametrize("name", ["localhost", "demo.localhost:8000", "127.0.0.1:8000", "[::1]:8000"])
def test_names_of_this_machine_are_answered(server, name):
    assert get(server, "/", Host=name)[0] == 200


@pytest.mark.parametrize(
    "name", ["example.com", "127.0.0.1.example.com", "localhost.example.com:8000", "", "[::1"]
)
def test_a_stranger_s_name_that_points_here_is_not_answered(server, name):
    status, _, body = get(server, "/", Host=name)
    assert (status, b"--host" in body) == (403, True)


def test_a_server_for_others_answers_to_any_name(tmp_path):
    (tmp_path / "index.html").touch()
    with serving(tmp_path, host="0.0.0.0") as server:
        assert get(server, "/", Host="example.com")[0] == 200


def test_a_stopped_server_frees_its_port(tmp_path):
    with serving(tmp_path) as server:
        port = server.port
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(("127.0.0.1", port), timeout=5)
    with serving(tmp_path, port) as again:
        assert (again.port, again.moved) == (port, False)


def test_the_caller_s_logging_is_left_as_it_is(tmp_path):
    closed = []

    class Handler(logging.Handler):
        def close(self):
            closed.append(self)
            super().close()

    handler = Handler()
    with serving(tmp_path):
        pass
    assert handler not in closed


def test_a_missing_directory_is_a_usage_error(tmp_path):
    with pytest.raises(UsageError, match="not a directory"), serving(tmp_path / "none"):
        pass


def test_a_foreign_address_is_a_usage_error(tmp_path):
    with (
        pytest.raises(UsageError, match="Cannot listen on 203"),
        serving(tmp_path, host="203.0.113.1"),
    ):
        pass


@pytest.mark.skipif(os.name == "nt", reason="Windows has no SIGINT for one process")
def test_ctrl_c_ends_the_server_without_a_traceback(tmp_path):
    program = (
        "import sys; from tfjs_bundle.serve.server import serve_forever; "
        "serve_forever(sys.argv[1], port=0, announce=lambda server: print(server.url, flush=True))"
    )
    with subprocess.Popen(
        [sys.executable, "-c", program, str(tmp_path)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        preexec_fn=heed_ctrl_c,
    ) as process:
        assert process.stdout.readline().startswith("http://127.0.0.1:")
        process.send_signal(signal.SIGINT)
        _, errors = process.communicate(timeout=20)
    assert (process.returncode, errors) == (0, "")


def test_the_server_is_imported_only_when_it_is_started():
    program = (
        "import sys, tfjs_bundle.serve.server; print(sorted({'starlette', 'uvicorn'} & set(sys.modules)))"
    )
    result = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert result.stdout.strip() == "[]"
