// Drawing at any size, and putting the result together.

/** A context to draw in; null where the browser cannot draw so many pixels. */
export function contextOf(width, height) {
  const context = Object.assign(document.createElement("canvas"), { width, height }).getContext("2d");
  if (context) context.imageSmoothingQuality = "high";
  return context;
}

function opaque(context, width, height) {
  const image = context.getImageData(0, 0, width, height);
  for (let i = 3; i < image.data.length; i += 4) image.data[i] = 255;
  context.putImageData(image, 0, 0);
}

/**
 * The result in `context`, which is empty and of the photo's size: with the photo's transparency, and with its colors mixed in
 * at a strength below one half.
 *
 * @param photo an image, and `painted` one of any size whose transparency does not matter.
 */
export function finish(context, photo, painted, strength) {
  const { width, height } = photo;
  const share = Math.min(1, 2 * strength);
  if (share < 1) {
    context.drawImage(photo, 0, 0);
    // The colors alone are mixed; where the photo shows through, its transparency would count twice.
    opaque(context, width, height);
  }
  context.globalAlpha = share;
  context.drawImage(painted, 0, 0, width, height);
  context.globalAlpha = 1;
  context.globalCompositeOperation = "destination-in";
  context.drawImage(photo, 0, 0);
}
