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
