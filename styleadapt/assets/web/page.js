import { contextOf, finish } from "./canvas.js";
import { sizeWithin, workingSize } from "./pixels.js";

const STYLE_PIXELS = 512 * 512;
const LEAST_STYLE_SIDE = 64;

const $ = (id) => document.getElementById(id);
const chosen = { photo: null, style: null }; // promises of a decoded image, or of null where it cannot be decoded
let runs = 0; // a run whose number is no longer this one was stopped
let ownCode = null;
let worker = null;

class UserError extends Error {}

function canvasOf(width, height) {
  const context = contextOf(width, height);
  if (!context) throw new UserError(`${width} × ${height} px are more than this browser can draw.`);
  return context;
}

/** The colors of a picture at another size; on white where it is transparent and `background` says so. */
function pixelsOf(image, [width, height], background) {
  const context = canvasOf(width, height);
  if (background) {
    context.fillStyle = background;
    context.fillRect(0, 0, width, height);
  }
  context.drawImage(image, 0, 0, width, height);
  return context.getImageData(0, 0, width, height);
}

function styleSize(image) {
  return sizeWithin(image.width, image.height, STYLE_PIXELS, LEAST_STYLE_SIDE);
}

/** The result at the photo's size. */
function finished(photo, painted, strength) {
  const small = canvasOf(painted.width, painted.height);
  small.putImageData(painted, 0, 0);
  const context = canvasOf(photo.width, photo.height);
  finish(context, photo, small.canvas, strength);
  return context.canvas;
}

function paint(message) {
  worker ??= new Worker(new URL("./worker.js", import.meta.url), { type: "module" });
  return new Promise((resolve, reject) => {
    worker.onmessage = ({ data }) => (data.error ? reject(new Error(data.error)) : resolve(data.image));
    worker.onerror = (event) => reject(new Error(event.message || "its files could not be loaded"));
    worker.postMessage(message);
  });
}

function stop() {
  runs++;
  worker?.terminate();
  worker = null;
  setBusy(false);
}

function setBusy(busy) {
  $("run").disabled = busy;
  $("stop").disabled = !busy;
  $("form").setAttribute("aria-busy", busy);
}

function say(status, error = "") {
  $("status").textContent = status;
  $("error").textContent = error;
}

function show(element, source) {
  URL.revokeObjectURL(element.src);
  element.src = URL.createObjectURL(source);
}

async function choose(kind) {
  const [file] = $(kind).files;
  const preview = $(`${kind}-preview`);
  preview.hidden = true;
  chosen[kind] = file ? createImageBitmap(file).catch(() => null) : null;
  const image = await chosen[kind];
  // another file may have been chosen while this one was decoded
  if (!file || $(kind).files[0] !== file) return;
  $("error").textContent = image ? "" : `${file.name} is not a picture that this browser can read.`;
  if (image) {
    show(preview, file);
    preview.hidden = false;
  }
}

async function stylize() {
  const run = ++runs;
  const start = performance.now();
  setBusy(true);
  say("Painting …");
  try {
    const [photo, style] = await Promise.all([chosen.photo, chosen.style]);
    if (run !== runs) return;
    if (!photo) throw new UserError("Choose a photo first.");
    if (!style && !ownCode) throw new UserError("Choose a style image first.");
    const strength = $("strength").valueAsNumber / 100;
    const size = workingSize(photo.width, photo.height, Number($("size").value));
    const small = pixelsOf(photo, size);
    const painted = strength === 0 ? small : await paint({
      photo: small,
      photoForCode: strength < 1 ? pixelsOf(photo, styleSize(photo)) : null,
      style: style && pixelsOf(style, styleSize(style), "white"),
      ownCode,
      strength,
      strokeSize: $("stroke-size").value,
    });
    const blob = await new Promise((resolve) => finished(photo, painted, strength).toBlob(resolve, "image/png"));
    if (run !== runs) return;
    show($("picture"), blob);
    $("download").href = $("picture").src;
    $("result").hidden = false;
    const seconds = ((performance.now() - start) / 1000).toFixed(1);
    say(`${photo.width} × ${photo.height} px, painted at ${size.join(" × ")} px in ${seconds} s.`);
    setBusy(false);
  } catch (error) {
    stop();
    say("", error instanceof UserError ? error.message : `The photo could not be painted: ${error.message}. A smaller size may help.`);
  }
}

for (const kind of ["photo", "style"]) $(kind).addEventListener("change", () => choose(kind));
$("strength").addEventListener("input", () => { $("strength-value").textContent = `${$("strength").value} %`; });
$("stop").addEventListener("click", () => { stop(); say("Stopped."); });
$("form").addEventListener("submit", (event) => { event.preventDefault(); stylize(); });

try {
  ownCode = (await (await fetch("models/model_index.json")).json())._style_code ?? null;
} catch {
  say("", "The models are not here: serve the folder that `styleadapt export --web` wrote.");
}
if (ownCode) {
  $("style").required = false;
  $("style-label").textContent = "Style image (optional: the model has its own style)";
}
$("run").disabled = false;
