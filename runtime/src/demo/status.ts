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

/** The bar that fills as bytes come; on a phone it lies below the pad, so the badge on top tells too. */
export function showLoading(place: HTMLElement, badge: HTMLElement): Loading {
  const bar = element("progress", { max: 1, "aria-label": "Download of the model" });
  const text = element("p", { class: "hint" }, "Getting the model…");
  place.replaceChildren(text, bar);
  place.hidden = false;
  badge.textContent = "Getting the model…";
  return {
    update({ loaded, total, fromCache }) {
      if (total > 0) bar.value = loaded / total;
      if (loaded < total) {
        const from = fromCache ? "Reading from this device" : "Downloading the model";
        text.textContent = `${from}: ${format.bytes(loaded)} of ${format.bytes(total)}`;
        badge.textContent = `${from} · ${Math.floor((loaded / total) * 100)} %`;
      } else {
        text.textContent = badge.textContent = "Starting the model…";
        bar.removeAttribute("value");
      }
    },
    done() {
      place.hidden = true;
      badge.textContent = "";
    },
  };
}

/** The badge in the header. */
export function makeBadge(): HTMLElement {
  const badge = element("li", { class: "badge", role: "status" });
  byId("badges").append(badge);
  return badge;
}

/** Says whether the page works offline, once that is known, and whether it is offline now. */
export function showOffline(model: Model, badge: HTMLElement): void {
  let state = { ready: false, reason: "" };
  const show = () => {
    badge.classList.toggle("good", state.ready);
    badge.title = state.reason;
    if (state.ready) badge.textContent = navigator.onLine ? "Works offline" : "Offline now, and working";
    else badge.textContent = state.reason ? `Needs the network: ${state.reason}` : "Saving for offline use…";
  };
  show();
  void model.offline.then((settled) => {
    state = settled;
    show();
  });
  addEventListener("online", show);
  addEventListener("offline", show);
}

/** Says what computes, and how many milliseconds the last prediction took as the visitor waited for it. */
export function showEngine(model: Model, milliseconds?: number): void {
  const threads = model.threads > 1 ? `, ${model.threads} threads` : "";
  const where = `on your ${BACKENDS[model.backend] ?? model.backend}${threads}`;
  byId("engine").textContent =
    milliseconds === undefined ? `Runs ${where}` : `Predicted ${where} in ${format.duration(milliseconds)}`;
}
