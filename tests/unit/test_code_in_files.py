"""What a model file may call by its name, and what it may not."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tfjs_bundle.errors import SourceError
from tfjs_bundle.source.custom import refuse_reaching_out

PATH = Path("model.h5")


def model_with(class_name: str, **config: Any) -> dict[str, Any]:
    layer = {"class_name": class_name, "config": {"name": "suspect", **config}}
    inner = {"class_name": "Functional", "config": {"name": "inner", "layers": [layer]}}
    return {"class_name": "Functional", "config": {"name": "model", "layers": [inner]}}


@pytest.mark.parametrize(
    "symbol",
    [
        *(
            "io.write_file",
            "io.gfile.rmtree",
            "raw_ops.WriteFile",
            "keras.utils.get_file",
            "saved_model.load",
        ),
        *(
            "load_library",
            "py_function",
            "print",
            "compat.v1.write_file",
            "compat.v1.gfile.DeleteRecursively",
        ),
        *("compat.v1.Session", "Graph"),
    ],
)
def test_a_tensorflow_function_that_does_more_than_compute_is_refused(symbol):
    with pytest.raises(SourceError) as refusal:
        refuse_reaching_out(PATH, model_with("TFOpLambda", function=symbol))
    assert f"calls tf.{symbol} in the layer 'suspect' (TFOpLambda)" in refusal.value.what
    assert "--unsafe" in refusal.value.cure


@pytest.mark.parametrize(
    "symbol",
    [
        *("math.add", "nn.relu", "reshape", "concat", "cast", "compat.v1.shape", "compat.v1.gather"),
        *("image.resize", "linalg.matmul", "keras.backend.mean", "strings.lower", "clip_by_value"),
    ],
)
def test_functions_that_compute_are_read(symbol):
    refuse_reaching_out(PATH, model_with("TFOpLambda", function=symbol))


def test_slices_and_ragged_tensors_are_read():
    refuse_reaching_out(PATH, model_with("SlicingOpLambda", function="__operators__.getitem"))
    refuse_reaching_out(PATH, model_with("ClassMethod", cls_symbol="RaggedTensor", method_name="from_tensor"))


def test_a_class_that_opens_files_is_refused():
    with pytest.raises(SourceError, match=r"tf\.io\.gfile\.GFile"):
        refuse_reaching_out(PATH, model_with("ClassMethod", cls_symbol="io.gfile.GFile", method_name="write"))


@pytest.mark.parametrize("node", ['{"name": "n", "op": "WriteFile"}', "{'name': 'n', 'op': 'WriteFile'}"])
def test_an_operation_of_early_keras_2_that_writes_files_is_refused(node):
    with pytest.raises(SourceError, match=r"tf\.WriteFile in the layer 'suspect'"):
        refuse_reaching_out(PATH, model_with("TensorFlowOpLayer", node_def=node))
    refuse_reaching_out(PATH, model_with("TensorFlowOpLayer", node_def=node.replace("WriteFile", "AddV2")))


def test_a_registered_prefix_hides_nothing():
    with pytest.raises(SourceError, match=r"tf\.io\.write_file"):
        refuse_reaching_out(PATH, model_with("keras>TFOpLambda", function="io.write_file"))
