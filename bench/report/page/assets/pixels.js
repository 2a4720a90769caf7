"use strict";
// Pixels of pictures: loaded from the scripts beside the page (or from the page itself), and made maps of errors.
(() => {
  function canvas(width, height) {
    const made = document.createElement("canvas");
    made.width = width;
    made.height = height;
    return made;
  }

  // Some browsers change what scripts read of pictures, against fingerprinting: scores would be wrong there.
  let honest = null;
  function readable() {
    if (honest === null) {
      const context = canvas(256, 1).getContext("2d", { willReadFrequently: true }), ramp = context.createImageData(256, 1);
      for (let i = 0; i < 256; i++) ramp.data.set([i, 255 - i, i ^ 85, 255], 4 * i);
      context.putImageData(ramp, 0, 0);
      honest = context.getImageData(0, 0, 256, 1).data.every((value, i) => value === ramp.data[i]);
    }
    return honest;
  }

  // Return {width, height, channels, data, canvas} of a PNG in base64: its grey levels as they are, no colour managed.
  async function decode(code) {
    const bytes = Uint8Array.from(atob(code), (letter) => letter.charCodeAt(0));
    const options = { colorSpaceConversion: "none", premultiplyAlpha: "none" };
    const bitmap = await createImageBitmap(new Blob([bytes], { type: "image/png" }), options);
    const { width, height } = bitmap, drawn = canvas(width, height);
    const context = drawn.getContext("2d", { willReadFrequently: true });
    context.drawImage(bitmap, 0, 0);
    bitmap.close();
    const rgba = context.getImageData(0, 0, width, height).data;
    const channels = bytes[25] === 0 ? 1 : 3;  // the colour type of the PNG
    const data = new Uint8Array(width * height * channels);
    for (let i = 0, at = 0; i < width * height; i++) for (let c = 0; c < channels; c++) data[at++] = rgba[4 * i + c];
    return { width, height, channels, data, canvas: drawn };
  }

  // Return red, green and blue of an error of -1 ... 1, between the colours that stand at equal steps.
  function colour(colours, error) {
    const at = (Math.min(1, Math.max(-1, error)) + 1) / 2 * (colours.length - 1), low = Math.min(Math.floor(at), colours.length - 2);
    const [from, to] = [colours[low], colours[low + 1]].map((code) => [0, 2, 4].map((i) => parseInt(code.slice(i, i + 2), 16)));
    return from.map((value, c) => Math.round(value + (to[c] - value) * (at - low)));
  }

  // Return a canvas of picture - reference in the colours of errors, `scale` grey levels at their ends.
  function errorMap(picture, reference, { colours, luminance, scale }) {
    const steps = Uint32Array.from({ length: 255 }, (_, i) => {
      const [red, green, blue] = colour(colours, (i - 127) / 127);
      return (255 << 24 | blue << 16 | green << 8 | red) >>> 0;  // the order of bytes of every machine with a screen
    });
    const { width, height, channels } = picture, drawn = canvas(width, height), context = drawn.getContext("2d");
    const image = context.createImageData(width, height), dots = new Uint32Array(image.data.buffer);
    for (let i = 0; i < width * height; i++) {
      let error = 0;
      for (let c = 0; c < channels; c++) {
        const at = i * channels + c;
        error += (channels === 1 ? 1 : luminance[c]) * (picture.data[at] - reference.data[at]);
      }
      dots[i] = steps[Math.round(Math.min(1, Math.max(-1, error / scale)) * 127) + 127];
    }
    context.putImageData(image, 0, 0);
    return drawn;
  }

  report.pixels = { decode, readable, errorMap, colour, canvas };
})();
