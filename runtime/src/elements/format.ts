/** Numbers for people. */

/** `1.2 MB`; decimal units, as file managers and data plans count. */
export function bytes(count: number): string {
  if (count < 1e6) return `${Math.round(count / 1e3)} kB`;
  return `${(count / 1e6).toFixed(count < 1e8 ? 1 : 0)} MB`;
}

/** `98.2 %` */
export function percent(share: number): string {
  const value = share * 100;
  return `${value >= 99.95 || value === 0 ? Math.round(value) : value.toFixed(1)} %`;
}

/** Up to five significant digits, without a tail of zeros. */
export function number(value: number): string {
  if (!Number.isFinite(value)) return String(value);
  if (Number.isInteger(value) && Math.abs(value) < 1e9) return String(value);
  return String(Number(value.toPrecision(5)));
}

/** `8.3 ms` or `1.2 s` */
export function duration(milliseconds: number): string {
  if (milliseconds >= 1000) return `${(milliseconds / 1000).toFixed(1)} s`;
  return `${milliseconds.toFixed(milliseconds < 10 ? 1 : 0)} ms`;
}

/** `[any, 28, 28, 1]` */
export function shape(sides: readonly (number | null)[] | null): string {
  return sides ? `[${sides.map((side) => side ?? "any").join(", ")}]` : "any shape";
}
