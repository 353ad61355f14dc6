// Tables sort by the buttons in their headers: best first, worst first, as they came. Arrow keys move between the
// links of a table, so that it takes one Tab to pass it.
"use strict";

const Tables = (() => {
  function rows(table) {
    return [...table.tBodies[0].rows];
  }

  function compare(column, numeric, sign) {
    return (a, b) => {
      const x = a.cells[column], y = b.cells[column];
      if (!numeric) return sign * x.textContent.trim().localeCompare(y.textContent.trim(), "en", { numeric: true });
      const p = x.dataset.value, q = y.dataset.value;
      // What has no number comes last either way.
      if (p === undefined || q === undefined) return (p === undefined) - (q === undefined);
      return sign * (Number(p) - Number(q));
    };
  }

  // Put the rows into the order that the headers' aria-sort says.
  function arrange(table) {
    const headers = [...table.tHead.rows[0].cells];
    const column = headers.findIndex(header => header.hasAttribute("aria-sort"));
    const all = rows(table);
    all.forEach((row, place) => { row.dataset.place ??= place; });
    all.sort((a, b) => a.dataset.place - b.dataset.place);
    if (column >= 0) {
      const sign = headers[column].getAttribute("aria-sort") === "ascending" ? 1 : -1;
      all.sort(compare(column, headers[column].classList.contains("number"), sign));
    }
    table.tBodies[0].append(...all);
    rove(table);
  }

  function turn(header) {
    const numeric = header.classList.contains("number");
    const first = !numeric || "ascending" in header.dataset ? "ascending" : "descending";
    const second = first === "ascending" ? "descending" : "ascending";
    const next = { [first]: second, [second]: null }[header.getAttribute("aria-sort")];
    for (const other of header.parentElement.cells) other.removeAttribute("aria-sort");
    if (next !== null) header.setAttribute("aria-sort", next ?? first);
    arrange(header.closest("table"));
  }

  // One link of a table is reached by Tab, the others from there by arrow keys.
  function rove(table, chosen) {
    const links = [...table.querySelectorAll("tbody a")];
    for (const link of links) link.tabIndex = -1;
    const focused = chosen ?? (links.includes(document.activeElement) ? document.activeElement : links[0]);
    if (focused) focused.tabIndex = 0;
  }

  const STEPS = { ArrowUp: [-1, 0], ArrowDown: [1, 0], ArrowLeft: [0, -1], ArrowRight: [0, 1] };

  function move(event) {
    const link = event.target.closest("tbody a"), step = STEPS[event.key];
    if (!link || !step || event.ctrlKey || event.altKey || event.metaKey) return;
    const cell = link.closest("td"), table = cell.closest("table"), all = rows(table);
    let row = all.indexOf(cell.parentElement), column = cell.cellIndex, found = null;
    do {
      row += step[0];
      column += step[1];
      found = all[row]?.cells[column]?.querySelector("a");
    } while (!found && all[row]?.cells[column]);
    if (found) {
      rove(table, found);
      found.focus();
    }
    event.preventDefault();
  }

  document.addEventListener("click", event => {
    const button = event.target.closest(".sortable thead button");
    if (button) turn(button.closest("th"));
  });
  document.addEventListener("keydown", move);
  for (const table of document.querySelectorAll(".sortable tbody")) rove(table.parentElement);

  return { arrange };
})();
