/**
 * The hashes by which TensorFlow puts strings into buckets, in exact 64-bit arithmetic.
 *
 * FarmHash's Fingerprint64 (Geoff Pike, 2014; the variant "na"), SipHash-2-4 (Aumasson and Bernstein, 2012)
 * and TensorFlow's own way of combining fingerprints. Engines compile `BigInt.asUintN(64, ...)` of sums and
 * products to machine arithmetic.
 */

import type { ByteString } from "./bytes.js";

/** A whole number from 0 to 2^64 - 1. */
type Uint64 = bigint;

const K0 = 0xc3a5c85c97cb3127n;
const K1 = 0xb492b66fbe98f273n;
const K2 = 0x9ae16a3b2f90404fn;
const CONCATENATE = 0xc6a4a7935bd1e995n;
/** What `tf.sparse.cross_hashed` begins with. */
export const CROSS_KEY = 0xdecafcaffen;

/** StringToHashBucketFast: the bucket from 0 to `buckets` - 1. */
export function bucketFast(bytes: ByteString, buckets: number): number {
  return Number(fingerprint64(bytes) % BigInt(buckets));
}

/** StringToHashBucketStrong: `key` is two numbers of 64 bits, negative ones as two's complement. */
export function bucketStrong(
  bytes: ByteString,
  buckets: number,
  key: readonly [bigint | number, bigint | number],
): number {
  return Number(sipHash(bytes, u64(BigInt(key[0])), u64(BigInt(key[1]))) % BigInt(buckets));
}

/**
 * One cell of SparseCross with hashed output: strings count by their fingerprints, integers as they are.
 *
 * @param buckets 0 for none, as in `tf.sparse.cross_hashed`.
 */
export function cross(
  values: readonly (ByteString | number | bigint)[],
  buckets: number,
  key: Uint64 = CROSS_KEY,
): bigint {
  let hash = u64(key);
  for (const value of values) {
    hash = concatenate(hash, typeof value === "string" ? fingerprint64(value) : u64(BigInt(value)));
  }
  return hash % (buckets > 0 ? BigInt(buckets) : 0x7fffffffffffffffn);
}

/** TensorFlow's FingerprintCat64: a fingerprint of two fingerprints. */
export function concatenate(first: Uint64, second: Uint64): Uint64 {
  let result = first ^ CONCATENATE;
  result ^= mul(shiftMix(mul(second, CONCATENATE)), CONCATENATE);
  result = mul(result, CONCATENATE);
  result = mul(shiftMix(result), CONCATENATE);
  return shiftMix(result);
}

/** FarmHash Fingerprint64. */
export function fingerprint64(bytes: ByteString): Uint64 {
  const size = bytes.length;
  if (size <= 16) return hashUpTo16(bytes, size);
  if (size <= 32) return hash17To32(bytes, size);
  if (size <= 64) return hash33To64(bytes, size);
  return hashLong(bytes, size);
}

function hashUpTo16(bytes: ByteString, size: number): Uint64 {
  const factor = u64(K2 + BigInt(size * 2));
  if (size >= 8) {
    const a = u64(fetch64(bytes, 0) + K2);
    const b = fetch64(bytes, size - 8);
    const c = u64(mul(rotate(b, 37n), factor) + a);
    const d = mul(u64(rotate(a, 25n) + b), factor);
    return combine(c, d, factor);
  }
  if (size >= 4) {
    const a = fetch32(bytes, 0);
    return combine(u64(BigInt(size) + (a << 3n)), fetch32(bytes, size - 4), factor);
  }
  if (size > 0) {
    const [a, b, c] = [0, size >> 1, size - 1].map((at) => bytes.charCodeAt(at)) as [number, number, number];
    const y = BigInt(a + (b << 8));
    const z = BigInt(size + (c << 2));
    return mul(shiftMix(mul(y, K2) ^ mul(z, K0)), K2);
  }
  return K2;
}

function hash17To32(bytes: ByteString, size: number): Uint64 {
  const factor = u64(K2 + BigInt(size * 2));
  const a = mul(fetch64(bytes, 0), K1);
  const b = fetch64(bytes, 8);
  const c = mul(fetch64(bytes, size - 8), factor);
  const d = mul(fetch64(bytes, size - 16), K2);
  return combine(
    u64(rotate(u64(a + b), 43n) + rotate(c, 30n) + d),
    u64(a + rotate(u64(b + K2), 18n) + c),
    factor,
  );
}

function hash33To64(bytes: ByteString, size: number): Uint64 {
  const factor = u64(K2 + BigInt(size * 2));
  const a = mul(fetch64(bytes, 0), K2);
  const b = fetch64(bytes, 8);
  const c = mul(fetch64(bytes, size - 8), factor);
  const d = mul(fetch64(bytes, size - 16), K2);
  const y = u64(rotate(u64(a + b), 43n) + rotate(c, 30n) + d);
  const z = combine(y, u64(a + rotate(u64(b + K2), 18n) + c), factor);
  const e = mul(fetch64(bytes, 16), factor);
  const f = fetch64(bytes, 24);
  const g = mul(u64(y + fetch64(bytes, size - 32)), factor);
  const h = mul(u64(z + fetch64(bytes, size - 24)), factor);
  return combine(
    u64(rotate(u64(e + f), 43n) + rotate(g, 30n) + h),
    u64(e + rotate(u64(f + a), 18n) + g),
    factor,
  );
}

