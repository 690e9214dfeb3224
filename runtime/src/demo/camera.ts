/** The camera's picture with a shutter; frames stay in this page. */

import { button, element } from "./dom.js";

/**
 * Shows the camera inside `place` and its buttons instead of those in `toolbar` until a picture is taken.
 *
 * @returns the picture, or `null` when the visitor gave up.
 * @throws DOMException where there is no camera or no permission.
 */
export async function cameraView(place: HTMLElement, toolbar: HTMLElement): Promise<Blob | null> {
  const stream = await navigator.mediaDevices.getUserMedia({
    video: { facingMode: { ideal: "environment" } },
    audio: false,
  });
  const video = element("video", {
    class: "preview",
    playsinline: true,
    "aria-label": "What the camera sees",
  });
  video.muted = true;
  video.srcObject = stream;
  const usual = [...toolbar.children] as HTMLElement[];
  const hiddenBefore = usual.map((child) => child.hidden);
  for (const child of usual) child.hidden = true;
  let shutter: HTMLButtonElement | undefined;
  let cancel: HTMLButtonElement | undefined;
  try {
    place.append(video);
    await video.play();
    return await new Promise<Blob | null>((resolve, reject) => {
      shutter = button("Take the picture", () => frameOf(video).then(resolve, reject), { class: "primary" });
      cancel = button("Cancel", () => resolve(null));
      stream.getVideoTracks()[0]?.addEventListener("ended", () => resolve(null));
      toolbar.append(shutter, cancel);
      shutter.focus();
    });
  } finally {
    for (const track of stream.getTracks()) track.stop();
    video.remove();
    shutter?.remove();
    cancel?.remove();
    usual.forEach((child, index) => {
      child.hidden = hiddenBefore[index]!;
    });
  }
}

function frameOf(video: HTMLVideoElement): Promise<Blob> {
  const canvas = element("canvas", { width: video.videoWidth, height: video.videoHeight });
  canvas.getContext("2d")!.drawImage(video, 0, 0);
  return new Promise((resolve, reject) => {
    canvas.toBlob((blob) => (blob ? resolve(blob) : reject(new Error("no frame"))), "image/png");
  });
}
