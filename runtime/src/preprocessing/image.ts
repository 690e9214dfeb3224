/**
 * A picture becomes an input tensor, by the schema in bundle.json. `tfjs_bundle/preprocessing.py`
 * specifies the steps and does the same in Python; both come to the same 8-bit values wherever the
 * browser decodes a file to the same pixels as Pillow.
 */

import { BundleError } from "../errors.js";
import { containedSize, cropToContent, cropToCover, letterbox, luma, type Pixels, resize } from "./pixels.js";
import { readPixels } from "./read.js";

/** How a picture becomes the input tensor: one entry of `preprocessing` in bundle.json. */
export interface ImageSchema {
  kind: "image";
  /** Height and width of the tensor in pixels. */
  size: [number, number];
  fit: "stretch" | "cover" | "contain" | "content";
  interpolation: "bilinear" | "nearest";
  /** Bilinear averages over all source pixels when it shrinks; otherwise it samples four. */
  antialias: boolean;
  channels: "rgb" | "bgr" | "grayscale";
  /** Behind transparent pixels and around the picture: red, green, blue, 0 to 255. */
  background: [number, number, number];
  /** For the fit `content`: on each side, as a fraction of the content's size. */
  margin: number;
  /** Per channel of the tensor, in its order: value = pixel * scale + offset, pixel from 0 to 255. */
  scale: number[];
  offset: number[];
  layout: "channels-last" | "channels-first";
  dtype: "float32" | "int32";
}

/** What can be turned into a tensor. */
export type ImageSource =
  | Blob
  | HTMLImageElement
  | HTMLCanvasElement
  | HTMLVideoElement
  | OffscreenCanvas
  | ImageBitmap
  | ImageData;

/** One picture as a batch of 1. */
export interface ImageTensor {
  data: Float32Array | Int32Array;
  shape: number[];
}

/** Tells a picture from everything else that `predict` takes. */
export function isImageSource(value: unknown): value is ImageSource {
  const is = (name: string) => {
    const type = (globalThis as Record<string, unknown>)[name];
    return typeof type === "function" && value instanceof type;
  };
  return (
    is("Blob") ||
    is("HTMLImageElement") ||
    is("HTMLCanvasElement") ||
    is("HTMLVideoElement") ||
    is("OffscreenCanvas") ||
    is("ImageBitmap") ||
    is("ImageData")
  );
}

/**
 * Turns a picture into a tensor of shape [1, height, width, channels] (or channels first).
 *
 * @param shape the input's shape, `null` for unknown; checked against the schema.
 * @throws BundleError `input`: the picture cannot be decoded or is empty, or the schema does not fit.
 */
export async function imageToTensor(
  source: ImageSource,
  schema: ImageSchema,
  shape?: readonly (number | null)[] | null,
): Promise<ImageTensor> {
  const [height, width] = schema.size;
  const channels = schema.channels === "grayscale" ? 1 : 3;
  const own = schema.layout === "channels-last" ? [1, height, width, channels] : [1, channels, height, width];
  if (shape && (shape.length !== 4 || shape.some((side, axis) => side !== null && side !== own[axis]))) {
    throw new BundleError(
      "input",
      `a picture becomes a tensor of shape [${own}], but the model takes [${shape.map((side) => side ?? "?")}].`,
    );
  }
  const pixels = await readPixels(source, schema.background, channels === 1);
  return { data: toValues(fitted(pixels, schema), schema), shape: own };
}

function fitted(pixels: Pixels, schema: ImageSchema): Pixels {
  const [height, width] = schema.size;
  const how = schema.interpolation === "nearest" ? "nearest" : schema.antialias ? "antialiased" : "bilinear";
  const fill = pixels.channels === 1 ? [luma(...schema.background)] : schema.background;
  switch (schema.fit) {
    case "stretch":
      return resize(pixels, height, width, how);
    case "cover":
      return resize(cropToCover(pixels, height, width), height, width, how);
    case "contain":
      return letterbox(resize(pixels, ...containedSize(pixels, height, width), how), height, width, fill);
    case "content":
      return resize(cropToContent(pixels, height, width, fill, schema.margin), height, width, how);
  }
}

function toValues({ data, channels }: Pixels, schema: ImageSchema): Float32Array | Int32Array {
  const whole = schema.dtype === "int32";
  const out = whole ? new Int32Array(data.length) : new Float32Array(data.length);
  const count = data.length / channels;
  const planes = schema.layout === "channels-first";
  for (let channel = 0; channel < channels; channel++) {
    const from = schema.channels === "bgr" ? channels - 1 - channel : channel;
    const scale = schema.scale[channel]!;
    const offset = schema.offset[channel]!;
    for (let pixel = 0; pixel < count; pixel++) {
      const value = data[pixel * channels + from]! * scale + offset;
      out[planes ? channel * count + pixel : pixel * channels + channel] = whole
        ? Math.floor(value + 0.5)
        : value;
    }
  }
  return out;
}
