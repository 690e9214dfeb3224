/** How a picture becomes the input tensor: one entry of `preprocessing` in bundle.json. */
export interface ImageSchema {
  kind: "image";
  /** Height and width in pixels. */
  size: [number, number];
  fit: "stretch" | "cover" | "contain" | "content";
  interpolation: "bilinear" | "nearest";
  antialias: boolean;
  channels: "rgb" | "bgr" | "grayscale";
  /** Behind transparent pixels and around a letterboxed picture: red, green, blue, 0 to 255. */
  background: [number, number, number];
  /** Per channel of the tensor: value = pixel * scale + offset, pixel from 0 to 255. */
  scale: number[];
  offset: number[];
  layout: "channels-last" | "channels-first";
}

export type ImageSource =
  | Blob
  | HTMLImageElement
  | HTMLCanvasElement
  | OffscreenCanvas
  | HTMLVideoElement
  | ImageBitmap
  | ImageData;

export interface ImageTensor {
  data: Float32Array | Int32Array | Uint8Array;
  shape: number[];
}

export async function imageToTensor(
  source: ImageSource,
  schema: ImageSchema,
  shape: readonly (number | null)[],
): Promise<ImageTensor> {
  throw new Error(`not yet: ${String(source)} ${schema.kind} ${shape.join()}`);
}
