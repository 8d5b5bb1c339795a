// The plots: Vega-Lite by its interpreter, since the page allows no code to be made of texts.

const drawn = new Map();

function isDark() {
  return getComputedStyle(document.documentElement).colorScheme === "dark";
}

function themeOf(dark) {
  const ink = dark ? "#d8dde3" : "#222831";
  const faint = dark ? "#3a424c" : "#dfe3e8";
  return {
    background: null,
    font: "system-ui, sans-serif",
    axis: { labelColor: ink, titleColor: ink, gridColor: faint, domainColor: faint, tickColor: faint, titleFontWeight: 500, labelLimit: 150 },
    header: { labelColor: ink, titleColor: ink },
    legend: { labelColor: ink, titleColor: ink, orient: "bottom", columns: 4, labelLimit: 260, symbolLimit: 40 },
    rule: { color: ink },
    point: { color: ink },
    view: { stroke: faint },
    range: { category: ["#3b82c4", "#e8833a", "#4ba36b", "#b565b5", "#d9534f", "#c9a227", "#5bb5c9", "#8c6d4f", "#8a8f98", "#e377a2"] },
  };
}

// A width is the page's to give; a facet gives it to each of its rows.
function sized(spec, width) {
  const room = Math.max(140, width - 20);
  if (spec.facet) return { ...spec, spec: { ...spec.spec, width: room - labelRoom(spec) } };
  return { ...spec, width: room, autosize: { type: "fit-x", contains: "padding" } };
}

function labelRoom(spec) {
  const names = spec.data.values.map((each) => (each.kind ? "" : String(each.name ?? "")).length);
  return Math.min(170, 44 + 6.2 * Math.max(0, ...names));
}

function tooltip(_handler, event, _item, value) {
  const tip = document.getElementById("tip") ?? document.body.appendChild(make("div", { id: "tip" }));
  tip.hidden = value === null || value === undefined || value === "";
  if (tip.hidden) return;
  const lines = typeof value === "object" ? Object.entries(value) : [["", String(value)]];
  tip.replaceChildren(...lines.filter(([, text]) => text !== "").map(([name, text]) => make("div", { textContent: name ? `${name}: ${text}` : text })));
  tip.style.left = `${Math.min(event.clientX + 14, innerWidth - tip.offsetWidth - 8)}px`;
  tip.style.top = `${Math.min(event.clientY + 14, innerHeight - tip.offsetHeight - 8)}px`;
}

async function drawChart(place, specs) {
  const options = { ast: true, actions: false, renderer: "svg", defaultStyle: false, mode: "vega-lite", tooltip, config: themeOf(isDark()) };
  drawn.get(place)?.finalize();
  const result = await vegaEmbed(place, sized(specs[place.dataset.chart], place.clientWidth), options);
  drawn.set(place, result);
}

// Each is drawn when it comes near the screen, and again when the page's width or colours change.
function watchCharts(specs) {
  const places = [...document.querySelectorAll("[data-chart]")];
  const waiting = new Set(places);
  const near = new IntersectionObserver(
    (entries) => {
      for (const { isIntersecting, target } of entries) {
        if (isIntersecting && waiting.delete(target)) drawChart(target, specs);
      }
    },
    { rootMargin: "300px" },
  );
  for (const place of places) near.observe(place);
  return async (all = false) => {
    for (const place of places) if (all || !waiting.has(place)) waiting.delete(place), await drawChart(place, specs);
  };
}

async function saveChart(button) {
  const place = button.closest("figure").querySelector("[data-chart]");
  const view = drawn.get(place)?.view;
  if (!view) return;
  const form = button.dataset.export;
  const before = view.background();
  view.background(isDark() ? "#14181d" : "#ffffff");
  const url = await view.toImageURL(form, form === "png" ? 2 : 1);
  view.background(before);
  make("a", { href: url, download: `${place.dataset.chart}.${form}` }).click();
}
