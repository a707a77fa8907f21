// Puts the page together: what is chosen, what the user does, and when to draw.

const by_id = (id) => document.getElementById(id);

function start() {
  const model = make_model(JSON.parse(by_id("data").textContent));
  const canvas = by_id("lanes");
  const chart = new Chart(model, canvas);
  const overview = new Overview(chart, by_id("overview"));
  const table = new Table(model, by_id("table"), by_id("rows"), (event) => select(event));
  const page = {model, chart, overview, table, select, set_axis, filter, find, redraw};
  let is_due = false;

  function redraw() {
    if (is_due) return;
    is_due = true;
    requestAnimationFrame(() => {
      is_due = false;
      chart.draw();
      overview.draw();
      by_id("edges").title = chart.stats.all_edges ? "" : "Some kinds have too many edges here to tell them apart: zoom in";
      by_id("edges").style.opacity = chart.stats.all_edges ? 1 : 0.6;
    });
  }

  function select(event, reveal = true) {
    chart.selected = table.selected = event;
    show_details(model, by_id("details"), event, select);
    if (event >= 0 && reveal) chart.reveal(event);
    if (event >= 0) table.reveal(event); else table.draw();
    redraw();
  }

  // The same part of the run stays in view.
  function set_axis(name) {
    if (name === "time" && !model.has_time) return;
    const ranks = [chart.rank_at(chart.from), chart.rank_at(chart.to)];
    chart.axis = model.axes[name];
    chart.show(chart.axis.at[ranks[0]], chart.axis.at[Math.min(ranks[1] + 1, model.ranks)]);
    for (const each of ["steps", "time"]) by_id(`axis-${each}`).setAttribute("aria-pressed", String(each === name));
    overview.forget();
    redraw();
  }

  function filter() {
    const region = model.actors[Number(by_id("region").value)];
    const words = by_id("who").value.toLowerCase().split(",").map((word) => word.trim()).filter(Boolean);
    const wanted = (actor) => {
      if (region && actor !== region && !ancestors_of(model, actor).includes(region)) return false;
      return words.length === 0 || words.some((word) => actor.name.toLowerCase().includes(word));
    };
    chart.set_lanes(make_lanes(model, wanted));
    const is_filtered = Boolean(region) || words.length > 0;
    table.set_events((event) => !is_filtered || chart.lane_of(event) >= 0);
    overview.forget();
    redraw();
  }

  function find(forward) {
    const word = by_id("find").value.trim().toLowerCase();
    const has_word = model.texts.map((text) => word !== "" && text.toLowerCase().includes(word));
    const named = model.actors.map((actor) => word !== "" && actor.name.toLowerCase().includes(word));
    const list = [];
    for (let i = 0; word !== "" && i < model.count; ++i) {
      if (has_word[model.text[i]] || has_word[model.where[i]] || named[model.who[i]] || named[model.other[i]]) list.push(i);
    }
    chart.found = Int32Array.from(list);
    table.found = new Set(list);
    let at = -1;
    if (forward !== undefined && list.length > 0) {
      const from = lower_bound_in(list, chart.selected + (forward ? 1 : 0));
      at = forward ? from % list.length : (from + list.length - 1) % list.length;
      select(list[at]);
    }
    by_id("found").textContent = word === "" ? "" : at >= 0 ? `${at + 1} of ${list.length}` : `${list.length} found`;
    table.draw();
    redraw();
  }

  describe(page);
  take_pointer(page, canvas);
  take_keys(page);
  const resize = () => { chart.resize(); overview.resize(); table.draw(); redraw(); };
  chart.resize();
  chart.fit();
  filter();
  select(-1);
  new ResizeObserver(resize).observe(by_id("stage"));
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => { chart.read_colors(); redraw(); });
  window.quiesce_view = page;
}

// The parts of the head that depend on the run.
function describe({model, chart, select, set_axis, filter, find, redraw}) {
  const {header} = model;
  const lanes = model.actors.filter((actor) => lane_kinds.includes(actor.kind)).length;
  by_id("summary").textContent = `${model.ranks.toLocaleString()} steps · ${model.count.toLocaleString()} events · ${lanes} lanes` +
    (model.has_time ? ` · ${time_text(model.end_ns)}` : "");
  by_id("origin").textContent = [header.program.split("/").pop(), header.options].filter(Boolean).join(" · ");
  by_id("origin").title = [header.program, header.build_id, header.compiler].filter(Boolean).join("\n");
  if (header.kind) {
    by_id("failure").hidden = false;
    by_id("failure-kind").textContent = header.kind;
    by_id("failure-message").textContent = header.message;
    by_id("failure-show").textContent = `step ${header.step}`;
    by_id("failure-show").onclick = () => {
      const rank = chart.failure_rank;
      if (rank >= 0) select(model.step_of_rank[rank] >= 0 ? model.step_of_rank[rank] : model.first_of[rank]);
    };
  }
  by_id("token").textContent = header.token;
  const regions = by_id("region");
  regions.append(element("option", "all", {value: -1}));
  for (const region of model.regions) regions.append(element("option", `${"  ".repeat(region.depth)}${region.name}`, {value: region.index}));
  regions.disabled = model.regions.length === 0;
  regions.onchange = filter;
  by_id("who").oninput = filter;
  by_id("find").oninput = () => find();
  by_id("find").onkeydown = (key) => { if (key.key === "Enter") find(!key.shiftKey); };
  by_id("axis-steps").onclick = () => set_axis("steps");
  by_id("axis-time").onclick = () => set_axis("time");
  by_id("axis-time").disabled = !model.has_time;
  by_id("zoom-in").onclick = () => { chart.zoom(1.6); redraw(); };
  by_id("zoom-out").onclick = () => { chart.zoom(1 / 1.6); redraw(); };
  by_id("zoom-fit").onclick = () => { chart.fit(); redraw(); };
  for (const kind of edge_kinds) {
    if (model.edges[kind].events.length === 0) continue;
    const label = element("label"), box = element("input", undefined, {type: "checkbox", checked: true}), line = element("i");
    line.style.background = `var(--${kind})`;
    box.onchange = () => { chart.hidden_edges[box.checked ? "delete" : "add"](kind); redraw(); };
    label.append(box, line, kind);
    by_id("edges").append(label);
  }
}

