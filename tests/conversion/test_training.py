"""Pruning while training: the schedule, what is pruned, and that it stays so. Keras runs in this process."""

from __future__ import annotations

import models
import numpy as np
import pytest

pytestmark = pytest.mark.tensorflow

#: Of the fit that all tests of training look at.
BATCHES, EPOCHS, SIZE = 8, 4, 16
END = 24


def pruning(*arguments, **options):
    """Return the callback; Keras is imported when a test runs, and not before."""
    models.keras()
    from tfjs_bundle.training import PruneLowMagnitude

    return PruneLowMagnitude(*arguments, **options)


def compiled(*layers):
    keras = models.keras()
    model = keras.Sequential(layers)
    model.compile("adam", "mse", jit_compile=False)
    return model


def small():
    keras = models.keras()
    dense = [keras.layers.Dense(units, name=name) for units, name in ((7, "hidden"), (3, "top"))]
    return compiled(keras.Input((9,)), dense[0], keras.layers.BatchNormalization(name="norm"), dense[1])


def begun(callback, model, steps=10, epochs=10):
    """Begin training without training."""
    callback.set_params({"steps": steps, "epochs": epochs})
    callback.set_model(model)
    callback.on_train_begin()
    return callback


def zeros(variable) -> int:
    return int(np.sum(np.asarray(variable) == 0))


class Watch:
    """Counts the zeros of a kernel after every batch, and those of the batch before that are zero no more."""

    def __init__(self, model):
        self.counts, self.grown, self.pruned = [], [], None
        self.layer = model.get_layer("hidden")

    def look(self, batch, logs):
        kernel = np.array(self.layer.kernel)
        self.counts.append(zeros(kernel))
        self.grown.append(0 if self.pruned is None else int(np.sum(kernel[self.pruned] != 0)))
        self.pruned = kernel == 0


@pytest.fixture(scope="module")
def trained():
    """A model trained with the callback behind one that restores the first epoch's weights."""
    keras = models.keras()
    model = small()
    watch = Watch(model)
    rng = np.random.default_rng(0)
    x, y = rng.normal(size=(BATCHES * SIZE, 9)), rng.normal(size=(BATCHES * SIZE, 3))
    first = keras.callbacks.EarlyStopping("loss", mode="max", patience=EPOCHS, restore_best_weights=True)
    prune = pruning(0.75, begin_step=2, end_step=END, frequency=5)
    watching = keras.callbacks.LambdaCallback(on_train_batch_end=watch.look)
    history = model.fit(x, y, SIZE, EPOCHS, verbose=0, callbacks=[first, prune, watching])
    assert first.best_epoch == 0  # it restored what had hardly been pruned
    return model, watch, history.history


def test_every_kernel_ends_with_the_final_sparsity_whatever_was_restored(trained):
    model, _, _ = trained
    assert zeros(model.get_layer("hidden").kernel) == round(0.75 * 63)
    assert zeros(model.get_layer("top").kernel) == round(0.75 * 21)


def test_normalizations_and_biases_are_left_alone(trained):
    model, _, _ = trained
    assert not zeros(model.get_layer("norm").gamma)
    assert not zeros(model.get_layer("hidden").bias)


def test_kernels_become_sparser_by_the_schedule_and_rest_at_its_end(trained):
    _, watch, _ = trained
    prune = pruning(0.75, begin_step=2, end_step=END)
    prune._end = END
    asked = []
    for step in range(1, BATCHES * EPOCHS + 1):
        at = END if step >= END else 2 + (step - 2) // 5 * 5
        asked.append(round(63 * prune.sparsity_at(at)) if step >= 2 else 0)
    assert watch.counts == asked


def test_no_pruned_weight_grows_again(trained):
    _, watch, _ = trained
    assert watch.grown == [0] * (BATCHES * EPOCHS)


def test_zeros_have_no_sign(trained):
    kernel = np.array(trained[0].get_layer("hidden").kernel)
    assert not np.signbit(kernel[kernel == 0]).any()


def test_logs_tell_the_sparsity_of_every_epoch(trained):
    _, watch, history = trained
    ends = [watch.counts[(epoch + 1) * BATCHES - 1] / 63 for epoch in range(EPOCHS)]
    assert history["sparsity"] == pytest.approx(ends, abs=0.02)
    assert history["sparsity"][-1] == pytest.approx(0.75, abs=0.02)


def test_the_smallest_weights_are_pruned():
    model = small()
    kernel = model.get_layer("hidden").kernel
    kernel.assign(np.arange(63).reshape(9, 7) * np.where(np.arange(7) % 2, 1, -1))
    begun(pruning(0.5, initial_sparsity=0.5), model)
    left = np.abs(np.array(kernel)).reshape(-1)
    assert left.tolist() == [0] * 32 + list(range(32, 63))


