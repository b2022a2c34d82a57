// Sizes, and pixels to and from what the networks take: planes of red, green and blue in [-1, 1].

/** The size of a picture scaled down to at most `pixels` pixels, its shorter side `least` at least; as `images/resizing.py` has it. */
export function sizeWithin(width, height, pixels, least) {
  const scale = Math.max(Math.min(1, Math.sqrt(pixels / (width * height))), least / Math.min(width, height));
  const bound = Math.max(16 * least, Math.floor(Math.sqrt(pixels)));
  return [width, height].map((side) => Math.min(Math.max(least, Math.round(side * scale)), bound));
}

/** The size of a picture scaled down to a longest side of `longest`. */
export function workingSize(width, height, longest) {
  const scale = Math.min(1, longest / Math.max(width, height));
  return [width, height].map((side) => Math.max(1, Math.round(side * scale)));
}

/** RGBA bytes of n pixels to 3 n floats; alpha is left out. */
export function toPlanes(bytes) {
  const n = bytes.length / 4;
  const planes = new Float32Array(3 * n);
  for (let i = 0; i < n; i++) {
    for (let c = 0; c < 3; c++) planes[c * n + i] = bytes[4 * i + c] / 127.5 - 1;
  }
  return planes;
}

/** 3 n floats to the RGBA bytes of n opaque pixels, rounded to the nearest level. */
export function toBytes(planes) {
  const n = planes.length / 3;
  const bytes = new Uint8ClampedArray(4 * n).fill(255);
  for (let i = 0; i < n; i++) {
    for (let c = 0; c < 3; c++) bytes[4 * i + c] = (planes[c * n + i] + 1) * 127.5;
  }
  return bytes;
}
