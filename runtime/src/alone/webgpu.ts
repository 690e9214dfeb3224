import * as backend from "../backends/webgpu.js";
import { alone } from "./alone.js";

export const createEngine = alone(backend);
