// The schedule as a table, of which only the rows in view are made, and what is known of the selected event.

const row_height = 20;

function element(name, text, properties = {}) {
  const made = Object.assign(document.createElement(name), properties);
  if (text !== undefined) made.textContent = text;
  return made;
}

class Table {
  constructor(model, scroller, rows, on_select) {
    Object.assign(this, {model, scroller, rows, on_select, events: new Int32Array(0), selected: -1, found: new Set(), made: 0});
    scroller.addEventListener("scroll", () => this.draw());
    rows.addEventListener("click", (click) => {
      const row = click.target.closest(".row");
      if (row) on_select(Number(row.dataset.event));
    });
  }

  /// `shown(event)`: whether the event is of a lane that is shown.
  set_events(shown) {
    const list = [];
    for (let i = 0; i < this.model.count; ++i) if (shown(i)) list.push(i);
    this.events = Int32Array.from(list);
    this.rows.style.height = `${this.events.length * row_height}px`;
    this.draw();
  }

  reveal(event) {
    const at = lower_bound_in(this.events, event), y = at * row_height, room = this.scroller.clientHeight - 2 * row_height;
    if (y < this.scroller.scrollTop || y > this.scroller.scrollTop + room) this.scroller.scrollTop = Math.max(y - room / 2, 0);
    this.draw();
  }

  draw() {
    const first = Math.max(Math.floor(this.scroller.scrollTop / row_height) - 2, 0);
    const last = Math.min(first + Math.ceil(this.scroller.clientHeight / row_height) + 4, this.events.length);
    const rows = [];
    for (let at = first; at < last; ++at) rows.push(this.row(at));
    this.rows.replaceChildren(...rows);
    this.made = rows.length;
  }

  row(at) {
    const {model} = this, event = this.events[at];
    const is_step = model.kind[event] === model.step_kind;
    const row = element("div", undefined, {className: "row"});
    row.style.top = `${at * row_height}px`;
    row.dataset.event = event;
    row.classList.toggle("also", !is_step);
    row.classList.toggle("selected", event === this.selected);
    row.classList.toggle("found", this.found.has(event));
    row.classList.toggle("failed", is_step && Boolean(model.header.kind) && model.step[event] === model.header.step);
    const cells = [String(model.step[event]), is_step || model.kinds[model.kind[event]] === "time" ? time_text(model.ns[event]) : "",
                   who_text(model, event), what_text(model, event), model.texts[model.where[event]]];
    row.append(...cells.map((text) => element("span", text, {title: text})));
    return row;
  }
}

function show_details(model, panel, event, select) {
  panel.replaceChildren();
  if (event < 0) return show_run(model, panel);
  const text = (column) => model.texts[column[event]];
  const who = model.actors[model.who[event]], other = model.actors[model.other[event]];
  panel.append(element("h2", what_text(model, event)));
  const list = element("dl");
  const add = (name, value, className = "") => { if (value) list.append(element("dt", name), element("dd", value, {className})); };
  add("source", text(model.where), "place");
  add("step", String(model.step[event]));
  add("time", time_text(model.ns[event]));
  add("who", who ? `${who.kind} ${who.name}` : who_text(model, event));
  add(other?.kind === "region" ? "region" : other?.kind === "object" ? "object" : "other", other && `${other.kind === "object" ? "" : other.kind + " "}${other.name}`);
  add("in", ancestors_of(model, who ?? other ?? {region: -1}).map((region) => region.name).join(" in "));
  add("worker", String(model.worker[event]));
  panel.append(list);
  show_words(panel, text(model.task), text(model.region));
  show_same_step(model, panel, event, select);
  show_neighbours(model, panel, event, select);
}

function show_words(panel, task, region) {
  if (!task && !region) return;
  panel.append(element("h3", "words after the step"));
  const list = element("dl", undefined, {className: "words"});
  if (task) list.append(element("dt", "task"), element("dd", task));
  if (region) list.append(element("dt", "region"), element("dd", region));
  panel.append(list);
}

function show_same_step(model, panel, event, select) {
  const others = [];
  const rank = model.rank[event];
  for (let i = model.first_of[rank]; i < model.count && model.rank[i] === rank; ++i) if (i !== event) others.push(i);
  if (others.length === 0) return;
  panel.append(element("h3", "also in this step"));
  const list = element("ul");
  for (const i of others.slice(0, 100)) {
    const item = element("li", [who_text(model, i), what_text(model, i)].filter(Boolean).join(": "), {className: "link", onclick: () => select(i)});
    const kind = model.kinds[model.kind[i]];
    if (edge_kinds.includes(kind)) item.style.borderColor = `var(--${kind})`;
    list.append(item);
  }
  panel.append(list);
}

/// The step before or after this one of the same lane; -1: none.
function step_of_same_lane(model, event, forward) {
  const actor = model.actors[model.who[event] >= 0 ? model.who[event] : model.other[event]];
  if (!actor) return -1;
  const at = lower_bound_in(actor.steps, event);
  const next = forward ? at + (actor.steps[at] === event ? 1 : 0) : at - 1;
  return actor.steps[next] ?? -1;
}

/// The step before or after this one, whosever it is; -1: none.
function step_beside(model, event, forward) {
  const rank = model.rank[event] + (forward ? 1 : -1);
  for (let at = rank; at >= 0 && at < model.ranks; at += forward ? 1 : -1) if (model.step_of_rank[at] >= 0) return model.step_of_rank[at];
  return -1;
}

function show_neighbours(model, panel, event, select) {
  const buttons = element("div", undefined, {className: "buttons"});
  const add = (words, target) => buttons.append(element("button", words, {onclick: () => select(target), disabled: target < 0}));
  add("‹ step", step_beside(model, event, false));
  add("step ›", step_beside(model, event, true));
  add("‹ lane", step_of_same_lane(model, event, false));
  add("lane ›", step_of_same_lane(model, event, true));
  panel.append(buttons);
}

function show_run(model, panel) {
  const {header} = model;
  panel.append(element("h2", "This run"));
  const list = element("dl");
  const add = (name, value) => { if (value) list.append(element("dt", name), element("dd", value)); };
  add("steps", String(model.step_of_rank.reduce((n, event) => n + (event >= 0), 0)));
  add("events", String(model.count));
  add("time", model.has_time ? time_text(model.end_ns) : "");
  add("found by", header.options);
  add("program", header.program);
  add("build", header.build_id);
  add("compiler", header.compiler);
  panel.append(list, element("h3", "Who was there"));
  const kinds = new Map();
  for (const actor of model.actors) kinds.set(actor.kind, (kinds.get(actor.kind) ?? 0) + 1);
  const counts = element("dl");
  for (const [kind, count] of kinds) counts.append(element("dt", kind), element("dd", String(count)));
  panel.append(counts, element("h3", "Select a step to see it here"));
}
