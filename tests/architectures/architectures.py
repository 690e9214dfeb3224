"""Whole architectures, small, with seeded weights whose outputs depend on the inputs.

Each function named in :data:`ARCHITECTURES` returns a Keras model and an example: a value for every input by
its public name, batch 3. Keras is imported only when a model is made.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from models import keras

Built = tuple[Any, dict[str, np.ndarray]]


def encoder() -> Built:
    """BERT-like: tokens, segments and a padding mask; attention, exact gelu, post-normalization, a pooler."""
    k = keras()
    length, width = 12, 32
    tokens = k.Input((length,), dtype="int32", name="token_ids")
    segments = k.Input((length,), dtype="int32", name="segment_ids")
    padding = k.Input((length,), dtype="int32", name="padding_mask")
    positions = k.layers.Embedding(length, width, name="positions")(k.ops.arange(length, dtype="int32"))
    x = k.layers.Embedding(100, width)(tokens) + k.layers.Embedding(2, width)(segments) + positions
    x = k.layers.Dropout(0.1)(k.layers.LayerNormalization(epsilon=1e-12)(x))
    mask = k.ops.expand_dims(k.ops.cast(padding, "bool"), 1)
    for index in range(2):
        attended = k.layers.MultiHeadAttention(4, width // 4, name=f"attention_{index}")(
            x, x, attention_mask=mask
        )
        x = k.layers.LayerNormalization()(x + attended)
        widened = k.layers.Dense(width)(k.layers.Dense(4 * width, activation="gelu")(x))
        x = k.layers.LayerNormalization()(x + widened)
    pooled = k.layers.Dense(width, activation="tanh", name="pooled")(x[:, 0])
    model = k.Model(
        {"token_ids": tokens, "segment_ids": segments, "padding_mask": padding},
        {"sequence": x, "pooled": pooled},
    )
    return model, {
        "padding_mask": np.array([[1] * 12, [1] * 5 + [0] * 7, [1] * 9 + [0] * 3], np.int32),
        "segment_ids": _integers(2, 3, length),
        "token_ids": _integers(100, 3, length, seed=1),
    }


def decoder_step() -> Built:
    """GPT-like: one token in, logits and the cache of keys and values out, written at a given position."""
    k = keras()
    length, width, heads, vocabulary = 8, 24, 3, 50
    size = width // heads
    token = k.Input((1,), dtype="int32", name="token")
    position = k.Input(batch_shape=(), dtype="int32", name="position")
    caches = [k.Input((2, length, heads, size), name=f"cache_{index}") for index in range(2)]
    x = k.layers.Embedding(vocabulary, width)(token)
    x = x + k.layers.Embedding(length, width)(position)
    seen = k.ops.less_equal(k.ops.arange(length, dtype="int32"), position)
    updated = []
    for cache in caches:
        y = k.layers.LayerNormalization()(x)
        query, key, value = (
            k.layers.Reshape((1, heads, size))(k.layers.Dense(width, use_bias=use_bias)(y))
            for use_bias in (True, False, True)
        )
        keys = k.ops.slice_update(cache[:, 0], (0, position, 0, 0), key)
        values = k.ops.slice_update(cache[:, 1], (0, position, 0, 0), value)
        updated.append(k.ops.stack([keys, values], axis=1))
        scores = k.ops.einsum("bqhd,bkhd->bhqk", query, keys) / size**0.5
        scores = k.ops.softmax(k.ops.where(seen, scores, -1e9))
        attended = k.ops.einsum("bhqk,bkhd->bqhd", scores, values)
        x = x + k.layers.Dense(width)(k.layers.Reshape((1, width))(attended))
        y = k.layers.LayerNormalization()(x)
        x = x + k.layers.Dense(width)(k.layers.Dense(2 * width, activation="gelu")(y))
    logits = k.layers.Dense(vocabulary, use_bias=False)(k.layers.LayerNormalization()(x))
    outputs = {"logits": logits, **{f"cache_{index}": cache for index, cache in enumerate(updated)}}
    inputs = {"token": token, "position": position}
    inputs |= {f"cache_{index}": cache for index, cache in enumerate(caches)}
    return k.Model(inputs, outputs), {
        "cache_0": _normal(3, 2, length, heads, size),
        "cache_1": _normal(3, 2, length, heads, size, seed=1),
        "position": np.array(4, np.int32),
        "token": np.array([[3], [49], [17]], np.int32),
    }


def vision_transformer() -> Built:
    """ViT: patches by a convolution, a class token, learned positions, pre-normalized blocks."""
    k = keras()
    from custom_layers import ClassToken

    width = 24
    image = k.Input((24, 24, 3), name="image")
    x = k.layers.Conv2D(width, 6, strides=6)(image)
    x = ClassToken()(k.layers.Reshape((16, width))(x))
    x = x + k.layers.Embedding(17, width)(k.ops.arange(17, dtype="int32"))
    for _ in range(2):
        y = k.layers.LayerNormalization(epsilon=1e-6)(x)
        x = x + k.layers.MultiHeadAttention(3, 8)(y, y)
        y = k.layers.LayerNormalization(epsilon=1e-6)(x)
        x = x + k.layers.Dense(width)(k.layers.Dense(48, activation="gelu")(y))
    x = k.layers.LayerNormalization(epsilon=1e-6)(x)[:, 0]
    return k.Model(image, k.layers.Dense(10, name="logits")(x)), {"image": pictures(3, 24, 24)}


def u_net() -> Built:
    """Down and up with skips, of pictures of any size; batch normalization and transposed convolutions."""
    k = keras()

    def block(x: Any, filters: int) -> Any:
        for _ in range(2):
            x = k.layers.Conv2D(filters, 3, padding="same", use_bias=False)(x)
            x = k.layers.Activation("relu")(k.layers.BatchNormalization()(x))
        return x

    image = x = k.Input((None, None, 3), name="picture")
    skips = []
    for filters in (8, 12):
        skips.append(block(x, filters))
        x = k.layers.MaxPooling2D()(skips[-1])
    x = block(x, 16)
    for filters, skip in ((12, skips[1]), (8, skips[0])):
        x = k.layers.Conv2DTranspose(filters, 2, strides=2, padding="same")(x)
        x = block(k.layers.Concatenate()([x, skip]), filters)
    model = k.Model(image, k.layers.Conv2D(2, 1, name="mask")(x))
    return model, {"picture": pictures(3, 32, 20)}


def wavenet() -> Built:
    """Causal convolutions of growing dilation, gated, with residuals and skips; any length."""
    k = keras()
    audio = k.Input((None, 1), name="audio")
    x = k.layers.Conv1D(12, 2, padding="causal")(audio)
    skips = []
    for dilation in (1, 2, 4, 8, 16):
        gate, value = (
            k.layers.Conv1D(12, 2, padding="causal", dilation_rate=dilation, activation=activation)(x)
            for activation in ("sigmoid", "tanh")
        )
        y = k.layers.Conv1D(12, 1)(k.layers.Multiply()([gate, value]))
        skips.append(y)
        x = k.layers.Add()([x, y])
    y = k.layers.ReLU()(k.layers.Add()(skips))
    y = k.layers.Conv1D(16, 1, activation="relu")(y)
    return k.Model(audio, k.layers.Conv1D(8, 1, name="logits")(y)), {"audio": _normal(3, 40, 1)}


def siamese() -> Built:
    """One tower for two pictures, their distance, and layers shared at other places."""
    k = keras()
    shape = (20, 20, 1)
    tower = k.Sequential(
        [
            k.Input(shape),
            k.layers.Conv2D(8, 3, activation="relu"),
            k.layers.MaxPooling2D(),
            k.layers.Conv2D(12, 3, activation="relu"),
            k.layers.GlobalAveragePooling2D(),
            k.layers.Dense(16),
            k.layers.BatchNormalization(),
            k.layers.UnitNormalization(),
        ],
        name="tower",
    )
    left, right = k.Input(shape, name="left"), k.Input(shape, name="right")
    first, second = tower(left), tower(right)
    shared = k.layers.Dense(6, activation="tanh", name="shared")
    distance = k.ops.sum(k.ops.square(first - second), axis=-1, keepdims=True)
    both = k.layers.Concatenate()([shared(first), shared(second), distance, shared(first * second)])
    model = k.Model(
        [left, right],
        [k.layers.Dense(1, name="score")(both), k.layers.Dot(1, name="likeness")([first, second])],
    )
    return model, {"left": pictures(3, 20, 20, 1), "right": pictures(3, 20, 20, 1, seed=1)}


def many_by_dict() -> Built:
    """Inputs of four kinds and outputs of three, by nested dicts."""
    k = keras()
    inputs = {
        "picture": k.Input((16, 16, 3), name="picture"),
        "table": {"age": k.Input((1,), name="age"), "color": k.Input((1,), dtype="int64", name="color")},
        "words": k.Input((None,), dtype="int32", name="words"),
    }
    seen = k.layers.GlobalMaxPooling2D()(k.layers.Conv2D(8, 3, activation="swish")(inputs["picture"]))
    read = k.layers.LSTM(8)(k.layers.Embedding(30, 8, mask_zero=True)(inputs["words"]))
    color = k.layers.Flatten()(k.layers.Embedding(4, 3)(inputs["table"]["color"]))
    x = k.layers.Concatenate()([seen, read, color, inputs["table"]["age"]])
    x = k.layers.Dense(16, activation="silu")(x)
    outputs = {
        "box": k.layers.Dense(4)(x),
        "heads": {"kind": k.layers.Dense(3, activation="softmax")(x), "price": k.layers.Dense(1)(x)},
    }
    return k.Model(inputs, outputs), {
        "picture": pictures(3, 16, 16),
        "table_age": _normal(3, 1),
        "table_color": _integers(4, 3, 1).astype(np.int64),
        "words": np.array([[5, 3, 29, 0], [1, 0, 0, 0], [9, 8, 7, 6]], np.int32),
    }


def matryoshka() -> Built:
    """A model within a model within a model, each called twice, batch normalization in the innermost.

    Keras cannot read a file back in which one layer stands at two depths.
    """
    k = keras()
    inner = k.Sequential(
        [
            k.Input((6,)),
            k.layers.Dense(10),
            k.layers.BatchNormalization(),
            k.layers.ReLU(),
            k.layers.Dense(6),
        ],
        name="inner",
    )
    x = k.Input((6,))
    middle = k.Model(x, inner(inner(x)) + x, name="middle")
    first, second = k.Input((6,), name="first"), k.Input((6,), name="second")
    outer = k.Model([first, second], [middle(first), middle(second) + first], name="outer")
    a, b = k.Input((6,), name="a"), k.Input((6,), name="b")
    left, right = outer([a, b])
    return k.Model([a, b], {"left": left, "right": outer([right, left])[1]}), {
        "a": _normal(3, 6),
        "b": _normal(3, 6, seed=1),
    }


def sequence_to_sequence() -> Built:
    """An encoder whose states start a decoder, attention between them, states as inputs and outputs."""
    k = keras()
    source = k.Input((None,), dtype="int32", name="source")
    target = k.Input((None,), dtype="int32", name="target")
    carried = k.Input((12,), name="carried")
    encoded, forward, backward = k.layers.Bidirectional(
        k.layers.GRU(6, return_sequences=True, return_state=True)
    )(k.layers.Embedding(40, 10, mask_zero=True)(source))
    state = k.layers.Concatenate()([forward, backward])
    decoded, hidden, cell = k.layers.LSTM(12, return_sequences=True, return_state=True)(
        k.layers.Embedding(40, 10)(target), initial_state=[state, carried]
    )
    attended = k.layers.Attention()([decoded, encoded])
    logits = k.layers.Dense(40, name="logits")(k.layers.Concatenate()([decoded, attended]))
    return k.Model([source, target, carried], {"logits": logits, "hidden": hidden, "cell": cell}), {
        "source": np.array([[4, 9, 1, 39, 0, 0], [3, 3, 8, 2, 5, 6], [7, 0, 0, 0, 0, 0]], np.int32),
        "target": _integers(40, 3, 4),
        "carried": _normal(3, 12),
    }


ARCHITECTURES: dict[str, Callable[[], Built]] = {
    function.__name__: function
    for function in (
        encoder,
        decoder_step,
        vision_transformer,
        u_net,
        wavenet,
        siamese,
        many_by_dict,
        matryoshka,
        sequence_to_sequence,
    )
}


#: keras.applications by family; the first of each is compared in Chromium, the others are converted.
APPLICATIONS = {
    "ConvNeXt": ("ConvNeXtTiny", "ConvNeXtSmall", "ConvNeXtBase", "ConvNeXtLarge", "ConvNeXtXLarge"),
    "DenseNet": ("DenseNet121", "DenseNet169", "DenseNet201"),
    "EfficientNet": tuple(f"EfficientNetB{index}" for index in range(8)),
    "EfficientNetV2": tuple(f"EfficientNetV2{size}" for size in ("B0", "B1", "B2", "B3", "S", "M", "L")),
    "Inception": ("InceptionV3",),
    "InceptionResNet": ("InceptionResNetV2",),
    "MobileNet": ("MobileNet",),
    "MobileNetV2": ("MobileNetV2",),
    "MobileNetV3": ("MobileNetV3Small", "MobileNetV3Large"),
    "NASNet": ("NASNetMobile", "NASNetLarge"),
    "ResNet": ("ResNet50", "ResNet101", "ResNet152"),
    "ResNetV2": ("ResNet50V2", "ResNet101V2", "ResNet152V2"),
    "VGG": ("VGG16", "VGG19"),
    "Xception": ("Xception",),
}

#: Families whose models normalize pictures of 0 to 255 themselves.
_RAW = ("ConvNeXt", "EfficientNet", "EfficientNetV2", "MobileNetV3")


def application(family: str, name: str) -> Built:
    """A model of keras.applications at a small input size, with 10 classes, before the softmax."""
    k = keras()
    size = {"Inception": 75, "InceptionResNet": 75, "Xception": 71, "NASNet": 64}.get(family, 48)
    model = getattr(k.applications, name)(
        weights=None, input_shape=(size, size, 3), classes=10, classifier_activation=None
    )
    if family == "VGG":  # without normalization relu takes half the signal's power, layer by layer
        for weight in model.weights:
            if weight.name == "kernel":
                weight.assign(weight * 2**0.5)
    images = pictures(3, size, size)
    return model, {"image": images * 80 + 128 if family in _RAW else images}


_SMALL_TRANSFORMER = {
    "vocabulary_size": 60,
    "num_layers": 2,
    "num_heads": 2,
    "hidden_dim": 24,
    "intermediate_dim": 48,
    "max_sequence_length": 12,
}


def hub_backbones() -> dict[str, Callable[[], Built]]:
    """Return small backbones of keras-hub, of three kinds; none where it is not installed."""
    keras()
    try:
        import keras_hub
    except ImportError:
        return {}

    def bert() -> Built:
        model = keras_hub.models.BertBackbone(**_SMALL_TRANSFORMER)
        return model, _hub_text(model)

    def gpt2() -> Built:
        model = keras_hub.models.GPT2Backbone(**_SMALL_TRANSFORMER)
        return model, _hub_text(model)

    def resnet() -> Built:
        model = keras_hub.models.ResNetBackbone(
            input_conv_filters=[64],
            input_conv_kernel_sizes=[7],
            stackwise_num_filters=[64, 96],  # keras-hub wants 64 first
            stackwise_num_blocks=[1, 1],
            stackwise_num_strides=[1, 2],
            block_type="basic_block",
            use_pre_activation=True,
            image_shape=(48, 48, 3),
        )
        return model, {"images": pictures(3, 48, 48)}

    return {"BertBackbone": bert, "GPT2Backbone": gpt2, "ResNetBackbone": resnet}


def _hub_text(model: Any) -> dict[str, np.ndarray]:
    values = {
        "token_ids": _integers(60, 3, 12),
        "segment_ids": _integers(2, 3, 12),
        "padding_mask": np.array([[1] * 12, [1] * 5 + [0] * 7, [1] * 9 + [0] * 3], np.int32),
    }
    return {name: values[name] for name in sorted(model.input)}


def seeded(build: Callable[[], Built]) -> Built:
    """Make a model, the same one every time, and give it weights by which its outputs differ."""
    k = keras()
    k.utils.clear_session()
    k.utils.set_random_seed(7)
    model, example = build()
    seed_weights(model, arranged(model, example))
    return model, example


def arranged(model: Any, example: dict[str, np.ndarray]) -> Any:
    """Return the values of ``example`` in the structure of the model's inputs."""
    return keras().tree.pack_sequence_as(model._inputs_struct, list(example.values()))


