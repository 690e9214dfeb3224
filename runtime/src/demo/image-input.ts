/** A picture from a file, by drag and drop, from the clipboard, or from the camera. */

import type { ImageSchema } from "../preprocessing/image.js";
import { cameraView } from "./camera.js";
import { button, element, freshId } from "./dom.js";
import type { InputWidget } from "./page.js";

export function imageInput(name: string, _schema: ImageSchema, changed: () => void): InputWidget {
  const id = freshId("picture");
  const file = element("input", { type: "file", id, accept: "image/*", class: "visually-hidden" });
  const preview = element("img", { class: "preview", alt: "The chosen picture", hidden: true });
  const invitation = element(
    "p",
    { class: "invitation" },
    element("strong", {}, "Drop a picture here"),
    " or paste one",
  );
  const zone = element(
    "div",
    { class: "drop", role: "group", "aria-label": `Picture for ${name}` },
    invitation,
    preview,
  );
  const problem = element("p", { class: "hint problem-text", role: "status" });
  const choose = element("label", { for: id, class: "button primary" }, "Choose a picture");
  const buttons = element("div", { class: "buttons" }, file, choose);
  let picture: Blob | null = null;
  let address = "";

  function show(chosen: Blob): void {
    if (chosen.type !== "" && !chosen.type.startsWith("image/")) {
      problem.textContent = "That is not a picture.";
      return;
    }
    problem.textContent = "";
    picture = chosen;
    if (address) URL.revokeObjectURL(address);
    address = URL.createObjectURL(chosen);
    preview.src = address;
    preview.hidden = false;
    invitation.hidden = true;
    zone.classList.add("filled");
    changed();
  }

  file.addEventListener("change", () => {
    const [chosen] = file.files ?? [];
    if (chosen) show(chosen);
    file.value = ""; // so that the same file can be chosen again
  });
  zone.addEventListener("dragover", (event) => {
    event.preventDefault();
    zone.classList.add("over");
  });
  zone.addEventListener("dragleave", () => zone.classList.remove("over"));
  zone.addEventListener("drop", (event) => {
    event.preventDefault();
    zone.classList.remove("over");
    const dropped = event.dataTransfer?.files[0];
    if (dropped) show(dropped);
    else problem.textContent = "Drop a picture file: pictures of other sites cannot be read from here.";
  });
  // Missing on plain http, whatever the types say.
  if ((navigator as Partial<Navigator>).mediaDevices) {
    const start = button("Use the camera", async () => {
      start.disabled = true;
      problem.textContent = "";
      invitation.hidden = preview.hidden = true;
      const taken = await cameraView(zone, buttons).catch((error: unknown) => {
        problem.textContent = cameraProblem(error);
        return null;
      });
      start.disabled = false;
      if (taken) {
        show(taken);
      } else {
        preview.hidden = !picture;
        invitation.hidden = Boolean(picture);
      }
      start.focus();
    });
    buttons.append(start);
  }

  return {
    element: element("div", { class: "image-widget" }, zone, buttons, problem),
    value: () => picture,
    instant: true,
    paste: show,
  };
}

function cameraProblem(error: unknown): string {
  const name = error instanceof DOMException ? error.name : "";
  if (name === "NotAllowedError") return "The browser was not allowed to use the camera.";
  if (name === "NotFoundError") return "This device has no camera.";
  return "The camera could not be started.";
}
