// A click on the head of a table of many rows sorts it by that column: by the first number in each cell, else by text.
(() => {
  const number = (text) => {
    const found = text.replace(/(\d),(?=\d{3}\b)/g, "$1").match(/[-−]?\d+(\.\d+)?/);
    return found ? Number(found[0].replace("−", "-")) : NaN;
  };
  const sort = (table, column, head) => {
    const body = table.tBodies[0];
    const rows = [...body.rows];
    const texts = new Map(rows.map((row) => [row, row.cells[column].textContent.trim()]));
    const numeric = rows.filter((row) => /^[-−]?[\d.]/.test(texts.get(row))).length > rows.length / 2;
    const down = head.getAttribute("aria-sort") === (numeric ? "descending" : "ascending") ? !numeric : numeric;
    rows.sort((a, b) => {
      const [x, y] = [texts.get(a), texts.get(b)];
      if (!numeric) return (down ? -1 : 1) * x.localeCompare(y, "en", { numeric: true });
      const [m, n] = [number(x), number(y)];
      if (Number.isNaN(m) || Number.isNaN(n)) return Number.isNaN(m) - Number.isNaN(n); // cells without one come last
      return down ? n - m : m - n;
    });
    for (const one of head.parentElement.cells) one.removeAttribute("aria-sort");
    head.setAttribute("aria-sort", down ? "descending" : "ascending");
    body.append(...rows);
  };
  const start = () => {
    for (const table of document.querySelectorAll("article table:not([class])")) {
      const rows = [...(table.tBodies[0]?.rows ?? [])];
      if (rows.length < 6 || !table.tHead || rows.some((row) => !row.cells[0].textContent.trim())) continue;
      [...table.tHead.rows[0].cells].forEach((head, column) => {
        if (!head.textContent.trim()) return;
        head.tabIndex = 0;
        head.classList.add("sortable");
        head.title = "sort";
        head.addEventListener("click", () => sort(table, column, head));
        head.addEventListener("keydown", (event) => event.key === "Enter" && sort(table, column, head));
      });
    }
  };
  document.addEventListener("DOMContentLoaded", start);
})();
