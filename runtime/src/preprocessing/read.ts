/** From whatever shows a picture in a browser to upright, opaque 8-bit pixels. */

import { BundleError } from "../errors.js";
import type { ImageSource } from "./image.js";
import { flattenInto, type Pixels } from "./pixels.js";

/** Canvases are read in strips of at most so many pixels: phones refuse large ones. */
const STRIP_PIXELS = 2 ** 22;

/**
 * Reads a picture; a file's EXIF orientation is applied, its colour profile is not, since the
 * pipelines that models are trained with do not either.
 *
 * @returns 1 channel (luma) where `gray`, else 3.
 * @throws BundleError `input` where it is empty, damaged, or the browser may not read it.
 */
export async function readPixels(
  source: ImageSource,
  background: readonly [number, number, number],
  gray: boolean,
): Promise<Pixels> {
  if (typeof ImageData !== "undefined" && source instanceof ImageData) {
    const pixels = empty(source.width, source.height, gray);
    flattenInto(pixels, source.data as Uint8ClampedArray, 0, background);
    return pixels;
  }
  const { drawable, width, height, release } = await decode(source as Exclude<ImageSource, ImageData>);
  try {
    const pixels = empty(width, height, gray);
    const rows = Math.min(height, Math.max(1, Math.floor(STRIP_PIXELS / width)));
    const context = contextOf(width, rows);
    for (let top = 0; top < height; top += rows) {
      const count = Math.min(rows, height - top);
      context.clearRect(0, 0, width, rows);
      context.drawImage(drawable, 0, top, width, count, 0, 0, width, count);
      flattenInto(pixels, rgbaOf(context, width, count), top, background);
    }
    return pixels;
  } finally {
    release?.();
  }
}

interface Decoded {
  drawable: CanvasImageSource;
  width: number;
  height: number;
  release?: () => void;
}

async function decode(source: Exclude<ImageSource, ImageData>): Promise<Decoded> {
  const is = (name: string) => {
    const type = (globalThis as Record<string, unknown>)[name];
    return typeof type === "function" && source instanceof type;
  };
  if (is("Blob")) return decodeBlob(source as Blob);
  if (is("HTMLImageElement")) {
    const image = source as HTMLImageElement;
    await image.decode().catch((error) => {
      throw unreadable(error);
    });
    return bitmapOf(image);
  }
  if (is("HTMLVideoElement")) {
    const video = source as HTMLVideoElement;
    if (video.readyState < HTMLMediaElement.HAVE_CURRENT_DATA) {
      throw new BundleError("input", "the video shows no picture yet. Wait for its `loadeddata` event.");
    }
    return { drawable: video, width: video.videoWidth, height: video.videoHeight };
  }
  const drawable = source as HTMLCanvasElement | OffscreenCanvas | ImageBitmap;
  return { drawable, width: drawable.width, height: drawable.height };
}

async function decodeBlob(blob: Blob): Promise<Decoded> {
  if (blob.type !== "image/svg+xml") return bitmapOf(blob);
  if (typeof document === "undefined") throw unreadable(new Error("SVG needs a page"));
  const url = URL.createObjectURL(blob); // browsers rasterise SVG in an <img> only
  try {
    const image = new Image();
    image.src = url;
    await image.decode();
    return { drawable: image, width: image.naturalWidth, height: image.naturalHeight };
  } catch (error) {
    throw unreadable(error);
  } finally {
    URL.revokeObjectURL(url);
  }
}

async function bitmapOf(source: Blob | HTMLImageElement): Promise<Decoded> {
  try {
    const bitmap = await createImageBitmap(source, { colorSpaceConversion: "none" });
    return { drawable: bitmap, width: bitmap.width, height: bitmap.height, release: () => bitmap.close() };
  } catch (error) {
    throw unreadable(error);
  }
}

function contextOf(
  width: number,
  height: number,
): CanvasRenderingContext2D | OffscreenCanvasRenderingContext2D {
  // Without willReadFrequently the canvas may lie on the GPU, whose rounding differs.
  const settings = { willReadFrequently: true, colorSpace: "srgb" } as const;
  let context: CanvasRenderingContext2D | OffscreenCanvasRenderingContext2D | null;
  if (typeof OffscreenCanvas !== "undefined") {
    context = new OffscreenCanvas(width, height).getContext("2d", settings);
  } else {
    const canvas = document.createElement("canvas");
    canvas.width = width;
    canvas.height = height;
    context = canvas.getContext("2d", settings) as CanvasRenderingContext2D | null;
  }
  if (!context) throw new BundleError("input", "this browser gives no canvas to read the picture with.");
  context.imageSmoothingEnabled = false;
  return context;
}

function rgbaOf(
  context: CanvasRenderingContext2D | OffscreenCanvasRenderingContext2D,
  width: number,
  height: number,
): Uint8ClampedArray {
  try {
    return context.getImageData(0, 0, width, height).data as Uint8ClampedArray;
  } catch (error) {
    throw new BundleError(
      "input",
      "the picture comes from another site, which does not allow reading it. Load it with crossorigin.",
      { cause: error },
    );
  }
}

function empty(width: number, height: number, gray: boolean): Pixels {
  if (!(width > 0 && height > 0)) throw new BundleError("input", "the picture is empty.");
  const channels = gray ? 1 : 3;
  return { data: new Uint8ClampedArray(width * height * channels), width, height, channels };
}

function unreadable(cause: unknown): BundleError {
  return new BundleError("input", "the file is not a picture this browser can read, or it is damaged.", {
    cause,
  });
}
