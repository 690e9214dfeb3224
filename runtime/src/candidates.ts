/** Which backends to try on this device, in which order, and which files each of them takes. */

import { BundleError } from "./errors.js";
import { BACKENDS, type BackendName, filesFor, type Manifest, type ManifestFile } from "./manifest.js";
import type { WasmVariant } from "./protocol.js";

/** What the caller asks for. */
export type BackendChoice = "auto" | BackendName | readonly BackendName[];

/** One thing to try. */
export interface Candidate {
  backend: BackendName;
  /** Adapters that compute on the CPU or in half precision will do: the caller named this backend. */
  anyAdapter: boolean;
  variant?: WasmVariant;
  threads?: number;
}

/** The backends that the caller names; null for a choice of ours. */
export function namedBackends(choice: BackendChoice): readonly BackendName[] | null {
  if (choice === "auto") return null;
  return typeof choice === "string" ? [choice] : choice;
}

/** What this device can do, as far as it was asked; read once per load. */
export interface Device {
  webgpu: "hardware" | "software" | "none";
  webgl: "hardware" | "software" | "none";
  wasm: "simd" | "plain" | "none";
  /** Threads worth trying; 1 where there can be none. */
  threads: number;
}

/** A tiny module with one SIMD instruction, which only browsers with SIMD take for valid. */
const SIMD_PROBE = Uint8Array.of(
  0,
  97,
  115,
  109,
  1,
  0,
  0,
  0,
  1,
  5,
  1,
  96,
  0,
  1,
  123,
  3,
  2,
  1,
  0,
  10,
  10,
  1,
  8,
  0,
  65,
  0,
  253,
  15,
  253,
  98,
  11,
);

/**
 * Look at this device. To ask for a graphics card takes longer than to read a small model, so that only those of
 * `wanted` are asked for. Threads are for a worker only: in the page they would block it while they wait.
 */
export async function inspectDevice(worker: boolean, wanted: readonly BackendName[]): Promise<Device> {
  return {
    webgpu: wanted.includes("webgpu") ? await webgpuKind() : "none",
    webgl: wanted.includes("webgl") ? webglKind() : "none",
    wasm: wasmKind(),
    threads: worker && globalThis.crossOriginIsolated ? usefulThreads(navigator.hardwareConcurrency ?? 1) : 1,
  };
}

/** All cores but one, so that the page keeps one to itself; two of two, since one would be no threads. */
export function usefulThreads(cores: number): number {
  return cores <= 2 ? cores : Math.min(cores - 1, 8);
}

async function webgpuKind(): Promise<Device["webgpu"]> {
  try {
    const adapter = await navigator.gpu?.requestAdapter({ powerPreference: "high-performance" });
    if (!adapter) return "none";
    return adapter.info.isFallbackAdapter ? "software" : "hardware";
  } catch {
    return "none";
  }
}

function webglKind(): Device["webgl"] {
  try {
    const gl = new OffscreenCanvas(1, 1).getContext("webgl2");
    if (!gl) return "none";
    const info = gl.getExtension("WEBGL_debug_renderer_info");
    const renderer = info ? String(gl.getParameter(info.UNMASKED_RENDERER_WEBGL)) : "";
    // The context is given back at once: a page may have only a few.
    gl.getExtension("WEBGL_lose_context")?.loseContext();
    return /swiftshader|llvmpipe|softpipe|software|basic render/i.test(renderer) ? "software" : "hardware";
  } catch {
    return "none";
  }
}

function wasmKind(): Device["wasm"] {
  if (typeof WebAssembly !== "object") return "none";
  try {
    return WebAssembly.validate(SIMD_PROBE) ? "simd" : "plain";
  } catch {
    return "none";
  }
}

/**
 * Return what to try, best first.
 *
 * @throws BundleError `unsupported` where nothing is left to try, saying why.
 */
export function candidatesFor(choice: BackendChoice, manifest: Manifest, device: Device): Candidate[] {
  const named = namedBackends(choice);
  for (const name of named ?? []) {
    if (!BACKENDS.includes(name)) {
      throw new BundleError(
        "unsupported",
        `there is no backend ${JSON.stringify(name)}; there are ${BACKENDS.join(", ")}.`,
      );
    }
  }
  const reasons: string[] = [];
  const candidates: Candidate[] = [];
  for (const backend of named ?? BACKENDS) {
    const support = manifest.backends[backend];
    if (!support?.supported) {
      const missing = support?.missing_ops?.join(", ");
      reasons.push(`${backend} cannot run this model${missing ? ` (it lacks ${missing})` : ""}`);
      continue;
    }
    if (backend === "webgpu" || backend === "webgl") {
      if (device[backend] === "none") reasons.push(`${backend} is not available in this browser`);
      else if (device[backend] === "software" && !named)
        reasons.push(`${backend} has no graphics card to run on`);
      else candidates.push({ backend, anyAdapter: named !== null });
    } else if (backend === "wasm") {
      if (device.wasm === "none") reasons.push("wasm is not available in this browser");
      else candidates.push(...wasmCandidates(device));
    } else {
      candidates.push({ backend, anyAdapter: false });
    }
  }
  if (candidates.length === 0) {
    throw new BundleError("unsupported", `no backend can run this model here: ${reasons.join("; ")}.`);
  }
  return candidates;
}

function wasmCandidates(device: Device): Candidate[] {
  const single: Candidate = {
    backend: "wasm",
    anyAdapter: false,
    variant: device.wasm === "simd" ? "simd" : "plain",
  };
  if (device.wasm !== "simd" || device.threads < 2) return [single];
  return [{ backend: "wasm", anyAdapter: false, variant: "threaded-simd", threads: device.threads }, single];
}

/** The parts of the wasm backend that each variant takes. */
const WASM_PARTS: Record<WasmVariant, readonly string[]> = {
  plain: ["wasm-plain"],
  simd: ["wasm-simd"],
  "threaded-simd": ["wasm-threaded-simd", "wasm-thread"],
};
const ALL_WASM_PARTS = Object.values(WASM_PARTS).flat();

/** The files of the runtime that a candidate takes: scripts and binaries, each once. */
export function runtimeFiles(manifest: Manifest, candidate: Candidate, worker: boolean): ManifestFile[] {
  const wanted = candidate.variant ? WASM_PARTS[candidate.variant] : [];
  const shared = filesFor(manifest, {
    roles: worker ? ["runtime", "engine", "worker"] : ["runtime", "engine"],
  }).filter(({ backends }) => !backends || backends.includes(candidate.backend));
  const own = filesFor(manifest, { roles: ["backend"], backend: candidate.backend });
  // A chunk that the loader imports by itself where it needs it, see runtime/build.mjs.
  const lazy = (file: ManifestFile) => file.part?.startsWith("lazy-") ?? false;
  const otherVariant = (file: ManifestFile) =>
    ALL_WASM_PARTS.includes(file.part ?? "") && !wanted.includes(file.part ?? "");
  return [...shared, ...own].filter((file) => !lazy(file) && !otherVariant(file));
}
