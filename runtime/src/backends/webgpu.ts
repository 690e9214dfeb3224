/** TF.js's WebGPU backend. */

import { WebGPUBackend } from "@tensorflow/tfjs-backend-webgpu/dist/backend_webgpu";
import "@tensorflow/tfjs-backend-webgpu/dist/flags_webgpu";
import "@tensorflow/tfjs-backend-webgpu/dist/register_all_kernels";
import { findBackend, registerBackend } from "@tensorflow/tfjs-core";
import type { BackendConfig, BackendHandle } from "../protocol.js";

/** Limits that TF.js's shaders use as far as the adapter goes. */
const LIMITS = [
  "maxComputeWorkgroupStorageSize",
  "maxComputeWorkgroupsPerDimension",
  "maxStorageBufferBindingSize",
  "maxBufferSize",
  "maxComputeWorkgroupSizeX",
  "maxComputeInvocationsPerWorkgroup",
] as const;

export async function start(config: BackendConfig): Promise<BackendHandle> {
  let backend = findBackend("webgpu") as WebGPUBackend | null;
  if (!backend) {
    const adapter = await navigator.gpu?.requestAdapter({ powerPreference: "high-performance" });
    if (!adapter) throw new Error("WebGPU has no adapter here");
    if (!config.anyAdapter && adapter.info.isFallbackAdapter) {
      throw new Error("WebGPU has no graphics card to run on");
    }
    const requiredLimits = Object.fromEntries(LIMITS.map((name) => [name, adapter.limits[name]]));
    const device = await adapter.requestDevice({ requiredLimits });
    backend = new WebGPUBackend(device, adapter.info);
    const made = backend;
    registerBackend("webgpu", () => made, 3);
  }
  const device = backend.device;
  return {
    lost: new Promise((resolve) => {
      void device.lost.then((info) => resolve(`the WebGPU device was lost: ${info.message}`));
      // Such an error leaves a shader's output unwritten and reaches no caller: it must not pass for a result.
      device.addEventListener("uncapturederror", (event) => {
        resolve(`WebGPU reported an error: ${(event as GPUUncapturedErrorEvent).error.message}`);
      });
    }),
  };
}
