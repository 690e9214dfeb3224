/** TF.js's WebGL backend, in the page or on an OffscreenCanvas in a worker. */

import { MathBackendWebGL } from "@tensorflow/tfjs-backend-webgl/dist/backend_webgl";
import "@tensorflow/tfjs-backend-webgl/dist/register_all_kernels";
import { env, findBackend, registerBackend } from "@tensorflow/tfjs-core";
import type { BackendConfig, BackendHandle } from "../protocol.js";

export async function start(config: BackendConfig): Promise<BackendHandle> {
  let backend = findBackend("webgl") as MathBackendWebGL | null;
  if (!backend) {
    backend = new MathBackendWebGL();
    const made = backend;
    registerBackend("webgl", () => made, 2);
  }
  const gl = backend.gpgpu.gl;
  if (!config.anyAdapter) {
    if (isSoftware(gl)) throw new Error("WebGL has no graphics card to run on");
    // Many phones: right only to about three digits.
    if (!env().getBool("WEBGL_RENDER_FLOAT32_CAPABLE"))
      throw new Error("WebGL computes in half precision here");
  }
  return {
    lost: new Promise((resolve) => {
      if (gl.isContextLost()) resolve("the WebGL context was lost");
      gl.canvas.addEventListener("webglcontextlost", () => resolve("the WebGL context was lost"));
    }),
  };
}

/** Says whether WebGL is computed by the CPU: right, but slower than the wasm backend. */
function isSoftware(gl: WebGLRenderingContext): boolean {
  const info = gl.getExtension("WEBGL_debug_renderer_info");
  const renderer = info ? String(gl.getParameter(info.UNMASKED_RENDERER_WEBGL)) : "";
  return /swiftshader|llvmpipe|softpipe|software|basic render/i.test(renderer);
}
