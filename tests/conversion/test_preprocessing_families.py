"""Preprocessing families and interpolation against Keras itself."""

from __future__ import annotations

import importlib
import pkgutil

import numpy as np
import PIL.Image
import pytest

from tfjs_bundle.preprocessing import FAMILIES, ImageSchema, family, image_to_array

pytestmark = pytest.mark.tensorflow

PIXELS = np.random.default_rng(7).integers(0, 256, (9, 11, 3)).astype(np.uint8)


@pytest.fixture(scope="module")
def applications():
    """Module by name, for each of keras.applications that preprocesses its input by itself."""
    package = importlib.import_module("keras.applications")
    names = [found.name for found in pkgutil.iter_modules(package.__path__)]
    modules = {name: importlib.import_module(f"keras.applications.{name}") for name in names}
    return {
        name: module
        for name, module in modules.items()
        if hasattr(module, "preprocess_input") and name != "imagenet_utils"
    }


def test_every_family_of_keras_applications_is_known(applications):
    assert set(FAMILIES) == set(applications)


@pytest.mark.parametrize("name", sorted(FAMILIES))
def test_a_family_computes_what_its_preprocess_input_does(name, applications):
    expected = applications[name].preprocess_input(PIXELS.astype(np.float32)[None])
    actual = image_to_array(PIL.Image.fromarray(PIXELS), ImageSchema(PIXELS.shape[:2], **family(name)))
    # atol is two units in the last place of the largest values, about 250
    np.testing.assert_allclose(
        actual, np.asarray(expected), rtol=1e-6, atol=3e-5 if expected.max() > 5 else 1e-6
    )


@pytest.mark.parametrize("size", [(5, 4), (20, 31), (9, 11)])
def test_bilinear_without_antialias_is_what_keras_resizes_by(size):
    ops = importlib.import_module("keras.ops")
    expected = ops.image.resize(
        PIXELS.astype(np.float32)[None], size, interpolation="bilinear", antialias=False
    )
    schema = ImageSchema(size, antialias=False, scale=(1.0,) * 3)
    actual = image_to_array(PIL.Image.fromarray(PIXELS), schema)
    np.testing.assert_allclose(actual, np.asarray(expected), rtol=1e-5, atol=1e-3)


def test_stretch_is_what_keras_loads_pictures_by(tmp_path):
    utils = importlib.import_module("keras.utils")
    path = tmp_path / "picture.png"
    PIL.Image.fromarray(PIXELS).resize((53, 34)).save(path)
    loaded = utils.load_img(path, target_size=(16, 12), interpolation="bilinear")
    actual = image_to_array(path, ImageSchema((16, 12), scale=(1.0,) * 3))
    np.testing.assert_array_equal(actual[0], np.asarray(loaded, np.float32))


@pytest.mark.parametrize("size", [(6, 4), (4, 9)])
def test_cover_crops_as_keras_does(size):
    image = importlib.import_module("keras.preprocessing.image")
    expected = image.smart_resize(PIXELS.astype(np.float32), size)
    schema = ImageSchema(size, fit="cover", antialias=False, scale=(1.0,) * 3)
    actual = image_to_array(PIL.Image.fromarray(PIXELS), schema)
    np.testing.assert_allclose(actual[0], np.asarray(expected), rtol=1e-5, atol=1e-3)
