// The explorer: shows what the timeline holds. Nothing is computed here; texts get in by textContent only.
"use strict";
(() => {
  const data = JSON.parse(document.getElementById("timeline").textContent);
  const SVG = "http://www.w3.org/2000/svg";
  const $ = (id) => document.getElementById(id);
  const here = { stage: 0, step: 0 };
  let playing = 0;

  /** A new element with a class, a text and children. */
  function make(tag, className = "", text = null, ...children) {
    const element = document.createElement(tag);
    if (className) element.className = className;
    if (text !== null) element.textContent = text;
    element.append(...children);
    return element;
  }
  const stage = () => data.stages[here.stage];
  const step = () => stage().steps[here.step];
  const calm = () => matchMedia("(prefers-reduced-motion: reduce)").matches;

  // --- source ------------------------------------------------------------------------------------------------

  const lines = new Map(); // "block:line" -> {item, code, text, dead, spans}
  function buildSource() {
    data.blocks.forEach((block, number) => {
      const list = make("ol");
      block.lines.forEach((line, index) => {
        const key = `${number}:${block.first + index}`;
        const code = make("span", "code", line.text);
        const item = make("li", `line ${line.state}`, null, make("span", "place", String(block.first + index)), code);
        const before = index ? block.lines[index - 1].state : "";
        if (line.state && line.state !== before) item.append(make("span", "tag", line.state === "taken" ? "ran" : "did not run"));
        else if (line.state) item.append(make("span", "hidden", line.state === "taken" ? "ran" : "did not run"));
        item.dataset.line = key;
        const n = block.first + index, indent = line.text.length - line.text.trimStart().length;
        const dead = block.dead.filter((d) => d[0] <= n && n <= d[2]).map((d) => [...d, "dead"]);
        if (line.state === "untaken") dead.push([n, indent, n, line.text.length, "dead"]);
        lines.set(key, { item, code, text: line.text, number: n, dead });
        list.append(item);
      });
      const title = block.note ? `${block.title}: ${block.note}` : block.title;
      $("source").append(make("div", "block", null, make("h3", "", title), list));
    });
    for (const line of lines.values()) paint(line, []);
  }

  /** Write a line again with marks [line, column, end line, end column, class] on it. */
  function paint(line, marks) {
    const all = [...line.dead, ...marks].map(([first, column, last, end, name]) => [
      first < line.number ? line.text.length - line.text.trimStart().length : column,
      last > line.number ? line.text.length : end,
      name,
    ]).filter(([from, to]) => from < to);
    const cuts = [...new Set([0, line.text.length, ...all.flatMap(([from, to]) => [from, Math.min(to, line.text.length)])])].sort((a, b) => a - b);
    const parts = [];
    for (let i = 0; i + 1 < cuts.length; i++) {
      const names = all.filter(([from, to]) => from <= cuts[i] && cuts[i + 1] <= to).map((mark) => mark[2]);
      parts.push(make("span", [...new Set(names)].join(" "), line.text.slice(cuts[i], cuts[i + 1])));
    }
    line.code.replaceChildren(...parts);
  }

  let painted = [];
  /** Show the places of the current step, and those of a step that is pointed at. */
  function paintSource(lit = null) {
    const marks = new Map();
    const add = (spans, names) => spans.forEach(([block, first, column, last, end], depth) => {
      for (let n = first; n <= last; n++) {
        const key = `${block}:${n}`;
        if (lines.has(key)) marks.set(key, [...(marks.get(key) || []), [first, column, last, end, names[Math.min(depth, 1)]]]);
      }
    });
    add(step().spans, ["now", "via"]);
    if (lit) add(lit.spans.slice(0, 1), ["lit"]);
    for (const key of painted) if (!marks.has(key)) paint(lines.get(key), []);
    for (const [key, found] of marks) paint(lines.get(key), found);
    painted = [...marks.keys()];
  }

  // --- picture -----------------------------------------------------------------------------------------------

  const pictures = {};
  let picture = null;
  /** What the script needs to know about an SVG: its nodes, their slots, the edges by node. */
  function indexed(name, svg) {
    const found = { svg, nodes: new Map(), into: new Map(), out: new Map(), owner: new Map(), zoom: 0, ring: null };
    for (const group of svg.querySelectorAll("g.node, g.frame")) {
      if (!group.id || group.classList.contains("legend")) continue;
      const texts = [...group.querySelectorAll(":scope > text")];
      const slots = texts.slice(texts.length - (data.pictures[name].slots[group.id] || 0));
      if (data.pictures[name].slots[group.id]) {
        for (const text of slots) { text.classList.add("slot"); text.removeAttribute("textLength"); text.removeAttribute("lengthAdjust"); }
      }
      found.nodes.set(group.id, { group, slots: data.pictures[name].slots[group.id] ? slots : [], state: "" });
    }
    for (const [owner, covered] of Object.entries(data.pictures[name].covers)) for (const node of covered) found.owner.set(node, owner);
    for (const edge of svg.querySelectorAll("g.edge")) {
      const ends = /^[a-z]+_(.+)_to_(.+)$/.exec(edge.id);
      if (!ends) continue;
      const push = (map, key) => map.set(key, [...(map.get(key) || []), { edge, tail: ends[1], head: ends[2] }]);
      push(found.into, ends[2]);
      push(found.out, ends[1]);
    }
    return found;
  }

  /** Arrow heads at the other end, for the way back. */
  function addReverseHeads(found) {
    for (const edges of found.into.values()) for (const { edge } of edges) {
      const path = edge.querySelector("path");
      if (!path || edge.querySelector(".reverse")) continue;
      const tip = path.getPointAtLength(0), from = path.getPointAtLength(8);
      const length = Math.hypot(from.x - tip.x, from.y - tip.y) || 1;
      const x = (from.x - tip.x) / length, y = (from.y - tip.y) / length;
      const head = document.createElementNS(SVG, "path");
      head.setAttribute("class", "reverse");
      head.setAttribute("d", `M${tip.x},${tip.y} L${tip.x + 8 * x - 3 * y},${tip.y + 8 * y + 3 * x} L${tip.x + 8 * x + 3 * y},${tip.y + 8 * y - 3 * x} Z`);
      edge.append(head);
    }
  }

  function mountPicture() {
    const name = stage().picture;
    if (!pictures[name]) {
      const svg = name === "forward" ? $("canvas").querySelector("svg") : $("linear").content.querySelector("svg");
      pictures[name] = indexed(name, svg);
    }
    if (picture !== pictures[name]) {
      if (name !== "forward") pictures.forward ??= indexed("forward", $("canvas").querySelector("svg"));
      picture = pictures[name];
      $("canvas").replaceChildren(picture.svg);
      if (!picture.zoom) fit(); else zoom(picture.zoom);
    }
    const backward = stage().key === "transpose";
    if (backward) addReverseHeads(picture);
    picture.svg.classList.toggle("backward", backward);
  }

  const natural = () => ({ width: picture.svg.viewBox.baseVal.width, height: picture.svg.viewBox.baseVal.height });
  function zoom(factor, x = 0.5, y = 0.5) {
    const canvas = $("canvas"), size = natural(), before = picture.zoom || factor;
    const left = canvas.scrollLeft + x * canvas.clientWidth, top = canvas.scrollTop + y * canvas.clientHeight;
    picture.zoom = Math.min(6, Math.max(0.05, factor));
    picture.svg.setAttribute("width", Math.round(size.width * picture.zoom));
    picture.svg.setAttribute("height", Math.round(size.height * picture.zoom));
    const grown = picture.zoom / before;
    canvas.scrollTo({ left: left * grown - x * canvas.clientWidth, top: top * grown - y * canvas.clientHeight, behavior: "instant" });
  }
  /** As wide as the pane, but text neither smaller than 11 pixels nor larger than 17. */
  function fit() {
    zoom(Math.min(1.7, Math.max(1.1, ($("canvas").clientWidth - 16) / natural().width)));
    if (ringed) follow();
  }

  const filledLine = { jvp: 1, transpose: 1 }; // which slot of a node the stage fills
  let filled = { key: "", step: -1, texts: new Map() };
  /** The texts of all slots after the current step: what was not computed yet is not there. */
  function textsNow() {
    const key = stage().key;
    let from = 0;
    if (filled.key === key && filled.step <= here.step) from = filled.step + 1;
    else {
      filled = { key, step: -1, texts: new Map() };
      if (stage().picture === "forward" && key !== "eval")
        for (const s of data.stages[0].steps) for (const [node, line, text] of s.shown) filled.texts.set(`${node}/${line}`, text);
    }
    for (let i = from; i <= here.step; i++) for (const [node, line, text] of stage().steps[i].shown) filled.texts.set(`${node}/${line}`, text);
    filled.step = here.step;
    return filled.texts;
  }

  let ringed = null;
  function showPicture() {
    const first = new Map(); // node -> index of its first step
    stage().steps.forEach((s, index) => { if (!first.has(s.node)) first.set(s.node, index); });
    const current = step().node, texts = textsNow();
    for (const [id, node] of picture.nodes) {
      const owner = picture.owner.get(id) || id, index = first.get(owner);
      const constant = node.group.classList.contains("const") || node.group.classList.contains("residual");
      const state = constant ? "done" : index === undefined ? (node.group.classList.contains("frame") ? "frame" : "idle")
        : owner === current ? "current" : index > here.step ? "todo" : "done";
      if (state !== node.state) {
        node.group.classList.remove("done", "todo", "idle", "current");
        node.group.classList.add(state);
        node.state = state;
      }
      if (id !== current) { node.group.removeAttribute("aria-current"); node.group.removeAttribute("tabindex"); }
      node.slots.forEach((slot, line) => {
        const text = texts.get(`${id}/${line}`) ?? (state === "todo" && line === (filledLine[stage().key] ?? 0) ? "?" : "\u00a0");
        if (slot.textContent !== text) slot.textContent = text;
      });
      node.group.classList.toggle("odd", node.slots.some((slot) => slot.textContent.startsWith("!")));
    }
    ring(current);
  }

  function ring(id) {
    for (const edge of picture.svg.querySelectorAll(".flow")) edge.classList.remove("flow");
    if (picture.ring) picture.ring.remove();
    picture.ring = ringed = null;
    const node = picture.nodes.get(id);
    if (!node) return;
    const members = new Set([id, ...(data.pictures[stage().picture].covers[id] || [])]);
    const gets = stage().key === "transpose" && new Set(step().shown.map(([node]) => node)); // nothing flows back to an index
    for (const member of members) for (const { edge, tail } of picture.into.get(member) || []) {
      if (!members.has(tail) && (!gets || gets.has(tail))) edge.classList.add("flow");
    }
    const box = node.group.getBBox();
    const frame = document.createElementNS(SVG, "rect");
    const size = { x: box.x - 5, y: box.y - 5, width: box.width + 10, height: box.height + 10, rx: 8 };
    for (const [name, value] of Object.entries(size)) frame.setAttribute(name, value);
    frame.setAttribute("class", "ring");
    node.group.parentNode.append(frame);
    node.group.setAttribute("aria-current", "step");
    node.group.setAttribute("tabindex", "0");
    picture.ring = ringed = frame;
    follow();
  }

  /** Keep the ring in sight, with some of what leads to it. */
  function follow() {
    const canvas = $("canvas"), seen = canvas.getBoundingClientRect(), box = ringed.getBoundingClientRect();
    const move = (low, high, from, to) => {
      const margin = Math.min(90, (to - from) / 4);
      if (high - low > to - from - 2 * margin) return low < from || low > to - margin ? low - from - margin / 2 : 0;
      return low < from + margin ? low - from - margin : high > to - margin ? high - to + margin : 0;
    };
    const left = move(box.left, box.right, seen.left, seen.right), top = move(box.top, box.bottom, seen.top, seen.bottom);
    if (left || top) canvas.scrollBy({ left, top, behavior: calm() ? "instant" : "smooth" });
  }

  // --- card --------------------------------------------------------------------------------------------------

  /** A value: number, table, or statistics with a histogram. */
  function shownValue(place) {
    if (place === null) return make("div", "shown", null, make("span", "number", "0"), make("span", "type", "  zero, never computed"));
    const value = data.values[place];
    const box = make("div", "shown");
    if (value.odd) box.append(make("div", "odd", value.odd));
    if (value.number !== undefined) box.append(make("span", "number", value.number));
    else if (value.table) {
      const table = make("table");
      value.table.forEach((row, i) => {
        const tr = make("tr");
        if (value.rows) { const th = make("th", "", value.rows[i]); th.scope = "row"; tr.append(th); }
        tr.append(...row.map((text) => make("td", "", text)));
        table.append(tr);
      });
      box.append(make("div", "grid", null, table));
    } else if (value.stats) {
      box.append(make("dl", "stats", null, ...value.stats.flatMap(([name, text]) => [make("dt", "", name), make("dd", "", text)])));
      if (value.bars) box.append(histogram(value));
    } else box.append(make("span", "number", value.short));
    box.append(make("span", "type", ` ${value.type}`));
    return box;
  }

  function histogram(value) {
    const svg = document.createElementNS(SVG, "svg"), most = Math.max(...value.bars);
    svg.setAttribute("class", "bars");
    svg.setAttribute("viewBox", "0 0 240 54");
    svg.setAttribute("role", "img");
    svg.setAttribute("aria-label", `Histogram from ${value.low} to ${value.high}: ${value.bars.join(", ")}`);
    const add = (tag, attributes, text) => {
      const element = document.createElementNS(SVG, tag);
      for (const [name, number] of Object.entries(attributes)) element.setAttribute(name, number);
      if (text) element.textContent = text;
      svg.append(element);
    };
    value.bars.forEach((count, i) => add("rect", { x: 10 * i + 1, y: 42 - (40 * count) / most, width: 8, height: Math.max((40 * count) / most, count ? 1 : 0) }));
    add("text", { x: 0, y: 52 }, value.low);
    add("text", { x: 240, y: 52, "text-anchor": "end" }, value.high);
    return svg;
  }

  const short = (place) => (place === null ? "0" : data.values[place].short);
  function quantity(q) {
    const value = q.value === null ? null : data.values[q.value];
    const wide = value && (value.stats || (value.table && value.table[0].length > 4));
    const name = make("div", "name", q.name, make("span", `chip ${q.role}`, q.role === "kept" ? "kept" : q.role));
    const row = make("div", wide ? "quantity wide" : "quantity", null, name, shownValue(q.value));
    if (q.part !== undefined) {
      const sum = make("div", "sum");
      if (q.before !== null) sum.append(`${short(q.before)} + `, make("b", "", short(q.part)), ` = ${short(q.value)}`);
      if (q.more) sum.append(q.before !== null ? "  " : "", make("span", "empty", "+ more to come"));
      if (sum.childNodes.length) row.lastChild.append(sum);
    }
    return row;
  }

  function showCard() {
    const s = step(), card = $("card"), parts = [make("h3", "", s.title)];
    if (s.spans.length) {
      const [block, line, column, last, end] = s.spans[0];
      const found = lines.get(`${block}:${line}`);
      const text = found ? (last === line ? found.text.slice(column, end) : found.text.slice(column) + " \u2026") : "";
      parts.push(make("p", "place", `line ${line} of ${data.blocks[block].title}  `, make("code", "", text)));
      if (s.spans.length > 1) parts.push(make("p", "place", `called from line ${s.spans.slice(1).map((x) => x[1]).join(", from line ")}`));
    }
    const section = (title, quantities) => { if (quantities.length) parts.push(make("h4", "", title), ...quantities.map(quantity)); };
    const back = stage().key === "transpose";
    section("reads", s.reads.filter((q) => !back || q.role !== "value"));
    if (s.lines.length) parts.push(make("h4", "", back ? "what runs" : "the arms"), make("pre", "ran", s.lines.join("\n")));
    section(back ? "sends back" : stage().key === "linearize" ? "run with ones, gives" : "gives", s.writes);
    if (back) section("values it had on the way forward", s.reads.filter((q) => q.role === "value"));
    if (s.rule) parts.push(make("h4", "", stage().key === "eval" || stage().key === "batch" ? "what it does" : "rule"), make("p", "rule", s.rule));
    if (stage().note && here.step === stage().steps.length - 1) parts.push(make("p", "odd", stage().note));
    card.replaceChildren(...parts);
    card.scrollTop = 0;
  }

  // --- list, print table -------------------------------------------------------------------------------------

  let options = [];
  function buildSteps() {
    options = stage().steps.map((s, index) => {
      const gave = s.writes.length ? s.writes : s.reads;
      const item = make("li", "todo", null, make("span", "index", String(index + 1)), make("span", "text", s.title),
        make("span", "gave", gave.length ? short(gave[0].value) : ""));
      item.id = `option-${index}`;
      item.setAttribute("role", "option");
      item.setAttribute("aria-label", s.sentence);
      return item;
    });
    $("steps").replaceChildren(...options);
    const rows = stage().steps.map((s, index) => make("tr", "", null, make("td", "", String(index + 1)), make("td", "code", s.title), make("td", "", s.sentence)));
    const head = make("tr", "", null, make("th", "", "step"), make("th", "", "equation"), make("th", "", "what happens"));
    $("print").replaceChildren(make("h2", "", `${stage().title}: ${stage().intro}`), make("table", "", null, make("thead", "", null, head), make("tbody", "", null, ...rows)));
    filled.key = "";
  }

  let listed = -1;
  function showSteps() {
    options.forEach((item, index) => {
      const todo = index > here.step, selected = index === here.step;
      if (item.classList.contains("todo") !== todo) item.classList.toggle("todo", todo);
      if ((item.getAttribute("aria-selected") === "true") !== selected) item.setAttribute("aria-selected", String(selected));
    });
    const rows = $("print").querySelectorAll("tbody tr");
    if (rows[listed]) rows[listed].classList.remove("current");
    rows[here.step].classList.add("current");
    listed = here.step;
    const list = $("steps"), item = options[here.step];
    list.setAttribute("aria-activedescendant", item.id);
    const top = item.offsetTop - list.offsetTop;
    if (top < list.scrollTop || top > list.scrollTop + list.clientHeight - 40) list.scrollTop = top - list.clientHeight / 3;
  }

  // --- moving ------------------------------------------------------------------------------------------------

  function show() {
    showPicture();
    paintSource();
    const span = step().spans[0], line = span && lines.get(`${span[0]}:${span[1]}`);
    for (const { item } of lines.values()) item.classList.toggle("here", line !== undefined && line !== null && item === line?.item);
    if (line) {
      const pane = $("source"), top = line.item.offsetTop - pane.offsetTop;
      if (top < pane.scrollTop + 20 || top > pane.scrollTop + pane.clientHeight - 50) pane.scrollTop = top - pane.clientHeight / 3;
    }
    showCard();
    showSteps();
    $("caption").textContent = step().sentence;
    $("slider").value = here.step + 1;
    $("slider").setAttribute("aria-valuetext", `step ${here.step + 1} of ${stage().steps.length}: ${step().title}`);
    $("count").textContent = `step ${here.step + 1} of ${stage().steps.length}`;
    const start = here.stage === 0 && here.step === 0;
    const end = here.stage === data.stages.length - 1 && here.step === stage().steps.length - 1;
    $("back").disabled = start;
    $("next").disabled = end;
    $("first").disabled = here.step === 0;
    $("last").disabled = here.step === stage().steps.length - 1;
    try { history.replaceState(null, "", `#${stage().key}/${here.step + 1}`); } catch { /* in a frame without an address */ }
  }

  function goTo(stageIndex, stepIndex) {
    const changed = stageIndex !== here.stage || !picture;
    here.stage = Math.min(data.stages.length - 1, Math.max(0, stageIndex));
    here.step = Math.min(stage().steps.length - 1, Math.max(0, stepIndex));
    if (changed) {
      for (const [index, tab] of [...$("stages").children].entries()) {
        tab.setAttribute("aria-selected", String(index === here.stage));
        tab.tabIndex = index === here.stage ? 0 : -1;
      }
      $("intro").textContent = stage().intro;
      $("slider").max = stage().steps.length;
      mountPicture();
      buildSteps();
      indexLines();
      if ($("search").value) search(false);
    }
    show();
  }
  function move(by) {
    const to = here.step + by;
    if (to >= stage().steps.length && here.stage + 1 < data.stages.length) goTo(here.stage + 1, 0);
    else if (to < 0 && here.stage > 0) goTo(here.stage - 1, data.stages[here.stage - 1].steps.length - 1);
    else goTo(here.stage, to);
  }
  const changeStage = (by) => { if (data.stages[here.stage + by]) goTo(here.stage + by, 0); };

  function play(on) {
    clearInterval(playing);
    playing = on ? setInterval(() => ($("next").disabled ? play(false) : move(1)), 1400) : 0;
    $("play").textContent = on ? "pause" : "play";
  }

  function fromAddress() {
    const found = /^#([a-z]+)(?:\/(\d+))?$/.exec(location.hash);
    const index = found ? data.stages.findIndex((s) => s.key === found[1]) : -1;
    goTo(Math.max(index, 0), index < 0 ? 0 : Number(found[2] || 1) - 1);
  }

  // --- pointing ----------------------------------------------------------------------------------------------

  const atLine = new Map(); // "block:line" -> indices of the steps of this stage
  function indexLines() {
    atLine.clear();
    stage().steps.forEach((s, index) => {
      for (const [block, first, , last] of s.spans.slice(0, 1))
        for (let n = first; n <= last; n++) atLine.set(`${block}:${n}`, [...(atLine.get(`${block}:${n}`) || []), index]);
    });
    let reachable = true; // one tab stop for the whole listing; arrows go on from there
    for (const [key, line] of lines) {
      const active = atLine.has(key);
      if (active) { line.item.setAttribute("role", "button"); line.item.tabIndex = reachable ? 0 : -1; reachable = false; }
      else { line.item.removeAttribute("role"); line.item.removeAttribute("tabindex"); }
    }
  }

  function light(indices) {
    for (const node of picture.svg.querySelectorAll(".lit")) node.classList.remove("lit");
    for (const index of indices) picture.nodes.get(stage().steps[index].node)?.group.classList.add("lit");
    paintSource(indices.length === 1 ? stage().steps[indices[0]] : null);
  }
  const lineOf = (event) => event.target.closest?.(".line")?.dataset.line;
  /** The step of the node under the pointer; the next one for a folded node, which has several. */
  function stepOf(event) {
    const group = event.target.closest?.("g.node, g.frame");
    if (!group || !picture.nodes.has(group.id)) return -1;
    const node = picture.owner.get(group.id) || group.id;
    const found = stage().steps.flatMap((s, index) => (s.node === node ? [index] : []));
    return found.find((index) => index > here.step) ?? found[0] ?? -1;
  }
  function goToLine(key) {
    const found = atLine.get(key);
    if (found) goTo(here.stage, found.find((index) => index > here.step) ?? found[0]);
  }

  function listen() {
    const source = $("source"), canvas = $("canvas");
    for (const name of ["mouseover", "focusin"]) {
      source.addEventListener(name, (event) => light(atLine.get(lineOf(event)) || []));
      canvas.addEventListener(name, (event) => { const index = stepOf(event); light(index < 0 ? [] : [index]); });
    }
    for (const name of ["mouseleave", "focusout"]) for (const pane of [source, canvas]) pane.addEventListener(name, () => light([]));
    source.addEventListener("click", (event) => goToLine(lineOf(event)));
    source.addEventListener("keydown", (event) => {
      const key = lineOf(event);
      if (event.key === "Enter" || event.key === " ") { goToLine(key); event.preventDefault(); event.stopPropagation(); }
      if (event.key !== "ArrowUp" && event.key !== "ArrowDown") return;
      const active = [...lines.values()].filter(({ item }) => item.hasAttribute("role")).map(({ item }) => item);
      const next = active[active.indexOf(event.target) + (event.key === "ArrowDown" ? 1 : -1)];
      if (next) next.focus();
      event.preventDefault();
      event.stopPropagation();
    });
    $("steps").addEventListener("click", (event) => { const item = event.target.closest("li"); if (item) goTo(here.stage, options.indexOf(item)); });
    $("steps").addEventListener("keydown", (event) => {
      if (event.key !== "ArrowUp" && event.key !== "ArrowDown") return;
      goTo(here.stage, here.step + (event.key === "ArrowDown" ? 1 : -1));
      event.preventDefault();
      event.stopPropagation();
    });
    $("stages").addEventListener("keydown", (event) => {
      if (event.key !== "ArrowLeft" && event.key !== "ArrowRight") return;
      changeStage(event.key === "ArrowRight" ? 1 : -1);
      $("stages").children[here.stage].focus();
      event.preventDefault();
      event.stopPropagation();
    });
    listenToCanvas(canvas);
    $("slider").addEventListener("input", () => goTo(here.stage, Number($("slider").value) - 1));
    const actions = {
      first: () => goTo(here.stage, 0), back: () => move(-1), play: () => play(!playing), next: () => move(1),
      last: () => goTo(here.stage, stage().steps.length - 1), in: () => zoom(picture.zoom * 1.25), out: () => zoom(picture.zoom / 1.25),
      fit, help: () => $("keys").showModal(), theme: () => useTheme(document.documentElement.dataset.theme === "dark" ? "light" : "dark"),
    };
    for (const [id, action] of Object.entries(actions)) $(id).addEventListener("click", action);
    $("search").addEventListener("input", () => search(false));
    $("find").addEventListener("submit", (event) => { event.preventDefault(); search(true); });
    document.addEventListener("keydown", (event) => onKey(event, actions));
    addEventListener("hashchange", fromAddress);
  }

  function listenToCanvas(canvas) {
    let held = null;
    canvas.addEventListener("pointerdown", (event) => { if (event.button === 0) held = { x: event.clientX, y: event.clientY, moved: false }; });
    canvas.addEventListener("pointermove", (event) => {
      if (!held) return;
      held.moved ||= Math.hypot(event.clientX - held.x, event.clientY - held.y) > 4;
      if (!held.moved) return;
      canvas.classList.add("held");
      canvas.scrollLeft -= event.movementX;
      canvas.scrollTop -= event.movementY;
    });
    addEventListener("pointerup", (event) => {
      const clicked = held && !held.moved && canvas.contains(event.target);
      held = null;
      canvas.classList.remove("held");
      const index = clicked ? stepOf(event) : -1;
      if (index >= 0) goTo(here.stage, index);
    });
    canvas.addEventListener("wheel", (event) => {
      if (!event.ctrlKey && !event.metaKey) return;
      event.preventDefault();
      const box = canvas.getBoundingClientRect();
      zoom(picture.zoom * Math.exp(-event.deltaY / 300), (event.clientX - box.left) / box.width, (event.clientY - box.top) / box.height);
    }, { passive: false });
  }

  function onKey(event, actions) {
    const typing = event.target.id === "search", sliding = event.target.id === "slider";
    if (event.key === "Escape" && typing) { $("search").value = ""; search(false); $("search").blur(); return; }
    if (typing || event.ctrlKey || event.metaKey || event.altKey || $("keys").open) return;
    const pressed = event.key === " " && event.target.closest?.("button");
    const keys = {
      ArrowLeft: () => move(-1), ArrowRight: () => move(1), ArrowUp: () => changeStage(-1), ArrowDown: () => changeStage(1),
      Home: actions.first, End: actions.last, " ": actions.play, "/": () => $("search").focus(), "?": actions.help,
      "+": actions.in, "=": actions.in, "-": actions.out, 0: actions.fit, d: actions.theme,
      s: () => $("source").querySelector("[tabindex='0']")?.focus(),
      g: () => picture.svg.querySelector("[tabindex='0']")?.focus({ preventScroll: true }),
      v: () => $("card").focus(),
    };
    if (!keys[event.key] || pressed || (sliding && event.key === " ")) return;
    event.preventDefault();
    if (playing && event.key !== " ") play(false);
    keys[event.key]();
  }

  // --- search, theme -----------------------------------------------------------------------------------------

  /** Mark the steps that contain the words; with `go`, go to the next of them. */
  function search(go) {
    const words = $("search").value.trim().toLowerCase();
    const text = (s) => {
      const line = s.spans[0] && lines.get(`${s.spans[0][0]}:${s.spans[0][1]}`);
      return `${s.title} ${s.sentence} ${line ? line.text : ""}`.toLowerCase();
    };
    const hits = words ? stage().steps.flatMap((s, index) => (text(s).includes(words) ? [index] : [])) : [];
    const hit = new Set(hits), nodes = new Set(hits.map((index) => stage().steps[index].node));
    options.forEach((item, index) => item.classList.toggle("miss", Boolean(words) && !hit.has(index)));
    for (const [id, node] of picture.nodes) node.group.classList.toggle("match", nodes.has(id));
    for (const { item, text: line } of lines.values()) item.classList.toggle("match", Boolean(words) && line.toLowerCase().includes(words));
    if (go && hits.length) goTo(here.stage, hits.find((index) => index > here.step) ?? hits[0]);
    const place = hits.indexOf(here.step);
    $("found").textContent = !words ? "" : !hits.length ? "none" : place < 0 ? `${hits.length} found` : `${place + 1} of ${hits.length}`;
  }

  function useTheme(theme) {
    document.documentElement.dataset.theme = theme;
    $("theme").textContent = theme === "dark" ? "light" : "dark";
  }

  // --- start -------------------------------------------------------------------------------------------------

  $("call").textContent = $("call").title = data.call ? `at ${data.call}` : "";
  data.stages.forEach((s, index) => {
    const tab = make("button", "", `${index + 1} ${s.title} `, make("small", "", s.key));
    tab.type = "button";
    tab.setAttribute("role", "tab");
    tab.setAttribute("aria-controls", "picture-pane");
    tab.addEventListener("click", () => goTo(index, 0));
    $("stages").append(tab);
  });
  const dark = matchMedia("(prefers-color-scheme: dark)");
  useTheme(dark.matches ? "dark" : "light");
  dark.addEventListener("change", () => useTheme(dark.matches ? "dark" : "light"));
  buildSource();
  listen();
  fromAddress();
})();
