/* Drawings of Vega-Lite that are made once and then only get other rows. */
"use strict";
(() => {
  const config = {
    background: null, mark: { aria: false }, view: { stroke: null }, font: "inherit",
    axis: { labelFontSize: 12, titleFontSize: 12, titleFontWeight: "normal", gridOpacity: 0.25,
            domain: false, tickCount: 5, labelOverlap: true },
  };
  /* A drawing as wide as its place, of data that comes later. */
  const chart = (height, more) => (
    { config, width: "container", height, data: { name: "rows", values: [] }, ...more });
  const position = (field, title, more = {}) => ({ field, title, type: "quantitative", ...more });

  const views = new WeakMap();
  async function draw(place, spec, rows, description) {
    place.setAttribute("aria-label", description);
    if (!views.has(place)) {
      const runtime = vega.parse(vegaLite.compile(spec).spec);
      /* The description stands for the whole drawing. */
      const container = place.appendChild(document.createElement("div"));
      container.setAttribute("aria-hidden", "true");
      views.set(place, new vega.View(runtime, { renderer: "svg", container }));
    }
    await views.get(place).data("rows", rows).runAsync();
  }

  globalThis.earlyglowViews = { chart, draw, position };
})();
