"""The page turns real picture files into the same tensors as the reference in Python."""

from __future__ import annotations

import io
import subprocess
from pathlib import Path

import numpy as np
import PIL.Image
import pytest
from sklearn.datasets import load_sample_images

from tfjs_bundle.preprocessing import FITS, ImageSchema, family, image_to_array

ROOT = Path(__file__).resolve().parents[2]

#: One step of 255: where browser and Pillow may round differently (transparency, JPEG decoders).
ONE_LEVEL = 1 / 255 + 1e-6


@pytest.fixture(scope="module")
def pictures(tmp_path_factory) -> Path:
    """Real photographs as JPEG, PNG and WebP files, in many forms, beside the compiled module."""
    directory = tmp_path_factory.mktemp("pictures")
    china, flower = (PIL.Image.fromarray(image) for image in load_sample_images().images)
    china.save(directory / "photo.png")
    china.save(directory / "photo.jpg", quality=92, subsampling=0)
    flower.save(directory / "subsampled.jpg", quality=85, subsampling=2)
    flower.crop((3, 5, 204, 102)).save(directory / "odd.png")
    flower.resize((5, 3)).save(directory / "tiny.png")
    china.convert("L").save(directory / "gray.jpg", quality=95)
    china.convert("P").save(directory / "palette.png")
    flower.save(directory / "lossless.webp", lossless=True)
    transparent = china.crop((0, 0, 200, 150)).convert("RGBA")
    ramp = np.tile(np.linspace(0, 255, 200).astype(np.uint8), (150, 1))
    transparent.putalpha(PIL.Image.fromarray(ramp))
    transparent.save(directory / "transparent.png")
    for orientation in range(1, 9):
        exif = PIL.Image.Exif()
        exif[0x0112] = orientation
        china.crop((0, 0, 161, 90)).save(
            directory / f"turned{orientation}.jpg", quality=95, subsampling=0, exif=exif
        )
    profile = wide_gamut_profile()
    flower.crop((0, 0, 90, 60)).save(directory / "profile.png", icc_profile=profile)
    (directory / "damaged.jpg").write_bytes(b"\xff\xd8\xff\xe0 no picture")
    (directory / "index.html").write_text("<!doctype html><title>pictures</title>")
    esbuild = next(iter((ROOT / "node_modules" / "@esbuild").glob("*/bin/esbuild")), None)
    assert esbuild, "node_modules is missing: run `make test-runtime`"
    source = ROOT / "runtime" / "src" / "preprocessing" / "image.ts"
    command = [esbuild, source, "--bundle", "--format=esm", f"--outfile={directory / 'image.js'}"]
    subprocess.run(command, check=True, capture_output=True)
    return directory


def wide_gamut_profile() -> bytes:
    """A valid colour profile that moves colours when a browser applies it: sRGB, red and blue swapped."""
    from PIL import ImageCms

    profile = bytearray(ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes())
    count = int.from_bytes(profile[128:132], "big")
    entries = {bytes(profile[132 + 12 * n : 136 + 12 * n]): 136 + 12 * n for n in range(count)}
    red, blue = entries[b"rXYZ"], entries[b"bXYZ"]
    profile[red : red + 8], profile[blue : blue + 8] = profile[blue : blue + 8], profile[red : red + 8]
    return bytes(profile)


@pytest.fixture(scope="module")
def tensor_of(chromium, pictures):
    """A function from a picture file and a schema to the tensor that the page makes of it."""
    from static_host import StaticHost

    host = StaticHost(pictures)
    context = chromium.new_context()
    page = context.new_page()
    page.goto(host.url)

    def tensor(name: str, schema: ImageSchema, source: str = "blob") -> np.ndarray:
        result = page.evaluate(TO_TENSOR, [name, schema.to_json(), source])
        if "error" in result:
            raise ValueError(result["error"])
        return np.array(result["data"], schema.dtype).reshape(result["shape"])

    yield tensor
    context.close()
    host.stop()


TO_TENSOR = """async ([name, schema, source]) => {
  const { imageToTensor } = await import("./image.js");
  const blob = await (await fetch(name)).blob();
  const element = async () => {
    const image = new Image();
    image.src = name;
    await image.decode();
    return image;
  };
  const canvas = async () => {
    const image = await element();
    const canvas = document.createElement("canvas");
    [canvas.width, canvas.height] = [image.naturalWidth, image.naturalHeight];
    canvas.getContext("2d", { willReadFrequently: true }).drawImage(image, 0, 0);
    return canvas;
  };
  const sources = {
    blob: () => blob,
    image: element,
    canvas,
    bitmap: () => createImageBitmap(blob),
    data: async () => {
      const { width, height } = await canvas();
      return (await canvas()).getContext("2d").getImageData(0, 0, width, height);
    },
    video: () => document.createElement("video"),
  };
  try {
    const { data, shape } = await imageToTensor(await sources[source](), schema, [null, null, null, null]);
    return { data: Array.from(data), shape };
  } catch (error) {
    return { error: error.message };
  }
}"""


