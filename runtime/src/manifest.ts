/** The bundle's manifest, `bundle.json`: its types, a light validator, and questions about it. */

import { BundleError } from "./errors.js";

export const SCHEMA_VERSION = 1;
export const MANIFEST = "bundle.json";

export const BACKENDS = ["webgpu", "webgl", "wasm", "cpu"] as const;
export type BackendName = (typeof BACKENDS)[number];

export type FileRole =
  | "page"
  | "model"
  | "weights"
  | "golden"
  | "program"
  | "runtime"
  | "worker"
  | "engine"
  | "backend"
  | "demo"
  | "entry"
  | "hosting";

export interface ManifestFile {
  /** Relative to the bundle's directory, with `/`. */
  readonly path: string;
  /** In bytes. */
  readonly size: number;
  /** 64 hexadecimal digits. */
  readonly sha256: string;
  readonly role: FileRole;
  /** Which backends need the file; absent where all do. */
  readonly backends?: readonly BackendName[];
  /** Which piece of the runtime it is; absent where the role says enough. */
  readonly part?: string;
}

export interface TensorInfo {
  readonly name: string;
  /** `null` dimensions are unknown; `null` for an unknown rank. */
  readonly shape: readonly (number | null)[] | null;
  /** As TF.js has it: `float32`, `int32`, `bool`, `string`, `complex64`. */
  readonly dtype: string;
  /** As Keras has it, for instance `uint8`. */
  readonly source_dtype: string;
}

export interface BackendSupport {
  readonly supported: boolean;
  readonly missing_ops?: readonly string[];
}

export interface Manifest {
  readonly schema_version: number;
  readonly name: string;
  /** The bundle's version: sha256 over path, size and sha256 of all files. */
  readonly digest: string;
  readonly created_with: Readonly<Record<string, string>>;
  readonly source: Readonly<Record<string, string | null>>;
  readonly signature: {
    readonly inputs: readonly TensorInfo[];
    readonly outputs: readonly TensorInfo[];
  };
  // biome-ignore lint/suspicious/noExplicitAny: the preprocessing schema belongs to its own module
  readonly preprocessing: Readonly<Record<string, any>>;
  readonly labels: Readonly<Record<string, readonly string[]>>;
  readonly task: string;
  readonly files: readonly ManifestFile[];
  readonly backends: Readonly<Partial<Record<BackendName, BackendSupport>>>;
  readonly requires_loader: boolean;
  readonly warnings: readonly string[];
}

/** What a build writes into `loader.js` and `sw.js` in place of their token. */
export interface Build {
  readonly digest: string;
  /** bundle.json itself. */
  readonly manifest: { readonly sha256: string; readonly size: number };
  /** What the service worker stores at install; `"./"` is index.html under the directory's own URL. */
  readonly shell: readonly ShellFile[];
  /** The policy that a worker's script must come with; a page's own is in the page. */
  readonly content_security_policy?: string;
}

export interface ShellFile {
  readonly path: string;
  readonly sha256: string;
}

/** Return the build a script was filled with, or `null` for a script that is not filled in. */
export function readBuild(filled: unknown): Build | null {
  if (typeof filled !== "object" || filled === null) return null;
  return filled as Build;
}

