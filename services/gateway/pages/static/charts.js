// Plots in the page's own colours, light and dark.

import { make } from "./requests.js";

export const colour = (name) => getComputedStyle(document.documentElement).getPropertyValue(`--${name}`).trim();

export function layout(more = {}) {
  const axis = { gridcolor: colour("line"), zerolinecolor: colour("line"), linecolor: colour("line"), automargin: true };
  return {
    paper_bgcolor: "rgba(0,0,0,0)",
    plot_bgcolor: "rgba(0,0,0,0)",
    font: { color: colour("soft"), size: 12 },
    hoverlabel: { bgcolor: colour("card"), bordercolor: colour("line"), font: { color: colour("ink") } },
    margin: { l: 40, r: 16, t: 8, b: 32 },
    showlegend: false,
    ...more,
    xaxis: { ...axis, ...more.xaxis },
    yaxis: { ...axis, ...more.yaxis },
  };
}

export function draw(place, traces, more) {
  Plotly.react(place, traces, layout(more), { displayModeBar: false, responsive: true, scrollZoom: false });
}

function intervals({ rows, span, mark }) {
  const dots = {
    type: "scatter",
    mode: "markers",
    y: rows.map((row) => row.label),
    x: rows.map((row) => row.value),
    error_x: {
      type: "data",
      symmetric: false,
      array: rows.map((row) => row.high - row.value),
      arrayminus: rows.map((row) => row.value - row.low),
      color: colour("soft"),
      thickness: 1.5,
      width: 4,
    },
    marker: { size: 11, color: colour("accent") },
    text: rows.map((row) => `${row.value.toFixed(2)} [${row.low.toFixed(2)}, ${row.high.toFixed(2)}], n = ${row.count}`),
    hovertemplate: "%{y}: %{text}<extra></extra>",
    cliponaxis: false,
  };
  const line = { color: colour("warn"), width: 1.5, dash: "dot" };
  const shapes = mark === null ? [] : [{ type: "line", x0: mark, x1: mark, yref: "paper", y0: 0, y1: 1, line }];
  const range = [Math.min(span[0], ...rows.map((row) => row.low)), Math.max(span[1], ...rows.map((row) => row.high))];
  return [[dots], { shapes, xaxis: { range }, yaxis: { autorange: "reversed", type: "category", ticklabelstandoff: 10 } }];
}

function days({ days, counts }) {
  const bars = { type: "bar", x: days, y: counts, marker: { color: colour("accent") } };
  return [[bars], { bargap: 1 - Math.min(0.6, days.length / 8), xaxis: { type: "category" }, yaxis: { rangemode: "tozero" } }];
}

const KINDS = { intervals, days };

function drawAll() {
  for (const place of document.querySelectorAll("[data-chart]")) {
    const data = JSON.parse(document.getElementById(place.dataset.chart).textContent);
    draw(place, ...KINDS[data.kind](data));
  }
}

export function onTheme(redraw) {
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", redraw);
}

export function figure(title, id) {
  const chart = make("div", { className: "chart", role: "img" });
  chart.setAttribute("aria-label", title);
  const caption = make("figcaption", {}, make("h2", { textContent: title }));
  return [make("figure", { className: "card", id }, caption, chart), chart];
}

drawAll();
onTheme(drawAll);
