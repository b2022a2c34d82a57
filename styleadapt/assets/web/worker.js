// Runs the networks beside the page, so that it stays responsive and can stop them.
import * as ort from "./ort/ort.wasm.min.mjs";
import { toBytes, toPlanes } from "./pixels.js";
import { paintInLevels, strokeLevels } from "./strokes.js";

ort.env.wasm.wasmPaths = new URL("./ort/", import.meta.url).href;
// threads share memory, which a browser allows only on isolated pages
ort.env.wasm.numThreads = self.crossOriginIsolated ? Math.min(navigator.hardwareConcurrency, 8) : 1;

const networks = {};

function network(name) {
  networks[name] ??= ort.InferenceSession.create(new URL(`./models/${name}.onnx`, import.meta.url).href);
  return networks[name];
}

function tensor(image) {
  return new ort.Tensor("float32", toPlanes(image.data), [1, 3, image.height, image.width]);
}

async function encode(image) {
  return (await (await network("style_encoder")).run({ images: tensor(image) })).code.data;
}

/**
 * @param photo at the size to work at, and `photoForCode` at the size the style encoder reads, both ImageData.
 * @param style ImageData of the style image, or null for `ownCode`, the style of the model.
 * @param strength in (0, 1]: below 1 the style code moves toward the photo's own.
 * @param strokeSize a share of the photo's longer side, or "auto".
 */
async function stylize({ photo, photoForCode, style, ownCode, strength, strokeSize }) {
  let code = Float32Array.from(style ? await encode(style) : ownCode);
  if (strength < 1) {
    const start = await encode(photoForCode);
    code = code.map((value, i) => start[i] + strength * (value - start[i]));
  }
  const generator = await network("generator");
  const paint = async (image) => {
    const inputs = { photo: tensor(image), code: new ort.Tensor("float32", code, [1, code.length]) };
    return new ImageData(toBytes((await generator.run(inputs)).stylized.data), image.width, image.height);
  };
  return paintInLevels(photo, paint, strokeLevels(photo.width, photo.height, strokeSize));
}

self.onmessage = async ({ data }) => {
  try {
    self.postMessage({ image: await stylize(data) });
  } catch (error) {
    self.postMessage({ error: String(error?.message ?? error) });
  }
};
