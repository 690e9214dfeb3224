"""The preprocessing schema: what is accepted, what is guessed, and what the reference computes."""

from __future__ import annotations

import json

import numpy as np
import PIL.Image
import pytest

from tfjs_bundle.bundle import TensorInfo
from tfjs_bundle.errors import UsageError
from tfjs_bundle.preprocessing import (
    ImageSchema,
    contain_size,
    cover_box,
    default_for,
    default_task,
    family,
    family_of_model,
    from_json,
    image_to_array,
    resolve,
)


def info(name="image", shape=(None, 32, 48, 3), dtype="float32", source_dtype=None) -> TensorInfo:
    return TensorInfo(name, shape, dtype, source_dtype or dtype)


CLASSES = info("classes", (None, 10))


def picture(height, width, value=0):
    return PIL.Image.fromarray(np.full((height, width, 3), value, np.uint8))


# the schema


def test_a_schema_survives_json():
    schema = ImageSchema((3, 5), "content", "nearest", False, "bgr", (1, 2, 3), 0.25, (1.0, 2.0, 3.0))
    assert from_json(json.loads(json.dumps(schema.to_json()))) == schema


def test_one_number_goes_for_all():
    schema = from_json({"size": 8, "scale": 2, "offset": -1})
    assert (schema.size, schema.scale, schema.offset) == ((8, 8), (2.0,) * 3, (-1.0,) * 3)
    assert from_json({"size": 8, "channels": "grayscale"}).scale == (1 / 255,)


def test_a_family_stands_for_its_numbers_which_may_be_overruled():
    schema = from_json({"size": 8, "family": "resnet", "offset": 0})
    assert (schema.channels, schema.scale, schema.offset) == ("bgr", (1.0,) * 3, (0.0,) * 3)


@pytest.mark.parametrize(
    ("raw", "message"),
    [
        ({}, "lacks the size"),
        ({"size": [8]}, r"size is \[8\]. *\nGive 2 whole numbers from 1 to 4096, or one for all"),
        ({"size": [0, 8]}, "size is"),
        ({"size": [8.5, 8]}, "size is"),
        ({"size": True}, "size is True"),
        ({"size": 8, "fit": "squeeze"}, "fit is 'squeeze'.\nUse one of stretch, cover, contain, content"),
        ({"size": 8, "interpolation": "cubic"}, "interpolation is 'cubic'"),
        ({"size": 8, "antialias": "yes"}, "antialias must be true or false"),
        ({"size": 8, "channels": "rgba"}, "channels is 'rgba'"),
        ({"size": 8, "layout": "NCHW"}, "layout is 'NCHW'"),
        ({"size": 8, "dtype": "uint8"}, "dtype is 'uint8'"),
        ({"size": 8, "scale": [1, 2]}, "scale is .*\nGive 3 numbers, or one for all"),
        ({"size": 8, "scale": float("nan")}, "scale is nan"),
        ({"size": 8, "scale": "1/255"}, "scale is '1/255'"),
        ({"size": 8, "background": [0, 0, 256]}, "background is"),
        ({"size": 8, "margin": -0.1}, "margin is -0.1"),
        (
            {"size": 8, "family": "alexnet"},
            "no preprocessing family 'alexnet'.\nUse one of convnext, densenet",
        ),
        ({"size": 8, "colour": "rgb"}, "unknown member 'colour'"),
        ({"size": 8, "kind": "sound"}, "the kind 'sound' is unknown"),
        ("image", "must be a table, not 'image'"),
    ],
)
def test_what_makes_no_sense_is_refused_by_name(raw, message):
    with pytest.raises(UsageError, match=message):
        from_json(raw, "[preprocessing.image]")


# what is guessed


