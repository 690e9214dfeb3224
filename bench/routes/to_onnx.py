"""tf2onnx, which is also what Keras's own export to ONNX calls, with a fixed batch of one.

Run as ``python to_onnx.py MODEL.keras FILE.onnx``.
"""

import os
import sys
from typing import Any

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")


def main() -> None:
    """Write the model."""
    source, file = sys.argv[1:]
    import keras
    import onnx
    import tensorflow as tf
    import tf2onnx

    model = keras.models.load_model(source)
    specs = [tf.TensorSpec((1, *tensor.shape[1:]), tensor.dtype, tensor.name) for tensor in model.inputs]

    @tf.function(input_signature=specs, autograph=False)
    def predict(*inputs: Any) -> Any:
        return model(list(inputs) if len(inputs) > 1 else inputs[0], training=False)

    written, _ = tf2onnx.convert.from_function(predict, input_signature=specs, opset=18, output_path=file)
    onnx.checker.check_model(written)  # tf2onnx only warns of what it could not translate


if __name__ == "__main__":
    main()
