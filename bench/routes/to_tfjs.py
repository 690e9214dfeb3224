"""The stock route, in its own environment: Keras loads and exports, `tensorflowjs_converter` converts.

Run as ``python to_tfjs.py MODEL.keras DIRECTORY``.
"""

import os
import subprocess
import sys
import tempfile
from pathlib import Path

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")


def main() -> None:
    """Write a graph model into the directory."""
    source, directory = sys.argv[1:]
    with tempfile.TemporaryDirectory() as saved:
        import keras

        keras.models.load_model(source).export(saved, verbose=False)
        converter = Path(sys.executable).with_name("tensorflowjs_converter")
        formats = ["--input_format=tf_saved_model", "--output_format=tfjs_graph_model"]
        sys.exit(subprocess.run([converter, *formats, saved, directory]).returncode)


if __name__ == "__main__":
    main()
