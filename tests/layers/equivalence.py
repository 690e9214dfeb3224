"""Compares optimized graphs with what they were optimized from, both run by TensorFlow.

``make equivalence COUNT=2000 SEED=0`` compares every case of the layer suite, and so many random graphs from
a seed on; ``python tests/layers/equivalence.py --only LayerNorm`` the cases of that name, and ``--random 1
--seed 17 --show`` prints the smallest graph of a seed that is wrong, before and after. Ends with 1 where one
is wrong.
"""

from __future__ import annotations

import argparse
import re
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

sys.path[:0] = [str(Path(__file__).parent), str(Path(__file__).parents[1]), str(Path(__file__).parents[2])]

import numpy as np  # noqa: E402
from layer_case import LayerCase  # noqa: E402
from random_graphs import random_graph, random_inputs  # noqa: E402
from suite import build_model  # noqa: E402

from tfjs_bundle import convert  # noqa: E402
from tfjs_bundle.config import BuildOptions  # noqa: E402
from tfjs_bundle.convert.child import Child  # noqa: E402
from tfjs_bundle.errors import BundleError  # noqa: E402
from tfjs_bundle.graph import passes  # noqa: E402
from tfjs_bundle.graph.ir import GraphModel, Node  # noqa: E402
from tfjs_bundle.graph.partition import partition  # noqa: E402
from tfjs_bundle.graph.passes.expand_fused_ops import expand_fused_ops  # noqa: E402
from tfjs_bundle.graph.passes.rewriting import Emitter, replace_nodes, retyped  # noqa: E402
from tfjs_bundle.source.identify import identify  # noqa: E402
from tfjs_bundle.verify.cases import awkward_cases, draw_cases  # noqa: E402

#: Largest difference that an optimized graph may make, relative to the output's largest value.
TOLERANCE = 1e-5


