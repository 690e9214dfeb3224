"""Spectrograms. Their kernels are windows and waves, not drawn; the signals are."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
from case_tools import floats, functional, single
from layer_case import Example, LayerCase

FIRST = "channels_first"


def _sound(batch: int, length: int, seed: int = 0) -> np.ndarray:
    """Tones with noise over them, so that no frequency is silent."""
    steps = np.arange(length) / 16000
    generator = np.random.default_rng(seed)
    tones = np.stack([np.sin(2 * np.pi * pitch * steps) for pitch in generator.uniform(200, 6000, batch)])
    return (0.5 * tones + 0.2 * generator.normal(size=(batch, length))).astype(np.float32)


def _channels(batch: int, length: int, channels: int, seed: int = 0) -> np.ndarray:
    return np.stack([_sound(batch, length, seed + i) for i in range(channels)], axis=-1)


def _mel() -> Iterator[LayerCase]:
    layer = "MelSpectrogram"
    base = {"fft_length": 64, "sequence_stride": 32, "num_mel_bins": 12, "sampling_rate": 16000}
    sounds: tuple[Example, ...] = ((_sound(3, 256),), (_sound(1, 256, seed=4) * 100,))

    def case(
        variant: str, config: dict[str, Any], examples: Any = sounds, sampled: bool = False, length: Any = 256
    ) -> LayerCase:
        return single(layer, variant, (length,), {**base, **config}, examples=examples, sampled=sampled)

    yield case("decibels", {}, sampled=True)
    yield case("power", {"power_to_db": False})
    yield case("magnitudes", {"power_to_db": False, "mag_exp": 1.0})
    yield case("a window shorter than the transform", {"sequence_length": 40})
    yield case(
        "hamming window, frequencies cut", {"window": "hamming", "min_freq": 300.0, "max_freq": 5000.0}
    )
    yield case("no window", {"window": None})
    yield case("little room below the loudest", {"top_db": 10.0, "ref_power": 0.5})
    yield case("silence", {}, examples=((np.zeros((1, 256), np.float32),),))
    yield case("no power of two", {"fft_length": 60, "sequence_stride": 25})
    yield case("unknown length", {}, examples=((_sound(1, 256),), (_sound(3, 321),)), length=None)
    yield case(
        "512 frequencies",
        {"fft_length": 512, "sequence_stride": 128, "num_mel_bins": 40},
        length=800,
        examples=((_sound(1, 800),),),
    )


def _stft() -> Iterator[LayerCase]:
    layer = "STFTSpectrogram"
    base = {"frame_length": 32, "frame_step": 12}
    sounds: tuple[Example, ...] = ((_channels(3, 100, 2),), (_channels(1, 100, 2, seed=7),))

    def case(variant: str, config: dict[str, Any], sampled: bool = False, **options: Any) -> LayerCase:
        return single(
            layer,
            variant,
            options.get("shape", (100, 2)),
            {**base, **config},
            examples=options.get("examples", sounds),
            sampled=sampled,
        )

    yield case("log", {}, sampled=True)
    for mode in ("magnitude", "psd", "real", "imag", "stft"):
        yield case(mode, {"mode": mode})
    # Angles jump at half a turn, and a value beside the jump may fall on either side: so a pulse, at whose
    # angles nothing is near it.
    pulse = np.zeros((1, 100, 2), np.float32)
    pulse[:, 8::24] = 1.0
    yield case("angle", {"mode": "angle", "frame_step": 24}, examples=((pulse,),))
    yield case("as a picture", {"expand_dims": True})
    yield case("same", {"padding": "same"})
    yield case("a longer transform", {"fft_length": 64, "mode": "magnitude"})
    yield case("spectrum, hamming window", {"scaling": "spectrum", "window": "hamming"})
    yield case("not scaled, periodic", {"scaling": None, "periodic": True})
    yield case("default step", {"frame_step": None})
    turned = tuple((np.moveaxis(sound, -1, 1).copy(),) for (sound,) in sounds)
    yield case("channels first", {"data_format": FIRST}, shape=(2, 100), examples=turned)
    yield case(
        "channels first, as a picture",
        {"data_format": FIRST, "expand_dims": True, "mode": "psd"},
        shape=(2, 100),
        examples=turned,
    )
    yield case(
        "unknown length", {}, shape=(None, 1), examples=((_channels(1, 70, 1),), (_channels(3, 99, 1),))
    )
    yield case("silence", {}, examples=((np.zeros((1, 100, 2), np.float32),),))


CASES = (
    *_mel(),
    *_stft(),
    LayerCase(
        "MelSpectrogram",
        "under a convolution",
        functional(
            [(256,)],
            lambda k, x: k.layers.Conv1D(3, 3)(
                k.layers.MelSpectrogram(fft_length=64, sequence_stride=32, num_mel_bins=12)(x)
            ),
        ),
        examples=((_sound(3, 256),), (floats(1, 256),)),
    ),
)