function hashLong(bytes: ByteString, size: number): Uint64 {
  let x = 81n;
  let y = u64(mul(81n, K1) + 113n);
  let z = mul(shiftMix(u64(mul(y, K2) + 113n)), K2);
  let [v0, v1, w0, w1] = [0n, 0n, 0n, 0n];
  x = u64(mul(x, K2) + fetch64(bytes, 0));
  const end = ((size - 1) >> 6) << 6;

  const round = (at: number, factor: Uint64, last: boolean): void => {
    x = mul(rotate(u64(x + y + v0 + fetch64(bytes, at + 8)), 37n), factor);
    y = mul(rotate(u64(y + v1 + fetch64(bytes, at + 48)), 42n), factor);
    x ^= last ? u64(w1 * 9n) : w1;
    y = u64(y + (last ? v0 * 9n : v0) + fetch64(bytes, at + 40));
    z = mul(rotate(u64(z + w0), 33n), factor);
    [v0, v1] = weakHash32(bytes, at, mul(v1, factor), u64(x + w0));
    [w0, w1] = weakHash32(bytes, at + 32, u64(z + w1), u64(y + fetch64(bytes, at + 16)));
    [z, x] = [x, z];
  };

  for (let at = 0; at < end; at += 64) round(at, K1, false);
  const factor = u64(K1 + ((z & 0xffn) << 1n));
  w0 = u64(w0 + BigInt((size - 1) & 63));
  v0 = u64(v0 + w0);
  w0 = u64(w0 + v0);
  round(size - 64, factor, true);
  return combine(
    u64(combine(v0, w0, factor) + mul(shiftMix(y), K0) + z),
    u64(combine(v1, w1, factor) + x),
    factor,
  );
}

function weakHash32(bytes: ByteString, at: number, seedA: Uint64, seedB: Uint64): [Uint64, Uint64] {
  const last = fetch64(bytes, at + 24);
  let a = u64(seedA + fetch64(bytes, at));
  let b = rotate(u64(seedB + a + last), 21n);
  const c = a;
  a = u64(a + fetch64(bytes, at + 8) + fetch64(bytes, at + 16));
  b = u64(b + rotate(a, 44n));
  return [u64(a + last), u64(b + c)];
}

function combine(u: Uint64, v: Uint64, factor: Uint64): Uint64 {
  const a = shiftMix(mul(u ^ v, factor));
  return mul(shiftMix(mul(v ^ a, factor)), factor);
}

/** SipHash-2-4 of `bytes` under a key of two words. */
export function sipHash(bytes: ByteString, key0: Uint64, key1: Uint64): Uint64 {
  let v0 = key0 ^ 0x736f6d6570736575n;
  let v1 = key1 ^ 0x646f72616e646f6dn;
  let v2 = key0 ^ 0x6c7967656e657261n;
  let v3 = key1 ^ 0x7465646279746573n;

  const rounds = (count: number): void => {
    for (let i = 0; i < count; i++) {
      v0 = u64(v0 + v1);
      v1 = rotateLeft(v1, 13n) ^ v0;
      v0 = rotateLeft(v0, 32n);
      v2 = u64(v2 + v3);
      v3 = rotateLeft(v3, 16n) ^ v2;
      v0 = u64(v0 + v3);
      v3 = rotateLeft(v3, 21n) ^ v0;
      v2 = u64(v2 + v1);
      v1 = rotateLeft(v1, 17n) ^ v2;
      v2 = rotateLeft(v2, 32n);
    }
  };
  const absorb = (word: Uint64): void => {
    v3 ^= word;
    rounds(2);
    v0 ^= word;
  };

  const whole = bytes.length - (bytes.length % 8);
  for (let at = 0; at < whole; at += 8) absorb(fetch64(bytes, at));
  let last = BigInt(bytes.length & 0xff) << 56n;
  for (let at = whole; at < bytes.length; at++) {
    last |= BigInt(bytes.charCodeAt(at)) << BigInt(8 * (at - whole));
  }
  absorb(last);
  v2 ^= 0xffn;
  rounds(4);
  return v0 ^ v1 ^ v2 ^ v3;
}

function u64(value: bigint): Uint64 {
  return BigInt.asUintN(64, value);
}

function mul(a: Uint64, b: Uint64): Uint64 {
  return BigInt.asUintN(64, a * b);
}

function rotate(value: Uint64, by: bigint): Uint64 {
  return (value >> by) | BigInt.asUintN(64, value << (64n - by));
}

function rotateLeft(value: Uint64, by: bigint): Uint64 {
  return rotate(value, 64n - by);
}

function shiftMix(value: Uint64): Uint64 {
  return value ^ (value >> 47n);
}

function fetch64(bytes: ByteString, at: number): Uint64 {
  return fetch32(bytes, at) | (fetch32(bytes, at + 4) << 32n);
}

/** Little-endian. */
function fetch32(bytes: ByteString, at: number): Uint64 {
  const low = bytes.charCodeAt(at) | (bytes.charCodeAt(at + 1) << 8) | (bytes.charCodeAt(at + 2) << 16);
  return BigInt(low + bytes.charCodeAt(at + 3) * 0x1000000);
}
