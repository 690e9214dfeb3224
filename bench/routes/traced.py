"""A Keras model as one TensorFlow function with a fixed batch of one, which converters take."""

import os
from typing import Any

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")


def traced(source: str) -> tuple[Any, list[Any]]:
    """Return the function of the model in the file ``source``, and the specifications of its inputs."""
    import keras
    import tensorflow as tf

    model = keras.models.load_model(source)
    specs = [tf.TensorSpec((1, *tensor.shape[1:]), tensor.dtype, tensor.name) for tensor in model.inputs]

    @tf.function(input_signature=specs, autograph=False)
    def predict(*inputs: Any) -> Any:
        return model(list(inputs) if len(inputs) > 1 else inputs[0], training=False)

    return predict, specs
