"""tf2onnx, which is also what Keras's own export to ONNX calls, with a fixed batch of one.

Run as ``python -m bench.routes.to_onnx MODEL.keras FILE.onnx``.
"""

import sys

from bench.routes.traced import traced


def main() -> None:
    """Write the model."""
    source, file = sys.argv[1:]
    predict, specs = traced(source)
    import onnx
    import tf2onnx

    written, _ = tf2onnx.convert.from_function(predict, input_signature=specs, opset=18, output_path=file)
    onnx.checker.check_model(written)  # tf2onnx only warns of what it could not translate


if __name__ == "__main__":
    main()
