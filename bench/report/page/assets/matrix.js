"use strict";
// The matrix: what is shown of it, and the average rank over what is shown.
(() => {
  const box = document.getElementById("matrix");
  if (!box) return;
  const table = box.querySelector("table"), controls = document.getElementById("filters");
  const rows = [...table.tBodies[0].rows];
  const field = (name) => controls.querySelector(`[name="${name}"]`);
  const places = [...table.querySelectorAll("thead th[data-board]")].map((head) => ({
    head, place: Number(head.dataset.place), dataset: head.dataset.dataset, noise: head.dataset.noise,
  }));

  const ranked = places[0]?.place === 2;

  function metric() {
    const chosen = field("metric")?.value ?? "psnr";
    box.classList.remove(...Object.keys(report.data.metrics));
    box.classList.add(chosen);
    for (const row of rows) for (const { place, head } of places) {
      const cell = row.cells[place];
      const own = head.dataset.reference ? chosen : "self_mse";
      cell.dataset.v = cell.dataset[`v_${own}`] ?? "";
      for (const mark of ["best", "second", "tied"]) cell.classList.toggle(mark, cell.dataset[`m_${own}`] === mark);
    }
    const better = report.data.metrics[chosen]?.better ?? "high";
    for (const { head } of places) head.dataset.better = head.dataset.reference ? better : "low";
  }

  function filter() {
    const chosen = metric.chosen = field("metric")?.value ?? "psnr";
    const words = field("name").value.toLowerCase().split(/[\s,]+/).filter(Boolean);
    const is = (name, value) => !field(name) || !field(name).value || value.split("|").includes(field(name).value);
    const seen = places.filter(({ dataset, noise }) => is("dataset", dataset) && is("noise", noise));
    for (const one of places) {
      const hidden = !seen.includes(one);
      one.head.hidden = hidden;
      for (const row of rows) row.cells[one.place].hidden = hidden;
    }
    for (const group of table.querySelectorAll("thead th.group")) {
      const size = seen.filter(({ dataset }) => dataset === group.dataset.dataset).length;
      group.hidden = !size;
      group.colSpan = Math.max(size, 1);
    }
    let shown = 0;
    for (const row of rows) {
      const published = row.classList.contains("published");
      const filled = seen.some(({ place }) => row.cells[place].dataset.v);
      const named = !words.length || words.some((word) => row.dataset.label.toLowerCase().includes(word));
      row.hidden = !(filled && named && is("colour", row.dataset.colour) && is("told", row.dataset.told)
        && is("family", row.dataset.family) && (!published || field("published")?.checked));
      if (row.hidden) continue;
      shown += 1;
      if (!ranked) continue;
      const own = (place, head) => row.cells[place].dataset[`r_${head.dataset.reference ? chosen : "self_mse"}`];
      const ranks = seen.map(({ place, head }) => Number(own(place, head))).filter(Boolean);
      const cell = row.cells[1];
      const mean = ranks.reduce((sum, rank) => sum + rank, 0) / ranks.length;
      cell.dataset.v = ranks.length ? mean : "";
      cell.textContent = ranks.length ? mean.toFixed(1) : "–";
      if (ranks.length && ranks.length < seen.length) cell.append(report.make("small", {}, `in ${ranks.length} of ${seen.length}`));
    }
    document.getElementById("shown").textContent = `${shown} of ${rows.length} rows`;
  }

  const change = () => { metric(); filter(); };
  controls.addEventListener("input", change);
  controls.addEventListener("submit", (event) => event.preventDefault());
  controls.addEventListener("reset", () => setTimeout(change));
  controls.hidden = false;
  change();
  if (ranked) report.sort(table, 1, "ascending");
})();
