"use strict";
(function () {
  const MANY = 8; // rows from which a table gets a box to search; on a narrow screen, buttons to sort
  const clean = (text) => text.replace(/,(?=\d{3})/g, "").trim();
  const valueOf = (row, column) => {
    const cell = row.cells[column];
    return cell ? clean(cell.dataset.sort || cell.textContent) : "";
  };
  const compare = (one, other) => {
    const numbers = [Number(one), Number(other)];
    const numeric = one !== "" && other !== "" && numbers.every((n) => !Number.isNaN(n));
    return numeric ? numbers[0] - numbers[1] : one.localeCompare(other, "en", { numeric: true });
  };
  const sortBy = (table, column, head) => {
    const up = head.getAttribute("aria-sort") !== "ascending";
    const body = table.tBodies[0];
    const rows = [...body.rows].sort((a, b) => compare(valueOf(a, column), valueOf(b, column)));
    if (!up) rows.reverse();
    body.append(...rows);
    for (const each of table.tHead.rows[0].cells) each.removeAttribute("aria-sort");
    head.setAttribute("aria-sort", up ? "ascending" : "descending");
  };
  const search = (table, text, count) => {
    const words = text.toLowerCase().split(/\s+/).filter(Boolean);
    let shown = 0;
    for (const row of table.tBodies[0].rows) {
      const content = row.textContent.toLowerCase();
      row.hidden = !words.every((word) => content.includes(word));
      shown += row.hidden ? 0 : 1;
    }
    count.textContent = words.length ? `${shown} of ${table.tBodies[0].rows.length} rows` : "";
  };
  const addSearch = (table, box) => {
    const label = document.createElement("label");
    const input = document.createElement("input");
    const count = document.createElement("span");
    label.className = "search";
    label.append("Search this table ", input, " ", count);
    input.type = "search";
    count.setAttribute("role", "status");
    input.addEventListener("input", () => search(table, input.value, count));
    box.before(label);
  };
  for (const box of document.querySelectorAll(".box")) {
    const table = box.querySelector("table");
    const place = box.closest("section, details, figure");
    const title = place && place.querySelector("h1, h2, h3, summary, figcaption");
    box.tabIndex = 0; // so that the keyboard can scroll it
    box.setAttribute("role", "group");
    box.setAttribute("aria-label", `Table: ${title ? title.textContent.trim() : document.title}`);
    if (!table || !table.tHead) continue;
    const labels = [...table.tHead.rows[0].cells].map((head) => head.textContent.trim());
    for (const row of table.tBodies[0].rows) {
      [...row.cells].forEach((cell, column) => { cell.dataset.label = labels[column] || ""; });
    }
    table.classList.add("folds"); // on a narrow screen, each row is a card with these labels
    if (table.tBodies[0].rows.length < 2) continue;
    [...table.tHead.rows[0].cells].forEach((head, column) => {
      const button = document.createElement("button");
      button.type = "button";
      button.append(...head.childNodes);
      button.addEventListener("click", () => sortBy(table, column, head));
      head.append(button);
    });
    if (table.tBodies[0].rows.length < MANY) continue;
    table.classList.add("many"); // on a narrow screen, only such a table shows how to sort it
    addSearch(table, box);
  }
})();
