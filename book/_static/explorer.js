/* The explorer: all published long trainings, one checkpoint after the other: choices, heat map,
   slider and tables; explorer_charts.js draws. The numbers are scripts in a folder beside this one,
   since a page that is opened from a file may not fetch. */
"use strict";
(() => {
  const folder = new URL("explorer/", document.currentScript.src);
  const { names: charts, draw, histogramRows, rocRows } = globalThis.earlyglowCharts;
  const element = (tag, attributes = {}, ...children) => {
    const made = document.createElement(tag);
    Object.entries(attributes).forEach(([name, value]) => made.setAttribute(name, value));
    made.append(...children);
    return made;
  };
  const short = (auroc) => auroc.toFixed(3).replace(/^0/, "");
  const percent = (share) => `${(100 * share).toFixed(1)} %`;
  const letters = (images) =>
    (images >= 1e6 ? `${images / 1e6}M` : images >= 1e3 ? `${images / 1e3}k` : `${images}`);
  const number = (value) => value.toLocaleString("en-US");

  /* One sweep's histograms and intervals, loaded when it is first looked at. */
  const loading = new Map();
  function sweepOf(key) {
    if (!loading.has(key)) {
      loading.set(key, new Promise((resolve, reject) => {
        const script = element("script", { src: new URL(`${key}.js`, folder).href });
        script.onload = () => resolve(globalThis.earlyglowSweeps[key]);
        script.onerror = () => reject(new Error(`The book's file ${key}.js is missing`));
        document.head.append(script);
      }));
    }
    return loading.get(key);
  }

  function table(caption, heads, rows) {
    const row = (tag, cells, scope) =>
      element("tr", {}, ...cells.map((cell) => element(tag, scope, cell)));
    return element("table", {}, element("caption", {}, caption),
      element("thead", {}, row("th", heads, { scope: "col" })),
      element("tbody", {}, ...rows.map((cells) => row("td", cells))));
  }

  function start(root, { readings, flows }) {
    const wanted = root.dataset;
    const names = Object.keys(flows);
    const first = names.find((name) => name.startsWith(wanted.flow)) ?? names[0];
    const state = { key: first, reading: wanted.reading, size: wanted.groupSize,
                    ood: wanted.oodDataset, seen: Math.max(...flows[first].images) };
    const flow = () => flows[state.key];
    const column = () => `${state.reading}|${state.size}`;
    /* The checkpoint of a flow whose number of images is nearest to the shown one's. */
    const checkpoint = ({ images }) => images.map((seen, i) =>
      [Math.abs(Math.log1p(seen) - Math.log1p(state.seen)), i]).sort((a, b) => a[0] - b[0])[0][1];
    const among = (keep) => names.filter((name) => keep(flows[name]));
    const unique = (values) => [...new Set(values)];

    /* A list to choose from; of flows it is the nearest one with the chosen property. */
    const lists = {};
    function list(name, title) {
      lists[name] = element("select", { id: `explorer-${name}` });
      return element("label", {}, `${title} `, lists[name]);
    }
    function fill(name, options, chosen) {
      lists[name].replaceChildren(...options.map(([value, title, off]) => {
        const option = new Option(title, value, false, String(value) === String(chosen));
        option.disabled = Boolean(off);
        return option;
      }));
      lists[name].parentElement.hidden = options.length < 2 && name === "seed";
    }
    const slider = element("input", { type: "range", min: 0, step: 1, id: "explorer-slider" });
    const said = element("output", { "aria-live": "polite", for: "explorer-slider" });
    const maps = element("div", { class: "explorer-maps" });
    const places = Object.fromEntries(charts.map((name) =>
      [name, element("div", { class: "explorer-chart", role: "img" })]));
    const beyond = element("p", { class: "explorer-note" });
    const heading = element("h3", { tabindex: -1, id: "explorer-pair" });
    const behind = element("div");
    const key = element("p", { class: "explorer-key" });
    const panel = (title, ...parts) =>
      element("figure", {}, element("figcaption", {}, title), ...parts);
    root.append(
      element("div", { class: "explorer-choices" }, list("family", "Flow"), list("seed", "Seed"),
        list("reading", "Reading"), list("size", "Images in a group")),
      maps, heading,
      element("div", { class: "explorer-choices" }, list("id", "ID set"), list("ood", "OOD set")),
      element("div", { class: "explorer-time" },
        element("label", {}, "Checkpoint ", slider), said),
      key,
      element("div", { class: "explorer-charts" },
        panel("Scores", places.histograms, beyond),
        panel("ROC, from the histograms", places.roc),
        panel("AUROC at every checkpoint", places.curve)),
      element("details", {}, element("summary", {}, "The numbers behind these pictures"), behind));

    function settle() {
      const here = flow();
      if (!here.ood.includes(state.ood)) state.ood = here.ood[0];
      if (!here.aurocs[column()]) state.reading = Object.keys(here.aurocs)[0].split("|")[0];
      const alike = (other) => other.family === here.family && other.seed === here.seed;
      const families = unique(names.map((name) => flows[name].family));
      fill("family", families.map((family) => [family, family]), here.family);
      fill("seed", unique(among((f) => f.family === here.family).map((name) => flows[name].seed))
        .map((seed) => [seed, seed]), here.seed);
      fill("id", among(alike).map((name) => [name, flows[name].titles[flows[name].id]]), state.key);
      fill("ood", here.ood.map((name) => [name, here.titles[name]]), state.ood);
      fill("reading", Object.entries(readings).map(([name, title]) =>
        [name, title, !here.aurocs[`${name}|${state.size}`]]), state.reading);
      fill("size", [[1, "1 (single images)"], [5, "5"]], state.size);
      return alike;
    }

    function cell(name, ood) {
      const other = flows[name];
      const auroc = other.aurocs[column()]?.[checkpoint(other)][other.ood.indexOf(ood)];
      if (auroc === undefined) return element("td", {}, "–");
      const title = `${other.titles[other.id]} against ${other.titles[ood]}`;
      const button = element("button", {
        type: "button", "data-flow": name, "data-ood": ood,
        "aria-label": `${title}: AUROC ${short(auroc)}`,
        "aria-pressed": name === state.key && ood === state.ood,
      }, short(auroc));
      button.style.background = vega.scheme("cividis")(auroc);
      button.style.color = auroc < 0.47 ? "white" : "black";
      return element("td", {}, button);
    }
    function drawMaps(alike) {
      const held = document.activeElement?.dataset ?? {};
      const shown = among(alike);
      maps.replaceChildren(...unique(shown.map((name) => flows[name].channels)).map((channels) => {
        const rows = shown.filter((name) => flows[name].channels === channels);
        const tried = rows.flatMap((name) => flows[name].ood);
        /* In the rows' order first, so that a set's own cells lie on the diagonal. */
        const columns = unique([...rows.map((name) => flows[name].id), ...tried])
          .filter((ood) => tried.includes(ood));
        const titles = Object.assign({}, ...rows.map((name) => flows[name].titles));
        const head = (title, scope) => element("th", { scope }, element("span", {}, title));
        return element("table", { class: "explorer-map" },
          element("caption", {},
            `AUROC of ${channels === 1 ? "grey" : "colour"} sets, ID set by OOD set`),
          element("thead", {}, element("tr", {}, element("td"),
            ...columns.map((ood) => head(titles[ood], "col")))),
          element("tbody", {}, ...rows.map((name) => element("tr", {},
            head(flows[name].titles[flows[name].id], "row"),
            ...columns.map((ood) => cell(name, ood))))));
      }));
      /* The map is made anew: the keyboard stays on the cell that it was on. */
      if (held.flow && held.ood) {
        maps.querySelector(`[data-flow="${held.flow}"][data-ood="${held.ood}"]`)?.focus();
      }
    }

    function show() {
      return showPair().catch((error) => { said.textContent = `${error.message}.`; });
    }
    async function showPair() {
      drawMaps(settle());
      const here = flow();
      const [name, ood, at] = [state.key, state.ood, checkpoint(here)];
      slider.max = here.images.length - 1;
      slider.value = at;
      const histograms = await sweepOf(name);
      /* Something else was chosen while the file was read. */
      if (name !== state.key || ood !== state.ood || at !== checkpoint(here)) return;
      const sweep = histograms[column()];
      const place = here.ood.indexOf(ood);
      const aurocs = here.aurocs[column()].map((row) => row[place]);
      const control = here.aurocs[`no_flow|${state.size}`].map((row) => row[place]);
      const intervals = sweep.map((one) => one.intervals[ood]);
      const text = (i) => {
        const [low, high] = intervals[i].map((end) => end.toFixed(3));
        return `${aurocs[i].toFixed(3)} [${low}, ${high}]`;
      };
      const bits = (i) => here.bits[i].toFixed(3);
      const [idTitle, oodTitle] = [here.titles[here.id], here.titles[ood]];
      const sizes = [here.id, ood].map((name) =>
        sweep[at].counts[name].slice(1).reduce((sum, count) => sum + count, 0));
      const when = `${here.checkpoints[at]}, ${number(here.images[at])} images seen`;
      slider.setAttribute("aria-valuetext", when);
      said.textContent = `${when}: AUROC ${text(at)}, held-out bits per dimension ${bits(at)}`;
      const pair = `${idTitle} against ${oodTitle}`;
      heading.textContent = pair;
      key.replaceChildren(
        element("span", { class: "explorer-id" }), ` ${idTitle} (ID, ${number(sizes[0])}) `,
        element("span", { class: "explorer-ood" }), ` ${oodTitle} (OOD, ${number(sizes[1])}) `,
        element("span", { class: "explorer-control" }), " chance, or no flow");

      const rows = histogramRows(sweep[at], here, ood);
      const inner = rows.slice(1, -1);
      const filled = inner.map((row) => row.id + row.ood > 0);
      const visible = inner.slice(Math.max(0, filled.indexOf(true)), filled.lastIndexOf(true) + 1);
      /* A step needs its right end, too. */
      visible.push({ ...visible.at(-1), from: visible.at(-1).to });
      const off = [["id", idTitle], ["ood", oodTitle]].map(([role, title]) =>
        `${percent(rows[0][role] + rows.at(-1)[role])} of ${title}`);
      beyond.textContent = `Beyond the picture: ${off.join(", ")}.`;
      const curve = aurocs.map((auroc, i) => (
        { seen: letters(here.images[i]), auroc, low: intervals[i][0], high: intervals[i][1],
          control: control[i], now: i === at }));
      await Promise.all([
        draw(places.histograms, "histograms", visible, `Histograms of scores, ${pair}, ${when}`),
        draw(places.roc, "roc", rocRows(rows), `ROC of ${pair}, ${when}`),
        draw(places.curve, "curve", curve, `AUROC of ${pair} at ${aurocs.length} checkpoints`),
      ]);
      behind.replaceChildren(
        table("AUROC with its 95 % interval",
          ["checkpoint", "images seen", "bits", "AUROC", "no flow"],
          aurocs.map((_, i) => [here.checkpoints[i], number(here.images[i]), bits(i), text(i),
            control[i].toFixed(3)])),
        table(`Scores: ${when}`, ["from", "to", idTitle, oodTitle],
          rows.filter((row) => row.id + row.ood > 0).map((row) =>
            [row.from.toPrecision(4), row.to.toPrecision(4), percent(row.id), percent(row.ood)])));
    }

    /* The flow that differs from the shown one in as little as possible. */
    function turnTo(...wishes) {
      const fits = (name) => wishes.map((wish) => (wish(flows[name]) ? 1 : 0));
      state.key = [...names].sort((a, b) => {
        const [x, y] = [fits(a), fits(b)];
        const i = x.findIndex((fit, j) => fit !== y[j]);
        return i < 0 ? 0 : y[i] - x[i];
      })[0];
    }
    const chosen = {
      family: (value, was) => turnTo(
        (f) => f.family === value, (f) => f.id === was.id, (f) => f.seed === was.seed),
      seed: (value, was) => turnTo(
        (f) => f.family === was.family, (f) => String(f.seed) === value, (f) => f.id === was.id),
      id: (value) => { state.key = value; },
      ood: (value) => { state.ood = value; },
      reading: (value) => { state.reading = value; },
      size: (value) => { state.size = value; },
    };
    Object.entries(lists).forEach(([name, select]) => select.addEventListener("change", () => {
      chosen[name](select.value, flow());
      show();
    }));
    slider.addEventListener("input", () => {
      state.seen = flow().images[slider.value];
      show();
    });
    maps.addEventListener("click", async (event) => {
      const button = event.target.closest("button");
      if (!button) return;
      [state.key, state.ood] = [button.dataset.flow, button.dataset.ood];
      await show();
      heading.scrollIntoView({ block: "nearest" });
    });
    show();
  }

  const root = document.getElementById("explorer");
  if (root && globalThis.earlyglowIndex && Object.keys(earlyglowIndex.flows).length) {
    document.documentElement.classList.add("explorer-moves");
    start(root, globalThis.earlyglowIndex);
  }
})();
