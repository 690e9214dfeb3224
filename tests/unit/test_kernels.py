"""Which op runs on which backend, by what the compiled runtime measured."""

from __future__ import annotations

import pytest

from tfjs_bundle.bundle import BACKENDS
from tfjs_bundle.errors import UnsupportedModelError
from tfjs_bundle.graph import kernels
from tfjs_bundle.graph.ir import Function, GraphModel, Node, Signature

#: Composed by TF.js of ops that need not be in the build; a pass of ours rewrites it.
LOWERED = {"MatrixBandPart"}


def graph_with(*ops: str, layers: dict[str, str] | None = None) -> GraphModel:
    nodes = [Node(f"n{index}", op) for index, op in enumerate(ops)]
    return GraphModel(nodes, Signature((), ()), layers=layers or {})


def test_every_op_of_the_converter_comes_down_to_kernels_that_one_backend_has_all_of():
    backends, ops = kernels._measured()
    assert len(ops) > 200
    assert set(backends) == set(BACKENDS)
    lost = {
        op: kernels._kernels(op)
        for op in ops - LOWERED
        if not any(set(kernels._kernels(op)) <= registered for registered in backends.values())
    }
    assert lost == {}


def test_every_kernel_that_an_op_is_said_to_need_exists_somewhere():
    backends, _ = kernels._measured()
    registered = frozenset().union(*backends.values())
    assert {kernel for needed in kernels._KERNELS.values() for kernel in needed} <= registered


def test_common_models_run_everywhere():
    graph = graph_with("Placeholder", "Const", "Conv2D", "BiasAdd", "Relu6", "MatMul", "Softmax", "Identity")
    assert all(entry.supported for entry in kernels.support(graph).values())


def test_a_backend_names_the_ops_that_it_lacks():
    found = kernels.support(graph_with("Einsum", "Relu", "FFT"))
    assert not found["wasm"].supported
    assert found["wasm"].missing_ops == ("Einsum", "FFT")
    assert found["wasm"].to_json() == {"supported": False, "missing_ops": ["Einsum", "FFT"]}
    assert found["cpu"].to_json() == {"supported": True}


def test_an_op_inside_a_function_counts():
    graph = graph_with("StatelessWhile")
    graph.functions["body"] = Function("body", {"name": "body"}, [Node("inner", "Einsum")], {})
    assert kernels.support(graph)["wasm"].missing_ops == ("Einsum",)


def test_ops_that_tfjs_does_not_have_are_refused_by_layer():
    graph = graph_with("Relu", "Betainc", "Cholesky", layers={"n1": "odd (Beta)", "n2": "whiten (Whitening)"})
    with pytest.raises(UnsupportedModelError) as refusal:
        kernels.support(graph)
    assert refusal.value.what == (
        "The model cannot run in the browser: TensorFlow.js does not have "
        "Betainc (in layer 'odd (Beta)'); Cholesky (in layer 'whiten (Whitening)')."
    )
    assert "has no linear algebra" in refusal.value.cure


def test_where_the_layer_is_not_known_the_node_is_named():
    graph = graph_with("StatelessWhile")
    graph.functions["loop_body"] = Function("loop_body", {"name": "loop_body"}, [Node("deep", "Betainc")], {})
    with pytest.raises(UnsupportedModelError, match=r"Betainc \(in node 'loop_body/deep'\)"):
        kernels.support(graph)


def test_a_model_that_no_backend_runs_whole_is_refused(monkeypatch):
    backends, ops = kernels._measured()  # cpu has every kernel today
    poorer = {
        name: registered - {"Relu" if name == "cpu" else "Einsum"} for name, registered in backends.items()
    }
    monkeypatch.setattr(kernels, "_measured", lambda: (poorer, ops))
    with pytest.raises(UnsupportedModelError, match=r"no backend has Einsum \(in node 'n0'\); Relu"):
        kernels.support(graph_with("Einsum", "Relu"))
