import * as backend from "../backends/webgl.js";
import { alone } from "./alone.js";

export const createEngine = alone(backend);