@pytest.mark.parametrize("fit", FITS)
@pytest.mark.parametrize("name", ["photo.png", "photo.jpg", "odd.png", "tiny.png"])
def test_every_fit_gives_pythons_tensor(name, fit, tensor_of, pictures):
    schema = ImageSchema(size=(32, 48), fit=fit, background=(10, 200, 90), margin=0.05)
    actual, expected = tensor_of(name, schema), image_to_array(pictures / name, schema)
    assert actual.shape == expected.shape == (1, 32, 48, 3)
    np.testing.assert_array_equal(actual, expected)


@pytest.mark.parametrize(
    ("interpolation", "antialias"), [("bilinear", True), ("bilinear", False), ("nearest", True)]
)
@pytest.mark.parametrize("size", [(64, 17), (120, 211)])
def test_every_interpolation_gives_pythons_tensor(interpolation, antialias, size, tensor_of, pictures):
    schema = ImageSchema(size=size, interpolation=interpolation, antialias=antialias)
    np.testing.assert_array_equal(tensor_of("odd.png", schema), image_to_array(pictures / "odd.png", schema))


@pytest.mark.parametrize("orientation", range(1, 9))
def test_the_exif_orientation_is_applied(orientation, tensor_of, pictures):
    schema = ImageSchema(size=(24, 40))
    name = f"turned{orientation}.jpg"
    np.testing.assert_allclose(
        tensor_of(name, schema), image_to_array(pictures / name, schema), rtol=0, atol=ONE_LEVEL
    )


@pytest.mark.parametrize(
    "name", ["subsampled.jpg", "gray.jpg", "palette.png", "lossless.webp", "transparent.png"]
)
@pytest.mark.parametrize("channels", ["rgb", "grayscale"])
def test_every_kind_of_file_comes_within_one_level(name, channels, tensor_of, pictures):
    count = 3 if channels == "rgb" else 1
    schema = ImageSchema(
        size=(40, 40), fit="cover", channels=channels, scale=(1 / 255,) * count, offset=(0.0,) * count
    )
    expected = image_to_array(pictures / name, schema)
    assert expected.std() > 0.1
    np.testing.assert_allclose(tensor_of(name, schema), expected, rtol=0, atol=ONE_LEVEL)


@pytest.mark.parametrize("source", ["image", "blob"])
def test_colour_profiles_are_ignored_as_in_training(source, tensor_of, pictures):
    schema = ImageSchema(size=(30, 45))
    expected = image_to_array(pictures / "profile.png", schema)
    np.testing.assert_array_equal(tensor_of("profile.png", schema, source), expected)
    shown = tensor_of("profile.png", schema, "canvas")  # a canvas takes the colours as they are shown
    assert np.abs(shown - expected).max() > 0.2


@pytest.mark.parametrize("source", ["image", "canvas", "bitmap", "data"])
def test_every_source_gives_the_same_tensor(source, tensor_of, pictures):
    schema = ImageSchema(size=(32, 32), fit="contain")
    np.testing.assert_array_equal(
        tensor_of("photo.png", schema, source), image_to_array(pictures / "photo.png", schema)
    )


@pytest.mark.parametrize("name", ["mobilenet_v2", "resnet50", "densenet", "efficientnet"])
def test_channel_order_scale_and_offset_are_the_familys(name, tensor_of, pictures):
    schema = ImageSchema(size=(32, 32), **family(name))
    np.testing.assert_array_equal(
        tensor_of("photo.png", schema), image_to_array(pictures / "photo.png", schema)
    )


def test_channels_first_and_whole_numbers(tensor_of, pictures):
    schema = ImageSchema(size=(20, 30), layout="channels-first", dtype="int32", scale=(1.0,) * 3)
    actual = tensor_of("photo.png", schema)
    assert actual.shape == (1, 3, 20, 30)
    assert actual.dtype == np.int32
    np.testing.assert_array_equal(actual, image_to_array(pictures / "photo.png", schema))


@pytest.mark.parametrize(
    ("name", "source", "message"),
    [
        ("damaged.jpg", "blob", "input: the file is not a picture this browser can read"),
        ("photo.png", "video", "input: the video shows no picture yet"),
    ],
)
def test_what_is_no_picture_is_an_input_error(name, source, message, tensor_of):
    with pytest.raises(ValueError, match=message):
        tensor_of(name, ImageSchema(size=(8, 8)), source)


def test_a_picture_larger_than_a_strip_is_read_whole(tensor_of, pictures):
    columns = np.linspace(0, 255, 4000)[None, :, None]
    rows = np.linspace(255, 0, 1500)[:, None, None]
    pixels = np.concatenate(
        [np.broadcast_to(part, (1500, 4000, 1)) for part in (columns, rows, rows)], axis=2
    )
    large = PIL.Image.fromarray(pixels.astype(np.uint8))
    stream = io.BytesIO()
    large.save(stream, "PNG", compress_level=1)
    (pictures / "large.png").write_bytes(stream.getvalue())
    schema = ImageSchema(size=(31, 33))
    np.testing.assert_array_equal(
        tensor_of("large.png", schema), image_to_array(pictures / "large.png", schema)
    )
