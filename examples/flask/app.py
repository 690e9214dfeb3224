"""A Flask app whose page predicts on the visitor's device: the bundle is among its static files."""

from __future__ import annotations

import mimetypes

from flask import Flask, Response, render_template

# What browsers insist on, and not every machine's own table has.
mimetypes.add_type("text/javascript", ".js")
mimetypes.add_type("application/wasm", ".wasm")

app = Flask(__name__)


@app.get("/")
def page() -> str:
    return render_template("index.html")


@app.after_request
def isolate(response: Response) -> Response:
    """Let the model compute on several threads."""
    response.headers["Cross-Origin-Opener-Policy"] = "same-origin"
    response.headers["Cross-Origin-Embedder-Policy"] = "require-corp"
    return response
