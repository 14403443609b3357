/* The change of variables in one dimension: sliders move the map, and the density moves with it. */
"use strict";
(() => {
  const { chart, draw, position } = globalThis.earlyglowViews;
  const [blue, orange, ink] = ["#0072B2", "#D55E00", "#000001"];
  const reach = 3;
  /* Half of the slice of the bell that is carried through the map. */
  const half = 0.2;
  const steps = 240;

  const bell = (z) => Math.exp(-z * z / 2) / Math.sqrt(2 * Math.PI);
  /* A straight line where nothing is bent; its ends flatten as the bend grows. */
  function mapOf({ slope, bend }) {
    if (!bend) return { f: (x) => slope * x, inverse: (z) => z / slope, derivative: () => slope };
    return {
      f: (x) => Math.asinh(bend * slope * x) / bend,
      inverse: (z) => Math.sinh(bend * z) / (bend * slope),
      derivative: (x) => slope / Math.sqrt(1 + (bend * slope * x) ** 2),
    };
  }
  const between = (from, to, count) =>
    Array.from({ length: count + 1 }, (_, i) => from + (to - from) * i / count);

  function rowsOf(map, slice) {
    const row = (part, x, z) => ({ part, x, z, base: bell(z), density: bell(z) * map.derivative(x) });
    const ofX = (part, x) => row(part, x, map.f(x));
    const ofZ = (part, z) => row(part, map.inverse(z), z);
    return {
      base: [...between(-reach, reach, steps).map((z) => ofZ("curve", z)),
             ...between(...slice, 40).map((z) => ofZ("slice", z))],
      map: [...between(-reach, reach, steps).map((x) => ofX("curve", x)),
            ...slice.map((z) => ofZ("edge", z))],
      density: [...between(-reach, reach, steps).map((x) => ofX("curve", x)),
                ...between(...slice.map(map.inverse), 40).map((x) => ofX("slice", x))],
    };
  }

  function specs(highest) {
    const across = { scale: { domain: [-reach, reach], nice: false }, axis: { values: [-2, 0, 2] } };
    const part = (name) => [{ filter: `datum.part === '${name}'` }];
    const layer = (name, mark, encoding = {}) =>
      ({ transform: part(name), mark: { clip: true, ...mark }, encoding });
    const left = { minExtent: 34, maxExtent: 34 };
    const upright = { ...across, axis: { ...across.axis, ...left } };
    return {
      base: chart(190, {
        encoding: { y: position("z", "z", across),
                    x: position("base", "p(z)", { scale: { domain: [0, 0.45] }, axis: { tickCount: 2 } }) },
        layer: [
          layer("slice", { type: "area", orient: "horizontal", color: orange, opacity: 0.7 }),
          layer("curve", { type: "line", color: ink, strokeWidth: 2 },
                { order: { field: "z", type: "quantitative" } }),
        ],
      }),
      map: chart(190, {
        encoding: { x: position("x", "x", across), y: position("z", "z = f(x)", upright) },
        layer: [
          layer("edge", { type: "rule", color: orange }, { y2: { datum: -reach } }),
          layer("edge", { type: "rule", color: orange }, { x2: { datum: -reach } }),
          layer("curve", { type: "line", color: ink, strokeWidth: 2 }),
        ],
      }),
      density: chart(150, {
        encoding: { x: position("x", "x", across),
                    y: position("density", "p(x)", { scale: { domain: [0, highest] }, axis: left }) },
        layer: [
          layer("slice", { type: "area", color: orange, opacity: 0.7 }),
          layer("curve", { type: "line", color: blue, strokeWidth: 2 }),
        ],
      }),
    };
  }

  const element = (tag, attributes = {}, ...children) => {
    const made = document.createElement(tag);
    Object.entries(attributes).forEach(([name, value]) => made.setAttribute(name, value));
    made.append(...children);
    return made;
  };

  function start(root) {
    const steepest = Math.max(3, Number(root.dataset.stretch));
    const titles = {
      slope: ["Slope in the middle", 0.2, steepest, Number(root.dataset.stretch)],
      bend: ["Bend of the ends", 0, 2, 1],
      point: ["Point x", -2, 2, 0.5],
    };
    const choices = element("div", { class: "density-choices" });
    const sliders = {};
    const values = {};
    Object.entries(titles).forEach(([name, [title, min, max, value]]) => {
      const id = `density-${name}`;
      sliders[name] = element("input", { type: "range", id, min, max, step: 0.1, value });
      values[name] = element("span", { "aria-hidden": "true" });
      choices.append(element("label", {}, element("span", {}, title), sliders[name], values[name]));
    });
    const said = element("output", { "aria-live": "polite", for: "density-slope density-bend density-point" });
    const places = {};
    const panel = (name, title) => {
      places[name] = element("div", { class: "density-chart", role: "img" });
      return element("figure", {}, element("figcaption", {}, title), places[name]);
    };
    const behind = element("div");
    root.append(choices, said,
      element("div", { class: "density-charts" }, panel("base", "The bell p(z)"),
        panel("map", "The map z = f(x)"), panel("density", "The density p(x)")),
      element("details", {}, element("summary", {}, "The numbers behind these pictures"), behind));
    const charts = specs(0.42 * steepest);

    async function show() {
      const state = Object.fromEntries(
        Object.entries(sliders).map(([name, slider]) => [name, slider.valueAsNumber]));
      Object.entries(state).forEach(([name, value]) => { values[name].textContent = value.toFixed(1); });
      const map = mapOf(state);
      const z = map.f(state.point);
      const slice = [z - half, z + half];
      const width = map.inverse(slice[1]) - map.inverse(slice[0]);
      const slope = map.derivative(state.point);
      said.textContent = `At x = ${state.point.toFixed(1)} the map is at z = ${z.toFixed(2)} and its slope is `
        + `${slope.toFixed(3)}: p(x) = p(z) · slope = ${bell(z).toFixed(3)} · ${slope.toFixed(3)} = `
        + `${(bell(z) * slope).toFixed(3)}. The orange slice is ${(2 * half).toFixed(2)} wide in z and `
        + `${width.toFixed(2)} wide in x; its area is the same in both.`;
      const rows = rowsOf(map, slice);
      await Promise.all([
        draw(places.base, charts.base, rows.base, "A bell over z, with a slice in orange"),
        draw(places.map, charts.map, rows.map,
          `The map from x to z with slope ${state.slope.toFixed(1)} and bend ${state.bend.toFixed(1)}`),
        draw(places.density, charts.density, rows.density,
          `The density over x, highest at ${(bell(0) * state.slope).toFixed(2)}`),
      ]);
      const cells = (tag, all) => element("tr", {}, ...all.map((text) => element(tag, {}, text)));
      behind.replaceChildren(element("table", {},
        element("caption", {}, "The map and both densities"),
        element("thead", {}, cells("th", ["x", "z", "p(z)", "slope", "p(x)"])),
        element("tbody", {}, ...between(-2, 2, 8).map((x) => cells("td", [x.toFixed(1),
          ...[map.f(x), bell(map.f(x)), map.derivative(x), bell(map.f(x)) * map.derivative(x)]
            .map((number) => number.toFixed(3))])))));
    }
    choices.addEventListener("input", show);
    show();
  }

  const root = document.getElementById("moving-density");
  if (root) {
    document.documentElement.classList.add("density-moves");
    start(root);
  }
})();
