"use strict";
// PSNR and SSIM of a crop, as bench/score/metrics.py defines them: peak 255; Gaussian window 11x11 of deviation 1.5,
// population covariance, the valid region only, mean over map and channels. A picture is {width, height, channels,
// data}: grey levels, row by row, the channels of a pixel together.
(() => {
  const PEAK = 255, LEAST_MSE = 1 / 12, WINDOW = 11, SIGMA = 1.5, C1 = (0.01 * PEAK) ** 2, C2 = (0.03 * PEAK) ** 2;

  const raw = Array.from({ length: WINDOW }, (_, i) => Math.exp(-((i - 5) ** 2) / (2 * SIGMA ** 2)));
  const weights = raw.map((value) => value / raw.reduce((sum, w) => sum + w, 0));

  // Return the planes of a crop {x, y, width, height} in float64; of a protocol's channel [red, green, blue, black] the
  // one plane that it scores.
  function planes(picture, crop, channel = null) {
    const { channels, data } = picture, size = crop.width * crop.height;
    const made = Array.from({ length: channels }, () => new Float64Array(size));
    for (let y = 0, at = 0; y < crop.height; y++) {
      let from = ((crop.y + y) * picture.width + crop.x) * channels;
      for (let x = 0; x < crop.width; x++, at++) for (let c = 0; c < channels; c++) made[c][at] = data[from++];
    }
    if (!channel || channels === 1) return made;
    const [red, green, blue, black] = channel;
    return [made[0].map((value, i) => red * value + green * made[1][i] + blue * made[2][i] + black)];
  }

  function psnr(reference, image) {
    let sum = 0, count = 0;
    reference.forEach((plane, c) => {
      for (let i = 0; i < plane.length; i++) sum += (plane[i] - image[c][i]) ** 2;
      count += plane.length;
    });
    return 10 * Math.log10(PEAK ** 2 / Math.max(sum / count, LEAST_MSE));
  }

  // Gaussian-weighted mean around each pixel of the valid region of a product of two planes.
  function mean(a, b, width, height) {
    const inner = width - WINDOW + 1, rows = new Float64Array(inner * height), all = new Float64Array(inner * (height - WINDOW + 1));
    for (let y = 0, at = 0; y < height; y++) {
      for (let x = 0; x < inner; x++, at++) {
        let sum = 0;
        for (let k = 0, i = y * width + x; k < WINDOW; k++, i++) sum += weights[k] * (b ? a[i] * b[i] : a[i]);
        rows[at] = sum;
      }
    }
    for (let at = 0; at < all.length; at++) {
      let sum = 0;
      for (let k = 0, i = at; k < WINDOW; k++, i += inner) sum += weights[k] * rows[i];
      all[at] = sum;
    }
    return all;
  }

  // NaN where the crop is smaller than the window.
  function ssim(reference, image, width, height) {
    if (Math.min(width, height) < WINDOW) return NaN;
    let sum = 0, count = 0;
    reference.forEach((x, c) => {
      const y = image[c];
      const mx = mean(x, null, width, height), my = mean(y, null, width, height);
      const xx = mean(x, x, width, height), yy = mean(y, y, width, height), xy = mean(x, y, width, height);
      for (let i = 0; i < mx.length; i++) {
        const product = mx[i] * my[i], squares = mx[i] * mx[i] + my[i] * my[i];
        sum += (2 * product + C1) / (squares + C1) * (2 * (xy[i] - product) + C2) / (xx[i] + yy[i] - squares + C2);
      }
      count += mx.length;
    });
    return sum / count;
  }

  // Score a crop of an image against that of the reference.
  report.cropScores = (reference, image, crop, channel) => {
    const [clean, other] = [planes(reference, crop, channel), planes(image, crop, channel)];
    return { psnr: psnr(clean, other), ssim: ssim(clean, other, crop.width, crop.height) };
  };
})();
