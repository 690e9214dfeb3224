"""How a bundle shows itself in a notebook: everything in it is a stranger's text, and escaped."""

from __future__ import annotations

import html
import json
from collections.abc import Iterable

from tfjs_bundle.bundle import PARITY, Bundle, TensorInfo
from tfjs_bundle.terminal import format_bytes


def bundle_html(bundle: Bundle) -> str:
    """Return name, signature, sizes, backends, parity and warnings as an HTML table."""
    total = sum(file.size for file in bundle.files)
    weights = sum(file.size for file in bundle.files if file.role == "weights")
    runs = [name for name, state in bundle.backends.items() if state.get("supported")]
    rows = [
        ("takes", _tensors(bundle.inputs)),
        ("gives", _tensors(bundle.outputs)),
        ("size", html.escape(f"{format_bytes(total)}, of which weights {format_bytes(weights)}")),
        ("runs on", html.escape(", ".join(runs))),
        ("parity", "<br>".join(html.escape(line) for line in _parity(bundle))),
    ]
    if bundle.directory:
        rows.append(("directory", f"<code>{html.escape(str(bundle.directory))}</code>"))
    rows += [("warning", html.escape(warning)) for warning in bundle.warnings]
    cells = "".join(
        f'<tr><th scope="row" style="text-align: left; vertical-align: top">{name}</th>'
        f'<td style="text-align: left">{value}</td></tr>'
        for name, value in rows
    )
    caption = f'<caption style="text-align: left"><strong>{html.escape(bundle.name)}</strong></caption>'
    return f"<table>{caption}<tbody>{cells}</tbody></table>"


def _tensors(infos: Iterable[TensorInfo]) -> str:
    def described(info: TensorInfo) -> str:
        sides = "any shape" if info.shape is None else list(info.shape)
        shape = str(sides).replace("None", "any")
        return f"<code>{html.escape(info.name)}</code> {html.escape(f'{info.source_dtype} {shape}')}"

    return "<br>".join(described(info) for info in infos)


def _parity(bundle: Bundle) -> list[str]:
    """Return what verification wrote beside the bundle, one line for each backend."""
    try:
        report = json.loads((bundle.directory / PARITY).read_bytes()) if bundle.directory else {}
        backends = report.get("backends", {}).items()
        lines = [f"{name}: {entry['status']}" for name, entry in backends]
        return lines or [report.get("status", "not known")]
    except (OSError, ValueError, TypeError, KeyError, AttributeError):
        return ["not known"]