def main(arguments: Sequence[str]) -> int:
    """Run what the command line asks for; return the exit status."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--only", default="", help="a regular expression that the case's name must contain")
    parser.add_argument("--random", type=int, help="random graphs; without --only nothing else, then")
    parser.add_argument("--count", type=int, default=1000, help="random graphs beside all cases")
    parser.add_argument("--seed", type=int, default=0, help="the first random graph's")
    parser.add_argument("--show", action="store_true", help="print graphs that are wrong")
    given = parser.parse_args(arguments)
    started = time.monotonic()
    wrong = total = 0

    def count_one(name: str, found: str) -> None:
        nonlocal wrong, total
        total += 1
        wrong += _reported(name, found)
        if total % 100 == 0:
            print(f"{total} compared, {wrong} wrong, {time.monotonic() - started:.0f} s", flush=True)

    cases = bool(given.only) or given.random is None
    count = given.random if given.random is not None else 0 if given.only else given.count
    with Child() as child:
        if cases:
            from layer_cases import CASES

            for case in CASES:
                if re.search(given.only, case.name):
                    count_one(case.name, case_difference(case, child))
        for seed in range(given.seed, given.seed + count):
            found = graph_difference(random_graph(seed), seed, child)
            count_one(f"seed {seed}", found)
            if found and given.show:
                _show(seed, child)
    print(f"{total} compared, {wrong} wrong, {time.monotonic() - started:.0f} s")
    return int(wrong > 0)


def case_difference(case: LayerCase, child: Child) -> str:
    """Return what differs between the optimized graph of a case and the lowered one; ``""`` if nothing does.

    Where float32 differs by more, both must be the same in float64, the optimized graph no farther from it:
    what passes add up in another order may round less away. A model that is refused, that draws random
    numbers, or that is all preprocessing program, has nothing to compare.
    """
    with tempfile.TemporaryDirectory() as directory:
        source = Path(directory) / "case.keras"
        build_model(case.build).save(source)
        try:
            converted = convert.convert(
                identify(source), BuildOptions(**case.options), child, Path(directory)
            )
            graph = passes.lower(partition(converted.graph).graph)
        except BundleError:
            return ""
        if converted.random or not graph.signature.outputs:
            return ""
        optimized, examples = passes.optimize(graph), _case_inputs(case, graph)
        try:
            child.call("run_graph", graph, examples[0])
        except RuntimeError as error:  # lookups of int32, say, for which only a page has a kernel
            print(f"{case.name}: TensorFlow cannot run it: {str(error).splitlines()[-1][:200]}", flush=True)
            return ""
        found = difference(graph, optimized, examples, child)
        return found and _rounds_more_away(graph, optimized, examples, child) and found


def _rounds_more_away(
    before: GraphModel, after: GraphModel, examples: list[list[np.ndarray]], child: Child
) -> bool:
    """Say whether ``after`` is farther from what float64 gives than ``before``, or another function."""
    for inputs in examples:
        exact, exact_after, one, other = (
            [np.asarray(each) for each in child.call("run_graph", graph, inputs)]
            for graph in (widened(before), widened(after), before, after)
        )
        for truth, *values in zip(exact, exact_after, one, other, strict=True):
            if _difference(truth, values[0]):
                return True
            off = [float(np.nan_to_num(np.abs(value - truth)).max(initial=0.0)) for value in values[1:]]
            if off[1] > max(off[0], TOLERANCE * float(np.nan_to_num(np.abs(truth)).max(initial=0.0))):
                return True
    return False


def graph_difference(graph: GraphModel, seed: int, child: Child) -> str:
    """Return what differs between a random graph and the same, optimized; ``""`` if nothing does.

    Computed in float64: what float32 rounds away grows in graphs put together at random, and would hide
    errors.
    """
    optimized = passes.optimize(graph)
    return difference(widened(graph), widened(optimized), random_inputs(graph, seed), child)


def smallest_steps(seed: int, child: Child) -> int:
    """Return after how many steps of :func:`random_graph` what is wrong with ``seed`` shows first."""
    steps = 1
    while not graph_difference(random_graph(seed, steps), seed, child):
        steps += 1
    return steps


def difference(before: GraphModel, after: GraphModel, examples: Any, child: Child) -> str:
    """Return what differs most between two graphs' outputs for each of ``examples``; ``""`` if nothing does.

    Args:
        examples: a list of inputs in the signature's order, or a list of such lists.
    """
    if after.signature != before.signature:
        return "the signature differs"
    for inputs in examples if examples and isinstance(examples[0], list) else [examples]:
        expected, actual = (child.call("run_graph", graph, inputs) for graph in (before, after))
        for spec, one, other in zip(before.signature.outputs, expected, actual, strict=True):
            found = _difference(np.asarray(one), np.asarray(other))
            if found:
                return f"{spec.name}: {found}"
    return ""


def _difference(expected: np.ndarray, actual: np.ndarray) -> str:
    if expected.dtype != actual.dtype or expected.shape != actual.shape:
        return f"{actual.dtype} {actual.shape} in place of {expected.dtype} {expected.shape}"
    if expected.dtype.kind not in "fc":
        return "" if np.array_equal(expected, actual) else "other values"
    finite = np.isfinite(expected)
    if not np.array_equal(expected[~finite], actual[~finite], equal_nan=True):
        return "NaN or infinity at other places"
    size = float(np.abs(expected[finite]).max(initial=0.0))
    gap = float(np.abs(expected[finite] - actual[finite]).max(initial=0.0))
    return "" if gap <= TOLERANCE * size else f"differs by {gap:.3g} where the largest value is {size:.3g}"


def widened(graph: GraphModel) -> GraphModel:
    """Return ``graph`` with float64 in place of float32."""
    graph = replace_nodes(expand_fused_ops(graph), "FusedBatchNormV3", _spelled_out)
    return retyped(graph, "DT_FLOAT", "DT_DOUBLE")


def _spelled_out(node: Node, emit: Emitter, _: Any) -> bool:
    """Batch normalization has no kernel for float64."""
    x, scale, offset, mean, variance = node.inputs
    steady = emit.op("AddV2", "steady", [variance, emit.const(np.float32(0.001), "epsilon")], T="DT_FLOAT")
    root = emit.op("Rsqrt", "root", [steady], T="DT_FLOAT")
    factor = emit.op("Mul", "factor", [root, scale], T="DT_FLOAT")
    centred = emit.op("Sub", "centred", [x, mean], T="DT_FLOAT")
    emit.last("AddV2", [emit.op("Mul", "scaled", [centred, factor], T="DT_FLOAT"), offset], T="DT_FLOAT")
    return True


def _case_inputs(case: LayerCase, graph: GraphModel) -> list[list[np.ndarray]]:
    """Return the case's own examples where the graph has its inputs, else drawn ones."""
    specs = graph.signature.inputs
    if case.examples is not None and all(
        len(example) == len(specs)
        and all(
            np.asarray(value).dtype.kind != "U" and spec.dtype != "string"
            for value, spec in zip(example, specs, strict=True)
        )
        for example in case.examples
    ):
        return [[np.asarray(value) for value in example] for example in case.examples]
    drawn = [*draw_cases(specs), *awkward_cases(specs)]
    return [list(each.inputs.values()) for each in drawn]


def _reported(name: str, found: str) -> bool:
    if found:
        print(f"{name}: {found}", flush=True)
    return bool(found)


def _show(seed: int, child: Child) -> None:
    graph = random_graph(seed, smallest_steps(seed, child))
    for title, shown in (("before", graph), ("after", passes.optimize(graph))):
        print(f"--- {title}: {dict(Counter(node.op for node in shown.nodes))}")
        for node in shown.nodes:
            print(f"{node.op:22} {node.name:32} {', '.join(node.inputs)}  {shown.shapes.get(node.name, '')}")
        print("outputs:", ", ".join(spec.tensor for spec in shown.signature.outputs))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
