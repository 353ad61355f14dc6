// The viewer: a list of pictures, and for the chosen one every method's map, scores and curves.
// What it shows is one state; the address after "#view?" says it, so that links, Back and bookmarks work.
"use strict";

(() => {
  const byId = id => document.getElementById(id);
  const index = JSON.parse(byId("index").textContent);
  const viewer = byId("viewer"), list = byId("list"), tiles = byId("tiles"), table = byId("scores");
  const choices = viewer.querySelector(".choices"), display = viewer.querySelector(".display");
  const WORDS = { inapplicable: "does not apply", failed: "failed" };
  const TILE = 256; // pixels of a drawn map's longer side

  // Compared is with another method (a), or with a control made from the method's own map (n).
  const state = { s: 0, o: "maps", m: "", k: "", u: "all", w: false, t: "", c: "", a: "", n: "" };
  let setting = null; // index.settings[state.s]
  let shown = []; // the listed cases, in order
  let drawing = 0; // which drawing is the newest
  let cameFrom = null; // the table cell that led here
  let current = null; // what the maps of the chosen case are drawn from

  // --- small things

  function make(kind, attributes = {}, ...children) {
    const node = document.createElement(kind);
    for (const [name, value] of Object.entries(attributes)) {
      if (value === false || value === undefined || value === null) continue;
      if (name === "class") node.className = value;
      else node.setAttribute(name, value === true ? "" : value);
    }
    node.append(...children.filter(child => child !== null && child !== undefined));
    return node;
  }

  function drawn(kind, attributes = {}, ...children) {
    const node = document.createElementNS("http://www.w3.org/2000/svg", kind);
    for (const [name, value] of Object.entries(attributes)) node.setAttribute(name, value);
    node.append(...children);
    return node;
  }

  const place = (items, name) => Math.max(0, items.findIndex(item => item.name === name));
  const methodPlace = () => place(setting.methods, state.m);
  const metricPlace = () => place(setting.metrics, state.k);
  const isNumber = value => typeof value === "number";

  function spell(score) {
    if (!isNumber(score)) return WORDS[score] ?? "not measured";
    const size = Math.abs(score);
    if (size >= 100) return score.toFixed(1).replace("-", "−");
    return (size && size < 0.0005 ? String(Number(score.toPrecision(1))) : score.toFixed(3)).replace("-", "−");
  }

  function options(select, pairs, chosen) {
    select.replaceChildren(...pairs.map(([value, text]) => make("option", { value }, text)));
    select.value = chosen;
    select.closest("label").hidden = pairs.length < 2;
  }

  // --- embedded files, read when needed

  const read = new Map(); // what came from files beside the page
  const fileURL = place => read.get(String(place)) ?? byId(`file-${place}`).textContent;

  async function opened(place) {
    const image = new Image();
    image.src = fileURL(place);
    await image.decode();
    return image;
  }

  // The gray values of a file, row by row.
  async function values(place) {
    const image = await opened(place);
    const canvas = make("canvas", { width: image.naturalWidth, height: image.naturalHeight });
    const context = canvas.getContext("2d", { willReadFrequently: true });
    context.drawImage(image, 0, 0);
    const { data } = context.getImageData(0, 0, canvas.width, canvas.height);
    return { width: canvas.width, data: data.filter((_, i) => i % 4 === 0) };
  }

  async function unpack(item) {
    const about = { maps: new Map(), region: null, curves: new Map(), shape: item.shape };
    if (item.maps) {
      const { data } = await values(item.drawn), size = item.shape[0] * item.shape[1];
      item.maps.forEach((method, i) => about.maps.set(method, data.subarray(i * size, (i + 1) * size)));
      if (item.region) about.region = data.subarray(item.maps.length * size);
    }
    if (item.curves?.length) {
      const { data, width } = await values(item.lines);
      let row = 0;
      for (const [metric, low, high, methods] of item.curves) {
        const points = setting.grids[metric].length, lines = new Map();
        for (const method of methods) {
          const line = data.subarray(row * width, row * width + points);
          lines.set(method, Array.from(line, value => low + (high - low) * value / 255));
          row++;
        }
        about.curves.set(metric, { low, high, lines });
      }
    }
    return about;
  }

  // --- which cases, in which order

  const scoreOf = (item, method, metric) => item.scores[method][metric];

  const controlScore = (item, method, control, metric) =>
    item.controls?.[method]?.[control][setting.controlled.indexOf(metric)] ?? null;

  // What a table says of two scores, picture by picture, so that the mean over the list is the table's.
  const COMPARISONS = {
    difference: { of: (own, other) => own - other, title: (own, other) => `${own} − ${other}` },
    margin: {
      of: (own, other, higher) => higher ? own - other : other - own,
      title: (own, other) => `by how much ${own} is better than ${other}`,
    },
    change: { of: (own, other) => other - own, title: (own, other) => `${other} − ${own}` },
  };

  const ownControl = name => `${state.m}’s own ${name} map`;

  // What the chosen method can be compared with: the state's field and its value, text.
  function rivals(order) {
    const methods = setting.methods.filter(({ name }) => name !== state.m).map(({ name }) => [`a=${name}`, name]);
    const controls = setting.controls.filter(control => control.null === (order === "margin"))
      .map(({ name }) => [`n=${name}`, `its own ${name} map`]);
    return { difference: methods, margin: [...methods, ...controls], change: controls }[order] ?? [];
  }

  function compareWith(rival) {
    Object.assign(state, { a: "", n: "" });
    if (rival) state[rival[0]] = rival.slice(2);
  }

  // The chosen comparison's number for a case; null where either score is missing.
  function compared() {
    const method = methodPlace(), metric = metricPlace(), { higher } = setting.metrics[metric];
    const other = place(state.n ? setting.controls : setting.methods, state.n || state.a);
    return item => {
      const own = scoreOf(item, method, metric);
      const score = state.n ? controlScore(item, method, other, metric) : scoreOf(item, other, metric);
      if (!isNumber(own) || !isNumber(score)) return null;
      // As many digits as scores have: equal differences are to be equal.
      return Number(COMPARISONS[state.o].of(own, score, higher).toPrecision(4));
    };
  }

  // The best first, whichever way the metric goes; turned around where the worst are wanted.
  const sign = () => (state.o === "margin" || setting.metrics[metricPlace()].higher) !== state.w ? 1 : -1;

  const ORDERS = {
    data: () => null,
    maps: () => item => item.disagreement[0],
    scores: () => item => item.disagreement[1],
    score: () => {
      const method = methodPlace(), metric = metricPlace();
      return item => {
        const score = scoreOf(item, method, metric);
        return isNumber(score) ? sign() * score : null;
      };
    },
  };

  function arrange() {
    let chosen = setting.cases.filter(item =>
      (state.u !== "difficult" || item.difficult) && (!state.t || item.target === state.t));
    let measure = ORDERS[state.o]?.(), number = null;
    if (state.o in COMPARISONS) {
      number = compared();
      chosen = chosen.filter(item => number(item) !== null);
      measure = item => sign() * number(item);
    }
    if (measure) {
      const keyed = chosen.map((item, place) => [measure(item), place, item]);
      // What has no number comes last; the data set's order decides among equals.
      keyed.sort(([a, i], [b, j]) => (a === null) - (b === null) || (a === null ? 0 : b - a) || i - j);
      shown = keyed.map(([, , item]) => item);
    } else {
      shown = chosen;
    }
    if (!shown.some(item => item.key === state.c)) state.c = shown[0]?.key ?? "";
    fillList(number);
  }

  function measureText(item, number) {
    if (number) return (number(item) > 0 ? "+" : "") + spell(number(item));
    const disagreement = { maps: item.disagreement[0], scores: item.disagreement[1] }[state.o];
    if (state.o === "score") return spell(scoreOf(item, methodPlace(), metricPlace()));
    return isNumber(disagreement) ? disagreement.toFixed(2) : "";
  }

  // Say what the list is ordered by.
  function orderText() {
    const first = `${state.w ? "worst" : "best"} first`;
    if (!(state.o in COMPARISONS)) return { maps: "by disagreement", scores: "by disagreement", score: first }[state.o];
    const { name, higher } = setting.metrics[metricPlace()];
    const own = state.o === "change" ? `${state.m}’s map as it is` : state.m;
    const title = COMPARISONS[state.o].title(own, state.n ? ownControl(state.n) : state.a);
    return `those with both scores: ${title}, ${name} ${higher ? "↑" : "↓"}, ${first}`;
  }

  const thumbnails = new IntersectionObserver(entries => {
    for (const { isIntersecting, target } of entries) {
      if (!isIntersecting) continue;
      thumbnails.unobserve(target);
      target.src = fileURL(target.dataset.picture);
    }
  }, { root: list, rootMargin: "300px" });

  function fillList(number) {
    thumbnails.disconnect();
    list.replaceChildren(...shown.map((item, i) => {
      const thumb = item.image === undefined ? make("span", { class: "thumb" })
        : make("img", { class: "thumb", alt: "", "data-picture": item.image, decoding: "async" });
      if (item.image !== undefined) thumbnails.observe(thumb);
      return make("li", { id: `option-${i}`, role: "option", "aria-selected": "false", "data-key": item.key },
        thumb, make("span", { class: "name" }, item.target, make("small", {}, item.key)),
        make("span", { class: "measure" }, measureText(item, number)));
    }));
    const { all } = setting;
    const count = shown.length === all ? `${all} cases` : `${shown.length} of ${all} cases`;
    const left = index.more.reduce((sum, cases) => sum + cases, 0);
    byId("more").hidden = !left;
    byId("more").textContent = `Read ${index.more[0]} more of ${left} cases, on which methods agree more`;
    const unkept = setting.left ? `(the ${setting.left} on which methods agree most are not in the page)` : "";
    byId("count").textContent = [[count, unkept].filter(Boolean).join(" "), orderText()].filter(Boolean).join(", ");
  }

  function mark() {
    for (const old of list.querySelectorAll('[aria-selected="true"]')) old.setAttribute("aria-selected", "false");
    const i = shown.findIndex(item => item.key === state.c);
    const option = list.children[i];
    byId("previous").disabled = i <= 0;
    byId("next").disabled = i < 0 || i >= shown.length - 1;
    if (!option) {
      list.removeAttribute("aria-activedescendant");
      return;
    }
    option.setAttribute("aria-selected", "true");
    list.setAttribute("aria-activedescendant", option.id);
    // Within the list only: the page stays where it is.
    const box = list.getBoundingClientRect(), own = option.getBoundingClientRect();
    list.scrollTop += Math.min(0, own.top - box.top) + Math.max(0, own.bottom - box.bottom);
    list.scrollLeft += Math.min(0, own.left - box.left) + Math.max(0, own.right - box.right);
  }

  // --- maps

  const palette = Uint8Array.from(index.inferno.match(/../g), pair => parseInt(pair, 16));
  // A look-up table of pixels: over the picture, the more evidence the less of it is seen.
  const looks = { overlay: cover => 0.35 + 0.5 * cover, alone: () => 1 };
  const pixels = Object.fromEntries(Object.entries(looks).map(([name, opacity]) => {
    const table = new Uint8ClampedArray(4 * 256);
    for (let value = 0; value < 256; value++) {
      table.set(palette.subarray(3 * value, 3 * value + 3), 4 * value);
      table[4 * value + 3] = 255 * opacity(value / 255);
    }
    return [name, new Uint32Array(table.buffer)];
  }));

  function grayPicture(image) {
    const canvas = make("canvas", { width: image.naturalWidth, height: image.naturalHeight });
    const context = canvas.getContext("2d");
    context.drawImage(image, 0, 0);
    context.globalCompositeOperation = "saturation";
    context.fillStyle = "gray";
    context.fillRect(0, 0, canvas.width, canvas.height);
    return canvas;
  }

  // Lines between the middles of neighbouring points, one inside and one outside: a contour at one half.
  const EDGES = { 1: [[3, 2]], 2: [[2, 1]], 3: [[3, 1]], 4: [[0, 1]], 5: [[3, 0], [2, 1]], 6: [[0, 2]], 7: [[3, 0]] };
  for (const code of [8, 9, 11, 12, 13, 14]) EDGES[code] = EDGES[15 - code];
  EDGES[10] = [[0, 1], [3, 2]];
  const MIDDLES = [[0.5, 0], [1, 0.5], [0.5, 1], [0, 0.5]]; // top, right, bottom, left

  function contour(region, [height, width], scaleX, scaleY) {
    const path = new Path2D();
    const inside = (y, x) => y >= 0 && x >= 0 && y < height && x < width ? region[y * width + x] : 0;
    for (let y = -1; y < height; y++) {
      for (let x = -1; x < width; x++) {
        const code = 8 * inside(y, x) + 4 * inside(y, x + 1) + 2 * inside(y + 1, x + 1) + inside(y + 1, x);
        for (const [from, to] of EDGES[code] ?? []) {
          const [a, b] = [MIDDLES[from], MIDDLES[to]];
          path.moveTo((x + 0.5 + a[0]) * scaleX, (y + 0.5 + a[1]) * scaleY);
          path.lineTo((x + 0.5 + b[0]) * scaleX, (y + 0.5 + b[1]) * scaleY);
        }
      }
    }
    return path;
  }

  const small = document.createElement("canvas");

  function paint() {
    if (!current) return;
    const { image, gray, data } = current;
    const style = display.elements.style.value;
    const [height, width] = data.shape ?? [1, 1];
    const tall = image ? image.naturalHeight / image.naturalWidth : height / width;
    const size = [Math.round(TILE / Math.max(1, tall)), Math.round(TILE * Math.min(1, tall))];
    const outline = display.elements.outline.checked && data.region
      ? contour(data.region, data.shape, size[0] / width, size[1] / height) : null;
    for (const canvas of tiles.querySelectorAll("canvas")) {
      const method = canvas.dataset.method, map = method === undefined ? null : data.maps.get(Number(method));
      const absent = method === undefined ? !image : !map;
      canvas.parentElement.classList.toggle("absent", absent);
      if (absent) continue;
      [canvas.width, canvas.height] = size;
      const context = canvas.getContext("2d");
      context.imageSmoothingQuality = "high";
      if (!map) context.drawImage(image, 0, 0, ...size);
      else {
        if (gray && style === "overlay") context.drawImage(gray, 0, 0, ...size);
        const field = new ImageData(width, height), table = pixels[style];
        const words = new Uint32Array(field.data.buffer);
        for (let i = 0; i < map.length; i++) words[i] = table[map[i]];
        [small.width, small.height] = [width, height];
        small.getContext("2d").putImageData(field, 0, 0);
        context.drawImage(small, 0, 0, ...size);
      }
      if (outline) {
        for (const [colour, thick] of [["rgb(0 0 0 / .8)", 3.5], ["white", 1.5]]) {
          context.strokeStyle = colour;
          context.lineWidth = thick;
          context.stroke(outline);
        }
      }
    }
  }

  function makeTiles() {
    const tile = (name, method) => make("figure", { class: "tile", "data-method": method },
      make("div", { class: "picture" },
        make("canvas", { role: "img", "aria-label": name, "data-method": method, width: TILE, height: TILE }),
        make("span", { class: "why" })),
      make("figcaption", {}, make("span", { class: "name" }, name), make("span", { class: "score" })));
    tiles.replaceChildren(tile("picture"), ...setting.methods.map(({ name }, i) => tile(name, i)));
  }

  // --- scores

  function makeScores() {
    const header = metric => make("th", { scope: "col", class: "number", "data-ascending": !metric.higher },
      make("button", { type: "button" }, metric.name,
        make("span", { "aria-hidden": "true" }, metric.higher ? " ↑" : " ↓"),
        make("span", { class: "unseen" }, metric.higher ? ", higher is better" : ", lower is better")));
    const head = make("tr", {}, make("th", { scope: "col" }, make("button", { type: "button" }, "method")),
      ...setting.metrics.map(header));
    const rows = setting.methods.map(({ name }, i) => make("tr", { "data-method": i, "data-place": i },
      make("th", { scope: "row" }, name), ...setting.metrics.map(() => make("td", { class: "number" }))));
    table.replaceChildren(make("thead", {}, head), make("tbody", {}, ...rows));
  }

  function fillScores(item) {
    const best = setting.metrics.map(({ higher, judges }, k) => {
      if (!judges) return null;  // it only describes a map
      const numbers = item.scores.map(row => row[k]).filter(isNumber);
      return higher ? Math.max(...numbers) : Math.min(...numbers);
    });
    for (const row of table.tBodies[0].rows) {
      item.scores[row.dataset.method].forEach((score, k) => {
        const cell = row.cells[k + 1];
        cell.textContent = spell(score);
        cell.classList.toggle("best", score === best[k]);
        cell.classList.toggle("missing", !isNumber(score));
        if (isNumber(score)) cell.dataset.value = score;
        else delete cell.dataset.value;
      });
    }
    Tables.arrange(table);
    const metric = metricPlace();
    for (const tile of tiles.children) {
      if (tile.dataset.method === undefined) continue;
      const method = Number(tile.dataset.method);
      tile.querySelector(".score").textContent = spell(scoreOf(item, method, metric));
      const failed = item.failures.find(([name, control, step]) =>
        name === setting.methods[method].name && !control && step === "map");
      tile.querySelector(".why").textContent = failed ? "failed" : "no map stored";
    }
    const reasons = item.failures.map(([method, control, step, reason]) =>
      make("li", {}, make("b", {}, [method, control, step].filter(Boolean).join(", ")), ` failed: ${reason}`));
    byId("failures").replaceChildren(...reasons);
    byId("failures").hidden = !reasons.length;
  }

  // --- derived controls: what is left of a score when the map is spoilt

  function fillControls(item) {
    byId("controls-part").hidden = !item.controls;
    if (!item.controls) return;
    const metric = metricPlace(), { higher, name } = setting.metrics[metric];
    byId("controls-name").textContent = `Controls made from each map, under ${name} ${higher ? "↑" : "↓"}`;
    const header = ["method", "its own map", ...setting.controls.map(control => control.name)];
    const rows = setting.methods.map((method, i) => {
      const own = scoreOf(item, i, metric), found = setting.controls.map((control, j) => controlScore(item, i, j, metric));
      if (found.every(value => value === null)) return null;
      const cells = found.map((value, j) => {
        const beats = setting.controls[j].null && isNumber(value) && isNumber(own) && (higher ? value >= own : value <= own);
        return make("td", { class: isNumber(value) ? "number" : "number missing" },
          beats ? make("b", {}, spell(value)) : spell(value), beats ? make("span", { class: "unseen" }, ", no worse") : "");
      });
      return make("tr", { "data-method": i }, make("th", { scope: "row" }, method.name),
        make("td", { class: "number" }, spell(own)), ...cells);
    });
    byId("controls").replaceChildren(
      make("thead", {}, make("tr", {}, ...header.map((text, i) =>
        make("th", { scope: "col", class: i ? "number" : "" }, text)))),
      make("tbody", {}, ...rows.filter(Boolean)));
  }

  // --- curves

  // Across: the share of the pixels, 0 to 1. Up: 0 to 1 where all values are, else from the lowest to the highest.
  const PLOT = { width: 320, height: 200, left: 34, right: 16, top: 8, bottom: 24 };

  function makeCurves() {
    const metrics = Object.keys(setting.grids);
    byId("curves-part").hidden = !metrics.length;
    byId("curves").replaceChildren(...metrics.map(metric => {
      const { width, height, left, right, top, bottom } = PLOT;
      const plot = drawn("svg", { viewBox: `0 0 ${width} ${height}`, role: "img", "aria-label":
        `${metric}: the curves of all methods; their scores are in the table above` });
      const x = share => left + share * (width - left - right);
      const line = (x1, y1, x2, y2) => drawn("line", { x1, y1, x2, y2, class: "rule" });
      for (const share of [0, 0.5, 1]) {
        const y = top + (1 - share) * (height - top - bottom);
        plot.append(line(left, y, width - right, y), drawn("text", { x: left - 5, y: y + 3.5, class: "y" }));
        plot.append(drawn("text", { x: x(share), y: height - 9, class: "x" }, `${100 * share} %`));
      }
      setting.methods.forEach(({ colour, dashes }, i) => plot.append(drawn("polyline", {
        "data-method": i, style: `--colour:${colour}`, "stroke-dasharray": dashes.map(dash => 2 * dash).join(" "),
      })));
      return make("figure", { "data-metric": metric }, plot, make("figcaption", {}, metric));
    }));
    byId("methods").replaceChildren(...setting.methods.map(({ name, colour, dashes }, i) => make("button",
      { type: "button", "aria-pressed": "false", "data-method": i, style: `--colour:${colour}` },
      drawn("svg", { viewBox: "0 0 22 8", "aria-hidden": "true" }, drawn("line",
        { x1: 0, y1: 4, x2: 22, y2: 4, "stroke-dasharray": dashes.map(dash => 2 * dash).join(" ") })), name)));
  }

  function fillCurves(curves) {
    for (const figure of byId("curves").children) {
      const found = curves.get(figure.dataset.metric), grid = setting.grids[figure.dataset.metric];
      figure.classList.toggle("absent", !found);
      const { width, height, left, right, top, bottom } = PLOT;
      let { low, high } = found ?? { low: 0, high: 1 };
      if (low >= 0 && high <= 1) [low, high] = [0, 1];
      [...figure.querySelectorAll(".y")].forEach((text, i) => {
        text.textContent = Number((low + (high - low) * i / 2).toPrecision(2));
      });
      for (const line of figure.querySelectorAll("polyline")) {
        const values = found?.lines.get(Number(line.dataset.method)) ?? [];
        line.setAttribute("points", values.map((value, i) => {
          const x = left + grid[i] * (width - left - right);
          const y = top + (1 - (value - low) / (high - low || 1)) * (height - top - bottom);
          return `${x.toFixed(1)},${y.toFixed(1)}`;
        }).join(" "));
      }
    }
  }

  // --- bringing methods out: by pointing at any of their traces, or for good by their button

  const pinned = new Set();

  function bringOut(pointed) {
    const out = new Set(pinned);
    if (pointed !== undefined) out.add(pointed);
    viewer.classList.toggle("focusing", out.size > 0);
    for (const node of viewer.querySelectorAll("[data-method]")) {
      node.classList.toggle("out", out.has(node.dataset.method));
    }
    for (const line of viewer.querySelectorAll("polyline.out")) line.parentElement.append(line);
  }

  // --- one case

  async function show() {
    const item = shown.find(each => each.key === state.c);
    mark();
    remember();
    viewer.classList.toggle("empty", !item);
    if (!item) {
      byId("case-name").textContent = "No case fits the choice";
      return;
    }
    const number = ++drawing;
    byId("case-name").textContent = item.target;
    byId("case-facts").textContent = [item.key, item.difficult ? "difficult" : ""].filter(Boolean).join(" · ");
    const siblings = setting.cases.filter(each => each.picture === item.picture && each !== item);
    byId("siblings").hidden = !siblings.length;
    byId("siblings").replaceChildren("Other classes of this picture: ", ...siblings.map(each =>
      make("button", { type: "button", "data-key": each.key }, each.target)));
    fillScores(item);
    fillControls(item);
    try {
      const [data, image] = await Promise.all([unpack(item), item.image === undefined ? null : opened(item.image)]);
      if (number !== drawing) return;
      current = { image, gray: image && grayPicture(image), data };
      paint();
      fillCurves(data.curves);
      display.querySelector(".check").hidden = !data.region;
    } catch (error) {
      if (number !== drawing) return;
      byId("case-facts").textContent += ` · This browser cannot show the maps (${error.message}).`;
    }
    viewer.dataset.drawn = item.key;
  }

  function go(step) {
    const i = shown.findIndex(item => item.key === state.c);
    const next = shown[Math.min(Math.max(i + step, 0), shown.length - 1)];
    if (next && next.key !== state.c) {
      state.c = next.key;
      show();
    }
  }

  // --- state

  function use(number) {
    state.s = index.settings[number] ? number : 0;
    if (setting !== index.settings[state.s]) {
      setting = index.settings[state.s];
      pinned.clear();
      bringOut();
      makeTiles();
      makeScores();
      makeCurves();
    }
    state.m = setting.methods[methodPlace()].name;
    state.k = setting.metrics[metricPlace()].name;
    const targets = [...new Set(setting.cases.map(item => item.target))].sort();
    const subsets = new Set(["all", ...setting.metrics.flatMap(metric => metric.subsets)]);
    if (!targets.includes(state.t)) state.t = "";
    if (state.o in COMPARISONS && !rivals(state.o).length) state.o = "score";
    // Of runs from before maps were kept there are scores and curves alone.
    const mapless = !setting.cases.some(item => item.maps || item.image !== undefined);
    viewer.classList.toggle("mapless", mapless);
    byId("mapless").hidden = !mapless;
    if (state.o === "maps" && mapless) state.o = "scores";
    const others = rivals(state.o), asked = state.n ? `n=${state.n}` : `a=${state.a}`;
    const rival = (others.find(([value]) => value === asked) ?? others[0] ?? [""])[0];
    compareWith(rival);
    if (!subsets.has(state.u)) state.u = "all";
    const form = choices.elements, named = items => items.map(({ name }) => [name, name]);
    options(form.setting, index.settings.map(({ title }, i) => [i, title]), state.s);
    options(form.target, [["", "all"], ...targets.map(name => [name, name])], state.t);
    options(form.subset, [...subsets].map(name => [name, name]), state.u);
    options(form.method, named(setting.methods), state.m);
    options(form.metric, named(setting.metrics), state.k);
    options(form.against, others, rival);
    form.against.closest("label").hidden = !others.length;
    for (const each of form.order.options) {
      const without = each.value === "maps" ? mapless : each.value in COMPARISONS && !rivals(each.value).length;
      each.hidden = each.disabled = without;
    }
    form.order.value = state.o;
    form.first.value = state.w ? "worst" : "best";
    for (const part of viewer.querySelectorAll(".by-score")) part.hidden = state.o !== "score" && !(state.o in COMPARISONS);
    arrange();
    show();
  }

  let waiting = 0;

  // Browsers refuse addresses that change too often, as they do while an arrow key is held down.
  function remember() {
    clearTimeout(waiting);
    if (!location.hash.startsWith("#view")) return;
    waiting = setTimeout(() => {
      const said = Object.entries({ ...state, w: state.w ? 1 : "" }).filter(([, value]) => value !== "");
      history.replaceState(null, "", "#view?" + new URLSearchParams(said));
    }, 400);
  }

  function follow(address) {
    const said = new URLSearchParams(address.slice("#view?".length));
    for (const name of ["o", "m", "k", "u", "t", "c", "a", "n"]) state[name] = said.get(name) ?? (name === "o" ? "maps" : "");
    if (!(state.o in ORDERS || state.o in COMPARISONS)) state.o = "maps";
    state.u ||= "all";
    state.w = said.get("w") === "1";
    use(Number(said.get("s")) || 0);
    if (state.n) byId("controls-part").open = true;
    byId("view").scrollIntoView();
    list.focus({ preventScroll: true });
  }

  // --- events

  choices.addEventListener("change", () => {
    const form = choices.elements;
    Object.assign(state, { t: form.target.value, u: form.subset.value, o: form.order.value });
    Object.assign(state, { m: form.method.value, k: form.metric.value, w: form.first.value === "worst" });
    compareWith(form.against.value);
    use(Number(form.setting.value));
  });
  choices.addEventListener("submit", event => event.preventDefault());
  display.addEventListener("submit", event => event.preventDefault());
  display.addEventListener("change", paint);
  byId("previous").addEventListener("click", () => go(-1));
  byId("next").addEventListener("click", () => go(1));

  const PAGE = 8;
  const KEYS = { ArrowUp: -1, ArrowLeft: -1, ArrowDown: 1, ArrowRight: 1, PageUp: -PAGE, PageDown: PAGE,
    Home: -Infinity, End: Infinity };
  list.addEventListener("keydown", event => {
    if (!(event.key in KEYS) || event.ctrlKey || event.altKey || event.metaKey) return;
    event.preventDefault();
    go(KEYS[event.key]);
  });
  list.addEventListener("click", event => {
    const option = event.target.closest("[data-key]");
    if (!option) return;
    state.c = option.dataset.key;
    show();
  });
  byId("siblings").addEventListener("click", event => {
    const key = event.target.dataset.key;
    if (!key) return;
    state.c = key;
    state.t = "";
    use(state.s);
  });

  const pointed = event => event.target.closest?.("[data-method]")?.dataset.method;
  viewer.addEventListener("pointerover", event => { if (event.pointerType === "mouse") bringOut(pointed(event)); });
  viewer.addEventListener("pointerleave", () => bringOut());
  byId("methods").addEventListener("focusin", event => bringOut(pointed(event)));
  byId("methods").addEventListener("focusout", () => bringOut());
  byId("methods").addEventListener("click", event => {
    const button = event.target.closest("button");
    if (!button) return;
    const method = button.dataset.method;
    if (!pinned.delete(method)) pinned.add(method);
    button.setAttribute("aria-pressed", pinned.has(method));
    bringOut(method);
  });

  document.addEventListener("click", event => {
    const link = event.target.closest('a[href^="#view?"]');
    if (!link || event.ctrlKey || event.metaKey || event.shiftKey || event.button) return;
    event.preventDefault();
    history.pushState(null, "", link.getAttribute("href"));
    cameFrom = link;
    byId("return").hidden = false;
    follow(link.getAttribute("href"));
  });
  byId("return").addEventListener("click", () => {
    cameFrom.scrollIntoView({ block: "center" });
    cameFrom.focus({ preventScroll: true });
  });
  window.addEventListener("popstate", () => { if (location.hash.startsWith("#view?")) follow(location.hash); });

  // --- the other cases, from files beside the page

  let part = 0;

  window.addPictures = ({ cases, files }) => {
    for (const [name, uri] of Object.entries(files)) read.set(name, uri);
    for (const [number, item] of cases) index.settings[number].cases.push(item);
    for (const each of index.settings) each.cases.sort((a, b) => a.place - b.place);
    index.more.shift();
    part++;
    byId("more").disabled = false;
    use(state.s);
  };

  byId("more").addEventListener("click", ({ target }) => {
    target.disabled = true;  // until it is read: a second click would read the same part again
    const script = make("script", { src: `pictures/${part}.js` });
    script.onerror = () => {
      target.textContent = `pictures/${part}.js is not beside this page`;
      target.disabled = false;
    };
    document.body.append(script);
  });

  // --- start

  const colours = byId("colours").getContext("2d"), ramp = new ImageData(256, 1);
  new Uint32Array(ramp.data.buffer).set(pixels.alone);
  colours.putImageData(ramp, 0, 0);
  viewer.hidden = false;
  if (location.hash.startsWith("#view?")) follow(location.hash);
  else use(0);
})();
