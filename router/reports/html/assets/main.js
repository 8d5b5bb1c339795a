// Puts it together: data, table, address, item, plots, keys.

async function start() {
  const columns = await unpack("columns");
  const rows = rowsOf(columns);
  const dialog = document.getElementById("item");
  const search = document.getElementById("search");
  let state = readAddress();
  let current = null;

  const set = (changes) => writeAddress((state = { ...state, ...changes }));
  let isBuilt = false; // While it is built, the table says that it is not sorted.
  const table = openTable(rows, columns, open, (sorter) => {
    if (isBuilt && (sorter || state.sort)) set({ sort: sorter?.field, dir: sorter?.dir === "desc" ? "desc" : undefined });
  });

  async function filter() {
    const texts = state.q ? await loaded.then(() => searchTexts(rows)) : null;
    const keep = keeper(state, texts);
    const isAll = !state.q && !state.flipped && FILTERS.every((name) => !state[name]);
    if (isAll) table.clearFilter();
    else table.setFilter(keep);
    document.getElementById("count").textContent = `${table.getDataCount("active").toLocaleString("en")} of ${rows.length.toLocaleString("en")}`;
  }

  function showFilters() {
    search.value = state.q ?? "";
    document.getElementById("filters").replaceChildren(...selects(columns, state, (name, value) => (set({ [name]: value }), filter())));
  }

  // Tabulator hands out copies; a row is known by its number. The order stays until somebody filters or sorts.
  let order = null;
  table.on("dataFiltered", () => (order = null));
  table.on("dataSorted", () => (order = null));
  const ordered = () => (order ??= table.getData("active").map((copy) => rows[copy.number]));

  async function open(row) {
    const place = ordered().indexOf(row);
    current = row;
    set({ item: row.id, arm: armOf(row) });
    await showItem(dialog, row, rows, {
      place: place + 1,
      total: ordered().length,
      against: state.against,
      next: () => step(1),
      previous: () => step(-1),
      close: () => dialog.close(),
      choose: (arm) => (set({ against: arm }), open(row)),
    });
  }

  function step(by) {
    const all = ordered();
    const place = current ? all.indexOf(current) + by : 0;
    const row = all[Math.max(0, Math.min(all.length - 1, place))];
    if (row) open(row), table.scrollToRow(row.number, "center", false).catch(() => {});
  }

  function openFromAddress() {
    const row = rows.find((each) => each.id === state.item && (!state.arm || armOf(each) === state.arm));
    if (row && row !== current) open(row);
    else if (!state.item && dialog.open) dialog.close();
  }

  dialog.addEventListener("close", () => ((current = null), set({ item: undefined, arm: undefined })));
  dialog.addEventListener("click", (event) => event.target === dialog && dialog.close());
  let typing = 0;
  search.addEventListener("input", () => {
    clearTimeout(typing);
    typing = setTimeout(() => (set({ q: search.value.trim() }), filter()), 150);
  });
  document.getElementById("tools").addEventListener("submit", (event) => event.preventDefault());
  document.getElementById("clear").addEventListener("click", () => {
    writeAddress((state = {}));
    table.clearSort();
    showFilters();
    filter();
  });
  window.addEventListener("hashchange", () => {
    if (location.hash && !location.hash.includes("=")) return;
    state = readAddress();
    showFilters();
    filter();
    openFromAddress();
  });

  await new Promise((ready) => table.on("tableBuilt", ready));
  isBuilt = true;
  if (state.sort) table.setSort(state.sort, state.dir ?? "asc");
  showFilters();
  await filter();
  loaded.then(openFromAddress);
  listenToKeys({
    "/": () => search.focus(),
    j: () => step(1),
    k: () => step(-1),
    Enter: () => !dialog.open && step(0),
    f: () => (set({ flipped: state.flipped ? "" : "1" }), showFilters(), filter()),
  });
  printing(() => ordered());
}

// A table that shows what is on the screen cannot be printed: the first rows that are kept are written out.
function printing(ordered) {
  const MAX_PRINTED = 200;
  window.addEventListener("beforeprint", () => {
    const rows = ordered();
    const names = ["id", "prompt", "outcome", "expected", "answer", "provider"];
    const line = (tag, cells) => make("tr", {}, ...cells.map((text) => make(tag, { textContent: text ?? "" })));
    const body = rows.slice(0, MAX_PRINTED).map((row) => line("td", names.map((name) => row[name])));
    const note = `The first ${body.length.toLocaleString("en")} of ${rows.length.toLocaleString("en")} items.`;
    const place = document.getElementById("printed");
    place.replaceChildren(make("p", { textContent: note }), make("table", {}, line("th", names), ...body));
  });
}

function wireTheme(redraw) {
  const root = document.documentElement;
  const system = matchMedia("(prefers-color-scheme: dark)");
  const paint = (dark) => {
    root.style.colorScheme = dark ? "dark" : "light";
    root.classList.toggle("dark", dark);
    redraw();
  };
  document.getElementById("theme").addEventListener("click", () => paint(!root.classList.contains("dark")));
  system.addEventListener("change", () => paint(system.matches));
  root.style.colorScheme = system.matches ? "dark" : "light";
  root.classList.toggle("dark", system.matches);
}

function wireHead() {
  for (const link of document.querySelectorAll("nav a")) {
    link.addEventListener("click", (event) => {
      event.preventDefault();
      document.getElementById(link.getAttribute("href").slice(1)).scrollIntoView({ behavior: "smooth" });
    });
  }
}

const loaded = new Promise((ready) => document.addEventListener("DOMContentLoaded", ready));

async function begin() {
  wireHead();
  let redraw = () => {};
  wireTheme(() => redraw());
  await start();
  document.documentElement.dataset.ready = "table";
  performance.mark("table-ready");
  await loaded;
  const specs = await unpack("charts");
  redraw = watchCharts(specs);
  let width = innerWidth;
  let resizing = 0;
  window.addEventListener("resize", () => {
    if (innerWidth === width) return;
    width = innerWidth;
    clearTimeout(resizing);
    resizing = setTimeout(() => redraw(), 200);
  });
  document.addEventListener("click", (event) => event.target.matches("[data-export]") && saveChart(event.target));
  window.drawAllCharts = () => redraw(true);
  document.documentElement.dataset.ready = "all";
}

begin();
