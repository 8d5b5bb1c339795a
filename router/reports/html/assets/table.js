// The table of all items: Tabulator draws the rows that are on the screen; what to keep is decided here.

const FILTERS = ["run", "outcome", "prompt", "provider", "model", "reason", "epoch"];

// An element with text children only: nothing of an answer is ever read as HTML.
function make(tag, properties = {}, ...children) {
  const made = Object.assign(document.createElement(tag), properties);
  made.append(...children.filter((child) => child !== null && child !== undefined));
  return made;
}

// The values of a column that has names for them, without the empty one.
function distinct(column) {
  return (column?.names ?? []).filter((value) => value !== null && value !== "");
}

function columnsFor(columns) {
  const varied = (name) => distinct(columns[name]).length > 1;
  const known = (name) => (columns[name].values ?? columns[name].names).some((value) => value !== null && value !== "");
  const text = (cell) => make("span", { textContent: cell.getValue() ?? "", title: cell.getValue() ?? "" });
  const number = (places) => (cell) => {
    const value = cell.getValue();
    return make("span", { textContent: value === null || value === undefined ? "–" : value.toFixed(places) });
  };
  const outcome = (cell) => make("span", { className: `outcome ${cell.getValue()}`, textContent: cell.getValue() });
  const all = [
    { title: "item", field: "id", formatter: text, minWidth: 128, widthGrow: 1.2, responsive: 1, has: true },
    { title: "run", field: "run", formatter: text, minWidth: 90, responsive: 2, has: varied("run") },
    { title: "prompt", field: "prompt", formatter: text, minWidth: 80, responsive: 1, has: varied("prompt") },
    { title: "epoch", field: "epoch", formatter: text, width: 70, responsive: 6, has: varied("epoch") },
    { title: "outcome", field: "outcome", formatter: outcome, width: 96, responsive: 0, has: true },
    { title: "question", field: "question", formatter: text, minWidth: 140, widthGrow: 3, responsive: 3, has: known("question") },
    { title: "expected", field: "expected", formatter: text, minWidth: 80, responsive: 2, has: known("expected") },
    { title: "answer", field: "answer", formatter: text, minWidth: 80, responsive: 0, has: known("answer") },
    { title: "score", field: "score", formatter: number(2), width: 70, responsive: 6, has: columns.score.names.some((score) => score > 0 && score < 1) },
    { title: "reason", field: "reason", formatter: text, minWidth: 90, responsive: 4, has: known("reason") },
    { title: "provider", field: "provider", formatter: text, minWidth: 90, responsive: 3, has: known("provider") },
    { title: "model", field: "model", formatter: text, minWidth: 110, responsive: 7, has: varied("model") },
    { title: "tries", field: "attempts", formatter: number(0), width: 66, hozAlign: "right", responsive: 5, has: true },
    { title: "latency s", field: "latency_s", formatter: number(2), width: 92, hozAlign: "right", responsive: 4, has: true },
    { title: "waited s", field: "waited_s", formatter: number(2), width: 92, hozAlign: "right", responsive: 7, has: true },
    { title: "tokens out", field: "tokens_out", formatter: number(0), width: 100, hozAlign: "right", responsive: 8, has: known("tokens_out") },
    { title: "dollars", field: "cost_usd", formatter: number(6), width: 96, hozAlign: "right", responsive: 8, has: known("cost_usd") },
  ];
  return all.filter((column) => column.has).map(({ has, ...column }) => column);
}

function openTable(rows, columns, onOpen, onSort) {
  const table = new Tabulator("#table", {
    data: rows,
    index: "number",
    columns: columnsFor(columns),
    columnDefaults: { resizable: "header", headerSortTristate: true },
    height: Math.min(620, 60 + 30 * Math.max(rows.length, 3)),
    rowHeight: 30,
    layout: "fitColumns",
    responsiveLayout: "hide",
    placeholder: "No item matches.",
  });
  table.on("rowClick", (_, row) => onOpen(rows[row.getData().number]));
  table.on("dataSorted", (sorters) => onSort(sorters[0]));
  return table;
}

// Whether a row is kept by the state of the address; `texts` are there where something is searched for.
function keeper(state, texts) {
  const names = FILTERS.filter((name) => state[name]);
  const words = (state.q ?? "").toLowerCase().split(/\s+/).filter(Boolean);
  return (row) =>
    names.every((name) => String(row[name]) === state[name]) &&
    (!state.flipped || row.flipped) &&
    words.every((word) => texts[row.number].includes(word));
}

function selects(columns, state, onChange) {
  const made = [];
  for (const name of FILTERS) {
    const values = distinct(columns[name]).map(String);
    if (values.length < 2 && !(values.length && name === "reason")) continue;
    const select = make("select", { name, ariaLabel: name }, make("option", { value: "", textContent: `any ${name}` }));
    for (const value of values.sort()) select.append(make("option", { value, textContent: value }));
    select.value = state[name] ?? "";
    select.addEventListener("change", () => onChange(name, select.value));
    made.push(select);
  }
  if (columns.flipped.names.includes(true)) {
    const box = make("input", { type: "checkbox", id: "flipped", checked: Boolean(state.flipped) });
    box.addEventListener("change", () => onChange("flipped", box.checked ? "1" : ""));
    made.push(make("label", { className: "flip" }, box, "flipped"));
  }
  return made;
}
