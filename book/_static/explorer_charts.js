/* The explorer's three charts, drawn by Vega-Lite, and the rows that they show. */
"use strict";
(() => {
  const bins = 100;
  const { chart, draw: drawRows, position } = globalThis.earlyglowViews;

  /* Shares of all images in each bin, from where the first count stands and the counts. */
  function shares([first, ...counts]) {
    const total = counts.reduce((sum, count) => sum + count, 0);
    return Array.from({ length: bins }, (_, bin) => (counts[bin - first] ?? 0) / total);
  }

  function histogramRows(checkpoint, flow, ood) {
    const width = (checkpoint.high - checkpoint.low) / bins;
    const [ofId, ofOod] = [flow.id, ood].map((name) => shares(checkpoint.counts[name]));
    return ofId.map((share, bin) => (
      { from: checkpoint.low + bin * width, to: checkpoint.low + (bin + 1) * width,
        id: share, ood: ofOod[bin] }));
  }

  function rocRows(rows) {
    const found = [{ id: 0, ood: 0, order: 0 }];
    [...rows].reverse().forEach((row, i) => found.push(
      { id: found[i].id + row.id, ood: found[i].ood + row.ood, order: i + 1 }));
    return found;
  }

  /* The three charts. Colours of the theme are set by explorer.css. */
  const blue = "#0072B2";
  const unit = { scale: { domain: [0, 1] } };
  const charts = {
    histograms: chart(170, {
      encoding: { x: position("from", "score (higher = more OOD)",
                              { scale: { zero: false, nice: false } }) },
      layer: [
        { mark: { type: "area", interpolate: "step-after", color: "#999999", opacity: 0.6 },
          encoding: { y: position("id", "share of images", { axis: { format: ".0%" } }) } },
        { mark: { type: "line", interpolate: "step-after", color: blue, strokeWidth: 2 },
          encoding: { y: position("ood") } },
      ],
    }),
    roc: chart(220, {
      encoding: { x: position("id", "share of ID images above", unit),
                  y: position("ood", "share of OOD images above", unit) },
      layer: [
        { data: { values: [{ id: 0, ood: 0 }, { id: 1, ood: 1 }] },
          mark: { type: "line", color: "#888888", strokeDash: [2, 3] } },
        { mark: { type: "line", color: blue, strokeWidth: 2 },
          encoding: { order: { field: "order", type: "quantitative" } } },
      ],
    }),
    curve: chart(220, {
      encoding: { x: { field: "seen", title: "images seen in training", type: "ordinal",
                       sort: null, axis: { labelAngle: -45 } } },
      layer: [
        { mark: { type: "area", color: blue, opacity: 0.18 },
          encoding: { y: position("low", "AUROC", unit), y2: { field: "high" } } },
        { mark: { type: "line", color: "#888888", strokeDash: [2, 3], strokeWidth: 2 },
          encoding: { y: position("control") } },
        { mark: { type: "line", color: blue, strokeWidth: 2, point: { color: blue, size: 30 } },
          encoding: { y: position("auroc") } },
        { transform: [{ filter: "datum.now" }],
          mark: { type: "point", color: "#D55E00", filled: true, size: 130, opacity: 1 },
          encoding: { y: position("auroc") } },
      ],
    }),
  };
  const draw = (place, name, rows, description) => drawRows(place, charts[name], rows, description);

  globalThis.earlyglowCharts = { names: Object.keys(charts), draw, histogramRows, rocRows };
})();
