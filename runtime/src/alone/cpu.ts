import * as backend from "../backends/cpu.js";
import { alone } from "./alone.js";

export const createEngine = alone(backend);
