/** Arithmetic on 8-bit pixels: no DOM, the same result everywhere, and the same as Pillow's. */

/** Interleaved rows, from the top left; values from 0 to 255, whole unless they were interpolated. */
export interface Pixels {
  data: Uint8ClampedArray | Float64Array;
  width: number;
  height: number;
  channels: number;
}

/** A pixel belongs to the content when one of its channels is further from the background. */
const CONTENT_THRESHOLD = 16;

/** Fractional bits of Pillow's resampling weights. */
const WEIGHT_BITS = 22;

/** ITU-R 601-2 luma in 16-bit fixed point, rounded: what Pillow's mode L is. */
export function luma(red: number, green: number, blue: number): number {
  return (red * 19595 + green * 38470 + blue * 7471 + 0x8000) >> 16;
}

/**
 * Writes straight RGBA rows over `background` into `target` from row `firstRow` on, as luma where
 * `target` has one channel.
 */
export function flattenInto(
  target: Pixels,
  rgba: Uint8ClampedArray,
  firstRow: number,
  background: readonly [number, number, number],
): void {
  const { data, channels } = target;
  const [backRed, backGreen, backBlue] = background;
  let to = firstRow * target.width * channels;
  for (let from = 0; from < rgba.length; from += 4) {
    let red = rgba[from]!;
    let green = rgba[from + 1]!;
    let blue = rgba[from + 2]!;
    const alpha = rgba[from + 3]!;
    if (alpha !== 255) {
      red = over(red, backRed, alpha);
      green = over(green, backGreen, alpha);
      blue = over(blue, backBlue, alpha);
    }
    if (channels === 1) {
      data[to++] = luma(red, green, blue);
    } else {
      data[to++] = red;
      data[to++] = green;
      data[to++] = blue;
    }
  }
}

function over(value: number, background: number, alpha: number): number {
  return Math.floor((value * alpha + background * (255 - alpha) + 127) / 255);
}

/** The part of the picture from (left, top); what lies outside it is `fill`, one value per channel. */
export function crop(
  pixels: Pixels,
  left: number,
  top: number,
  width: number,
  height: number,
  fill: readonly number[],
): Pixels {
  const target = filled(new Uint8ClampedArray(width * height * pixels.channels), width, height, fill);
  paste(target, pixels, -left, -top);
  return target;
}

/** The largest part with the aspect ratio of height : width, from the centre. */
export function cropToCover(pixels: Pixels, height: number, width: number): Pixels {
  const rows = Math.max(1, Math.min(pixels.height, Math.floor((pixels.width * height) / width)));
  const columns = Math.max(1, Math.min(pixels.width, Math.floor((pixels.height * width) / height)));
  const left = Math.floor((pixels.width - columns) / 2);
  const top = Math.floor((pixels.height - rows) / 2);
  return crop(pixels, left, top, columns, rows, new Array(pixels.channels).fill(0));
}

/** The largest [height, width] with the picture's aspect ratio inside height x width. */
export function containedSize(pixels: Pixels, height: number, width: number): [number, number] {
  const { height: rows, width: columns } = pixels;
  if (rows * width >= columns * height) {
    return [height, Math.max(1, Math.floor((2 * columns * height + rows) / (2 * rows)))];
  }
  return [Math.max(1, Math.floor((2 * rows * width + columns) / (2 * columns))), width];
}

/** The picture in the middle of height x width, `fill` around it. */
export function letterbox(pixels: Pixels, height: number, width: number, fill: readonly number[]): Pixels {
  const size = width * height * pixels.channels;
  const data = pixels.data instanceof Float64Array ? new Float64Array(size) : new Uint8ClampedArray(size);
  const target = filled(data, width, height, fill);
  paste(target, pixels, Math.floor((width - pixels.width) / 2), Math.floor((height - pixels.height) / 2));
  return target;
}

/**
 * What is not background, centred, with the aspect ratio of height : width and a margin (a fraction
 * of the content's size) on each side. A picture of nothing but background stays as it is.
 */
export function cropToContent(
  pixels: Pixels,
  height: number,
  width: number,
  background: readonly number[],
  margin: number,
): Pixels {
  const { data, channels } = pixels;
  let [top, bottom, left, right] = [pixels.height, 0, pixels.width, 0];
  for (let y = 0, at = 0; y < pixels.height; y++) {
    for (let x = 0; x < pixels.width; x++, at += channels) {
      let far = false;
      for (let channel = 0; channel < channels; channel++) {
        far ||= Math.abs(data[at + channel]! - background[channel]!) > CONTENT_THRESHOLD;
      }
      if (!far) continue;
      top = Math.min(top, y);
      bottom = y + 1;
      left = Math.min(left, x);
      right = Math.max(right, x + 1);
    }
  }
  if (bottom === 0) return pixels;
  const unit = Math.max((bottom - top) / height, (right - left) / width) * (1 + 2 * margin);
  const rows = Math.max(1, Math.floor(height * unit + 0.5));
  const columns = Math.max(1, Math.floor(width * unit + 0.5));
  const firstColumn = Math.floor((left + right - columns) / 2);
  const firstRow = Math.floor((top + bottom - rows) / 2);
  return crop(pixels, firstColumn, firstRow, columns, rows, background);
}

export type Interpolation = "antialiased" | "bilinear" | "nearest";

/** The picture at another size. */
export function resize(pixels: Pixels, height: number, width: number, how: Interpolation): Pixels {
  switch (how) {
    case "nearest":
      return pick(pixels, height, width);
    case "bilinear":
      return mixColumns(mixRows(pixels, height), width);
    case "antialiased":
      return averageRows(averageColumns(pixels, width), height);
  }
}

interface Taps {
  first: number;
  weights: Float64Array;
}

