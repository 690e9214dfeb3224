/** Headers of the responses that the cache holds and the service worker gives. */

/** By extension; a module script or a .wasm with another type is refused by the browser. */
const MIME_TYPES: Readonly<Record<string, string>> = {
  html: "text/html; charset=utf-8",
  js: "text/javascript; charset=utf-8",
  css: "text/css; charset=utf-8",
  json: "application/json",
  webmanifest: "application/manifest+json",
  wasm: "application/wasm",
  svg: "image/svg+xml",
  png: "image/png",
  ico: "image/x-icon",
  bin: "application/octet-stream",
  txt: "text/plain; charset=utf-8",
};

/** Of the host's headers, those that change how the page or a worker runs. */
const KEPT = [
  "content-security-policy",
  "cross-origin-embedder-policy",
  "cross-origin-opener-policy",
  "permissions-policy",
  "referrer-policy",
];

/** Return the MIME type by the path's extension; a path that ends in `/` is a page. */
export function mimeType(path: string): string {
  if (path === "" || path.endsWith("/")) return MIME_TYPES.html as string;
  const extension = /\.([a-z0-9]+)$/i.exec(path)?.[1]?.toLowerCase() ?? "";
  return MIME_TYPES[extension] ?? "application/octet-stream";
}

/** Return the headers to store a file with: the type by its name, whatever the host said. */
export function storedHeaders(path: string, host?: Headers): Headers {
  const headers = new Headers({
    "content-type": mimeType(path),
    "cross-origin-resource-policy": "same-origin",
    "x-content-type-options": "nosniff",
  });
  for (const name of KEPT) {
    const value = host?.get(name);
    if (value) headers.set(name, value);
  }
  return headers;
}

/** Return all of `bytes`, or where a single range is asked for, that part of them (206, 416). */
export function partOf(bytes: ArrayBuffer, headers: Headers, range: string | null): Response {
  const size = bytes.byteLength;
  const asked = /^bytes=(\d*)-(\d*)$/.exec(range ?? "");
  const backwards = asked?.[1] && asked[2] && Number(asked[2]) < Number(asked[1]);
  if (!asked || backwards || (asked[1] === "" && asked[2] === "")) {
    headers.set("content-length", String(size));
    return new Response(bytes, { headers });
  }
  const [, from = "", to = ""] = asked;
  const start = from === "" ? Math.max(0, size - Number(to)) : Number(from);
  const end = from === "" || to === "" ? size - 1 : Math.min(Number(to), size - 1);
  if (start > end) {
    headers.set("content-range", `bytes */${size}`);
    return new Response(null, { status: 416, headers });
  }
  headers.set("content-range", `bytes ${start}-${end}/${size}`);
  headers.set("content-length", String(end - start + 1));
  return new Response(bytes.slice(start, end + 1), { status: 206, headers });
}