def seed_weights(model: Any, example: Any) -> None:
    """Give ``model`` weights by which its outputs depend on its inputs, layer by layer.

    Fresh models hide errors: biases are 0, scales 1, the last normalization of ConvNeXt's blocks 1e-6, and
    batch normalization without statistics lets signals fade. Here biases and scales are drawn, and the
    statistics are those of ``example``, a little off.
    """
    k = keras()
    random = np.random.default_rng(11)
    norms = [each for each in model._flatten_layers() if isinstance(each, k.layers.BatchNormalization)]
    momenta = [norm.momentum for norm in norms]
    for weight in model.weights:
        name = weight.path.rsplit("/", 1)[-1]
        if name in ("bias", "beta"):
            weight.assign(random.normal(0, 0.1, weight.shape))
        elif name in ("gamma", "scale", "lambda"):
            weight.assign(random.uniform(0.6, 1.4, weight.shape))
        elif name in ("embeddings", "relative_position_bias_table", "cls_token", "position_embedding"):
            weight.assign(random.normal(0, 0.5, weight.shape))
    for norm in norms:
        norm.momentum = 0.0
    if norms:
        model(example, training=True)
    for norm, momentum in zip(norms, momenta, strict=True):
        norm.momentum = momentum
        norm.moving_mean.assign(norm.moving_mean + random.normal(0, 0.1, norm.moving_mean.shape))
        # of a few pictures some channels hardly differ; to divide by that little would amplify rounding
        variance = np.maximum(norm.moving_variance, np.mean(norm.moving_variance))
        norm.moving_variance.assign(variance * random.uniform(0.7, 1.3, variance.shape))


