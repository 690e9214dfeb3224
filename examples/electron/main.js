import { dirname, join, normalize, sep } from "node:path";
import { fileURLToPath, pathToFileURL } from "node:url";
import { app, BrowserWindow, net, protocol } from "electron";

const HERE = dirname(fileURLToPath(import.meta.url));

// Pages that are opened as files may neither fetch nor start workers; those of a scheme of the app's own may.
protocol.registerSchemesAsPrivileged([
  { scheme: "app", privileges: { standard: true, secure: true, supportFetchAPI: true } },
]);

await app.whenReady();
protocol.handle("app", ({ url }) => {
  const path = normalize(join(HERE, decodeURIComponent(new URL(url).pathname)));
  if (!path.startsWith(HERE + sep)) return new Response(null, { status: 404 });
  return net.fetch(pathToFileURL(path).href);
});
await new BrowserWindow({ width: 480, height: 640 }).loadURL("app://digits/index.html");
app.on("window-all-closed", () => app.quit());