/** Return the directory behind `url` (a directory's or a file's URL), without query or fragment. */
export function directoryUrl(url: string | URL): string {
  return new URL("./", url).href.replace(/[?#].*$/, "");
}

/**
 * Parse the text of bundle.json.
 *
 * @throws BundleError `integrity` where it is not a manifest, `unsupported` for another schema version.
 */
export function parseManifest(text: string): Manifest {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (error) {
    throw new BundleError("integrity", "bundle.json is damaged: it is not JSON.", { cause: error });
  }
  return checkManifest(value);
}

/** Check what the runtime relies on in a manifest; see `parseManifest` for what it throws. */
export function checkManifest(value: unknown): Manifest {
  if (!isRecord(value)) throw damaged("it is not an object");
  if (value.schema_version !== SCHEMA_VERSION) {
    throw new BundleError(
      "unsupported",
      `bundle.json has schema_version ${JSON.stringify(value.schema_version)}; this loader reads ` +
        `${SCHEMA_VERSION}. Upload loader.js and bundle.json of the same build.`,
    );
  }
  if (typeof value.digest !== "string") throw damaged("it has no digest");
  if (!isRecord(value.signature)) throw damaged("it has no signature");
  if (!Array.isArray(value.signature.inputs)) throw damaged("its signature has no inputs");
  if (!Array.isArray(value.signature.outputs)) throw damaged("its signature has no outputs");
  if (!isRecord(value.backends)) throw damaged("it does not say which backends it supports");
  if (!Array.isArray(value.files)) throw damaged("it lists no files");
  const seen = new Set<string>();
  for (const file of value.files) {
    if (!isRecord(file) || typeof file.path !== "string") throw damaged("a file has no path");
    if (!staysInside(file.path)) throw damaged(`the path ${JSON.stringify(file.path)} leaves the bundle`);
    if (seen.has(file.path)) throw damaged(`${file.path} is listed twice`);
    seen.add(file.path);
    if (typeof file.size !== "number" || !Number.isSafeInteger(file.size) || file.size < 0) {
      throw damaged(`${file.path} has no size`);
    }
    if (typeof file.sha256 !== "string" || !/^[0-9a-f]{64}$/.test(file.sha256)) {
      throw damaged(`${file.path} has no sha256`);
    }
    if (typeof file.role !== "string") throw damaged(`${file.path} has no role`);
  }
  return value as unknown as Manifest;
}

/** Return whether a path is relative and leads to a file inside the bundle. */
export function staysInside(path: string): boolean {
  if (path.includes("\\")) return false;
  return path.split("/").every((part) => part !== "" && part !== "." && part !== "..");
}

const CONTENT_NAMED_ROLES: readonly FileRole[] = [
  "weights",
  "program",
  "runtime",
  "worker",
  "engine",
  "backend",
];

/** Return whether another content would mean another name, so that the URL alone identifies the bytes. */
export function isContentNamed(file: Pick<ManifestFile, "path" | "role">): boolean {
  return CONTENT_NAMED_ROLES.includes(file.role) || file.path.startsWith("runtime/");
}

/** The URL under which a file is requested and stored: plain where content-named, else with its sha256. */
export function fileUrl(baseUrl: string, file: Pick<ManifestFile, "path" | "role" | "sha256">): string {
  const url = pathUrl(baseUrl, file.path);
  return isContentNamed(file) ? url : versionedUrl(url, file.sha256);
}

/** The plain URL of a path; `%`, `?`, `#` and `:` in a file's name are part of the name. */
export function pathUrl(baseUrl: string, path: string): string {
  return baseUrl + path.split("/").map(encodeURIComponent).join("/");
}

/** `url` with the sha256 of its content as the query, so that two builds never mix. */
export function versionedUrl(url: string, sha256: string): string {
  return `${url}?sha256=${sha256}`;
}

/** The name of the one cache of the bundle in this directory; several bundles may share an origin. */
export function cacheName(baseUrl: string): string {
  return `tfjs-bundle ${baseUrl}`;
}

export interface FileQuery {
  readonly roles?: readonly FileRole[];
  /** Files of this backend, or of these; leaves out the files of every other. */
  readonly backend?: BackendName | readonly BackendName[];
  /** Only files of these parts. */
  readonly parts?: readonly string[];
}

/** Return the files of the manifest that match every condition given, in the manifest's order. */
export function filesFor(manifest: Manifest, { roles, backend, parts }: FileQuery): ManifestFile[] {
  const backends = typeof backend === "string" ? [backend] : backend;
  return manifest.files.filter(
    (file) =>
      (!roles || roles.includes(file.role)) &&
      (!backends || backends.some((name) => file.backends?.includes(name))) &&
      (!parts || (file.part !== undefined && parts.includes(file.part))),
  );
}

/** Return the entry of a path; throws `integrity` where the manifest does not name it. */
export function fileAt(manifest: Manifest, path: string): ManifestFile {
  const file = manifest.files.find((entry) => entry.path === path);
  if (!file) throw damaged(`it does not name ${path}`);
  return file;
}

function damaged(why: string): BundleError {
  return new BundleError("integrity", `bundle.json is damaged: ${why}. Upload the bundle again.`);
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}
