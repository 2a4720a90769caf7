"use strict";
// Sections of studies: tables and filters that are loaded when they are opened, and commands that are copied.
(() => {
  const { make, want } = report;

  for (const button of document.querySelectorAll(".study button[data-text]")) {
    button.addEventListener("click", () => report.copy(button.dataset.text));
  }

  // Fill a box once, when it is opened, with what its file holds.
  function whenOpened(selector, fill) {
    for (const box of document.querySelectorAll(selector)) {
      box.addEventListener("toggle", async () => {
        if (!box.open || box.dataset.made) return;
        box.dataset.made = "1";
        const place = box.querySelector("div");
        try {
          fill(place, await want(box.dataset.name));
        } catch (error) {
          delete box.dataset.made;
          place.textContent = error.message;
        }
      });
    }
  }

  whenOpened("details.later", (place, { heads, words, rows }) => {
    const left = (i) => (i < words ? "left" : null);
    const table = make("table", { class: "sortable" },
      make("thead", {}, make("tr", {}, ...heads.map((head, i) => make("th", { scope: "col", class: left(i) }, head)))),
      make("tbody", {}, ...rows.map((row) => make("tr", {}, ...row.map((text, i) => make(i ? "td" : "th", { scope: i ? null : "row", class: left(i) }, text))))));
    report.sortable(table);
    place.replaceChildren(make("div", { class: "wide", tabindex: "0", role: "region", "aria-label": "Table" }, table));
  });

  whenOpened("details.filters", (place, found) => {
    const [top, left, height, width] = found.window;
    const pixels = found.rows[0].filters;
    let chosen = pixels[0] ?? { y: top, x: left };
    const rows = make("div"), asked = make("p", { class: "soft" });
    const spot = (name, low, size) => make("input", { type: "number", min: low, max: low + size - 1, value: chosen[name], "aria-label": name === "y" ? "Row" : "Column" });
    const [y, x] = [spot("y", top, height), spot("x", left, width)];
    const go = (event) => { event.preventDefault(); choose(Number(y.value), Number(x.value)); };
    const near = make("select", { input: () => { const one = pixels[Number(near.value)]; choose(one.y, one.x); } },
      ...pixels.map((one, i) => make("option", { value: i }, `${one.kind === "given" ? "pixel" : one.kind} ${one.y},${one.x}`)));
    place.replaceChildren(
      make("p", { class: "soft" }, `Click the noisy image of ${found.image}: the filters of the nearest pixel that is stored are shown.`),
      make("form", { class: "controls", submit: go }, make("label", {}, "Stored pixel", near), make("label", {}, "Row", y),
        make("label", {}, "Column", x), make("button", { type: "submit" }, "Show")), asked, rows);
    choose(chosen.y, chosen.x);

    function choose(row, column) {
      const far = (one) => (one.y - row) ** 2 + (one.x - column) ** 2;
      chosen = pixels.reduce((best, one) => (far(one) < far(best) ? one : best), pixels[0] ?? chosen);
      [y.value, x.value] = [row, column];
      near.value = String(pixels.indexOf(chosen));
      const away = Math.sqrt(far(chosen)), command = `${found.ask} PIXEL=${row},${column}`;
      asked.replaceChildren(away ? `Pixel ${row},${column} is not stored; the nearest is ${chosen.y},${chosen.x}, ${away.toFixed(0)} px away. For its own filter: `
        : `Pixel ${row},${column}. `, ...(away ? [make("code", {}, command), " ", make("button", { type: "button", click: () => report.copy(command) }, "Copy")] : []));
      rows.replaceChildren(...found.rows.map(drawn));
    }

    // A row: the noisy image, what became of it, and the filters of its stored pixels on one scale.
    function drawn(row) {
      const most = Math.max(...row.filters.flatMap((one) => one.weights.map(Math.abs))) || 1;
      const one = row.filters.find((other) => other.y === chosen.y && other.x === chosen.x);
      const picture = make("img", { src: `data:image/png;base64,${row.noisy}`, alt: `noisy, ${row.noise}`, width, height });
      const frame = make("div", { class: "image", click: (event) => {
        const box = picture.getBoundingClientRect();
        const at = (share, size) => Math.min(size - 1, Math.max(0, Math.floor(share * size)));
        choose(top + at((event.clientY - box.top) / box.height, height), left + at((event.clientX - box.left) / box.width, width));
      } }, picture, marks(row));
      const psnr = row.psnr === null ? "" : `, ${row.psnr.toFixed(2)} dB`;
      return make("div", { class: "row" },
        make("figure", {}, frame, make("figcaption", {}, `noisy, ${row.noise}`)),
        make("figure", {}, make("img", { src: `data:image/png;base64,${row.denoised}`, alt: `denoised, ${row.noise}`, width, height }),
          make("figcaption", {}, `denoised${psnr}`)),
        one ? make("figure", {}, square(one, most), scale(most),
          make("figcaption", {}, `filter at ${one.y},${one.x}: sum ${one.sum.toFixed(3)}, radius ${one.radius.toFixed(1)} px`)) : null);
    }

    function marks(row) {
      const half = row.filters.length ? (Math.sqrt(row.filters[0].weights.length) - 1) / 2 : 0;
      const box = (one, name) => make("rect", { class: name, x: one.x - left - half, y: one.y - top - half, width: 2 * half + 1, height: 2 * half + 1 });
      return make("svg", { viewBox: `0 0 ${width} ${height}`, preserveAspectRatio: "none", "aria-hidden": "true" },
        ...row.filters.map((one) => make("g", {}, box(one), box(one, one.y === chosen.y && one.x === chosen.x ? "chosen" : null))));
    }
  });

  // Draw signed weights: blue below 0, white at 0, red above, `most` the end of the scale.
  function square(one, most) {
    const side = Math.sqrt(one.weights.length), canvas = make("canvas", { width: side, height: side, role: "img", "aria-label": `filter at row ${one.y}, column ${one.x}` });
    const image = new ImageData(side, side), ends = [[11, 61, 145], [161, 18, 18]];
    one.weights.forEach((weight, i) => {
      const share = Math.min(1, Math.abs(weight) / most), end = ends[weight < 0 ? 0 : 1];
      for (let k = 0; k < 3; k++) image.data[4 * i + k] = Math.round(255 + (end[k] - 255) * share);
      image.data[4 * i + 3] = 255;
    });
    canvas.getContext("2d").putImageData(image, 0, 0);
    return canvas;
  }

  function scale(most) {
    const end = most.toPrecision(2);
    return make("div", {}, make("div", { class: "bar", "aria-hidden": "true" }),
      make("div", { class: "ends" }, make("span", {}, `−${end}`), make("span", {}, "0"), make("span", {}, end)));
  }
})();
