export { precache, type PrecacheEntry } from "./index.js";
