/** A picture from a file, by drag and drop, from the clipboard, or from the camera. */

import { Camera } from "./camera.js";
import { button, element, freshId, hint } from "./dom.js";
import { Input } from "./input.js";

/** Pasted pictures go to the element that the visitor is in, else to the first one. */
const connected = new Set<ImageInput>();

export class ImageInput extends Input {
  static override readonly members = { name: "text", label: "text", noCamera: "flag" } as const;
  declare noCamera: boolean;
  readonly instant = true;
  #picture: Blob | null = null;
  #address = "";
  #preview!: HTMLImageElement;
  #invitation!: HTMLElement;
  #zone!: HTMLElement;
  #problem!: HTMLElement;

  /** The picture as the visitor gave it; it may turn out to be none that the browser can read. */
  get value(): Blob | null {
    return this.#picture;
  }
  set value(picture: Blob | null) {
    this.#picture = picture;
    this.#show();
  }

  override connectedCallback(): void {
    super.connectedCallback();
    if (connected.size === 0) document.addEventListener("paste", paste);
    connected.add(this);
    this.#show();
  }

  disconnectedCallback(): void {
    connected.delete(this);
    if (connected.size === 0) document.removeEventListener("paste", paste);
    URL.revokeObjectURL(this.#address);
    this.#address = "";
  }

  /** @internal What the visitor chose, dropped, pasted or took. */
  take(picture: Blob): void {
    if (picture.type !== "" && !picture.type.startsWith("image/")) {
      this.#problem.textContent = "That is not a picture.";
      return;
    }
    this.#problem.textContent = "";
    this.value = picture;
    this.tell(true);
  }

  protected render(): Node[] {
    const id = freshId("picture");
    const file = element("input", { type: "file", id, accept: "image/*", class: "visually-hidden" });
    const name = this.label || (this.name ? `Picture for ${this.name}` : "Picture");
    this.#preview = element("img", { class: "preview", part: "preview", alt: "The chosen picture" });
    this.#invitation = element(
      "p",
      { class: "invitation" },
      element("strong", {}, "Drop a picture here"),
      " or paste one",
    );
    this.#zone = element(
      "div",
      { class: "drop", part: "drop", role: "group", "aria-label": name },
      this.#invitation,
      this.#preview,
    );
    this.#problem = hint({ class: "hint problem-text", role: "status" });
    const choose = element(
      "label",
      { for: id, class: "button primary", part: "button primary-button" },
      "Choose a picture",
    );
    const buttons = element("div", { class: "buttons", part: "buttons" }, file, choose);
    file.addEventListener("input", (event) => event.stopPropagation());
    file.addEventListener("change", () => {
      const [chosen] = file.files ?? [];
      if (chosen) this.take(chosen);
      file.value = ""; // so that the same file can be chosen again
    });
    this.#takeDrops();
    this.#show();
    const parts = [this.#zone, buttons, this.#problem];
    if (!this.noCamera && Camera.available) this.#offerCamera(buttons, parts);
    return parts;
  }

  #show(): void {
    if (!this.#preview) return;
    if (this.#address) URL.revokeObjectURL(this.#address);
    this.#address = this.#picture ? URL.createObjectURL(this.#picture) : "";
    if (this.#picture) this.#preview.src = this.#address;
    else this.#preview.removeAttribute("src");
    this.#preview.hidden = !this.#picture;
    this.#invitation.hidden = Boolean(this.#picture);
    this.#zone.classList.toggle("filled", Boolean(this.#picture));
  }

  #takeDrops(): void {
    const zone = this.#zone;
    zone.addEventListener("dragover", (event) => {
      event.preventDefault();
      zone.classList.add("over");
    });
    zone.addEventListener("dragleave", () => zone.classList.remove("over"));
    zone.addEventListener("drop", (event) => {
      event.preventDefault();
      zone.classList.remove("over");
      const dropped = event.dataTransfer?.files[0];
      if (dropped) this.take(dropped);
      else {
        this.#problem.textContent = "Drop a picture file: pictures of other sites cannot be read from here.";
      }
    });
  }

  /** While the camera runs, it stands in place of everything else. */
  #offerCamera(buttons: HTMLElement, parts: HTMLElement[]): void {
    const camera = document.createElement("tfjs-camera") as Camera;
    camera.setAttribute("exportparts", "drop, preview, buttons, button, primary-button, hint");
    camera.hidden = true;
    const start = button("Use the camera", () => {
      start.disabled = true;
      this.#problem.textContent = "";
      void camera.start().then(() => {
        swap(camera.active);
        if (camera.active) camera.focus();
      });
    });
    const swap = (running: boolean) => {
      this.#zone.hidden = buttons.hidden = running;
      camera.hidden = !running;
    };
    const end = () => {
      swap(false);
      start.disabled = false;
      start.focus();
    };
    camera.addEventListener("input", (event) => event.stopPropagation());
    camera.addEventListener("change", (event) => {
      event.stopPropagation();
      end();
      if (camera.value) this.take(camera.value);
    });
    camera.addEventListener("cancel", (event) => {
      event.stopPropagation();
      event.preventDefault(); // said below
      end();
      this.#problem.textContent = camera.problem;
    });
    buttons.append(start);
    parts.push(camera);
  }
}

function paste(event: ClipboardEvent): void {
  const picture = [...(event.clipboardData?.files ?? [])].find(({ type }) => type.startsWith("image/"));
  const [first] = connected;
  const within = event.composedPath().find((each) => connected.has(each as ImageInput));
  if (!picture || !first || event.defaultPrevented) return;
  event.preventDefault();
  ((within as ImageInput | undefined) ?? first).take(picture);
}
