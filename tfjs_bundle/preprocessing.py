"""How a picture becomes an input tensor: the schema in ``bundle.json``, and its reference.

The page does in TypeScript (``runtime/src/preprocessing/image.ts``) what :func:`image_to_array` does
here; the steps are defined so that both come to the same 8-bit values:

1. decode; apply the EXIF orientation; ignore colour profiles, as training pipelines do;
2. flatten transparency onto ``background``; for ``grayscale`` weigh red, green and blue by ITU-R
   601-2 in 16-bit fixed point;
3. ``fit`` the picture to the tensor's size, resizing with ``interpolation``;
4. ``value = pixel * scale + offset`` per channel, in float64, rounded once to the tensor's dtype.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, fields, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tfjs_bundle.errors import UsageError

if TYPE_CHECKING:
    import numpy as np
    from PIL.Image import Image

    from tfjs_bundle.bundle import TensorInfo

    Array = np.ndarray[Any, Any]

#: What a model is for, and so what its page looks like.
TASKS = {
    "drawing-classification": "a drawing pad; the scores of each class as bars",
    "image-classification": "a picture from file, drag and drop, paste or camera; scores as bars",
    "image-to-image": "a picture in, a picture out",
    "text-classification": "a box to write in; the scores of each class as bars",
    "table": "a form with one field per feature; scores as bars or numbers",
    "tensors": "any inputs: number fields or JSON; every output as it is",
}
FITS = ("stretch", "cover", "contain", "content")
INTERPOLATIONS = ("bilinear", "nearest")
CHANNELS = ("rgb", "bgr", "grayscale")
LAYOUTS = ("channels-last", "channels-first")
DTYPES = ("float32", "int32")

#: A pixel belongs to the content, for the fit of that name, when it is further from the background.
CONTENT_THRESHOLD = 16
LARGEST_SIDE = 4096

_MAXIMUM_DRAWN = 64
_FREE_SIZE = 224

_SIGNED = {"channels": "rgb", "scale": (1 / 127.5,) * 3, "offset": (-1.0,) * 3}
_CAFFE = {"channels": "bgr", "scale": (1.0,) * 3, "offset": (-103.939, -116.779, -123.68)}
_TORCH_MEAN, _TORCH_STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
_TORCH = {
    "channels": "rgb",
    "scale": tuple(1 / (255 * std) for std in _TORCH_STD),
    "offset": tuple(-mean / std for mean, std in zip(_TORCH_MEAN, _TORCH_STD, strict=True)),
}
_INSIDE = {"channels": "rgb", "scale": (1.0,) * 3, "offset": (0.0,) * 3}

#: What ``keras.applications.<family>.preprocess_input`` does; the last group rescales inside the model.
FAMILIES: Mapping[str, Mapping[str, Any]] = {
    **dict.fromkeys(
        (
            "inception_resnet_v2",
            "inception_v3",
            "mobilenet",
            "mobilenet_v2",
            "nasnet",
            "resnet_v2",
            "xception",
        ),
        _SIGNED,
    ),
    **dict.fromkeys(("resnet", "resnet50", "vgg16", "vgg19"), _CAFFE),
    **dict.fromkeys(("densenet",), _TORCH),
    **dict.fromkeys(("convnext", "efficientnet", "efficientnet_v2", "mobilenet_v3"), _INSIDE),
}

#: The names that keras.applications gives its models, whole: a model called resnet18_cats is somebody's own.
_MODEL_NAMES = (
    (r"inception_resnet_v2", "inception_resnet_v2"),
    (r"inception_v3", "inception_v3"),
    (r"mobilenetv2_[\d.]+_\w+", "mobilenet_v2"),
    (r"mobilenetv3(small|large)", "mobilenet_v3"),
    (r"mobilenet_[\d.]+_\w+", "mobilenet"),
    (r"efficientnetv2-?(s|m|l|b\d)", "efficientnet_v2"),
    (r"efficientnetb\d", "efficientnet"),
    (r"convnext_(tiny|small|base|large|xlarge)", "convnext"),
    (r"densenet(121|169|201)", "densenet"),
    (r"nasnet(_mobile|_large)?", "nasnet"),
    (r"resnet(50|101|152)v2", "resnet_v2"),
    (r"resnet(50|101|152)", "resnet"),
    (r"vgg16", "vgg16"),
    (r"vgg19", "vgg19"),
    (r"xception", "xception"),
)


@dataclass(frozen=True)
class ImageSchema:
    """How one picture becomes one tensor of a batch of 1.

    Attributes:
        size: height and width of the tensor in pixels.
        fit: ``stretch`` ignores the aspect ratio; ``cover`` crops the centre; ``contain`` keeps
            all and fills up with ``background``; ``content`` crops to what is not background
            (a drawing's ink), centred, with ``margin`` around.
        interpolation: ``bilinear`` or ``nearest``.
        antialias: ``bilinear`` averages over all source pixels when it shrinks, as Pillow
            does; otherwise it samples four, as ``tf.image.resize`` does.
        channels: ``rgb``, ``bgr`` or ``grayscale``.
        background: red, green and blue from 0 to 255.
        margin: for ``content``, on each side, as a fraction of the content's size.
        scale, offset: one number per channel of the tensor, in the tensor's channel order.
        layout: ``channels-last`` or ``channels-first``.
        dtype: ``float32``, or ``int32`` (then rounded half up), as TF.js has it.
    """

    size: tuple[int, int]
    fit: str = "stretch"
    interpolation: str = "bilinear"
    antialias: bool = True
    channels: str = "rgb"
    background: tuple[int, int, int] = (255, 255, 255)
    margin: float = 0.0
    scale: tuple[float, ...] = (1 / 255,) * 3
    offset: tuple[float, ...] = (0.0,) * 3
    layout: str = "channels-last"
    dtype: str = "float32"

    @property
    def channel_count(self) -> int:
        return 1 if self.channels == "grayscale" else 3

    def to_json(self) -> dict[str, Any]:
        """Return the entry for ``preprocessing`` in bundle.json."""
        members = asdict(self).items()
        return {"kind": "image"} | {
            name: list(value) if isinstance(value, tuple) else value for name, value in members
        }


def family(name: str) -> dict[str, Any]:
    """Return ``channels``, ``scale`` and ``offset`` of a keras.applications family.

    Args:
        name: the module's name, for instance ``mobilenet_v2``.

    Raises:
        UsageError: there is no such family.
    """
    try:
        return dict(FAMILIES[name])
    except (KeyError, TypeError):  # a list is no name either
        raise UsageError(
            f"There is no preprocessing family {name!r}.", f"Use one of {', '.join(sorted(FAMILIES))}."
        ) from None


def family_of_model(model_name: str) -> str | None:
    """Tell the family from the name that keras.applications gave its model, for instance ``vgg16``."""
    lowered = model_name.lower()
    return next((found for pattern, found in _MODEL_NAMES if re.fullmatch(pattern, lowered)), None)


def image_layout(shape: Sequence[int | None] | None) -> tuple[str, int] | None:
    """Return layout and channels (1 or 3) of an input that can be a picture, else ``None``."""
    if shape is None or len(shape) != 4:
        return None
    if shape[3] in (1, 3):
        return "channels-last", int(shape[3])
    if shape[1] in (1, 3):
        return "channels-first", int(shape[1])
    return None


def default_task(inputs: Sequence[TensorInfo], outputs: Sequence[TensorInfo]) -> str:
    """Guess the task from the signature alone; the user's own word goes first."""
    if len(inputs) == 1 and inputs[0].dtype in DTYPES and (image := image_layout(inputs[0].shape)):
        layout, channels = image
        height, width = _spatial(inputs[0].shape, layout)
        if len(outputs) == 1 and outputs[0].shape is not None and len(outputs[0].shape) == 2:
            small = max(height or _FREE_SIZE, width or _FREE_SIZE) <= _MAXIMUM_DRAWN
            return "drawing-classification" if channels == 1 and small else "image-classification"
        if len(outputs) == 1 and image_layout(outputs[0].shape):
            return "image-to-image"
    words = len(inputs) == 1 and inputs[0].dtype == "string" and inputs[0].shape is not None
    if words and all(side == 1 for side in (inputs[0].shape or ())[1:]) and len(outputs) == 1:
        return "text-classification" if len(outputs[0].shape or ()) == 2 else "tensors"
    table = all(
        info.shape is not None and len(info.shape) == 2 and (info.shape[1] or _FREE_SIZE) <= 64
        for info in inputs
    )
    return "table" if inputs and table else "tensors"


def default_for(
    shape: Sequence[int | None] | None, task: str, dtype: str = "float32", model_name: str = ""
) -> ImageSchema | None:
    """Return the schema for an input that nobody described, ``None`` where it is no picture.

    Args:
        shape: the input's, with ``None`` for unknown; unknown height or width become 224.
        task: drawings are cropped to their ink, with a dark background.
        dtype: TF.js's. Integers take the pixels as they are, floats take them from 0 to 1.
        model_name: the Keras model's; a name from keras.applications gives its own preprocessing.
    """
    image = image_layout(shape)
    if image is None or dtype not in DTYPES or task in ("table", "tensors"):
        return None
    layout, channels = image
    height, width = (side or _FREE_SIZE for side in _spatial(shape, layout))
    scale = 1.0 if dtype == "int32" else 1 / 255
    schema = ImageSchema(
        size=(height, width),
        fit="cover" if task == "image-classification" else "stretch",
        channels="grayscale" if channels == 1 else "rgb",
        scale=(scale,) * channels,
        offset=(0.0,) * channels,
        layout=layout,
        dtype=dtype,
    )
    if task == "drawing-classification":
        return replace(schema, fit="content", background=(0, 0, 0), margin=0.1)
    known = family_of_model(model_name)
    if known and channels == 3:
        return replace(schema, **family(known))
    return schema


def from_json(raw: Mapping[str, Any], where: str = "preprocessing") -> ImageSchema:
    """Read an entry of bundle.json or of the configuration.

    ``family`` stands for ``channels``, ``scale`` and ``offset``; one number for ``scale`` or
    ``offset`` goes for every channel, one for ``size`` for both sides.

    Raises:
        UsageError: a member is unknown, missing, or has a value that makes no sense.
    """
    if not isinstance(raw, Mapping):
        raise UsageError(f"{where} must be a table, not {raw!r}.", "See docs/bundle-format.md.")
    values: dict[str, Any] = dict(raw)
    if values.pop("kind", "image") != "image":
        raise UsageError(f"{where}: the kind {raw['kind']!r} is unknown.", 'Use kind = "image".')
    if "family" in values:
        values = {**family(values.pop("family")), **values}
    known = [field.name for field in fields(ImageSchema)]
    for name in values:
        if name not in known:
            raise UsageError(
                f"{where} has the unknown member {name!r}.", f"Use {', '.join(known)} or family."
            )
    if "size" not in values:
        raise UsageError(f"{where} lacks the size of the picture.", "Add size = [height, width].")
    size = _numbers(values["size"], 2, f"{where}.size", whole=True, low=1, high=LARGEST_SIDE)
    channels = _one_of(values.get("channels", "rgb"), CHANNELS, f"{where}.channels")
    count = 1 if channels == "grayscale" else 3
    antialias = values.get("antialias", True)
    if not isinstance(antialias, bool):
        raise UsageError(f"{where}.antialias must be true or false, not {antialias!r}.", "Correct it.")
    background = _numbers(
        values.get("background", (255, 255, 255)), 3, f"{where}.background", whole=True, low=0, high=255
    )
    interpolation = values.get("interpolation", "bilinear")
    return ImageSchema(
        size=(int(size[0]), int(size[1])),
        fit=_one_of(values.get("fit", "stretch"), FITS, f"{where}.fit"),
        interpolation=_one_of(interpolation, INTERPOLATIONS, f"{where}.interpolation"),
        antialias=antialias,
        channels=channels,
        background=(int(background[0]), int(background[1]), int(background[2])),
        margin=_numbers(values.get("margin", 0.0), 1, f"{where}.margin", low=0, high=1)[0],
        scale=_numbers(values.get("scale", 1 / 255), count, f"{where}.scale"),
        offset=_numbers(values.get("offset", 0.0), count, f"{where}.offset"),
        layout=_one_of(values.get("layout", "channels-last"), LAYOUTS, f"{where}.layout"),
        dtype=_one_of(values.get("dtype", "float32"), DTYPES, f"{where}.dtype"),
    )


def resolve(
    config: Mapping[str, Any], inputs: Sequence[TensorInfo], task: str, model_name: str = ""
) -> tuple[dict[str, dict[str, Any]], list[str]]:
    """Return ``preprocessing`` for bundle.json, and warnings where something had to be guessed.

    Args:
        config: the table ``[preprocessing]``: one table per input name, or the members
            themselves where the model has one input. What is left out is taken from the default.
        inputs: the signature's.
        task: one of :data:`TASKS`.
        model_name: see :func:`default_for`.

    Raises:
        UsageError: it names an input that does not exist or is no picture, does not fit the
            input's shape, or has a value that makes no sense.
    """
    if config and not any(isinstance(value, Mapping) for value in config.values()):
        if len(inputs) != 1:
            names = ", ".join(info.name for info in inputs)
            raise UsageError(
                "[preprocessing] does not say which input it is for.",
                f"Use [preprocessing.NAME], NAME one of {names}.",
            )
        config = {inputs[0].name: config}
    by_name = {info.name: info for info in inputs}
    for name in config:
        if name not in by_name:
            raise UsageError(
                f"[preprocessing.{name}]: the model has no input of that name.",
                f"Its inputs are {', '.join(by_name)}.",
            )
    schemas: dict[str, dict[str, Any]] = {}
    warnings: list[str] = []
    for name, info in by_name.items():
        given = config.get(name)
        picture_task = task if given is None or task not in ("table", "tensors") else "image-classification"
        guess = default_for(info.shape, picture_task, info.dtype, model_name)
        if given is None:
            if guess is None:
                continue
            schema = guess
            known = family_of_model(model_name) if guess.channel_count == 3 else None
            if known:
                warnings.append(
                    f"By the model's name, pictures become the input {name!r} as keras.applications.{known} "
                    f"prepares them. If it was trained otherwise, say so under [preprocessing.{name}]."
                )
            elif info.dtype == "float32":
                warnings.append(
                    f"Nothing says how pictures become the input {name!r}: pixels from 0 to 1 are assumed. "
                    f"If the model was trained otherwise, say so under [preprocessing.{name}]."
                )
        else:
            where = f"[preprocessing.{name}]"
            if guess is None:
                raise UsageError(
                    f"{where}: the input has shape {info.shape} and dtype {info.dtype}, which is no picture.",
                    "A picture has shape (None, height, width, 1 or 3).",
                )
            base = guess.to_json()
            if "channels" in given or "family" in given:  # then the guess's numbers are for other channels
                for member in ("scale", "offset", "channels"):
                    del base[member]
            schema = from_json({**base, **given}, where)
            _check_fit(schema, info, where)
        schemas[name] = schema.to_json()
    return schemas, warnings


def image_to_array(
    image: str | Path | Image, schema: ImageSchema, shape: Sequence[int | None] | None = None
) -> Array:
    """Turn a picture into the tensor, as the page does. Needs Pillow.

    Args:
        image: a picture file, or a Pillow image.
        schema: what to do.
        shape: the input's shape, checked against ``schema`` where given.

    Returns:
        An array of shape (1, height, width, channels), or (1, channels, height, width), of the
        schema's dtype.

    Raises:
        UsageError: Pillow is not installed, or ``schema`` does not fit ``shape``.
        OSError: the file cannot be read or is no picture.
    """
    try:
        import PIL.Image
    except ImportError:
        raise UsageError("Reading pictures in Python needs Pillow.", "`pip install pillow`.") from None
    import numpy as np

    if shape is not None:
        _check_shape(schema, shape, "The schema")
    if isinstance(image, (str, Path)):
        with PIL.Image.open(image) as opened:
            pixels = _flatten(opened, schema)
    else:
        pixels = _flatten(image, schema)
    if schema.channels == "grayscale":
        weighted = pixels.astype(np.int64) @ np.array([19595, 38470, 7471]) + 0x8000
        pixels = (weighted >> 16).astype(np.uint8)[..., None]
    fitted = _fit(pixels, schema)
    if schema.channels == "bgr":
        fitted = fitted[..., ::-1]
    values = fitted.astype(np.float64) * np.array(schema.scale) + np.array(schema.offset)
    if schema.dtype == "int32":
        values = np.floor(values + 0.5)
    if schema.layout == "channels-first":
        values = values.transpose(2, 0, 1)
    return np.ascontiguousarray(values.astype(schema.dtype)[None])


def _flatten(image: Image, schema: ImageSchema) -> Array:
    """Return upright opaque pixels, uint8 of shape (height, width, 3)."""
    import numpy as np
    from PIL import ImageOps

    image = ImageOps.exif_transpose(image)
    if image.mode.startswith("I;16"):  # Pillow clips these where browsers keep the upper 8 bits
        gray = (np.asarray(image).astype(np.uint32) * 255 + 32895 >> 16).astype(np.uint8)
        return np.repeat(gray[..., None], 3, axis=2)
    if image.mode in ("RGBA", "LA", "PA", "RGBa", "La") or "transparency" in image.info:
        rgba = np.asarray(image.convert("RGBA")).astype(np.int64)
        alpha = rgba[..., 3:]
        mixed = rgba[..., :3] * alpha + np.array(schema.background) * (255 - alpha)
        return ((mixed + 127) // 255).astype(np.uint8)
    return np.asarray(image.convert("RGB"))


def _fit(pixels: Array, schema: ImageSchema) -> Array:
    """Return (height, width, channels) of the schema's size: uint8, or float64 without antialias."""
    import numpy as np

    height, width = schema.size
    rows, columns = pixels.shape[:2]
    if schema.fit == "cover":
        crop_rows, crop_columns = cover_box(rows, columns, height, width)
        top, left = (rows - crop_rows) // 2, (columns - crop_columns) // 2
        pixels = pixels[top : top + crop_rows, left : left + crop_columns]
    elif schema.fit == "contain":
        inner_height, inner_width = contain_size(rows, columns, height, width)
        inner = _resize(pixels, inner_height, inner_width, schema)
        canvas = np.empty((height, width, pixels.shape[2]), inner.dtype)
        canvas[...] = _background(schema)
        top, left = (height - inner_height) // 2, (width - inner_width) // 2
        canvas[top : top + inner_height, left : left + inner_width] = inner
        return canvas
    elif schema.fit == "content":
        pixels = _crop_to_content(pixels, schema)
    return _resize(pixels, height, width, schema)


def cover_box(rows: int, columns: int, height: int, width: int) -> tuple[int, int]:
    """Return rows and columns of the largest part of a picture with the aspect ratio height : width."""
    return max(1, min(rows, columns * height // width)), max(1, min(columns, rows * width // height))


def contain_size(rows: int, columns: int, height: int, width: int) -> tuple[int, int]:
    """Return the largest size with the picture's aspect ratio inside (height, width)."""
    if rows * width >= columns * height:  # bound by the height
        return height, max(1, (2 * columns * height + rows) // (2 * rows))
    return max(1, (2 * rows * width + columns) // (2 * columns)), width


def _background(schema: ImageSchema) -> list[int]:
    red, green, blue = schema.background
    if schema.channels == "grayscale":
        return [(red * 19595 + green * 38470 + blue * 7471 + 0x8000) >> 16]
    return [red, green, blue]  # channels are reordered at the very end


def _crop_to_content(pixels: Array, schema: ImageSchema) -> Array:
    import numpy as np

    background = np.array(_background(schema))
    far = np.abs(pixels.astype(np.int64) - background).max(axis=2) > CONTENT_THRESHOLD
    if not far.any():
        return pixels
    ys, xs = np.flatnonzero(far.any(axis=1)), np.flatnonzero(far.any(axis=0))
    top, bottom, left, right = int(ys[0]), int(ys[-1]) + 1, int(xs[0]), int(xs[-1]) + 1
    height, width = schema.size
    unit = max((bottom - top) / height, (right - left) / width) * (1 + 2 * schema.margin)
    crop_rows, crop_columns = max(1, math.floor(height * unit + 0.5)), max(1, math.floor(width * unit + 0.5))
    first_row, first_column = (top + bottom - crop_rows) // 2, (left + right - crop_columns) // 2
    canvas = np.empty((crop_rows, crop_columns, pixels.shape[2]), np.uint8)
    canvas[...] = background
    rows, columns = pixels.shape[:2]
    low_row, low_column = max(0, first_row), max(0, first_column)
    high_row, high_column = min(rows, first_row + crop_rows), min(columns, first_column + crop_columns)
    part = pixels[low_row:high_row, low_column:high_column]
    row, column = low_row - first_row, low_column - first_column
    canvas[row : row + part.shape[0], column : column + part.shape[1]] = part
    return canvas


def _resize(pixels: Array, height: int, width: int, schema: ImageSchema) -> Array:
    import numpy as np
    import PIL.Image

    if schema.interpolation == "bilinear" and not schema.antialias:
        return _sample(_sample(pixels.astype(np.float64), height, 0), width, 1)
    method = (
        PIL.Image.Resampling.NEAREST if schema.interpolation == "nearest" else PIL.Image.Resampling.BILINEAR
    )
    bands = [
        np.asarray(
            PIL.Image.fromarray(np.ascontiguousarray(pixels[..., band])).resize((width, height), method)
        )
        for band in range(pixels.shape[2])
    ]
    return np.stack(bands, axis=-1)


def _sample(values: Array, size: int, axis: int) -> Array:
    """Interpolate linearly between the two pixels whose centres are nearest."""
    import numpy as np

    count = values.shape[axis]
    position = np.clip((np.arange(size) + 0.5) * (count / size) - 0.5, 0, count - 1)
    low = np.floor(position).astype(np.int64)
    high = np.minimum(low + 1, count - 1)
    weight = (position - low).reshape([-1 if each == axis else 1 for each in range(values.ndim)])
    return values.take(low, axis) * (1 - weight) + values.take(high, axis) * weight


def _spatial(shape: Sequence[int | None] | None, layout: str) -> tuple[int | None, int | None]:
    assert shape is not None
    return (shape[1], shape[2]) if layout == "channels-last" else (shape[2], shape[3])


def _check_fit(schema: ImageSchema, info: TensorInfo, where: str) -> None:
    assert info.shape is not None
    _check_shape(schema, info.shape, where)
    if schema.dtype != info.dtype:
        raise UsageError(
            f"{where}: dtype {schema.dtype} is not the input's, {info.dtype}.", "Leave dtype out."
        )


def _check_shape(schema: ImageSchema, shape: Sequence[int | None], where: str) -> None:
    pixels = (*schema.size, schema.channel_count)
    wanted = (1, *pixels) if schema.layout == "channels-last" else (1, pixels[2], pixels[0], pixels[1])
    fits = len(shape) == 4 and all(
        side is None or side == own for side, own in zip(shape, wanted, strict=True)
    )
    if not fits:
        raise UsageError(
            f"{where} gives a tensor of shape {wanted}, but the input has shape {tuple(shape)}.",
            "Correct size, channels or layout.",
        )


def _one_of(value: Any, allowed: Sequence[str], where: str) -> str:
    if value not in allowed:
        raise UsageError(f"{where} is {value!r}.", f"Use one of {', '.join(allowed)}.")
    return str(value)


def _numbers(
    value: Any, count: int, where: str, *, whole: bool = False, low: float = -math.inf, high: float = math.inf
) -> tuple[float, ...]:
    values = list(value) if isinstance(value, (list, tuple)) else [value] * count
    kinds = int if whole else (int, float)
    right = len(values) == count and all(
        isinstance(each, kinds) and not isinstance(each, bool) and math.isfinite(each) and low <= each <= high
        for each in values
    )
    if not right:
        kind = "whole number" if whole else "number"
        span = "" if high == math.inf else f" from {low:g} to {high:g}"
        raise UsageError(
            f"{where} is {value!r}.", f"Give {count} {kind}{'s' if count > 1 else ''}{span}, or one for all."
        )
    return tuple(float(each) for each in values)
