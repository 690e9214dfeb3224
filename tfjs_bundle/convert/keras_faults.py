"""What Keras computes wrongly while it is traced, put right for the time of a trace.

Eager predictions, the reference of parity, are right; Keras's own predict() has the same faults.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import keras
from keras import ops


@contextmanager
def cured() -> Iterator[None]:
    """Trace with right layers.

    ``TimeDistributed`` over an unknown number of steps makes as many as there are rows in the batch (measured
    with Keras 3.15.1): it takes the size of the batch's axis for that of the time's, which it has put in its
    place.
    """
    original = keras.layers.TimeDistributed.call
    keras.layers.TimeDistributed.call = _time_distributed(original)
    try:
        yield
    finally:
        keras.layers.TimeDistributed.call = original


def _time_distributed(original: Any) -> Any:
    def call(self: Any, inputs: Any, training: Any = None, mask: Any = None) -> Any:
        if inputs.shape[1] is not None:
            return original(self, inputs, training=training, mask=mask)
        # every step of every row at once: at inference no layer looks from one row at another
        rows, steps = ops.shape(inputs)[:2]
        arguments = {}
        if self.layer._call_has_mask_arg and mask is not None:
            arguments["mask"] = ops.reshape(mask, (-1, *mask.shape[2:]))
        if self.layer._call_has_training_arg:
            arguments["training"] = training
        outputs = self.layer.call(ops.reshape(inputs, (-1, *inputs.shape[2:])), **arguments)
        return ops.reshape(outputs, (rows, steps, *outputs.shape[1:]))

    return call
