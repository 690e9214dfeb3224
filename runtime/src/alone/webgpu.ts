// First: kernels look at flags as they are imported.
import "@tensorflow/tfjs-core/dist/base_side_effects";
import * as backend from "../backends/webgpu.js";
import { alone } from "./alone.js";

export const createEngine = alone(backend);
