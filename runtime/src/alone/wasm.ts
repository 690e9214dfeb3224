import * as backend from "../backends/wasm.js";
import { alone } from "./alone.js";

export const createEngine = alone(backend);
