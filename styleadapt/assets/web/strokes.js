// Strokes of a chosen size: painted small, then enlarged and painted again; as `pipelines/strokes.py` has it.

const STROKE_PIXELS = 10;
const AUTO_SIDE = 1024;
const STEP = 2;
const SNAP = 1.25;
const DETAIL_RADIUS = 2.2;

// how far each kernel reaches, and its weight at a distance
const sinc = (x) => (x === 0 ? 1 : Math.sin(Math.PI * x) / (Math.PI * x));
const LANCZOS = [3, (x) => (x < 3 ? sinc(x) * sinc(x / 3) : 0)];
const BICUBIC = [2, (x) => (x < 1 ? (1.5 * x - 2.5) * x * x + 1 : x < 2 ? ((2.5 - 0.5 * x) * x - 4) * x + 2 : 0)];
const GAUSSIAN = [3 * DETAIL_RADIUS, (x) => Math.exp(-0.5 * (x / DETAIL_RADIUS) ** 2)];

/** The sizes that a picture is painted at, coarse to fine; `strokeSize` is a share of its longer side, or "auto". */
export function strokeLevels(width, height, strokeSize) {
  const longer = Math.max(width, height);
  const coarse = strokeSize === "auto" ? AUTO_SIDE : STROKE_PIXELS / Number(strokeSize);
  const steps = longer > SNAP * coarse ? Math.max(1, Math.round(Math.log2(longer / coarse) / Math.log2(STEP))) : 0;
  const levels = [];
  for (let step = 0; step < steps; step++) {
    const scale = coarse * (longer / coarse) ** (step / steps) / longer;
    levels.push([width, height].map((side) => Math.max(1, Math.round(side * scale))));
  }
  return [...levels, [width, height]];
}

/**
 * @param photo ImageData at the size to work at.
 * @param paint gives, later, the picture of an ImageData, of the same size.
 */
export async function paintInLevels(photo, paint, levels) {
  let picture = await paint(resampled(photo, levels[0], LANCZOS));
  for (const size of levels.slice(1)) {
    const painted = await paint(withDetail(picture, resampled(photo, size, LANCZOS)));
    picture = kept(painted, picture);
  }
  return picture;
}

/** `picture` enlarged to the photo's size, and the photo's fine detail added. */
function withDetail(picture, photo) {
  const enlarged = resampled(picture, [photo.width, photo.height], BICUBIC);
  const blurred = resampled(photo, [photo.width, photo.height], GAUSSIAN);
  return mapped(enlarged, (level, i) => level + photo.data[i] - blurred.data[i]);
}

/** `fine` with what it changed of `coarse`, seen at the size of `coarse`, taken back. */
function kept(fine, coarse) {
  const seen = resampled(fine, [coarse.width, coarse.height], LANCZOS);
  // halved it has room in bytes
  const half = mapped(coarse, (level, i) => 128 + (level - seen.data[i]) / 2);
  const change = resampled(half, [fine.width, fine.height], LANCZOS);
  return mapped(fine, (level, i) => level + 2 * (change.data[i] - 128));
}

function mapped(image, change) {
  const bytes = new Uint8ClampedArray(image.data.length).fill(255);
  for (let i = 0; i < bytes.length; i++) if (i % 4 < 3) bytes[i] = change(image.data[i], i);
  return new ImageData(bytes, image.width, image.height);
}

/** An image at another size, or blurred at its own, each pixel the mean of those that `kernel` reaches; without alpha. */
function resampled(image, [width, height], kernel) {
  if (width === image.width && height === image.height && kernel !== GAUSSIAN) return image;
  const across = weights(image.width, width, kernel);
  const down = weights(image.height, height, kernel);
  const rows = new Float32Array(3 * width * image.height);
  for (let y = 0; y < image.height; y++) {
    for (let x = 0; x < width; x++) {
      const { first, shares } = across[x];
      for (let c = 0; c < 3; c++) {
        let sum = 0;
        for (let k = 0; k < shares.length; k++) sum += shares[k] * image.data[4 * (y * image.width + first + k) + c];
        rows[3 * (y * width + x) + c] = sum;
      }
    }
  }
  const bytes = new Uint8ClampedArray(4 * width * height).fill(255);
  for (let y = 0; y < height; y++) {
    const { first, shares } = down[y];
    for (let x = 0; x < width; x++) {
      for (let c = 0; c < 3; c++) {
        let sum = 0;
        for (let k = 0; k < shares.length; k++) sum += shares[k] * rows[3 * ((first + k) * width + x) + c];
        bytes[4 * (y * width + x) + c] = sum;
      }
    }
  }
  return new ImageData(bytes, width, height);
}

/** For each of `to` places, the first of the `from` that it is a mean of, and the share of each. */
function weights(from, to, [reach, kernel]) {
  const scale = from / to;
  const stretch = Math.max(1, scale);
  return Array.from({ length: to }, (_, place) => {
    const center = (place + 0.5) * scale;
    const first = Math.max(0, Math.floor(center - reach * stretch + 0.5));
    const end = Math.min(from, Math.floor(center + reach * stretch + 0.5));
    const shares = [];
    for (let i = first; i < end; i++) shares.push(kernel(Math.abs(i + 0.5 - center) / stretch));
    const sum = shares.reduce((a, b) => a + b, 0);
    return { first, shares: shares.map((share) => share / sum) };
  });
}
