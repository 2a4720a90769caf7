"use strict";
// The leaderboard: which of all numbers are shown; a cell of the matrix shows its own.
(() => {
  const form = document.getElementById("choose"), table = document.getElementById("all");
  const rows = [...table.tBodies[0].rows].map((row) => [row, row.textContent.toLowerCase()]);
  const field = (name) => form.elements[name];

  function choose() {
    const words = field("words").value.toLowerCase().split(/\s+/).filter(Boolean);
    let shown = 0;
    for (const [row, text] of rows) {
      row.hidden = !((field("images").checked || !row.dataset.image)
        && (!field("state").value || row.dataset.state === field("state").value)
        && words.every((word) => text.includes(word)));
      shown += !row.hidden;
    }
    document.getElementById("chosen").textContent = `${shown} of ${rows.length} numbers`;
  }

  document.getElementById("matrix").addEventListener("click", (event) => {
    const cell = event.target.closest("td"), head = cell && report.columns[cell.cellIndex];
    if (!event.target.closest("a") || !head) return;
    field("words").value = `${cell.parentElement.dataset.label} ${head.dataset.dataset}`.toLowerCase();
    choose();
  });
  report.columns = Object.fromEntries([...document.querySelectorAll("#matrix th[data-board]")].map((head) => [head.dataset.place, head]));
  form.addEventListener("input", choose);
  form.addEventListener("submit", (event) => event.preventDefault());
  form.addEventListener("reset", () => setTimeout(choose));
  form.hidden = false;
  choose();
})();