function take_pointer({model, chart, overview, select, redraw}, canvas) {
  let held = null;  // where the pointer went down, and where it was last
  const place = (event) => { const box = canvas.getBoundingClientRect(); return [event.clientX - box.left, event.clientY - box.top]; };
  canvas.addEventListener("wheel", (wheel) => {
    wheel.preventDefault();
    const [x] = place(wheel);
    const unit = wheel.deltaMode === 1 ? 16 : 1;
    if (x < gutter_width) chart.scroll_to(chart.top + wheel.deltaY * unit);
    else if (wheel.shiftKey || Math.abs(wheel.deltaX) > Math.abs(wheel.deltaY)) chart.pan((wheel.deltaX || wheel.deltaY) * unit);
    else chart.zoom(Math.exp(-wheel.deltaY * unit * 0.0022), x);
    redraw();
  }, {passive: false});
  canvas.addEventListener("pointerdown", (down) => {
    if (down.button !== 0) return;
    const [x, y] = place(down);
    held = {x, y, from_x: x, from_y: y, has_moved: false};
    canvas.setPointerCapture(down.pointerId);
    by_id("tip").hidden = true;
  });
  canvas.addEventListener("pointermove", (move) => {
    const [x, y] = place(move);
    if (!held) return show_tip({model, chart}, x, y);
    held.has_moved ||= Math.hypot(x - held.from_x, y - held.from_y) > 3;
    if (!held.has_moved) return;
    canvas.classList.add("moving");
    chart.pan(held.x - x);
    chart.scroll_to(chart.top + held.y - y);
    Object.assign(held, {x, y});
    redraw();
  });
  canvas.addEventListener("pointerup", (up) => {
    canvas.classList.remove("moving");
    if (held && !held.has_moved) {
      const event = chart.event_at(...place(up));
      if (event >= 0 || chart.selected >= 0) select(event, false);
    }
    held = null;
  });
  canvas.addEventListener("pointerleave", () => { by_id("tip").hidden = true; });
  const look = (event) => {
    if (event.buttons !== 1) return;
    const middle = overview.position_at(event.offsetX), half = (chart.to - chart.from) / 2;
    chart.show(middle - half, middle + half);
    redraw();
  };
  overview.canvas.addEventListener("pointerdown", look);
  overview.canvas.addEventListener("pointermove", look);
}

function show_tip({model, chart}, x, y) {
  const tip = by_id("tip"), event = chart.event_at(x, y);
  tip.hidden = event < 0;
  if (event < 0) return;
  const where = model.texts[model.where[event]];
  tip.textContent = `${model.step[event]}  ${[who_text(model, event), what_text(model, event)].filter(Boolean).join(": ")}${where ? `\n${where}` : ""}`;
  tip.style.left = `${Math.min(x + 14, Math.max(chart.width - tip.offsetWidth - 6, 0))}px`;
  tip.style.top = `${Math.min(y + 16, Math.max(chart.height - tip.offsetHeight - 6, 0))}px`;
}

function take_keys({model, chart, select, set_axis, find, redraw}) {
  const go = (target) => { if (target >= 0) select(target); };
  const step = (forward, same_lane) => {
    if (chart.selected < 0) return go(model.step_of_rank[forward ? 0 : model.ranks - 1] ?? -1);
    go(same_lane ? step_of_same_lane(model, chart.selected, forward) : step_beside(model, chart.selected, forward));
  };
  const deeds = {
    ArrowLeft: () => chart.pan(-chart.plot_width / 8),
    ArrowRight: () => chart.pan(chart.plot_width / 8),
    ArrowUp: () => chart.scroll_to(chart.top - 3 * chart.lane_height),
    ArrowDown: () => chart.scroll_to(chart.top + 3 * chart.lane_height),
    "+": () => chart.zoom(1.6),
    "=": () => chart.zoom(1.6),
    "-": () => chart.zoom(1 / 1.6),
    0: () => chart.fit(),
    Home: () => chart.show(chart.whole[0], chart.whole[0] + chart.to - chart.from),
    End: () => chart.show(chart.whole[1] - chart.to + chart.from, chart.whole[1]),
    t: () => set_axis(chart.axis === model.axes.steps ? "time" : "steps"),
    ",": () => step(false, false),
    ".": () => step(true, false),
    "<": () => step(false, true),
    ">": () => step(true, true),
    n: () => find(true),
    N: () => find(false),
    "/": () => by_id("find").focus(),
    w: () => by_id("who").focus(),
    Escape: () => select(-1),
  };
  document.addEventListener("keydown", (key) => {
    if (key.ctrlKey || key.metaKey || key.altKey) return;
    if (["INPUT", "SELECT"].includes(key.target.tagName)) {
      if (key.key === "Escape") key.target.blur();
      return;
    }
    const deed = deeds[key.key];
    if (!deed) return;
    key.preventDefault();
    deed();
    redraw();
  });
}

start();
