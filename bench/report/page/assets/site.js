"use strict";
// The leaderboard: which of all numbers are shown; a cell of the matrix shows its own.
(() => {
  const form = document.getElementById("choose"), table = document.getElementById("all");
  const rows = [...table.tBodies[0].rows].map((row) => [row, row.textContent.toLowerCase()]);
  const field = (name) => form.elements[name];
  let cell = null;  // [method, images] of the cell of the matrix that was chosen, until something else is

  function choose() {
    const words = field("words").value.toLowerCase().split(/\s+/).filter(Boolean);
    let shown = 0;
    for (const [row, text] of rows) {
      row.hidden = !((field("images").checked || !row.dataset.image)
        && (!field("state").value || row.dataset.state === field("state").value)
        && (cell ? cell.every((name, i) => row.cells[i].textContent === name) : words.every((word) => text.includes(word))));
      shown += !row.hidden;
    }
    document.getElementById("chosen").textContent = `${shown} of ${rows.length} numbers`;
  }

  document.getElementById("matrix").addEventListener("click", (event) => {
    const clicked = event.target.closest("td"), head = clicked && report.columns[clicked.cellIndex];
    if (!event.target.closest("a") || !head) return;
    cell = [clicked.parentElement.dataset.label, head.dataset.dataset];
    field("words").value = cell.join(" ").toLowerCase();
    choose();
  });
  report.columns = Object.fromEntries([...document.querySelectorAll("#matrix th[data-board]")].map((head) => [head.dataset.place, head]));
  form.addEventListener("input", (event) => { if (event.target === field("words")) cell = null; choose(); });
  form.addEventListener("submit", (event) => event.preventDefault());
  form.addEventListener("reset", () => { cell = null; setTimeout(choose); });
  form.hidden = false;
  choose();
})();