@pytest.mark.parametrize(
    ("inputs", "outputs", "task"),
    [
        ([info(shape=(None, 28, 28, 1))], [CLASSES], "drawing-classification"),
        ([info(shape=(None, 1, 28, 28))], [CLASSES], "drawing-classification"),
        ([info(shape=(None, 128, 128, 1))], [CLASSES], "image-classification"),
        ([info(shape=(None, None, None, 3))], [CLASSES], "image-classification"),
        ([info(dtype="int32", source_dtype="uint8")], [CLASSES], "image-classification"),
        ([info()], [info("masks", (None, 32, 48, 1))], "image-to-image"),
        ([info()], [info("boxes", (None, 100, 4))], "tensors"),
        ([info("a", (None, 13)), info("b", (None, 1))], [CLASSES], "table"),
        ([info("words", (None, None), "int32")], [CLASSES], "tensors"),
        ([info("text", (None, 20, 50))], [CLASSES], "tensors"),
        ([info("anything", None)], [CLASSES], "tensors"),
        ([], [CLASSES], "tensors"),
    ],
)
def test_the_task_is_guessed_from_the_signature(inputs, outputs, task):
    assert default_task(inputs, outputs) == task


def test_defaults_follow_task_shape_and_dtype():
    drawn = default_for((None, 28, 28, 1), "drawing-classification")
    assert drawn == ImageSchema(
        (28, 28),
        "content",
        channels="grayscale",
        background=(0, 0, 0),
        margin=0.1,
        scale=(1 / 255,),
        offset=(0.0,),
    )
    photo = default_for((None, None, 64, 3), "image-classification")
    assert (photo.size, photo.fit, photo.channels) == ((224, 64), "cover", "rgb")
    whole = default_for((None, 3, 20, 30), "image-classification", "int32")
    assert (whole.size, whole.layout, whole.scale, whole.dtype) == (
        (20, 30),
        "channels-first",
        (1.0,) * 3,
        "int32",
    )
    assert default_for((None, 20), "image-classification") is None
    assert default_for((None, 28, 28, 1), "tensors") is None


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("mobilenetv2_1.00_224", "mobilenet_v2"),
        ("mobilenet_1.00_224", "mobilenet"),
        ("MobileNetV3Small", "mobilenet_v3"),
        ("resnet50v2", "resnet_v2"),
        ("resnet152", "resnet"),
        ("efficientnetv2-b0", "efficientnet_v2"),
        ("NASNet", "nasnet"),
        ("convnext_tiny", "convnext"),
        ("efficientnetb7", "efficientnet"),
        ("my_model", None),
        ("resnet18", None),
        ("resnet50_finetuned", None),
        ("xception_small", None),
        ("mobilenet_custom", None),
    ],
)
def test_a_family_is_told_by_the_models_name(name, expected):
    assert family_of_model(name) == expected


def test_a_guess_is_a_warning_unless_the_user_or_the_dtype_tells():
    shape = (None, 224, 224, 3)
    schemas, warnings = resolve({}, [info(shape=shape)], "image-classification")
    assert schemas["image"]["scale"] == [1 / 255] * 3
    assert len(warnings) == 1
    assert "pixels from 0 to 1 are assumed" in warnings[0]
    assert "[preprocessing.image]" in warnings[0]
    schemas, warnings = resolve({}, [info(shape=shape)], "image-classification", "vgg16")
    assert schemas["image"]["channels"] == "bgr"
    assert len(warnings) == 1
    assert "as keras.applications.vgg16 prepares them" in warnings[0]
    assert resolve({}, [info(shape=shape, dtype="int32")], "image-classification")[1] == []
    assert resolve({"family": "xception"}, [info(shape=shape)], "image-classification")[1] == []


def test_configuration_by_input_name_completes_the_default():
    config = {"left": {"family": "vgg16", "fit": "contain"}}
    schemas, _ = resolve(config, [info("left"), info("right")], "image-classification")
    assert schemas["left"]["fit"] == "contain"
    assert schemas["left"]["offset"] == [-103.939, -116.779, -123.68]
    assert schemas["left"]["size"] == schemas["right"]["size"] == [32, 48]
    assert schemas["right"]["fit"] == "cover"


def test_a_schema_that_is_given_makes_a_picture_of_any_task():
    schemas, warnings = resolve({"scale": 1.0}, [info()], "tensors")
    assert schemas["image"]["scale"] == [1.0] * 3
    assert warnings == []


