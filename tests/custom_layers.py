"""Layers and a subclassed model, registered with Keras: what a user names with ``--custom-objects``."""

from __future__ import annotations

import keras


@keras.saving.register_keras_serializable("tests")
class Doubled(keras.layers.Layer):
    """Multiplies by a learned number per channel, and by two."""

    def build(self, shape):
        self.scale = self.add_weight(shape=(shape[-1],), initializer="uniform", name="scale")

    def call(self, x):
        return 2 * x * self.scale


@keras.saving.register_keras_serializable("tests")
class Rated(keras.Model):
    """Subclassed: a dict in, a dict out, dropout that only acts in training."""

    def __init__(self, **options):
        super().__init__(**options)
        self.hidden = keras.layers.Dense(6, activation="tanh")
        self.doubled = Doubled()
        self.dropout = keras.layers.Dropout(0.5)
        self.head = keras.layers.Dense(3)

    def call(self, inputs, training=False):
        hidden = self.doubled(self.hidden(inputs["features"]))
        return {"rating": self.head(self.dropout(hidden, training=training)), "code": hidden}


@keras.saving.register_keras_serializable("tests")
class Sampling(keras.layers.Layer):
    """Adds random numbers, at inference too."""

    def __init__(self, **options):
        super().__init__(**options)
        self.seeds = keras.random.SeedGenerator(7)

    def call(self, x):
        return x + keras.random.normal(keras.ops.shape(x), seed=self.seeds)


@keras.saving.register_keras_serializable("tests")
class ClassToken(keras.layers.Layer):
    """Puts a learned token ahead of the sequence."""

    def build(self, shape):
        self.token = self.add_weight(shape=(1, 1, shape[-1]), initializer="uniform", name="cls_token")

    def call(self, x):
        token = keras.ops.broadcast_to(self.token, (keras.ops.shape(x)[0], 1, x.shape[-1]))
        return keras.ops.concatenate([token, x], axis=1)


@keras.saving.register_keras_serializable("tests")
def bent(x):
    """An activation: bent twice."""
    return keras.ops.where(x > 0.5, 0.1 * x + 0.45, keras.ops.maximum(x, 0.2 * x))


@keras.saving.register_keras_serializable("tests")
class Halves(keras.initializers.Initializer):
    """Starts every weight at a half."""

    def __call__(self, shape, dtype=None):
        return keras.ops.full(shape, 0.5, dtype or "float32")


@keras.saving.register_keras_serializable("tests")
class Pair(keras.layers.Layer):
    """Two dense layers inside one layer, which takes an argument and writes it into its configuration."""

    def __init__(self, units, **options):
        super().__init__(**options)
        self.units = units
        self.first = keras.layers.Dense(units, activation="relu")
        self.second = keras.layers.Dense(units)

    def build(self, shape):
        self.first.build(shape)
        self.second.build((*shape[:-1], self.units))

    def call(self, x):
        return self.second(self.first(x))

    def get_config(self):
        return {**super().get_config(), "units": self.units}


@keras.saving.register_keras_serializable("tests")
def lopsided(truth, predicted):
    """A loss by which too little costs twice what too much does."""
    error = truth - predicted
    return keras.ops.mean(keras.ops.maximum(2 * error, -error), axis=-1)


@keras.saving.register_keras_serializable("tests")
class Within(keras.metrics.MeanMetricWrapper):
    """How often a prediction is within 0.1 of the truth."""

    def __init__(self, name="within", dtype=None):
        super().__init__(lambda truth, predicted: keras.ops.abs(truth - predicted) < 0.1, name, dtype)

    def get_config(self):
        return {"name": self.name, "dtype": self.dtype}


@keras.saving.register_keras_serializable("tests")
class TrainedItsOwnWay(keras.Model):
    """A functional model with a ``train_step`` of its own."""

    def train_step(self, data):
        import tensorflow as tf

        x, y = data
        with tf.GradientTape() as tape:
            predicted = self(x, training=True)
            loss = self.compute_loss(x, y, predicted)
        gradients = tape.gradient(loss, self.trainable_variables)
        self.optimizer.apply_gradients(
            (gradient / 2, variable)
            for gradient, variable in zip(gradients, self.trainable_variables, strict=True)
        )
        return self.compute_metrics(x, y, predicted)


@keras.saving.register_keras_serializable("tests")
class Loops(keras.layers.Layer):
    """What ``keras.ops`` has of loops and branches, over rows of four and a number of turns."""

    def call(self, x, turns):
        ops = keras.ops
        _, bounced = ops.while_loop(
            lambda step, _: step < 5,
            lambda step, value: (step + 1, ops.where(value > 1, value / 2, 3 * value + 1)),
            (ops.zeros((), "int32"), x),
        )
        total, products = ops.scan(
            lambda carry, column: (carry + column, carry * column),
            ops.zeros_like(x[:, 0]),
            ops.transpose(x),
        )
        _, turned = ops.while_loop(
            lambda step, _: step < ops.max(turns),
            lambda step, value: (step + 1, ops.flip(value, axis=1) + 1),
            (ops.zeros((), "int32"), x),
        )
        return {
            "bounced": bounced,
            "total": total,
            "products": ops.transpose(products),
            "branch": ops.cond(ops.sum(x) > 0, lambda: x * 2, lambda: x - 1),
            "rows": ops.map(lambda row: row * ops.max(row), x),
            "counted": ops.fori_loop(0, 4, lambda step, value: value + x * ops.cast(step, "float32"), x),
            "turned": turned,
        }