/**
 * Pillow's bilinear weights for each target pixel: a triangle as wide as what a target pixel covers,
 * in fixed point, so that sums of products are whole numbers.
 */
function triangleTaps(from: number, to: number): Taps[] {
  const scale = from / to;
  const support = Math.max(1, scale);
  const taps: Taps[] = [];
  for (let target = 0; target < to; target++) {
    const centre = (target + 0.5) * scale;
    const first = Math.max(0, Math.trunc(centre - support + 0.5));
    const end = Math.min(from, Math.trunc(centre + support + 0.5));
    const weights = new Float64Array(end - first);
    let sum = 0;
    for (let tap = 0; tap < weights.length; tap++) {
      const distance = Math.abs((tap + first - centre + 0.5) * (1 / support));
      weights[tap] = distance < 1 ? 1 - distance : 0;
      sum += weights[tap]!;
    }
    for (let tap = 0; tap < weights.length; tap++) {
      weights[tap] = Math.trunc(0.5 + (weights[tap]! / sum) * 2 ** WEIGHT_BITS);
    }
    taps.push({ first, weights });
  }
  return taps;
}

function averageColumns(pixels: Pixels, width: number): Pixels {
  if (width === pixels.width) return pixels;
  const { data, channels, height } = pixels;
  const taps = triangleTaps(pixels.width, width);
  const out = new Uint8ClampedArray(width * height * channels);
  for (let y = 0, to = 0; y < height; y++) {
    const row = y * pixels.width * channels;
    for (const { first, weights } of taps) {
      for (let channel = 0; channel < channels; channel++) {
        let sum = 2 ** (WEIGHT_BITS - 1);
        let at = row + first * channels + channel;
        for (let tap = 0; tap < weights.length; tap++, at += channels) sum += data[at]! * weights[tap]!;
        out[to++] = sum >> WEIGHT_BITS;
      }
    }
  }
  return { data: out, width, height, channels };
}

function averageRows(pixels: Pixels, height: number): Pixels {
  if (height === pixels.height) return pixels;
  const { data, channels, width } = pixels;
  const stride = width * channels;
  const out = new Uint8ClampedArray(stride * height);
  let to = 0;
  for (const { first, weights } of triangleTaps(pixels.height, height)) {
    for (let column = 0; column < stride; column++) {
      let sum = 2 ** (WEIGHT_BITS - 1);
      let at = first * stride + column;
      for (let tap = 0; tap < weights.length; tap++, at += stride) sum += data[at]! * weights[tap]!;
      out[to++] = sum >> WEIGHT_BITS;
    }
  }
  return { data: out, width, height, channels };
}

/** For each target pixel the two source pixels whose centres are nearest, and the second one's weight. */
function neighbours(from: number, to: number): { low: number; high: number; weight: number }[] {
  return Array.from({ length: to }, (_, target) => {
    const position = Math.min(Math.max((target + 0.5) * (from / to) - 0.5, 0), from - 1);
    const low = Math.floor(position);
    return { low, high: Math.min(low + 1, from - 1), weight: position - low };
  });
}

function mixRows({ data, width, height: from, channels }: Pixels, height: number): Pixels {
  const stride = width * channels;
  const out = new Float64Array(stride * height);
  let to = 0;
  for (const { low, high, weight } of neighbours(from, height)) {
    for (let column = 0; column < stride; column++) {
      out[to++] = data[low * stride + column]! * (1 - weight) + data[high * stride + column]! * weight;
    }
  }
  return { data: out, width, height, channels };
}

function mixColumns({ data, width: from, height, channels }: Pixels, width: number): Pixels {
  const pairs = neighbours(from, width);
  const out = new Float64Array(width * height * channels);
  let to = 0;
  for (let y = 0; y < height; y++) {
    const row = y * from * channels;
    for (const { low, high, weight } of pairs) {
      for (let channel = 0; channel < channels; channel++) {
        const first = data[row + low * channels + channel]!;
        out[to++] = first * (1 - weight) + data[row + high * channels + channel]! * weight;
      }
    }
  }
  return { data: out, width, height, channels };
}

/** Nearest neighbours; positions are summed up, as Pillow does, so that rounding falls the same way. */
function pick(pixels: Pixels, height: number, width: number): Pixels {
  const positions = (from: number, to: number) => {
    const step = from / to;
    let position = step * 0.5;
    return Array.from({ length: to }, () => {
      const at = Math.min(Math.trunc(position), from - 1);
      position += step;
      return at;
    });
  };
  const { data, channels } = pixels;
  const columns = positions(pixels.width, width);
  const out = new Uint8ClampedArray(width * height * channels);
  let to = 0;
  for (const y of positions(pixels.height, height)) {
    for (const x of columns) {
      const at = (y * pixels.width + x) * channels;
      for (let channel = 0; channel < channels; channel++) out[to++] = data[at + channel]!;
    }
  }
  return { data: out, width, height, channels };
}

function filled(
  data: Uint8ClampedArray | Float64Array,
  width: number,
  height: number,
  fill: readonly number[],
): Pixels {
  const channels = fill.length;
  for (let at = 0; at < data.length; at++) data[at] = fill[at % channels]!;
  return { data, width, height, channels };
}

/** Copies what of `source` falls inside `target`, its corner at (left, top). */
function paste(target: Pixels, source: Pixels, left: number, top: number): void {
  const { channels } = source;
  const firstX = Math.max(0, left);
  const endX = Math.min(target.width, left + source.width);
  if (firstX >= endX) return;
  for (let y = Math.max(0, top); y < Math.min(target.height, top + source.height); y++) {
    const from = ((y - top) * source.width + firstX - left) * channels;
    const row = source.data.subarray(from, from + (endX - firstX) * channels);
    target.data.set(row, (y * target.width + firstX) * channels);
  }
}
