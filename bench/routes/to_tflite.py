"""TensorFlow's own converter to LiteRT's format, with a fixed batch of one.

Run as ``python -m bench.routes.to_tflite MODEL.keras FILE.tflite``.
"""

import sys
from pathlib import Path

from bench.routes.traced import traced


def main() -> None:
    """Write the model."""
    source, file = sys.argv[1:]
    predict, _ = traced(source)
    import tensorflow as tf
    from tensorflow.python.framework.convert_to_constants import convert_variables_to_constants_v2

    # Without this the file holds no weights: the converter does not follow a Keras 3 model to its variables.
    frozen = convert_variables_to_constants_v2(predict.get_concrete_function())
    converter = tf.lite.TFLiteConverter.from_concrete_functions([frozen])
    Path(file).write_bytes(converter.convert())


if __name__ == "__main__":
    main()
