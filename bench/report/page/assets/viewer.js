"use strict";
// The viewer: the pictures of an image side by side, one in place of another, or two with a slider between them.
(() => {
  const { make, want, say, pixels, panZoom, cropScores } = report;
  const holder = document.getElementById("pictures-data");
  if (!holder) return;
  const all = JSON.parse(holder.textContent);

  const HELP = [
    ["1 … 9", "a method"], ["0", "clean"], ["n", "noisy"], ["[ ]", "the one before, after"],
    ["g", "side by side"], ["o", "one"], ["s", "slider (← →)"], ["+ −", "zoom"], ["f", "whole image"],
    ["arrows", "move"], ["e", "error"], ["c", "crop: arrows move it, with Shift size it"], ["x", "no crop"],
    [", .", "image before, after"], ["p", "save"], ["k", "copy the crop"], ["Esc", "close"],
  ];
  const REFERENCE = 0;  // the panel of the clean image; of the noisy one where there is none
  const MANY = 1.5e8;  // pixels of all pictures of an image: where there are more, they are not all kept
  const RIM = 2;  // pixels of the screen around a pane, as in viewer.css
  const LEAST = 150;  // pixels of the screen a pane is wide at least
  const state = { board: null, image: 0, mode: "grid", shown: 0, left: 0, right: 1, divider: 0.5, error: false, scale: 20, crop: null, cropping: false };
  let loaded = new Map(), maps = new Map(), panes = [], opener = null, drawing = 0, scoring = 0;
  const view = panZoom(redraw);
  const board = () => all.boards[state.board], image = () => board().images[state.image];
  const titles = () => board().panels;
  const firstMethod = () => (board().reference ? 2 : 1);  // after clean, where there is one, and noisy
  const noisyAt = () => firstMethod() - 1;
  const keyOf = (i) => (i >= firstMethod() ? (i - firstMethod() < 9 ? String(i - firstMethod() + 1) : "") : i === noisyAt() ? "n" : "0");

  // --- what it is made of
  const press = (text, title, click) => make("button", { type: "button", title, "aria-label": text.length === 1 ? title : null, click }, text);
  const toggle = (text, label, click) => { const made = press(text, label, click); made.setAttribute("aria-pressed", "false"); return made; };
  const choose = (label, input) => make("select", { "aria-label": label, title: label, input });
  const title = make("h2", { id: "viewer-title" }), counted = make("span", { class: "soft" }), zoomed = make("output");
  const modes = {
    grid: toggle("Side by side", "All side by side (g)", () => setMode("grid")),
    one: toggle("One", "One picture, keys change it in place (o)", () => setMode("one")),
    slider: toggle("Slider", "Two pictures with a slider between them (s)", () => setMode("slider")),
  };
  const shownList = choose("Picture shown", () => setShown(Number(shownList.value)));
  const leftList = choose("Left of the slider", () => { state.left = Number(leftList.value); update(); });
  const rightList = choose("Right of the slider", () => { state.right = Number(rightList.value); update(); });
  const errorButton = toggle("Error", "Signed error (e)", () => setError(!state.error));
  const scaleList = choose("Ends of the scale of errors", () => { state.scale = Number(scaleList.value); maps.clear(); update(); });
  const cropButton = toggle("Crop", "Draw a crop (c)", () => setCropping(!state.cropping));
  const clearButton = press("No crop", "Remove the crop (x)", clearCrop);
  const copyButton = press("Copy crop", "Copy the crop as PNG (k)", copyCrop);
  const range = make("input", { type: "range", min: 0, max: 1000, step: 10, "aria-label": "Slider between the two pictures", input: () => { state.divider = range.value / 1000; redraw(); } });
  const stage = make("div", { class: "stage" }), legend = make("div", { class: "legend" }), table = make("div", { class: "scores" });
  const spoken = make("p", { class: "spoken soft", role: "status" });
  const bar = make("div", { class: "bar" },
    make("span", { class: "group" }, press("‹", "Image before (,)", () => turn(-1)), counted, press("›", "Image after (.)", () => turn(1))),
    make("span", { class: "group" }, ...Object.values(modes)),
    make("span", { class: "group" }, shownList, leftList, rightList),
    make("span", { class: "group" }, press("−", "Smaller (-)", () => view.step(-1)), zoomed, press("+", "Larger (+)", () => view.step(1)),
      press("1:1", "One pixel of the image on one of the screen", () => view.zoom(1)), press("Fit", "The whole image (f)", view.fit)),
    make("span", { class: "group" }, errorButton, scaleList),
    make("span", { class: "group" }, cropButton, clearButton, copyButton),
    make("span", { class: "group" }, press("Save PNG", "Save the picture as it is seen (p)", save)),
  );
  const help = make("p", { class: "help soft" }, ...HELP.flatMap(([key, what]) => [make("kbd", {}, key), ` ${what} `]));
  const dialog = make("dialog", { id: "viewer", "aria-labelledby": "viewer-title" },
    make("div", { class: "head" }, title, press("✕", "Close (Esc)", () => dialog.close())), bar, stage,
    make("div", { class: "under", tabindex: 0, role: "region", "aria-label": "Scale, scores and keys" }, legend, table, spoken, help));
  document.body.append(dialog);
  document.addEventListener("keydown", (event) => { if (dialog.open) typed(event); });  // wherever the focus is
  dialog.addEventListener("close", closed);
  new ResizeObserver(() => { if (dialog.open) { arrange(); redraw(); } }).observe(stage);

  // --- opening and closing
  for (const link of document.querySelectorAll("a[data-panel]")) link.tabIndex = -1;  // the button of the strip opens it too
  for (const button of document.querySelectorAll("button.view")) button.hidden = false;
  document.addEventListener("click", (event) => {
    const from = event.target.closest?.("a[data-panel], button.view"), strip = from?.closest("[data-board]");
    if (!strip || event.ctrlKey || event.metaKey || event.shiftKey) return;
    event.preventDefault();
    opener = from;
    open(strip.dataset.board, Number(strip.dataset.image), from.dataset.panel === undefined ? null : Number(from.dataset.panel));
  });

  function open(name, index, panel) {
    const first = all.boards[name].reference ? 2 : 1;
    Object.assign(state, { board: name, image: index, error: false, crop: null, cropping: false, scale: all.boards[name].scale, divider: 0.5,
      shown: panel ?? first, left: first - 1, right: first });
    state.mode = panel === null && !many() ? "grid" : "one";
    range.value = 500;
    const options = () => titles().map((text, i) => make("option", { value: i }, keyOf(i) ? `${keyOf(i)}  ${text}` : text));
    for (const list of [shownList, leftList, rightList]) list.replaceChildren(...options());
    scaleList.replaceChildren(...all.scales.map((value) => make("option", { value }, `±${value}`)));
    errorButton.textContent = board().reference ? "Error" : "Change";
    dialog.showModal();
    load();
    setMode(state.mode);
  }

  const many = () => image().size[0] * image().size[1] * titles().length > MANY;

  function closed() {
    loaded = new Map();
    maps = new Map();
    panes = [];
    stage.replaceChildren();
    scoring++;
    opener?.focus({ preventScroll: true });
  }

  function turn(by) {
    const count = board().images.length;
    state.image = (state.image + by + count) % count;
    state.crop = null;
    load();
    setMode(state.mode);
    speak(image().name);
  }

  // --- pixels
  function load() {
    loaded = new Map();
    maps = new Map();
    view.show(...image().size);
    title.textContent = `${image().name} · ${board().title}`;
    counted.textContent = `${state.image + 1} of ${board().images.length}`;
  }

  // Return a promise of the pixels of a panel; what is not to be had says so in its pane.
  function picture(i) {
    if (!loaded.has(i)) {
      if (state.mode !== "grid" && many()) forget();
      const made = { promise: null, picture: null, fault: "" };
      made.promise = code(i).then(pixels.decode).then((found) => { made.picture = found; })
        .catch((error) => { made.fault = error.message; }).then(() => {
          redraw();
          if (i === REFERENCE) drawLegend();
          return made;
        });
      loaded.set(i, made);
    }
    return loaded.get(i);
  }
  function forget() {
    const used = [REFERENCE, state.shown, state.left, state.right];
    for (const i of loaded.keys()) if (!used.includes(i)) { loaded.delete(i); maps.delete(i); }
  }
  function code(i) {
    const name = image().files[i];
    if (name) return want(name).finally(() => report.forget(name));
    const strips = [...document.querySelectorAll(`[data-board="${CSS.escape(state.board)}"][data-image="${state.image}"]`)];
    return Promise.resolve(strips[0].querySelector(`a[data-panel="${i}"] img`).src.split(",")[1]);
  }

  function source(i) {
    const found = picture(i).picture;
    if (!state.error || i === REFERENCE || !found) return found?.canvas;
    if (!maps.has(i)) {
      const reference = picture(REFERENCE).picture;
      if (!reference) return null;
      maps.set(i, pixels.errorMap(found, reference, { colours: all.colours, luminance: all.luminance, scale: state.scale }));
    }
    return maps.get(i);
  }

  // --- panes
  function setMode(mode) {
    state.mode = mode;
    layout();
    if (mode === "slider") range.focus(); else if (mode === "one") panes[0].canvas.focus();
    else panes[state.shown]?.canvas.focus({ preventScroll: true });
  }

  function layout() {
    panes = (state.mode === "grid" ? titles().map((_, i) => i) : [null]).map(pane);
    stage.replaceChildren(...panes.map(({ box }) => box), ...(state.mode === "slider" ? [range] : []));
    stage.className = `stage ${state.mode}`;
    arrange();
    update();
  }

  // A pane of one picture, or (null) of what the state says.
  function pane(fixed) {
    const canvas = make("canvas", { tabindex: 0, role: "img" });
    const caption = make("button", { type: "button", class: "caption", click: () => { state.shown = fixed ?? state.shown; setMode(state.mode === "grid" ? "one" : "grid"); } });
    const box = make("figure", { class: "pane" }, canvas, caption);
    const made = { canvas, caption, box, shown: () => fixed ?? state.shown };
    canvas.addEventListener("focus", () => { if (fixed !== null) { state.shown = fixed; update(); } });
    canvas.addEventListener("dblclick", () => { state.shown = fixed ?? state.shown; setMode(state.mode === "grid" ? "one" : "grid"); });
    canvas.addEventListener("pointermove", (event) => { if (!event.buttons) read(made, view.point(canvas, event)); });
    view.attach(canvas, (event, from) => {
      canvas.focus({ preventScroll: true });
      if (state.mode === "slider" && !state.cropping && Math.abs(from.left - state.divider * canvas.width) < 20 * devicePixelRatio) {
        return (to) => setDivider(to.left / canvas.width);
      }
      if (state.cropping) return (to) => setCrop(from, to);
      return null;
    });
    return made;
  }

  // Choose the columns that make panes largest; below the least width the stage scrolls.
  function arrange() {
    const [width, height] = image().size, room = stage.getBoundingClientRect(), caption = 26, gap = 6;
    let best = { size: 0, columns: 1 };
    for (let columns = 1; columns <= panes.length; columns++) {
      const rows = Math.ceil(panes.length / columns);
      const [w, h] = [(room.width - gap * columns) / columns, (room.height - (gap + caption) * rows) / rows];
      const size = Math.min(w, h * width / height);
      if (size > best.size) best = { size, columns, tall: h };
    }
    if (state.mode === "grid" && best.size < LEAST) {
      const columns = Math.max(1, Math.floor(room.width / (LEAST + gap)));
      best = { columns, tall: Math.min(LEAST * height / width, 320) };
    }
    stage.style.setProperty("--columns", best.columns);
    const tall = Math.max(60, best.tall ?? room.height - caption) - (state.mode === "slider" ? 30 : 0);
    for (const { canvas, box } of panes) {  // whole dots, or the browser would blur them
      const dots = devicePixelRatio;
      canvas.width = Math.max(1, Math.floor((box.clientWidth - 2 * RIM) * dots));
      canvas.height = Math.max(1, Math.floor(tall * dots));
      canvas.style.width = `${canvas.width / dots}px`;
      canvas.style.height = `${canvas.height / dots}px`;
    }
  }

  function update() {
    for (const [mode, button] of Object.entries(modes)) button.setAttribute("aria-pressed", String(mode === state.mode));
    errorButton.setAttribute("aria-pressed", String(state.error));
    cropButton.setAttribute("aria-pressed", String(state.cropping));
    shownList.hidden = state.mode !== "one";
    leftList.hidden = rightList.hidden = state.mode !== "slider";
    scaleList.hidden = !state.error;
    clearButton.hidden = copyButton.hidden = !state.crop;
    Object.assign(shownList, { value: String(state.shown) });
    Object.assign(leftList, { value: String(state.left) });
    Object.assign(rightList, { value: String(state.right) });
    scaleList.value = String(state.scale);
    stage.classList.toggle("cropping", state.cropping);
    drawLegend();
    score();
    redraw();
  }

  function redraw() {
    if (!drawing) drawing = requestAnimationFrame(() => { drawing = 0; if (dialog.open) panes.forEach(draw); });
  }

  function name(i) {
    const what = state.error && i !== REFERENCE ? (board().reference ? ", error" : ", change") : "";
    return `${titles()[i]}${what}`;
  }

  function draw({ canvas, caption, box, shown }) {
    const context = canvas.getContext("2d"), at = view.place(canvas);
    context.clearRect(0, 0, canvas.width, canvas.height);
    zoomed.textContent = view.scale() >= 1 ? `${Number(view.scale().toFixed(2))}:1` : `1:${Number((1 / view.scale()).toFixed(2))}`;
    if (state.mode === "slider") {
      const middle = Math.round(state.divider * canvas.width);
      part(context, at, state.left, 0, middle);
      part(context, at, state.right, middle, canvas.width);
      for (const [colour, width] of [["#000", 3], ["#fff", 1]]) {
        context.fillStyle = colour;
        context.fillRect(middle - Math.floor(width * devicePixelRatio / 2), 0, Math.max(1, Math.round(width * devicePixelRatio)), canvas.height);
      }
      caption.textContent = `${name(state.left)} ${image().captions[state.left]} | ${name(state.right)} ${image().captions[state.right]}`;
    } else {
      const i = shown();
      part(context, at, i, 0, canvas.width);
      caption.replaceChildren(...(keyOf(i) ? [make("kbd", {}, keyOf(i))] : []), ` ${name(i)} `, make("span", { class: "soft" }, picture(i).fault || image().captions[i]));
      box.classList.toggle("active", state.mode === "grid" && i === state.shown);
    }
    canvas.setAttribute("aria-label", `${image().name}: ${caption.textContent}, ${zoomed.textContent}`);
    if (state.crop) outline(context, at);
  }

  // Draw one picture between two columns of a canvas: pixels as squares; made smaller, as their means.
  function part(context, { k, x, y }, i, from, to) {
    const drawn = source(i);
    if (!drawn) return;
    context.save();
    context.beginPath();
    context.rect(from, 0, to - from, context.canvas.height);
    context.clip();
    context.imageSmoothingEnabled = k < 1;
    context.imageSmoothingQuality = "high";
    context.drawImage(drawn, x, y, drawn.width * k, drawn.height * k);
    context.restore();
  }

  function outline(context, { k, x, y }) {
    const { crop } = state, dots = Math.max(1, Math.round(devicePixelRatio));
    for (const [colour, dash] of [["#000", []], ["#fff", [5 * dots, 5 * dots]]]) {
      context.strokeStyle = colour;
      context.lineWidth = 2 * dots;
      context.setLineDash(dash);
      context.strokeRect(x + crop.x * k, y + crop.y * k, crop.width * k, crop.height * k);
    }
    context.setLineDash([]);
  }

  function drawLegend() {
    legend.hidden = !state.error;
    if (!state.error) return;
    const ends = [-1, -0.5, 0, 0.5, 1].map((part) => part * state.scale);
    const ramp = all.colours.map((colour) => `#${colour}`).join(",");
    const what = board().reference ? "picture − clean" : "picture − noisy";
    const [red, green, blue] = all.luminance;
    const of = picture(REFERENCE).picture?.channels === 3 ? `, luminance ${red} R + ${green} G + ${blue} B` : "";
    const bar = make("div", { class: "ramp" });
    bar.style.background = `linear-gradient(to right, ${ramp})`;
    legend.replaceChildren(
      make("div", { class: "scale", role: "img", "aria-label": `Scale from minus ${state.scale} to plus ${state.scale} grey levels` },
        bar, make("div", { class: "ticks" }, ...ends.map((end) => make("span", {}, end > 0 ? `+${end}` : String(end).replace("-", "−"))))),
      make("span", { class: "soft" }, `grey levels, ${what}${of}; one scale for all`));
  }

  // --- the crop
  function setCropping(on) {
    state.cropping = on;
    if (on && !state.crop) {
      const [width, height] = image().size, side = Math.min(64, width, height), { x, y } = view.view;
      placeCrop(Math.round(x - side / 2), Math.round(y - side / 2), side, side);
    }
    update();
  }
  function clearCrop() { Object.assign(state, { crop: null, cropping: false }); update(); }

  function setCrop(from, to) {
    const [width, height] = image().size, within = (at, length) => Math.min(length, Math.max(0, at));
    const [left, right] = [from.x, to.x].map((at) => within(at, width)).sort((a, b) => a - b);
    const [top, bottom] = [from.y, to.y].map((at) => within(at, height)).sort((a, b) => a - b);
    placeCrop(Math.floor(left), Math.floor(top), Math.ceil(right) - Math.floor(left), Math.ceil(bottom) - Math.floor(top));
    update();
  }

  function placeCrop(x, y, width, height) {  // inside the image
    const [across, down] = image().size;
    width = Math.min(across, Math.max(1, width));
    height = Math.min(down, Math.max(1, height));
    state.crop = { x: Math.min(across - width, Math.max(0, x)), y: Math.min(down - height, Math.max(0, y)), width, height };
  }

  // Score the crop of one picture after another, so that the page answers between them.
  async function score() {
    const mine = ++scoring, { crop } = state;
    table.hidden = !crop;
    if (!crop) return;
    const where = `Crop ${crop.width}×${crop.height} at column ${crop.x}, row ${crop.y}`;
    if (!board().reference) { table.replaceChildren(make("p", {}, `${where}. No clean image, and so no scores.`)); return; }
    if (!pixels.readable()) { table.replaceChildren(make("p", {}, `${where}. This browser changes what pages read of pictures (protection against fingerprinting), so that scores would be wrong; allow it for this page.`)); return; }
    const rows = titles().map((text, i) => make("tr", {}, make("th", { scope: "row" }, text), make("td", {}, "…"), make("td", {}, "…"))).slice(1);
    const heads = ["Picture", "PSNR", "SSIM"].map((text) => make("th", { scope: "col" }, text));
    const small = Math.min(crop.width, crop.height) < 11 ? " SSIM needs 11×11 pixels." : "";
    const channel = board().channel ? ", on the protocol's Y" : "";
    table.replaceChildren(make("p", { class: "soft" }, `${where}, of the 8-bit pixels${channel}; noisy is clipped.${small}`), make("table", {}, make("thead", {}, make("tr", {}, ...heads)), make("tbody", {}, ...rows)));
    await new Promise((done) => setTimeout(done, 120));  // while it is drawn, only the last one counts
    for (let i = 1; i < titles().length && mine === scoring; i++) {
      const [reference, other] = [await picture(0).promise, await picture(i).promise];
      if (mine !== scoring) return;
      const [, psnr, ssim] = rows[i - 1].cells;
      if (!reference.picture || !other.picture) { psnr.textContent = ssim.textContent = "–"; continue; }
      const found = cropScores(reference.picture, other.picture, crop, board().channel);
      psnr.textContent = `${found.psnr.toFixed(2)} dB`;
      ssim.textContent = Number.isNaN(found.ssim) ? "–" : found.ssim.toFixed(4);
      Object.assign(rows[i - 1].dataset, { psnr: found.psnr, ssim: found.ssim });
      await new Promise((done) => setTimeout(done));
    }
  }

  // --- saving
  function save() {
    const canvas = (panes[state.mode === "grid" ? state.shown : 0] ?? panes[0]).canvas;
    const parts = state.mode === "slider" ? [name(state.left), name(state.right)] : [name(state.shown)];
    canvas.toBlob((blob) => download(blob, [image().name, ...parts]));
  }

  function download(blob, parts) {
    const link = make("a", { href: URL.createObjectURL(blob), download: `${parts.join(" ").replace(/[^\p{L}\p{N}.-]+/gu, "-")}.png` });
    link.click();
    setTimeout(() => URL.revokeObjectURL(link.href), 10000);
  }

  async function copyCrop() {
    const i = state.mode === "slider" ? state.right : state.shown, drawn = source(i), { crop } = state;
    if (!drawn || !crop) return;
    const cut = pixels.canvas(crop.width, crop.height);
    cut.getContext("2d").drawImage(drawn, -crop.x, -crop.y);
    const blob = await new Promise((done) => cut.toBlob(done));
    try {
      await navigator.clipboard.write([new ClipboardItem({ "image/png": blob })]);
      speak(`Copied the crop of ${name(i)}.`);
    } catch {  // not every browser lets a page from disk
      download(blob, [image().name, name(i), "crop"]);
      speak(`This browser does not copy pictures; the crop of ${name(i)} was saved.`);
    }
  }

  // --- keys
  function setShown(i) {
    if (i < 0 || i >= titles().length) return;
    if (state.mode === "slider") state.right = i;
    else {
      state.shown = i;
      if (state.mode === "grid") setMode("one");
    }
    update();
    speak(`${name(i)} ${image().captions[i]}`);
  }
  function setError(on) { state.error = on; update(); speak(on ? `${errorButton.textContent}, ±${state.scale} grey levels` : "Pictures as they are"); }
  function setDivider(at) { state.divider = Math.min(1, Math.max(0, at)); range.value = Math.round(state.divider * 1000); redraw(); }
  function speak(text) { spoken.textContent = text; }

  function read({ shown, canvas }, at) {
    const i = state.mode === "slider" ? (at.left < state.divider * canvas.width ? state.left : state.right) : shown();
    const found = picture(i).picture, [x, y] = [Math.floor(at.x), Math.floor(at.y)];
    if (!found || x < 0 || y < 0 || x >= found.width || y >= found.height) return;
    const levels = found.data.subarray((y * found.width + x) * found.channels, (y * found.width + x + 1) * found.channels);
    speak(`${titles()[i]}, column ${x}, row ${y}: ${[...levels].join(" ")}`);
  }

  const KEYS = {
    n: () => setShown(noisyAt()), 0: () => { if (board().reference) setShown(0); },
    "[": () => setShown((current() + titles().length - 1) % titles().length), "]": () => setShown((current() + 1) % titles().length),
    g: () => setMode("grid"), o: () => setMode("one"), s: () => setMode("slider"),
    "+": () => view.step(1), "=": () => view.step(1), "-": () => view.step(-1), f: () => view.fit(),
    e: () => setError(!state.error), c: () => setCropping(!state.cropping), x: clearCrop,
    ",": () => turn(-1), ".": () => turn(1), p: save, k: copyCrop,
  };
  const current = () => (state.mode === "slider" ? state.right : state.shown);
  const ARROWS = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] };

  function typed(event) {
    if (event.ctrlKey || event.metaKey || event.altKey || event.target.tagName === "SELECT") return;
    const arrow = ARROWS[event.key], key = event.key.length === 1 ? event.key.toLowerCase() : event.key;
    if (arrow && (event.target !== range || state.cropping)) move(arrow, event.shiftKey);
    else if (/^[1-9]$/.test(key)) setShown(firstMethod() + Number(key) - 1);
    else if (KEYS[key]) KEYS[key]();
    else return;
    event.preventDefault();
  }

  function move([right, down], shift) {
    if (state.cropping && state.crop) {
      const by = Math.max(1, Math.round(8 / view.scale())), { x, y, width, height } = state.crop;
      if (shift) placeCrop(x, y, width + right * by, height + down * by);
      else placeCrop(x + right * by, y + down * by, width, height);
      update();
    } else if (state.mode === "slider" && right && !shift) setDivider(state.divider + right * 0.01);
    else view.pan(right * 40 * devicePixelRatio, down * 40 * devicePixelRatio);
  }
})();
