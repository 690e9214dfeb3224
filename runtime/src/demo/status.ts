/** How far the download is, what computes, and whether the page works offline. */

import type { LoadProgress, Model } from "../loader.js";
import { byId, element } from "./dom.js";
import * as format from "./format.js";

const BACKENDS: Record<string, string> = {
  webgpu: "graphics card (WebGPU)",
  webgl: "graphics card (WebGL)",
  wasm: "processor (WebAssembly)",
  cpu: "processor (JavaScript)",
};

export interface Loading {
  update(progress: LoadProgress): void;
  done(): void;
}

/** The bar that fills as bytes come. */
export function showLoading(place: HTMLElement): Loading {
  const bar = element("progress", { max: 1, "aria-label": "Download of the model" });
  const text = element("p", { class: "hint" }, "Getting the model…");
  place.replaceChildren(text, bar);
  place.hidden = false;
  return {
    update({ loaded, total, fromCache }) {
      if (total > 0) bar.value = loaded / total;
      if (loaded < total) {
        const from = fromCache ? "Reading from this device" : "Downloading the model";
        text.textContent = `${from}: ${format.bytes(loaded)} of ${format.bytes(total)}`;
      } else {
        text.textContent = "Starting the model…";
        bar.removeAttribute("value");
      }
    },
    done() {
      place.hidden = true;
    },
  };
}

/** A badge in the header; its text can change. */
function badge(kind: string): HTMLElement {
  const made = element("li", { class: `badge ${kind}` });
  byId("badges").append(made);
  return made;
}

export interface Badges {
  /** Milliseconds that the last prediction took, as the visitor waited for it. */
  timed(milliseconds: number): void;
}

export function showBadges(model: Model): Badges {
  const engine = badge("engine");
  const threads = model.threads > 1 ? `, ${model.threads} threads` : "";
  const where = `Runs on your ${BACKENDS[model.backend] ?? model.backend}${threads}`;
  engine.textContent = where;

  const offline = badge("offline");
  offline.setAttribute("role", "status");
  let state = { ready: false, reason: "" };
  const showOffline = () => {
    offline.classList.toggle("good", state.ready);
    offline.title = state.reason;
    if (state.ready) offline.textContent = navigator.onLine ? "Works offline" : "Offline now, and working";
    else
      offline.textContent = state.reason ? `Needs the network: ${state.reason}` : "Saving for offline use…";
  };
  showOffline();
  void model.offline.then((settled) => {
    state = settled;
    showOffline();
  });
  addEventListener("online", showOffline);
  addEventListener("offline", showOffline);

  return {
    timed(milliseconds) {
      engine.textContent = `${where} · ${format.duration(milliseconds)}`;
    },
  };
}
