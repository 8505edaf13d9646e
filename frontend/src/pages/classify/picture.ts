/** Drawing: the small copy of a photo, and over it the map of where the network looked. */

import type { Schemas } from "../../api/client";

const PREVIEW_WIDTH = 640;

/** Draws a small copy of the file; false where the browser cannot read the format (HEIC and TIFF in most). */
export async function drawPreview(canvas: HTMLCanvasElement, file: Blob): Promise<boolean> {
  try {
    // Scaled while decoding, so that hundreds of large photos do not fill the memory; EXIF orientation is applied.
    const bitmap = await createImageBitmap(file, { resizeWidth: PREVIEW_WIDTH, resizeQuality: "medium" });
    canvas.width = bitmap.width;
    canvas.height = bitmap.height;
    canvas.getContext("2d")?.drawImage(bitmap, 0, 0);
    bitmap.close();
    return true;
  } catch {
    return false;
  }
}

/** Colours a greyscale map (a PNG data URL) and stretches it over the region of the photo that it covers. */
export async function drawHeat(
  canvas: HTMLCanvasElement,
  explanation: Schemas["Explanation"],
  photo: HTMLCanvasElement,
): Promise<void> {
  const image = new Image();
  image.src = explanation.map;
  await image.decode();
  const small = document.createElement("canvas");
  small.width = image.naturalWidth;
  small.height = image.naturalHeight;
  const context = small.getContext("2d");
  const target = canvas.getContext("2d");
  if (!context || !target) return;
  context.drawImage(image, 0, 0);
  const pixels = context.getImageData(0, 0, small.width, small.height);
  for (let at = 0; at < pixels.data.length; at += 4)
    pixels.data.set(colourOf((pixels.data[at] ?? 0) / 255), at);
  context.putImageData(pixels, 0, 0);
  canvas.width = photo.width;
  canvas.height = photo.height;
  const [left, top, right, bottom] = explanation.region as [number, number, number, number];
  const [width, height] = [(right - left) * canvas.width, (bottom - top) * canvas.height];
  target.drawImage(small, left * canvas.width, top * canvas.height, width, height);
}

// Dark blue to yellow, even in lightness, so that it reads without colour vision as well (after matplotlib's plasma).
const STOPS = [
  [13, 8, 135],
  [126, 3, 168],
  [204, 71, 120],
  [248, 149, 64],
  [240, 249, 33],
] as const;

function colourOf(value: number): number[] {
  const at = value * (STOPS.length - 1);
  const low = Math.min(Math.floor(at), STOPS.length - 2);
  const [from, to] = [STOPS[low]!, STOPS[low + 1]!];
  return [...from.map((one, channel) => one + (to[channel]! - one) * (at - low)), 255];
}
