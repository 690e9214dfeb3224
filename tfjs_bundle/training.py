"""For training: a Keras callback that prunes weights step by step, so that a model learns to do without.

Needs Keras 3 on any backend in the caller's process, and nothing else of this package.
"""

from __future__ import annotations

import math
import warnings
from collections.abc import Sequence
from typing import Any

import keras
import numpy as np

#: Names that Keras gives to weights that multiply; biases and the parameters of normalizations have others.
_KERNELS = frozenset(["kernel", "pointwise_kernel", "recurrent_kernel"])
_DEPTHWISE = frozenset(["depthwise_kernel"])
_EMBEDDINGS = frozenset(["embeddings"])

#: Of the steps of a fit, this part prunes where nothing is said; the rest is for the model to recover.
_PART_THAT_PRUNES = 2 / 3


class PruneLowMagnitude(keras.callbacks.Callback):
    """Sets the smallest weights of every kernel to zero during training, more of them step by step.

    After step ``t`` a kernel has the sparsity (the share of its weights that are zero)::

        final_sparsity + (initial_sparsity - final_sparsity) * (1 - progress) ** power

    where ``progress`` goes from 0 at ``begin_step`` to 1 at ``end_step``: much is pruned while there is much
    to choose from, little at the end. This is the schedule of Zhu and Gupta, "To prune, or not to prune:
    exploring the efficacy of pruning for model compression" (2017), and ``PolynomialDecay`` of
    tensorflow-model-optimization. A step is one of the optimizer's, as ``optimizer.iterations`` counts them,
    so that a model which was saved with its optimizer is pruned on from where it was.

    Weights that are pruned are set to zero again after every batch, and after training, whatever callbacks
    listed before this one restored. So list it after ``EarlyStopping(restore_best_weights=True)``, whose
    ``start_from_epoch`` should lie behind ``end_step``: how good a model was before it was pruned says little
    of the pruned one.

    Biases and normalizations are never pruned, nor what is not trainable. Every epoch's logs have
    ``"sparsity"``, that of all pruned kernels together.

    Args:
        final_sparsity: at the end of the schedule; at least 0, below 1.
        initial_sparsity: at its beginning; the same as ``final_sparsity`` for a constant one.
        begin_step: the first step that prunes.
        end_step: the step with the final sparsity. By default two thirds into the steps of this ``fit``; give
            it where training is resumed, or where the number of batches is not known.
        power: of the polynomial.
        frequency: steps after which weights are chosen anew, until ``end_step``.
        layers: the layers to prune, or their names; all by default. A layer stands for those inside it.
        depthwise: prune depthwise convolutions too, which have few weights and miss each.
        embeddings: prune embeddings too.

    Raises:
        ValueError: an argument makes no sense; or, when training begins, a layer is not in the model, the
            model has nothing to prune or no optimizer, or ``end_step`` is needed.
    """

    def __init__(
        self,
        final_sparsity: float = 0.5,
        *,
        initial_sparsity: float = 0.0,
        begin_step: int = 0,
        end_step: int | None = None,
        power: float = 3,
        frequency: int = 100,
        layers: Sequence[str | keras.layers.Layer] | None = None,
        depthwise: bool = False,
        embeddings: bool = False,
    ) -> None:
        super().__init__()
        for name, value in (("initial_sparsity", initial_sparsity), ("final_sparsity", final_sparsity)):
            if not 0 <= value < 1:
                raise ValueError(f"{name} must be at least 0 and below 1, not {value!r}.")
        if initial_sparsity > final_sparsity:
            raise ValueError(
                f"initial_sparsity, {initial_sparsity!r}, must not be above final_sparsity, "
                f"{final_sparsity!r}."
            )
        if begin_step < 0 or (end_step is not None and end_step <= begin_step):
            raise ValueError(f"begin_step, {begin_step!r}, must lie between 0 and end_step, {end_step!r}.")
        if frequency < 1 or power <= 0:
            raise ValueError(
                f"frequency must be at least 1 and power above 0, not {frequency!r} and {power!r}."
            )
        self.initial_sparsity, self.final_sparsity = initial_sparsity, final_sparsity
        self.begin_step, self.end_step = begin_step, end_step
        self.power, self.frequency = power, frequency
        self.layers = layers
        self._names = _KERNELS | (_DEPTHWISE if depthwise else set()) | (_EMBEDDINGS if embeddings else set())
        self._depthwise = depthwise
        self._end = end_step or 0
        self._chosen_at: int | None = None
        self._kernels: list[Any] = []
        self._masks: list[Any] = []

    @property
    def sparsity(self) -> float:
        """The share of zeros among the weights of all kernels that are pruned, as last chosen."""
        sizes = [math.prod(kernel.shape) for kernel in self._kernels]
        pruned = [self._pruned(size) for size in sizes] if self._masks else [0]
        return sum(pruned) / sum(sizes) if sizes else 0.0

    def sparsity_at(self, step: int) -> float:
        """Return what the schedule asks of each kernel after ``step``."""
        if step < self.begin_step:
            return 0.0
        progress = min(1.0, (step - self.begin_step) / (self._end - self.begin_step))
        left = (1 - progress) ** self.power
        return self.final_sparsity + (self.initial_sparsity - self.final_sparsity) * left

    def on_train_begin(self, logs: dict[str, Any] | None = None) -> None:
        """Find the kernels, and prune them as far as a resumed training had come."""
        model = self.model
        if getattr(model, "optimizer", None) is None:
            raise ValueError(
                "The model has no optimizer, whose steps the schedule counts: compile it with one."
            )
        self._kernels = self._find(model)
        self._masks, self._chosen_at = [], None
        step = self._step(model)
        self._end = self.end_step if self.end_step is not None else self._default_end(step)
        self._prune(step)

    def on_train_batch_end(self, batch: int, logs: dict[str, Any] | None = None) -> None:
        """Choose weights anew where it is time for it; set those that are pruned to zero."""
        self._prune(self._step(self.model))

    def on_epoch_end(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        """Log the sparsity."""
        if logs is not None:
            logs["sparsity"] = self.sparsity

    def on_train_end(self, logs: dict[str, Any] | None = None) -> None:
        """Set what is pruned to zero once more: averaged or restored weights may be others."""
        step = self._step(self.model)
        self._apply()
        if step < self._end:
            warnings.warn(
                f"Training ended at step {step} with a sparsity of {self.sparsity:.3f}; the schedule comes "
                f"to {self.final_sparsity} at step {self._end}. Train longer, or give a smaller end_step.",
                stacklevel=2,
            )

    def _step(self, model: Any) -> int:
        return int(keras.ops.convert_to_numpy(model.optimizer.iterations))

    def _default_end(self, step: int) -> int:
        batches, epochs = (self.params.get(name) for name in ("steps", "epochs"))
        if not batches or not epochs:
            raise ValueError("The number of batches is not known before training: give end_step.")
        begin = max(step, self.begin_step)
        return begin + max(1, math.floor((step + batches * epochs - begin) * _PART_THAT_PRUNES))

    def _find(self, model: Any) -> list[Any]:
        """Return the variables to prune, each once."""
        everything = [model, *model._flatten_layers(include_self=False)]
        if self.layers is None:
            wanted = everything
        else:
            wanted = []
            for asked in self.layers:
                found = [layer for layer in everything if layer is asked or layer.name == asked]
                if not found:
                    raise ValueError(f"The model has no layer {getattr(asked, 'name', asked)!r} to prune.")
                for layer in found:
                    wanted += [layer, *layer._flatten_layers(include_self=False)]
        kernels: dict[int, Any] = {}
        for layer in wanted:
            depthwise = isinstance(layer, (keras.layers.DepthwiseConv1D, keras.layers.DepthwiseConv2D))
            names = self._names if self._depthwise or not depthwise else frozenset()
            own = layer._trainable_variables
            kernels |= {id(each): each for each in own if each.trainable and each.name in names}
        if not kernels:
            raise ValueError(
                "There is nothing to prune: no layer asked for has a trainable kernel"
                f"{'' if self._depthwise else ' (depthwise=True and embeddings=True add theirs)'}."
            )
        return list(kernels.values())

    def _prune(self, step: int) -> None:
        if step < self.begin_step:
            return
        at = min(step, self._end)  # the last choice is the one at the end, and is kept
        if (
            self._chosen_at is None
            or at - self._chosen_at >= self.frequency
            or at == self._end > self._chosen_at
        ):
            self._chosen_at = at
            self._masks = [self._mask(kernel) for kernel in self._kernels]
        self._apply()

    def _pruned(self, size: int) -> int:
        """Return how many of a kernel's weights are to be zero."""
        return round(size * self.sparsity_at(self._chosen_at or 0))

    def _mask(self, kernel: Any) -> Any:
        """Return false for as many of the smallest weights as the schedule asks for, true for the others."""
        sizes = np.abs(keras.ops.convert_to_numpy(kernel).astype(np.float32)).reshape(-1)
        mask = np.ones(sizes.size, bool)
        pruned = self._pruned(sizes.size)
        if pruned:
            mask[np.argpartition(sizes, pruned - 1)[:pruned]] = False
        return keras.ops.convert_to_tensor(mask.reshape(kernel.shape), "bool")

    def _apply(self) -> None:
        for kernel, mask in zip(self._kernels, self._masks, strict=bool(self._masks)):
            # not a product, which makes -0.0 of some, and NaN of an infinity
            kernel.assign(keras.ops.where(mask, keras.ops.convert_to_tensor(kernel), 0.0))