@pytest.mark.parametrize(
    ("config", "inputs", "message"),
    [
        ({"photo": {"fit": "cover"}}, [info()], "no input of that name.\nIts inputs are image"),
        ({"fit": "cover"}, [info("a"), info("b")], r"does not say which input.*\n.*NAME one of a, b"),
        ({"fit": "cover"}, [info(shape=(None, 13))], "which is no picture"),
        (
            {"size": [8, 8]},
            [info()],
            r"gives a tensor of shape \(1, 8, 8, 3\), but the input has shape \(None, 32",
        ),
        ({"channels": "grayscale"}, [info()], r"gives a tensor of shape \(1, 32, 48, 1\)"),
        ({"dtype": "int32"}, [info()], "dtype int32 is not the input's, float32"),
    ],
)
def test_configuration_that_does_not_fit_the_model_is_refused(config, inputs, message):
    with pytest.raises(UsageError, match=message):
        resolve(config, inputs, "image-classification")


# the reference


def test_values_are_pixel_times_scale_plus_offset_in_the_tensors_channel_order():
    pixels = np.zeros((2, 2, 3), np.uint8) + np.array([10, 20, 30], np.uint8)
    schema = ImageSchema((2, 2), channels="bgr", scale=(1.0, 2.0, 3.0), offset=(0.5, 0.0, -1.0))
    tensor = image_to_array(PIL.Image.fromarray(pixels), schema, (None, 2, 2, 3))
    assert tensor.dtype == np.float32
    np.testing.assert_array_equal(tensor[0, 0, 0], [30.5, 40, 29])


def test_whole_numbers_are_rounded_half_up():
    schema = ImageSchema((1, 1), scale=(0.5,) * 3, offset=(0.0, 0.1, -0.1), dtype="int32")
    assert image_to_array(picture(1, 1, 5), schema).ravel().tolist() == [3, 3, 2]


def test_gray_is_weighed_as_the_eye_does():
    pixels = np.array([[[255, 0, 0], [0, 255, 0], [0, 0, 255], [255, 255, 255]]], np.uint8)
    schema = ImageSchema((1, 4), channels="grayscale", scale=(1.0,), offset=(0.0,))
    expected = np.asarray(PIL.Image.fromarray(pixels).convert("L")).ravel()
    np.testing.assert_array_equal(image_to_array(PIL.Image.fromarray(pixels), schema).ravel(), expected)
    assert expected.tolist() == [76, 150, 29, 255]


@pytest.mark.parametrize(
    ("size", "target", "expected"),
    [((100, 200), (10, 10), (100, 100)), ((200, 100), (10, 20), (50, 100)), ((7, 7), (3, 5), (4, 7))],
)
def test_cover_takes_the_largest_part_of_that_shape(size, target, expected):
    assert cover_box(*size, *target) == expected


@pytest.mark.parametrize(
    ("size", "target", "expected"),
    [((100, 200), (10, 10), (5, 10)), ((200, 100), (10, 10), (10, 5)), ((1, 1000), (10, 10), (1, 10))],
)
def test_contain_gives_the_largest_size_inside(size, target, expected):
    assert contain_size(*size, *target) == expected


def test_content_finds_the_ink_wherever_it_is():
    schema = ImageSchema(
        (10, 10),
        "content",
        "nearest",
        channels="grayscale",
        background=(0, 0, 0),
        scale=(1.0,),
        offset=(0.0,),
    )
    tensors = []
    for top, left in ((0, 0), (40, 70), (80, 60)):
        pixels = np.zeros((100, 100), np.uint8)
        pixels[top : top + 20, left : left + 10] = 255
        tensors.append(image_to_array(PIL.Image.fromarray(pixels), schema)[0, :, :, 0])
    assert (tensors[0] == 255).sum() == 50
    np.testing.assert_array_equal(tensors[0][:, [0, 1, 8, 9]], 0)
    np.testing.assert_array_equal(tensors[0], tensors[1])
    np.testing.assert_array_equal(tensors[0], tensors[2])
    blank = image_to_array(picture(20, 30), schema)
    assert blank.shape == (1, 10, 10, 1)
    assert not blank.any()


def test_a_schema_for_another_shape_is_refused():
    with pytest.raises(UsageError, match=r"gives a tensor of shape \(1, 8, 8, 3\)"):
        image_to_array(picture(8, 8), ImageSchema((8, 8)), (None, 16, 16, 3))


def test_every_family_is_known_by_the_same_members():
    assert set(family("mobilenet_v2")) == {"channels", "scale", "offset"}
