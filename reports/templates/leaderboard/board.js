"use strict";
// The board is complete without this: it adds sorting and a filter, and changes no number.
(function () {
  const table = document.getElementById("board-table");
  if (!table) { return; }
  const body = table.tBodies[0];
  const rows = Array.from(body.rows);
  const headers = Array.from(table.tHead.rows[0].cells);
  const status = document.getElementById("board-status");
  const words = new Intl.Collator("en", { numeric: true });

  function value(row, column, kind) {
    const text = row.cells[column].dataset.value;
    return kind === "number" ? (text === "" ? null : Number(text)) : text;
  }

  function compare(column, kind, sign) {
    return function (one, other) {
      const a = value(one, column, kind);
      const b = value(other, column, kind);
      // What could not be estimated stays at the end in both directions.
      if (a === null || b === null) { return (a === null) - (b === null); }
      return sign * (kind === "number" ? a - b : words.compare(a, b));
    };
  }

  function sortBy(column) {
    const header = headers[column];
    const before = header.getAttribute("aria-sort");
    const opposite = before === "ascending" ? "descending" : "ascending";
    const direction = before ? opposite : header.dataset.first;
    headers.forEach(function (one) { one.removeAttribute("aria-sort"); });
    header.setAttribute("aria-sort", direction);
    // From the original order, so that ties are always ordered by rank.
    const sign = direction === "ascending" ? 1 : -1;
    body.append(...rows.slice().sort(compare(column, header.dataset.sort, sign)));
    status.textContent = "Sorted by " + header.textContent + ", " + direction + ".";
  }

  headers.forEach(function (header, column) {
    const button = document.createElement("button");
    button.type = "button";
    button.append(...header.childNodes);
    header.append(button);
    button.addEventListener("click", function () { sortBy(column); });
  });

  const label = document.createElement("label");
  const input = document.createElement("input");
  label.className = "filter";
  input.type = "search";
  label.append("Show rows with", input);
  table.parentElement.before(label);
  input.addEventListener("input", function () {
    const wanted = input.value.toLowerCase().split(/\s+/).filter(Boolean);
    let shown = 0;
    rows.forEach(function (row) {
      const text = [1, 2, 3].map(function (i) { return row.cells[i].textContent; }).join(" ").toLowerCase();
      row.hidden = !wanted.every(function (word) { return text.includes(word); });
      shown += !row.hidden;
    });
    status.textContent = shown + " of " + rows.length + " rows shown.";
  });
})();
