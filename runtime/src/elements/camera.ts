/** The camera's picture with a shutter; frames stay in this page. */

import { Part } from "./base.js";
import { button, element, hint } from "./dom.js";

export class Camera extends Part {
  static override readonly members = { label: "text" } as const;
  declare label: string;
  #stream: MediaStream | null = null;
  #video!: HTMLVideoElement;
  #start!: HTMLButtonElement;
  #take!: HTMLButtonElement;
  #cancel!: HTMLButtonElement;
  #problem!: HTMLElement;
  #picture: Blob | null = null;
  #asked = 0;
  #why = "";

  /** Whether the browser offers cameras at all: on plain http it does not, whatever the types say. */
  static get available(): boolean {
    return Boolean((navigator as Partial<Navigator>).mediaDevices);
  }

  /** The picture that was taken last, as PNG. */
  get value(): Blob | null {
    return this.#picture;
  }
  set value(value: Blob | null) {
    this.#picture = value;
  }

  /** Whether it is on. */
  get active(): boolean {
    return this.#stream !== null;
  }

  /** Why there was no picture, in a sentence; or nothing. */
  get problem(): string {
    return this.#why;
  }

  override focus(options?: FocusOptions): void {
    this.draw();
    (this.active ? this.#take : this.#start).focus(options);
  }

  /** Asks for the camera and shows what it sees; where it may not, `cancel` is sent and a sentence says so. */
  async start(): Promise<void> {
    this.draw();
    const asked = ++this.#asked;
    this.#why = this.#problem.textContent = "";
    this.#start.disabled = true;
    try {
      const stream = await navigator.mediaDevices.getUserMedia({
        video: { facingMode: { ideal: "environment" } },
        audio: false,
      });
      this.#stream = stream;
      if (asked !== this.#asked || !this.isConnected) return this.stop(); // it was stopped meanwhile
      stream.getVideoTracks()[0]?.addEventListener("ended", () => this.#giveUp());
      this.#video.srcObject = stream;
      await this.#video.play();
      this.#show(true);
      this.focus();
    } catch (error) {
      this.stop();
      this.#why = problemOf(error);
      this.#cancelled();
    }
  }

  /** Switches the camera off. */
  stop(): void {
    this.#asked++;
    for (const track of this.#stream?.getTracks() ?? []) track.stop();
    this.#stream = null;
    this.#video.srcObject = null;
    this.#show(false);
  }

  disconnectedCallback(): void {
    if (this.#stream || this.#start?.disabled) this.stop();
  }

  protected render(): Node[] {
    this.#video = element("video", {
      class: "preview",
      part: "preview",
      playsinline: true,
      "aria-label": this.label || "What the camera sees",
    });
    this.#video.muted = true;
    this.#start = button("Use the camera", () => void this.start());
    this.#take = button("Take the picture", () => void this.#shoot(), {
      class: "primary",
      part: "button primary-button",
    });
    this.#cancel = button("Cancel", () => this.#giveUp());
    this.#problem = hint({ class: "hint problem-text", role: "status" });
    this.#show(this.#stream !== null);
    if (this.#stream) {
      this.#video.srcObject = this.#stream;
      void this.#video.play();
    }
    return [
      element("div", { class: "drop filled", part: "drop" }, this.#video),
      element("div", { class: "buttons", part: "buttons" }, this.#start, this.#take, this.#cancel),
      this.#problem,
    ];
  }

  #show(running: boolean): void {
    this.#video.parentElement?.toggleAttribute("hidden", !running);
    this.#start.hidden = running;
    this.#start.disabled = false;
    this.#take.hidden = this.#cancel.hidden = !running;
  }

  #giveUp(): void {
    this.stop();
    this.#cancelled();
  }

  /** The reason is shown here unless whoever hears of it prevents that, to show it elsewhere. */
  #cancelled(): void {
    const event = new Event("cancel", { bubbles: true, composed: true, cancelable: true });
    if (this.dispatchEvent(event)) this.#problem.textContent = this.#why;
  }

  async #shoot(): Promise<void> {
    const { videoWidth: width, videoHeight: height } = this.#video;
    const canvas = element("canvas", { width, height });
    canvas.getContext("2d")!.drawImage(this.#video, 0, 0);
    this.#picture = await new Promise<Blob | null>((resolve) => canvas.toBlob(resolve, "image/png"));
    this.stop();
    this.emit("input", "change");
  }
}

function problemOf(error: unknown): string {
  const name = error instanceof DOMException ? error.name : "";
  if (name === "NotAllowedError") return "The browser was not allowed to use the camera.";
  if (name === "NotFoundError") return "This device has no camera.";
  return "The camera could not be started.";
}
