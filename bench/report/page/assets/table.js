"use strict";
// Tables that a click on a heading sorts: `<table class="sortable">`, cells with the number in data-v where text is no number.
(() => {
  const { make } = report;

  function value(row, place) {
    const cell = row.cells[place];
    const text = cell?.dataset.v ?? cell?.textContent.trim() ?? "";
    if (text === "" || text === "–") return null;
    return Number.isNaN(Number(text)) ? text.toLowerCase() : Number(text);
  }

  // Sort the rows of a body by a column; rows without a value come last whichever way, rows of details stay below theirs.
  function sort(table, place, direction) {
    const body = table.tBodies[0], rows = [...body.rows].filter((row) => !row.classList.contains("detail"));
    const order = (a, b) => {
      const [x, y] = [value(a, place), value(b, place)];
      if (x === null || y === null) return (x === null) - (y === null);
      if (typeof x !== typeof y) return typeof x === "number" ? -1 : 1;
      return (x < y ? -1 : x > y ? 1 : 0) * (direction === "ascending" ? 1 : -1);
    };
    for (const row of rows.sort(order)) {
      const detail = row.nextElementSibling?.classList.contains("detail") ? row.nextElementSibling : null;
      body.append(row);
      if (detail) body.append(detail);
    }
    for (const head of table.tHead.querySelectorAll("[aria-sort]")) head.setAttribute("aria-sort", "none");
    table.tHead.querySelector(`[data-place="${place}"]`)?.setAttribute("aria-sort", direction);
  }

  // Make the headings buttons that sort by their column; those over several columns are no heading of one.
  function sortable(table) {
    for (const head of table.tHead.querySelectorAll("th:not(.group)")) {
      const place = head.dataset.place ??= head.cellIndex;
      if (!head.hasAttribute("aria-sort")) head.setAttribute("aria-sort", "none");
      const button = make("button", { type: "button", click: () => {
        const falls = head.dataset.better === "high";
        const now = head.getAttribute("aria-sort");
        const next = now === "none" ? (falls ? "descending" : "ascending") : now === "ascending" ? "descending" : "ascending";
        sort(table, Number(place), next);
      } });
      button.append(...head.childNodes);
      head.append(button);
    }
  }

  for (const table of document.querySelectorAll("table.sortable")) sortable(table);
  Object.assign(report, { sortable, sort });
})();
