"""Writes docs/benchmarks.md from the results, and nothing into it that is not in them.

Run as ``python -m bench.report`` to write it anew from build/bench/bench.json.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from statistics import median
from typing import Any

from bench import ROOT, WORK
from bench.figures import best_ratio, paired
from bench.host import SLOW

Result = dict[str, Any]

OURS = "ours"
DOCUMENT = ROOT / "docs" / "benchmarks.md"

_HEAD = """Written by `make bench`: the same models, on one machine, as our bundle and by other routes from
Keras into a browser. What each line means and how it was measured: [bench/README.md](../bench/README.md).
"""

#: No peers to win against: ourselves in other ways, and what the machine can do without a browser.
_BESIDE = ("int8", "page", "native")


@dataclass(frozen=True)
class Column:
    """One thing that was measured.

    Attributes:
        title: what, with its unit.
        values: a contender's value of each round, or one value; empty where there is none.
        show: how a value is written.
    """

    title: str
    values: Callable[[Result], Sequence[float]]
    show: Callable[[float], str]


def _sized(bytes_: float) -> str:
    if bytes_ >= 1e6:
        return f"{bytes_ / 1e6:.2f} MB"
    return f"{bytes_ / 1e3:.1f} kB" if bytes_ >= 100 else f"{bytes_:.0f} bytes"


def _milliseconds(value: float) -> str:
    return f"{value:.0f}" if value >= 100 else f"{value:.1f}" if value >= 10 else f"{value:.2f}"


def _warm(threads: int, which: str) -> Callable[[Result], Sequence[float]]:
    return lambda result: [each[which] for each in result.get("warm", {}).get(str(threads), ())]


def _wire(*parts: str) -> Callable[[Result], Sequence[float]]:
    return lambda result: [sum(result["wire"][part] for part in parts)] if "wire" in result else []


def _again(result: Result) -> Sequence[float]:
    return [time for time in result.get("again", {}).get("milliseconds", ()) if time is not None]


def _cold(network: str) -> Callable[[Result], Sequence[float]]:
    return lambda result: result.get("cold", {}).get(network, ())


def _memory(result: Result) -> Sequence[float]:
    return result.get("memory", ())


def _convert(what: str) -> Callable[[Result], Sequence[float]]:
    return lambda result: [value] if (value := result.get("convert", {}).get(what)) is not None else []


COLUMNS = (
    Column("runtime on the wire", _wire("runtime", "entry"), _sized),
    Column("model on the wire", _wire("weights"), _sized),
    Column("first prediction, 10 Mbps and 40 ms (ms)", _cold("slow"), _milliseconds),
    Column("first prediction, loopback (ms)", _cold("loopback"), _milliseconds),
    Column("first prediction after a reload, 10 Mbps and 40 ms (ms)", _again, _milliseconds),
    Column("warm, 1 thread, median (ms)", _warm(1, "median"), _milliseconds),
    Column("warm, 1 thread, fastest (ms)", _warm(1, "min"), _milliseconds),
    Column("warm, 2 threads, median (ms)", _warm(2, "median"), _milliseconds),
    Column("warm, 2 threads, fastest (ms)", _warm(2, "min"), _milliseconds),
    Column("peak memory of the browser", _memory, _sized),
    Column("to convert (s)", _convert("seconds"), lambda value: f"{value:.1f}"),
    Column("memory to convert", _convert("memory"), _sized),
    Column(
        "largest difference from Keras, as a part of the largest output",
        lambda result: [result["difference"]["relative"]] if "difference" in result else [],
        lambda value: f"{value:.1e}",
    ),
)


def document(results: Result) -> str:
    """Return docs/benchmarks.md, Markdown, for the results of one run."""
    machine, options, titles = results["machine"], results["options"], results["contenders"]
    memory = f", {machine['memory'] / 2**30:.0f} GiB" if machine["memory"] else ""
    parts = [
        "# Benchmarks\n",
        _HEAD,
        f"{machine['date']}: {machine['processor']}, {machine['cores']} cores{memory}, {machine['system']}; "
        f"load {machine['load_before']:.1f} before and {machine['load_after']:.1f} after. "
        f"{options['rounds']} rounds of warm predictions, {options['visits']} of first visits.\n",
        "Versions: "
        + ", ".join(f"{name} {version}" for name, version in results["versions"].items())
        + ".\n",
        "## Goals\n",
        *_goals(results),
    ]
    for entry in results["models"].values():
        parts += [
            "",
            f"## {entry['title']}\n",
            _sentence(entry["about"]) + "\n",
            *_table(entry["contenders"], titles),
        ]
    return "\n".join(parts) + "\n"


def _table(contenders: dict[str, Result], titles: dict[str, str]) -> list[str]:
    names = [name for name in titles if name in contenders]
    peers = [name for name in names if name not in (OURS, *_BESIDE)]
    lines = [
        "| | " + " | ".join(titles[name] for name in names) + " | ours / best peer |",
        "|---" * (len(names) + 2) + "|",
    ]
    for column in COLUMNS:
        values = {name: column.values(contenders[name]) for name in names}
        cells = [column.show(median(values[name])) if len(values[name]) else "–" for name in names]
        ratio = best_ratio(values.get(OURS, ()), {name: values[name] for name in peers})
        against = f"{ratio.value:.2g} ({titles[ratio.peer]})" if ratio else "–"
        lines.append(f"| {column.title} | " + " | ".join(cells) + f" | {against} |")
    notes = [
        f"\n{titles[name]}: {kind}. {_sentence(result[kind])}"
        for name, result in contenders.items()
        for kind in ("missing", "failed")
        if kind in result
    ]
    return [*lines, *notes, *_notes(contenders, titles)]


def _notes(contenders: dict[str, Result], titles: dict[str, str]) -> list[str]:
    """What the numbers do not show: who did not take the threads, what we store behind the first result."""
    notes = []
    for name, result in contenders.items():
        used = [each["threads"] for each in result.get("warm", {}).get("2", ())]
        if used and min(used) < 2:
            single = sum(threads < 2 for threads in used)
            notes.append(f"\n{titles[name]}: one thread in {single} of {len(used)} rounds that allow two.")
    ours = contenders.get(OURS, {})
    if ours.get("wire", {}).get("later"):
        notes.append(
            f"\nOurs stores {_sized(ours['wire']['later'])} more once it has predicted: the backend to fall "
            "back on, and the page, for when there is no network."
        )
    return notes


def _goals(results: Result) -> list[str]:
    """One line for each goal: what was to be reached, what was, and whether that is it."""
    lines = ["| goal | measured | |", "|---|---|---|"]
    for goal, measured, met in _judged(results):
        lines.append(f"| {goal} | {measured} | {'met' if met else 'not met'} |")
    return lines if len(lines) > 2 else ["None could be judged: a contender was not there."]


def _judged(results: Result) -> list[tuple[str, str, bool]]:
    models = {name: entry["contenders"] for name, entry in results["models"].items()}
    found: list[tuple[str, str, bool]] = []
    for name, contenders in models.items():
        title = results["models"][name]["title"]
        ours = contenders.get(OURS, {})
        runtime = _wire("runtime", "entry")
        peers = {peer: runtime(contenders.get(peer, {})) for peer in ("litert", "onnx")}
        ratio = best_ratio(runtime(ours), peers)
        if ratio:
            measured = f"{ratio.value:.3f} of {results['contenders'][ratio.peer]}'s"
            found.append(
                (f"{title}: a runtime of at most 1/10 of the best peer's bytes", measured, ratio.value <= 0.1)
            )
        for who, weights in ((OURS, ""), ("int8", ", with int8 weights")):
            ratio_cold = _pair(contenders, "litert", _cold("slow"), who)
            if ratio_cold:
                goal = f"{title}{weights}: a cold first prediction in at most half of LiteRT.js's time"
                line = contenders[who]["wire"]["weights"] / (SLOW.bytes_per_second or 1) * 1000
                part = line / median(_cold("slow")(contenders["litert"]))
                measured, met = _at_most(ratio_cold, 0.5)
                found.append((goal, f"{measured}; the weights alone take {part:.2f} on the line", met))
        again = ours.get("again", {}).get("wire")
        if again:
            model, rest = again["weights"] + again["runtime"], again["entry"]
            measured = f"{_sized(model)}, and {_sized(rest)} for the update check"
            goal = f"{title}: no model and no runtime in a warm reload, at most 2 kB to look for an update"
            found.append((goal, measured, model == 0 and rest <= 2000))
    mobilenet = models.get("mobilenet", {})
    one = "MobileNetV2: warm on one thread at least 10 % below stock TF.js"
    for who, peer, threads, limit, goal in (
        (OURS, "tfjs", 1, 0.9, one),
        ("page", "tfjs", 1, 0.9, f"{one}, both in the page"),
        (OURS, "onnx", 2, 1.0, "MobileNetV2: warm on two threads below ONNX Runtime Web"),
    ):
        pairs = _pair(mobilenet, peer, _warm(threads, "median"), who)
        if pairs:
            found.append((goal, *_at_most(pairs, limit)))
    return found


def _pair(
    contenders: dict[str, Result],
    peer: str,
    values: Callable[[Result], Sequence[float]],
    who: str = OURS,
) -> float | None:
    ours, theirs = values(contenders.get(who, {})), values(contenders.get(peer, {}))
    return paired(ours, theirs) if ours and theirs else None


def _at_most(ratio: float, limit: float) -> tuple[str, bool]:
    return f"{ratio:.2f} of it", ratio <= limit


def _sentence(text: str) -> str:
    clean = text.replace("|", "\\|").replace("<", "&lt;").strip()
    return clean[:1].upper() + clean[1:] + ("" if clean.endswith((".", "!", "?")) else ".")


def main() -> None:
    """Write the document anew from the last run's results."""
    results = json.loads((WORK / "bench.json").read_text())
    DOCUMENT.write_text(document(results))


if __name__ == "__main__":
    main()
