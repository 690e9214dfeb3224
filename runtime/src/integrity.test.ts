import { afterEach, expect, it, vi } from "vitest";
import { sha256Hex } from "./integrity.js";

const ABC = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";

afterEach(() => vi.unstubAllGlobals());

it("hashes with the browser's own code", async () => {
  expect(await sha256Hex(new TextEncoder().encode("abc"))).toBe(ABC);
  expect(await sha256Hex(new TextEncoder().encode("abc").buffer)).toBe(ABC);
});

it("gives the same without it, over several slices too, as on plain http", async () => {
  const long = new Uint8Array(2_500_001).map((_, index) => index % 251);
  const native = await sha256Hex(long);
  vi.stubGlobal("crypto", {});
  expect(await sha256Hex(new TextEncoder().encode("abc"))).toBe(ABC);
  expect(await sha256Hex(long)).toBe(native);
  expect(await sha256Hex(new Uint8Array(0))).toBe(
    "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
  );
});
