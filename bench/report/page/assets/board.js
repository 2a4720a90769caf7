"use strict";
// A board: details of a row, and methods compared with each other image by image.
(() => {
  const { make, mark, want, data } = report;

  for (const button of document.querySelectorAll("button.more")) {
    button.addEventListener("click", async () => {
      const row = button.closest("tr"), open = button.getAttribute("aria-expanded") !== "true";
      button.setAttribute("aria-expanded", open);
      if (!row.nextElementSibling?.classList.contains("detail")) {
        const line = make("tr", { class: "detail" }, make("td", { colspan: row.cells.length }, "…"));
        row.after(line);
        try {
          const found = await want(`data/${button.dataset.board}`);
          line.cells[0].replaceChildren(list(found.details[Number(button.dataset.row)]));
        } catch (error) { line.cells[0].textContent = error.message; }
      }
      row.nextElementSibling.hidden = !open;
    });
  }

  function list(details) {
    const terms = make("dl", { class: "detail" });
    for (const [term, text] of details) {
      const said = make("dd");
      // Addresses become links; the rest is text.
      for (const part of text.split(/(https:\/\/[^\s,;)]+)/)) {
        said.append(part.startsWith("https://") ? make("a", { href: part }, part) : part);
      }
      if (term === "Measure it again") {
        said.append(" ", make("button", { type: "button", click: () => report.copy(text) }, "Copy"));
      }
      terms.append(make("dt", {}, term), said);
    }
    return terms;
  }

  for (const button of document.querySelectorAll("button[data-copy]")) {
    button.addEventListener("click", async () => {
      try {
        const found = await want(`data/${button.dataset.board ?? "paper"}`);
        await report.copy(found.texts[button.dataset.copy]);
      } catch (error) { report.say(error.message); }
    });
  }

  // Student's t for a 95 % interval, by Cornish and Fisher's expansion in 1/n: within 0.1 % from 4 degrees of freedom on.
  function student(freedom) {
    const exact = [NaN, 12.7062, 4.30265, 3.18245, 2.77645, 2.57058, 2.44691, 2.36462, 2.306, 2.26216];
    if (freedom < exact.length) return exact[freedom];
    const z = 1.959963985, n = freedom;
    return z + (z ** 3 + z) / (4 * n) + (5 * z ** 5 + 16 * z ** 3 + 3 * z) / (96 * n * n)
      + (3 * z ** 7 + 19 * z ** 5 + 17 * z ** 3 - 15 * z) / (384 * n ** 3);
  }

  // Compare the scores of a method with those of another on the same images.
  function paired(scores, against, better) {
    const differences = scores.map((score, i) => score - against[i]);
    const n = differences.length, mean = differences.reduce((sum, d) => sum + d, 0) / n;
    const deviation = Math.sqrt(differences.reduce((sum, d) => sum + (d - mean) ** 2, 0) / (n - 1));
    const half = n > 1 ? student(n - 1) * deviation / Math.sqrt(n) : NaN;
    const sign = better === "low" ? -1 : 1;
    const wins = differences.reduce((sum, d) => sum + (d * sign > 0 ? 1 : d === 0 ? 0.5 : 0), 0) / n;
    return { differences, mean, low: mean - half, high: mean + half, wins };
  }
  report.paired = paired;
  report.student = student;

  for (const box of document.querySelectorAll("details.compare")) {
    box.addEventListener("toggle", async () => {
      if (!box.open || box.dataset.made) return;
      box.dataset.made = "1";
      const place = box.querySelector(".compared");
      try {
        compare(place, data.boards[box.dataset.board], await want(`data/${box.dataset.board}`));
      } catch (error) { place.textContent = error.message; }
    });
  }

  function select(label, options, chosen, changed) {
    const list = make("select", { input: changed }, ...options.map(([value, text]) => make("option", { value }, text)));
    list.value = chosen;
    return [make("label", {}, label, list), list];
  }

  function compare(place, board, found) {
    const methods = board.methods.map((label, i) => [String(i), label]);
    const metrics = Object.entries(data.metrics)
      .filter(([name]) => found.scores[name]?.every((scores) => scores.every((score) => score !== null)))
      .map(([name, { title }]) => [name, title]);
    if (!metrics.length || !found.images.length) {
      place.textContent = "No image has a score of every method.";
      return;
    }
    const [metricLabel, metric] = select("Metric", metrics, metrics[0][0], draw);
    const [baseLabel, base] = select("Baseline", methods, "0", draw);
    const [otherLabel, other] = select("Against it, image by image", methods, methods.length > 1 ? "1" : "0", draw);
    const result = make("div");
    place.replaceChildren(make("div", { class: "controls" }, metricLabel, baseLabel, otherLabel), result);
    draw();

    function draw() {
      const look = data.metrics[metric.value], scores = found.scores[metric.value];
      const b = Number(base.value), o = Number(other.value), unit = look.unit.includes(" ") ? "" : ` ${look.unit}`;
      const rows = board.methods.map((label, i) => ({ label, ...paired(scores[i], scores[b], look.better) }))
        .filter((_, i) => i !== b || board.methods.length === 1);
      rows.sort((x, y) => (y.mean - x.mean) * (look.better === "low" ? -1 : 1));
      const digits = look.digits + 1;
      result.replaceChildren(
        make("p", { class: "soft" }, `Mean over ${found.images.length} images of ${look.title} minus that of ${board.methods[b]},`
          + ` with the 95 % interval of the paired difference (Student's t); an interval that holds 0 tells no difference.`),
        make("div", { class: "stacked" }, intervals(rows, look, unit, Math.min(620, Math.max(320, place.clientWidth))), table(
          ["Method", `Difference${unit}`, "95 % interval", "Wins", "Worst image"],
          rows.map((row) => {
            const sign = look.better === "low" ? -1 : 1;
            const worst = row.differences.reduce((w, d, i) => (d * sign < row.differences[w] * sign ? i : w), 0);
            return [name(row.label), signed(row.mean, digits),
              Number.isFinite(row.low) ? `${signed(row.low, digits)} to ${signed(row.high, digits)}` : "–",
              `${Math.round(row.wins * 100)} %`, `${found.images[worst]} (${signed(row.differences[worst], digits)})`];
          }))),
        make("div", { class: "two" }, scatter(scores[b], scores[o], board.methods[b], board.methods[o], found.images, look, unit),
          images(scores[b], scores[o], board.methods[b], board.methods[o], found, look)));
    }

    function images(x, y, first, second, found, look) {
      const sign = look.better === "low" ? -1 : 1;
      const order = found.images.map((_, i) => i).sort((i, j) => (y[i] - x[i] - y[j] + x[j]) * sign);
      const made = table(["Image", "noisy", first, second, "Difference"], order.map((i) => [
        found.images[i], ...[found.noisy[metric.value][i], x[i], y[i]].map((v) => (v === null ? "–" : v.toFixed(look.digits + 1))),
        signed(y[i] - x[i], look.digits + 1)]));
      return make("div", {}, make("p", { class: "soft" }, `Each image, the worst of ${second} against ${first} first.`), make("div", { class: "scroll", tabindex: "0" }, made));
    }
  }

  const name = (label) => make("span", {}, mark(label), label);
  const signed = (value, digits) => {
    const text = Math.abs(value).toFixed(digits);
    return (Number(text) === 0 ? "" : value > 0 ? "+" : "−") + text;
  };

  function table(heads, rows) {
    const made = make("table", { class: "sortable" },
      make("thead", {}, make("tr", {}, ...heads.map((head) => make("th", { scope: "col" }, head)))),
      make("tbody", {}, ...rows.map((row) => make("tr", {}, ...row.map((cell, i) => {
        const number = typeof cell === "string" && i && /^[+−]?[\d.]+/.test(cell) ? parseFloat(cell.replace("−", "-")) : null;
        return make(i ? "td" : "th", { scope: i ? null : "row", "data-v": number }, cell);
      })))));
    report.sortable(made);
    return make("div", { class: "wide" }, made);
  }

  // Axes of a plot: round values over a range.
  function ticks(low, high, count = 5) {
    const rough = (high - low) / count || 1, power = 10 ** Math.floor(Math.log10(rough));
    const step = [1, 2, 5, 10].map((m) => m * power).find((s) => s >= rough);
    const all = [];
    for (let tick = Math.ceil(low / step) * step; tick <= high + step * 1e-9; tick += step) all.push(tick);
    const digits = Math.max(0, -Math.floor(Math.log10(step)));
    return all.map((tick) => [tick, (Math.abs(tick) < step / 2 ? 0 : tick).toFixed(digits)]);
  }

  function span(values) {
    const low = Math.min(...values), high = Math.max(...values), room = (high - low || Math.abs(high) || 1) * 0.06;
    return [low - room, high + room];
  }

  // A name in so many pixels: whole, or its beginning and three dots.
  function wide(text) {
    const svg = make("svg", { class: "plot", style: "position: absolute; visibility: hidden" }, make("text", {}, text));
    document.body.append(svg);
    const length = svg.firstChild.getComputedTextLength();
    svg.remove();
    return length;
  }
  function fitted(label, most) {
    let text = label;
    while (wide(text) > most && text.length > 2) text = `${text.slice(0, -2)}…`;
    return text;
  }

  function intervals(rows, look, unit, width) {
    const narrow = width < 480, line = 24, foot = 40, height = rows.length * line + foot + 8;
    const side = Math.min(0.45 * width, 12 + Math.max(...rows.map((row) => wide(row.label))));
    const [low, high] = span([0, ...rows.flatMap((row) => [row.mean, row.low, row.high]).filter(Number.isFinite)]);
    const x = (value) => side + (value - low) / (high - low) * (width - side - 12);
    const svg = make("svg", { class: "plot", viewBox: `0 0 ${width} ${height}`, width, height, role: "img" },
      make("title", {}, `Paired differences of ${look.title}`));
    for (const [tick, text] of ticks(low, high, narrow ? 3 : 5)) {
      svg.append(make("line", { class: "grid", x1: x(tick), x2: x(tick), y1: 4, y2: height - foot }),
        make("text", { x: x(tick), y: height - foot + 16, "text-anchor": "middle" }, text));
    }
    svg.append(make("line", { class: "axis", x1: x(0), x2: x(0), y1: 4, y2: height - foot, "stroke-width": 1.5 }),
      make("text", { x: (side + width) / 2, y: height - 6, "text-anchor": "middle" }, `difference of ${look.title}${unit}`));
    rows.forEach((row, i) => {
      const y = 4 + (i + 0.5) * line, [colour] = data.looks[row.label] ?? ["currentColor"];
      svg.append(make("text", { x: side - 8, y: y + 4, "text-anchor": "end" }, fitted(row.label, side - 10), make("title", {}, row.label)));
      if (Number.isFinite(row.low)) svg.append(make("line", { x1: x(row.low), x2: x(row.high), y1: y, y2: y, stroke: colour, "stroke-width": 2 }));
      svg.append(symbol(row.label, x(row.mean), y));
    });
    return svg;
  }

  function symbol(label, x, y) {
    const svg = mark(label), use = svg.firstChild;
    return make("g", { transform: `translate(${x} ${y})`, style: svg.getAttribute("style") }, use);
  }

  function scatter(x, y, first, second, names, look, unit) {
    const size = 420, left = 58, foot = 46;
    const [low, high] = span([...x, ...y]);
    const along = (value) => left + (value - low) / (high - low) * (size - left - 10);
    const up = (value) => size - foot - (value - low) / (high - low) * (size - foot - 10);
    const svg = make("svg", { class: "plot", viewBox: `0 0 ${size} ${size}`, width: size, height: size, role: "img" },
      make("title", {}, `${look.title} of ${second} against ${first}, a point an image`));
    for (const [tick, text] of ticks(low, high)) {
      svg.append(make("line", { class: "grid", x1: along(tick), x2: along(tick), y1: 10, y2: size - foot }),
        make("line", { class: "grid", x1: left, x2: size - 10, y1: up(tick), y2: up(tick) }),
        make("text", { x: along(tick), y: size - foot + 16, "text-anchor": "middle" }, text),
        make("text", { x: left - 6, y: up(tick) + 4, "text-anchor": "end" }, text));
    }
    svg.append(make("line", { class: "axis", x1: along(low), y1: up(low), x2: along(high), y2: up(high) }),
      make("text", { x: (left + size) / 2, y: size - 8, "text-anchor": "middle" }, `${first}${unit}`),
      make("text", { transform: `translate(14 ${(size - foot) / 2}) rotate(-90)`, "text-anchor": "middle" }, `${second}${unit}`));
    const [colour] = data.looks[second] ?? ["currentColor"];
    const most = 2000, step = Math.ceil(x.length / most);
    for (let i = 0; i < x.length; i += step) {
      svg.append(make("circle", { cx: along(x[i]), cy: up(y[i]), r: 3.5, fill: colour, "fill-opacity": 0.75 },
        make("title", {}, `${names[i]}: ${x[i]} and ${y[i]}`)));
    }
    const note = step > 1 ? `; every ${step}. image` : "";
    return make("figure", {}, svg, make("figcaption", {}, `A point an image, above the line where ${second} has more${note}.`));
  }
})();
