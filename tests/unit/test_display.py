"""Bundles and previews in a notebook."""

from __future__ import annotations

import json

from tfjs_bundle.bundle import Bundle, BundleFile, TensorInfo
from tfjs_bundle.serve.live import LivePreview

HOSTILE = "<img src=x onerror=alert(1)>"


def bundle(directory=None, **members) -> Bundle:
    values = {
        "name": "digits",
        "created_with": {},
        "source": {},
        "inputs": (TensorInfo("image", (None, 8, 8, 1), "float32", "float16"),),
        "outputs": (TensorInfo("digit", None, "float32", "float32"),),
        "files": (
            BundleFile("model/a.bin", 5_000_000, "0" * 64, "weights"),
            BundleFile("index.html", 600_000, "0" * 64, "page"),
        ),
        "backends": {"wasm": {"supported": True}, "webgl": {"supported": False, "missing_ops": ["Erfc"]}},
        "directory": directory,
    }
    return Bundle(**{**values, **members})


def test_a_bundle_shows_its_signature_sizes_and_backends():
    shown = bundle()._repr_html_()
    for words in ("digits", "float16 [any, 8, 8, 1]", "any shape", "5.6 MB, of which weights 5.0 MB", "wasm"):
        assert words in shown
    assert "webgl" not in shown


def test_a_bundle_shows_the_parity_that_was_measured(tmp_path):
    assert "not known" in bundle(tmp_path)._repr_html_()
    report = {"status": "passed", "backends": {"wasm": {"status": "passed"}, "cpu": {"status": "failed"}}}
    (tmp_path / "parity.json").write_text(json.dumps(report))
    assert "wasm: passed<br>cpu: failed" in bundle(tmp_path)._repr_html_()


def test_a_stranger_s_text_in_a_bundle_is_shown_as_text(tmp_path):
    report = {"backends": {HOSTILE: {"status": HOSTILE}}}
    (tmp_path / "parity.json").write_text(json.dumps(report))
    shown = bundle(
        tmp_path,
        name=HOSTILE,
        inputs=(TensorInfo(HOSTILE, (1,), "float32", HOSTILE),),
        backends={HOSTILE: {"supported": True}},
        warnings=(HOSTILE,),
    )._repr_html_()
    assert "<img" not in shown
    assert shown.count("&lt;img src=x onerror=alert(1)&gt;") == 7


def test_a_preview_shows_its_page_in_a_frame_until_it_is_closed():
    live = LivePreview(host="127.0.0.1", port=0, config=None, options={}, height=500)
    assert f'<iframe src="{live.url}"' in live._repr_html_()
    assert 'height="500"' in live._repr_html_()
    live.close()
    live.close()
    assert live._repr_html_() == "<p>This preview is closed.</p>"