def spread(model: Any, example: dict[str, np.ndarray]) -> float:
    """Return how far the outputs of ``model`` for different inputs lie apart.

    The standard deviation over the batch, relative to the output's largest value as tolerances are; of the
    output where it is least.
    """
    outputs = keras().tree.flatten(model(arranged(model, example), training=False))
    return min(_spread(np.asarray(output, np.float64)) for output in outputs)


def sensitivity(model: Any, example: dict[str, np.ndarray]) -> float:
    """Return how much the outputs of ``model`` change when its inputs change by rounding.

    Every float of the example moves by some 1e-7 of itself; what the outputs move by is relative to the
    largest of them, and of the output where it is most.
    """
    random = np.random.default_rng(0)
    moved = {
        name: value * (1 + 1e-7 * random.normal(size=value.shape)).astype(value.dtype)
        if value.dtype.kind == "f"
        else value
        for name, value in example.items()
    }
    before, after = (
        keras().tree.flatten(model(arranged(model, each), training=False)) for each in (example, moved)
    )
    return max(
        float(np.abs(np.subtract(b, a)).max() / max(1.0, np.abs(a).max()))
        for a, b in zip(before, after, strict=True)
    )


def _spread(output: np.ndarray) -> float:
    return float(np.sqrt(np.mean(np.var(output, axis=0))) / max(1.0, np.abs(output).max()))


def pictures(count: int, height: int, width: int, channels: int = 3, seed: int = 0) -> np.ndarray:
    """Return pictures with structure (patches of a few colors under noise), about -1 to 1.

    Pictures of nothing but noise look the same to a network that averages.
    """
    random = np.random.default_rng(seed)
    coarse = random.uniform(-1, 1, (count, 4, 4, channels))
    rows, columns = np.arange(height) * 4 // height, np.arange(width) * 4 // width
    fine = random.normal(0, 0.2, (count, height, width, channels))
    return (coarse[:, rows][:, :, columns] + fine).astype(np.float32)


def _normal(*shape: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).normal(0, 1, shape).astype(np.float32)


def _integers(high: int, *shape: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, high, shape).astype(np.int32)
