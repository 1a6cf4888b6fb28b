// Curves of a run, which grow while it runs.

import { draw, colour, figure, onTheme } from "./charts.js";
import { element, make } from "./requests.js";

// What is worth seeing first; everything else follows by name.
const FIRST = ["reward", "kl", "loss", "accuracy", "entropy", "response_length", "value_loss", "clip_fraction"];
const REDRAW_MS = 400;

const stages = new Map(); // stage -> { grid, curves: metric -> { steps, values, chart } }
let waiting = null;

function stage(name) {
  if (!stages.has(name)) {
    const grid = make("div", { className: "grid" });
    element("stages").append(make("section", {}, make("h2", { textContent: name }), grid));
    stages.set(name, { grid, curves: new Map() });
  }
  return stages.get(name);
}

function rank(metric) {
  const place = FIRST.indexOf(metric);
  return place < 0 ? FIRST.length : place;
}

function curve(of, metric) {
  if (!of.curves.has(metric)) {
    const [holder, chart] = figure(metric.replaceAll("_", " "));
    holder.dataset.metric = metric;
    const before = [...of.grid.children].find((other) => {
      const [mine, its] = [rank(metric), rank(other.dataset.metric)];
      return its > mine || (its === mine && other.dataset.metric > metric);
    });
    of.grid.insertBefore(holder, before ?? null);
    of.curves.set(metric, { steps: [], values: [], chart, changed: true });
  }
  return of.curves.get(metric);
}

function accept(event) {
  const state = element("state");
  state.textContent = event.state;
  state.className = `state ${event.state}`;
  element("reason").textContent = event.reason;
  element("where").textContent = `${event.stage || "not started"} ${event.step}/${event.total}`;
  element("bar").max = Math.max(event.total, 1);
  element("bar").value = event.step;
  for (const [metric, value] of Object.entries(event.metrics)) {
    const found = curve(stage(event.stage), metric);
    while (found.steps.at(-1) >= event.step) [found.steps, found.values].forEach((each) => each.pop()); // another attempt
    found.steps.push(event.step);
    found.values.push(value);
    found.changed = true;
  }
  waiting ??= setTimeout(redraw, REDRAW_MS);
}

function redraw(all = false) {
  waiting = null;
  for (const { curves } of stages.values())
    for (const found of curves.values()) {
      if (!(found.changed || all === true)) continue;
      found.changed = false;
      const line = { color: colour("accent"), width: 2 };
      const mode = found.steps.length > 1 ? "lines" : "markers";
      // New arrays each time: Plotly passes over those that it has seen, whatever they hold by now.
      const data = { x: [...found.steps], y: [...found.values] };
      const trace = { type: "scatter", mode, ...data, line, marker: { color: line.color } };
      draw(found.chart, [trace], { xaxis: { title: { text: "step" }, rangemode: "tozero" } });
    }
}

let last = 0;
const source = new EventSource(`/runs/${encodeURIComponent(element("main").dataset.run)}/events`);
source.onmessage = (message) => {
  if (message.data === "[DONE]") return source.close();
  const event = JSON.parse(message.data);
  if (event.error) {
    element("reason").textContent = event.error.message;
    return source.close();
  }
  if (event.id <= last) return; // seen before the connection broke
  last = event.id;
  accept(event);
};
onTheme(() => redraw(true));
