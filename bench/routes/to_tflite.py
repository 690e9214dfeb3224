"""TensorFlow's own converter to LiteRT's format, with a fixed batch of one.

Run as ``python to_tflite.py MODEL.keras FILE.tflite``.
"""

import os
import sys
from pathlib import Path
from typing import Any

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")


def main() -> None:
    """Write the model."""
    source, file = sys.argv[1:]
    import keras
    import tensorflow as tf
    from tensorflow.python.framework.convert_to_constants import convert_variables_to_constants_v2

    model = keras.models.load_model(source)
    specs = [tf.TensorSpec((1, *tensor.shape[1:]), tensor.dtype, tensor.name) for tensor in model.inputs]

    @tf.function(input_signature=specs, autograph=False)
    def predict(*inputs: Any) -> Any:
        return model(list(inputs) if len(inputs) > 1 else inputs[0], training=False)

    # Without this the file holds no weights: the converter does not follow a Keras 3 model to its variables.
    frozen = convert_variables_to_constants_v2(predict.get_concrete_function())
    converter = tf.lite.TFLiteConverter.from_concrete_functions([frozen])
    Path(file).write_bytes(converter.convert())


if __name__ == "__main__":
    main()
