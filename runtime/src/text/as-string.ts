/** AsString: numbers as C's `printf` writes them. */

import type { ByteString } from "./bytes.js";

export interface AsStringOptions {
  /** Digits after the point, or significant ones with `shortest`; -1 for printf's six. */
  precision?: number;
  /** `%e` */
  scientific?: boolean;
  /** `%g` */
  shortest?: boolean;
  /** At least so many characters; -1 for no more than it takes. */
  width?: number;
  /** printf's flag: `""`, `" "`, `"0"`, `"-"` or `"+"`. */
  fill?: string;
}

export function boolAsString(value: boolean | number): ByteString {
  return value ? "true" : "false";
}

export function intAsString(
  value: number | bigint,
  { width = -1, fill = "" }: AsStringOptions = {},
): ByteString {
  const digits = String(value < 0 ? -BigInt(value) : BigInt(value));
  return pad(value < 0, digits, true, width, fill);
}

/** `value` is what float32 or float64 holds; both are written as double. */
export function floatAsString(value: number, options: AsStringOptions = {}): ByteString {
  const { precision = -1, scientific = false, shortest = false, width = -1, fill = "" } = options;
  const digits = precision < 0 ? 6 : precision;
  const negative = value < 0 || Object.is(value, -0);
  const size = Math.abs(value);
  if (!Number.isFinite(value)) {
    return pad(negative, Number.isNaN(value) ? "nan" : "inf", false, width, fill);
  }
  const text = shortest
    ? general(size, digits)
    : scientific
      ? exponential(size, digits)
      : fixed(size, digits);
  return pad(negative, text, true, width, fill);
}

function pad(negative: boolean, digits: string, zeros: boolean, width: number, fill: string): string {
  const sign = negative ? "-" : fill === "+" || fill === " " ? fill : "";
  const missing = Math.max(0, width - sign.length - digits.length);
  if (fill === "-") return sign + digits + " ".repeat(missing);
  if (fill === "0" && zeros) return sign + "0".repeat(missing) + digits;
  return " ".repeat(missing) + sign + digits;
}

/** A double is `significand / 2^shift` exactly, which JavaScript's own `toFixed` rounds half up, not to even. */
function exactly(value: number): { significand: bigint; shift: number } {
  const view = new DataView(new ArrayBuffer(8));
  view.setFloat64(0, value);
  const bits = view.getBigUint64(0);
  const exponent = Number((bits >> 52n) & 0x7ffn);
  const fraction = bits & 0xfffffffffffffn;
  return {
    significand: exponent === 0 ? fraction : fraction | 0x10000000000000n,
    shift: 1075 - Math.max(1, exponent),
  };
}

/** `value * 10^power` rounded to a whole number, halves to even. */
function scaled(value: number, power: number): bigint {
  const { significand, shift } = exactly(value);
  let top = significand;
  let bottom = 1n;
  if (shift > 0) bottom <<= BigInt(shift);
  else top <<= BigInt(-shift);
  if (power > 0) top *= 10n ** BigInt(power);
  else bottom *= 10n ** BigInt(-power);
  const quotient = top / bottom;
  const twice = (top % bottom) * 2n;
  return twice > bottom || (twice === bottom && quotient % 2n === 1n) ? quotient + 1n : quotient;
}

function fixed(value: number, precision: number): string {
  const digits = String(scaled(value, precision)).padStart(precision + 1, "0");
  if (precision === 0) return digits;
  return `${digits.slice(0, -precision)}.${digits.slice(-precision)}`;
}

/** `precision` + 1 significant digits and the power of ten of the first. */
function significant(value: number, precision: number): { digits: string; exponent: number } {
  if (value === 0) return { digits: "0".repeat(precision + 1), exponent: 0 };
  // The logarithm may be off by one, and rounding may carry into one digit more.
  let exponent = Math.floor(Math.log10(value));
  for (;;) {
    const digits = String(scaled(value, precision - exponent));
    if (digits.length === precision + 1) return { digits, exponent };
    exponent += digits.length > precision + 1 ? 1 : -1;
  }
}

function exponential(value: number, precision: number): string {
  const { digits, exponent } = significant(value, precision);
  const point = precision > 0 ? `.${digits.slice(1)}` : "";
  return `${digits[0]}${point}${exponentText(exponent)}`;
}

function general(value: number, precision: number): string {
  const most = Math.max(1, precision);
  const { digits, exponent } = significant(value, most - 1);
  if (exponent < -4 || exponent >= most) {
    const tail = digits.slice(1).replace(/0+$/, "");
    return `${digits[0]}${tail === "" ? "" : `.${tail}`}${exponentText(exponent)}`;
  }
  const text = fixed(value, most - 1 - exponent);
  return text.includes(".") ? text.replace(/\.?0+$/, "") : text;
}

function exponentText(exponent: number): string {
  return `e${exponent < 0 ? "-" : "+"}${String(Math.abs(exponent)).padStart(2, "0")}`;
}
