"""Which dtype TF.js has for a dtype of TensorFlow or numpy."""

from __future__ import annotations

import numpy as np

from tfjs_bundle.errors import UnsupportedModelError

_TFJS = {
    "float16": "float32",
    "bfloat16": "float32",
    "float32": "float32",
    "float64": "float32",
    "int4": "int32",
    "int8": "int32",
    "uint8": "int32",
    "int16": "int32",
    "uint16": "int32",
    "int32": "int32",
    "uint32": "int32",
    "int64": "int32",
    "uint64": "int32",
    "bool": "bool",
    "string": "string",
    "object": "string",
    "complex64": "complex64",
    "complex128": "complex64",
}

#: protobuf's names, for attributes
_PROTO = {
    "DT_FLOAT": "float32",
    "DT_HALF": "float16",
    "DT_BFLOAT16": "bfloat16",
    "DT_DOUBLE": "float64",
    "DT_INT8": "int8",
    "DT_UINT8": "uint8",
    "DT_INT16": "int16",
    "DT_UINT16": "uint16",
    "DT_INT32": "int32",
    "DT_UINT32": "uint32",
    "DT_INT64": "int64",
    "DT_UINT64": "uint64",
    "DT_BOOL": "bool",
    "DT_STRING": "string",
    "DT_COMPLEX64": "complex64",
    "DT_COMPLEX128": "complex128",
}
_NAMES = {
    "float32": "DT_FLOAT",
    "int32": "DT_INT32",
    "bool": "DT_BOOL",
    "string": "DT_STRING",
    "complex64": "DT_COMPLEX64",
}


def tfjs_dtype(name: str) -> str:
    """Return TF.js's dtype for a dtype name of TensorFlow or numpy.

    Raises:
        UnsupportedModelError: TF.js has no such dtype.
    """
    try:
        return _TFJS[name]
    except KeyError:
        raise UnsupportedModelError(
            f"The model uses tensors of dtype {name}, which TensorFlow.js does not have.",
            "Build the model with float32, int32, bool or string tensors there.",
        ) from None


def proto_to_numpy(name: str) -> str:
    """Return the numpy name of a protobuf dtype: ``DT_FLOAT`` is ``float32``."""
    return _PROTO.get(name, name)


def numpy_to_proto(name: str) -> str:
    """Return the protobuf name of a numpy dtype or TensorFlow's: ``int64`` is ``DT_INT64``."""
    return next(proto for proto, known in _PROTO.items() if known == name)


def tfjs_to_proto(name: str) -> str:
    """Return the protobuf name of a TF.js dtype: ``float32`` is ``DT_FLOAT``."""
    return _NAMES[name]


def tfjs_tensor(array: np.ndarray) -> np.ndarray:
    """Return ``array`` in the dtype that TF.js keeps it in; integers beyond int32 saturate.

    Saturating is right where such numbers occur: as "to the end" of slices and as masks' extremes.
    """
    target = tfjs_dtype(array.dtype.name)
    if target == "int32":
        if array.dtype != np.int32:
            if array.dtype.kind in "iu":
                own, limits = np.iinfo(array.dtype), np.iinfo(np.int32)
                array = np.clip(array, max(own.min, limits.min), min(own.max, limits.max))
            array = array.astype(np.int32)
    elif target == "string":
        array = array.astype(object)
    else:
        array = array.astype(target, copy=False)
    return array
