/** TF.js's plain JavaScript backend: runs everywhere. */

import "@tensorflow/tfjs-backend-cpu";
import type { BackendHandle } from "../protocol.js";

export async function start(): Promise<BackendHandle> {
  return { lost: new Promise(() => undefined) };
}
