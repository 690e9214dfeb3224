"""The stock converter, the Python package tensorflowjs, as a second way to the same IR.

It comes with the extra ``tfjs-bundle[tensorflowjs]``, or lives in an environment of its own whose
Python ``TFJS_BUNDLE_TENSORFLOWJS_PYTHON`` names, since it pins an old TensorFlow. It is the
oracle of our tests and a fallback for users.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from dataclasses import replace
from pathlib import Path

from tfjs_bundle.convert.child import Child
from tfjs_bundle.convert.info import ModelInfo
from tfjs_bundle.errors import UnsupportedModelError, UsageError
from tfjs_bundle.graph import serde
from tfjs_bundle.graph.dtypes import tfjs_dtype
from tfjs_bundle.graph.ir import GraphModel, Signature, TensorSpec

PYTHON_VARIABLE = "TFJS_BUNDLE_TENSORFLOWJS_PYTHON"

_INSTALL = (
    "Install it with `pip install 'tfjs-bundle[tensorflowjs]'` on Python 3.11 or 3.12, or set "
    f"{PYTHON_VARIABLE} to the Python of an environment that has it."
)


def convert(child: Child, info: ModelInfo, workspace: Path) -> GraphModel:
    """Convert the model that ``child`` holds with tensorflowjs.

    The child writes it as a SavedModel without variables; names and order of inputs and outputs
    are ours, since tensorflowjs loses or swaps the names of tensors of one dtype and shape.

    Raises:
        UsageError: tensorflowjs is not installed.
        UnsupportedModelError: it refuses the model; the message carries its own words.
    """
    directory = Path(tempfile.mkdtemp(dir=workspace, prefix="stock-"))
    saved, converted = directory / "saved", directory / "converted"
    child.call("save_signature", str(saved))
    python = os.environ.get(PYTHON_VARIABLE) or sys.executable
    try:
        run = subprocess.run(
            [
                *(python, "-P", "-m", "tensorflowjs.converters.converter"),
                *("--input_format=tf_saved_model", "--output_format=tfjs_graph_model"),
                *("--signature_name=serving_default", "--control_flow_v2=True"),
                *(str(saved), str(converted)),
            ],
            capture_output=True,
            env={**os.environ, "TF_CPP_MIN_LOG_LEVEL": "3", "CUDA_VISIBLE_DEVICES": "-1", "PYTHONPATH": ""},
            check=False,
        )
    except OSError as error:
        raise UsageError(
            f"The stock converter cannot be started with {python}: {error.strerror}.", _INSTALL
        ) from None
    words = run.stderr.decode(errors="replace").strip().splitlines()
    if run.returncode:
        if any("No module named" in line or "ImportError" in line for line in words):
            raise UsageError(f"The stock converter cannot be imported by {python}: {words[-1]}", _INSTALL)
        raise UnsupportedModelError(
            "The stock converter refuses the model: " + "\n".join(words[-3:]), "Use --converter native."
        )
    graph = serde.load(converted / "model.json")
    return replace(graph, signature=_signature(graph, info))


def _signature(graph: GraphModel, info: ModelInfo) -> Signature:
    """Write the signature anew: ``input_<i>`` names the placeholders, and outputs come in order."""
    placeholders = [node.name for node in graph.nodes if node.op.startswith("Placeholder")]
    stock = {spec.name: spec for spec in graph.signature.inputs}

    def tensor(index: int) -> str:
        name = f"input_{index}"
        found = next((each for each in placeholders if each == name or each.endswith(f"_{name}")), None)
        return f"{found}:0" if found else stock[name].tensor

    inputs = tuple(
        TensorSpec(spec.name, spec.shape, tfjs_dtype(spec.dtype), spec.dtype, tensor(i))
        for i, spec in enumerate(info.inputs)
    )
    outputs = {spec.tensor: spec for spec in graph.signature.outputs}
    # the trace's results are Identity, Identity_1, ... in the order of their sorted names
    ordered = sorted(
        outputs, key=lambda name: int("0" + name.split(":")[0].removeprefix("Identity").lstrip("_"))
    )
    named = tuple(
        replace(outputs[name], name=public) for name, public in zip(ordered, info.output_names, strict=True)
    )
    return Signature(inputs, named)