def test_a_resumed_training_prunes_on_from_the_optimizers_step():
    model = small()
    model.optimizer.build(model.trainable_variables)
    model.optimizer.iterations.assign(50)
    callback = begun(pruning(0.8, end_step=100), model)
    assert callback.sparsity == pytest.approx(callback.sparsity_at(50), abs=0.01)
    assert zeros(model.get_layer("hidden").kernel) == round(63 * callback.sparsity_at(50))


def test_without_an_end_two_thirds_of_the_steps_prune():
    callback = begun(pruning(0.8), small(), steps=10, epochs=9)
    assert callback.sparsity_at(59) < 0.8
    assert callback.sparsity_at(60) == 0.8


def pruned_by(callback, *layers) -> list[str]:
    """Return the paths of the weights, of which the callback has pruned half at once."""
    model = compiled(*layers)
    begun(callback, model)
    halved = [each for each in model.trainable_variables if 2 * zeros(each) == np.prod(each.shape)]
    return [each.path.removeprefix(f"{model.name}/") for each in halved]


def convolutions():
    keras = models.keras()
    k = keras.layers
    return (
        keras.Input((6, 6, 2)),
        k.Conv2D(4, 2, name="conv", bias_initializer="ones"),
        k.DepthwiseConv2D(2, name="depthwise", bias_initializer="ones"),
        k.SeparableConv2D(4, 2, name="separable", bias_initializer="ones"),
    )


def recurrent():
    keras = models.keras()
    k = keras.layers
    return (
        keras.Input((5,)),
        k.Embedding(10, 4, name="words"),
        k.Bidirectional(k.SimpleRNN(4, bias_initializer="ones", name="rnn"), name="both"),
    )


def test_kernels_of_convolutions_are_pruned_and_depthwise_ones_on_request():
    half = {"final_sparsity": 0.5, "initial_sparsity": 0.5}
    assert pruned_by(pruning(**half), *convolutions()) == [
        "conv/kernel",
        "separable/pointwise_kernel",
    ]
    assert pruned_by(pruning(**half, depthwise=True), *convolutions()) == [
        "conv/kernel",
        "depthwise/kernel",
        "separable/depthwise_kernel",
        "separable/pointwise_kernel",
    ]


def test_recurrent_kernels_are_pruned_and_embeddings_on_request():
    half = {"final_sparsity": 0.5, "initial_sparsity": 0.5}
    cells = [
        f"both/{direction}_rnn/simple_rnn_cell/{name}"
        for direction in ("forward", "backward")
        for name in ("kernel", "recurrent_kernel")
    ]
    assert pruned_by(pruning(**half), *recurrent()) == cells
    assert pruned_by(pruning(**half, embeddings=True), *recurrent()) == ["words/embeddings", *cells]


def test_only_the_layers_asked_for_are_pruned():
    model = small()
    begun(pruning(0.5, initial_sparsity=0.5, layers=["hidden", model.get_layer("norm")]), model)
    assert zeros(model.get_layer("hidden").kernel) == 32
    assert not zeros(model.get_layer("top").kernel)


def test_what_is_not_trainable_is_not_pruned():
    model = small()
    model.get_layer("hidden").trainable = False
    begun(pruning(0.5, initial_sparsity=0.5), model)
    assert not zeros(model.get_layer("hidden").kernel)
    assert zeros(model.get_layer("top").kernel)


def test_training_that_ends_early_is_a_warning():
    callback = begun(pruning(0.75, end_step=100), small())
    with pytest.warns(UserWarning, match=r"ended at step 0 .* comes to 0\.75 at step 100"):
        callback.on_train_end()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"final_sparsity": 1.0}, "final_sparsity must be at least 0 and below 1, not 1.0"),
        ({"initial_sparsity": -0.1}, "initial_sparsity must be at least 0 and below 1, not -0.1"),
        ({"initial_sparsity": 0.6}, "initial_sparsity, 0.6, must not be above final_sparsity, 0.5"),
        ({"begin_step": 5, "end_step": 5}, "begin_step, 5, must lie between 0 and end_step, 5"),
        ({"frequency": 0}, "frequency must be at least 1 and power above 0, not 0 and 3"),
    ],
)
def test_an_argument_that_makes_no_sense_is_named(arguments, message):
    with pytest.raises(ValueError, match=message):
        pruning(**arguments)


def test_a_layer_that_is_not_there_is_named():
    with pytest.raises(ValueError, match="no layer 'hiden' to prune"):
        begun(pruning(layers=["hiden"]), small())


def test_a_model_without_kernels_is_refused():
    with pytest.raises(ValueError, match="nothing to prune: no layer asked for has a trainable kernel"):
        begun(pruning(layers=["norm"]), small())


def test_an_unknown_number_of_batches_needs_an_end():
    with pytest.raises(ValueError, match="number of batches is not known before training: give end_step"):
        begun(pruning(), small(), steps=None)


def test_a_model_without_an_optimizer_is_refused():
    keras = models.keras()
    model = keras.Sequential([keras.Input((2,)), keras.layers.Dense(1)])
    with pytest.raises(ValueError, match="no optimizer, whose steps the schedule counts"):
        begun(pruning(), model)
