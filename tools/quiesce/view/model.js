// What the page knows of the run: actors, events in the order of their steps, lanes, edges and the two axes. Nothing here draws.

const steps_kind = "step";
const edge_kinds = ["spawn", "wake", "claim", "cancel"];
const lane_kinds = ["thread", "task", "body", "finalizer", "job", "helper"];

/// The first index at which `value(i)` is at least `wanted`, among indices in ascending order of value.
function lower_bound(count, wanted, value) {
  let low = 0, high = count;
  while (low < high) {
    const middle = (low + high) >> 1;
    if (value(middle) < wanted) low = middle + 1; else high = middle;
  }
  return low;
}

/// Of an integer array in ascending order.
function lower_bound_in(list, wanted) { return lower_bound(list.length, wanted, (i) => list[i]); }

function make_model(data) {
  const model = {header: data.header, texts: data.texts, kinds: data.events.kinds};
  model.actors = data.actors.map(([kind, name, region], index) => ({index, kind, name, region, steps: [], marks: [], first: -1, last: -1}));
  take_events(model, data.events);
  make_axes(model);
  make_lists(model);
  make_regions(model);
  make_edges(model);
  return model;
}

// In the order of steps, however they came.
function take_events(model, events) {
  const count = events.kind.length;
  let order = null;
  for (let i = 1; i < count && !order; ++i) {
    if (events.step[i] < events.step[i - 1]) order = [...events.step.keys()].sort((a, b) => events.step[a] - events.step[b] || a - b);
  }
  const column = (name, Type) => Type.from(order ? order.map((i) => events[name][i]) : events[name]);
  model.count = count;
  model.kind = column("kind", Uint8Array);
  model.step = column("step", Float64Array);
  model.ns = column("ns", Float64Array);
  model.worker = column("worker", Uint32Array);
  model.who = column("who", Int32Array);
  model.other = column("other", Int32Array);
  model.text = column("text", Uint32Array);
  model.where = column("where", Uint32Array);
  model.task = column("task", Uint32Array);
  model.region = column("region", Uint32Array);
}

// Each step that anything happened in has a rank; positions are of ranks. By steps a rank is its own position. By time an instant
// takes its steps side by side into the first four fifths of the way to the next.
function make_axes(model) {
  const {count, step, ns} = model;
  model.rank = new Int32Array(count);
  let ranks = 0;
  for (let i = 0; i < count; ++i) {
    if (i > 0 && step[i] !== step[i - 1]) ++ranks;
    model.rank[i] = ranks;
  }
  model.ranks = count > 0 ? ranks + 1 : 0;
  const first_of = new Int32Array(model.ranks + 1).fill(count);
  for (let i = count - 1; i >= 0; --i) first_of[model.rank[i]] = i;
  model.first_of = first_of;
  const by_steps = Float64Array.from({length: model.ranks + 1}, (_, rank) => rank);
  const rank_ns = Float64Array.from({length: model.ranks}, (_, rank) => ns[first_of[rank]]);
  for (let rank = 1; rank < model.ranks; ++rank) rank_ns[rank] = Math.max(rank_ns[rank], rank_ns[rank - 1]);
  model.axes = {steps: {at: by_steps, fill: 0.8}, time: {at: spread(rank_ns), fill: 0.8}};
  model.instants = [];  // the first rank of each
  for (let rank = 0; rank < model.ranks; ++rank) if (rank === 0 || rank_ns[rank] !== rank_ns[rank - 1]) model.instants.push(rank);
  model.end_ns = model.ranks > 0 ? rank_ns[model.ranks - 1] : 0;
  model.has_time = model.ranks > 0 && model.end_ns > rank_ns[0];
}

function spread(rank_ns) {
  const count = rank_ns.length;
  const at = new Float64Array(count + 1);
  let instants = 1;
  for (let i = 1; i < count; ++i) if (rank_ns[i] !== rank_ns[i - 1]) ++instants;
  const span = count > 0 ? rank_ns[count - 1] - rank_ns[0] : 0;
  const usual = span > 0 ? span / instants : 1;
  for (let begin = 0; begin < count;) {
    let end = begin;
    while (end < count && rank_ns[end] === rank_ns[begin]) ++end;
    const gap = end < count ? rank_ns[end] - rank_ns[begin] : usual;
    for (let i = begin; i < end; ++i) at[i] = rank_ns[begin] + 0.8 * gap * (i - begin) / (end - begin);
    at[end] = rank_ns[begin] + gap;
    begin = end;
  }
  return at;
}

// Of each actor its steps and its other events, as indices in ascending order.
function make_lists(model) {
  const step_kind = model.kinds.indexOf(steps_kind);
  model.step_kind = step_kind;
  model.step_of_rank = new Int32Array(model.ranks).fill(-1);
  for (let i = 0; i < model.count; ++i) {
    const who = model.actors[model.who[i]], other = model.actors[model.other[i]];
    if (model.kind[i] === step_kind) {
      if (who) who.steps.push(i);
      model.step_of_rank[model.rank[i]] = i;
    } else {
      const about = owner_of_mark(model, i);
      if (about) about.marks.push(i);
    }
    for (const actor of [who, other]) {
      if (!actor) continue;
      if (actor.first < 0) actor.first = i;
      actor.last = i;
    }
  }
}

// A mark stands with whom it happened to; what is of no task stands with who did it.
function owner_of_mark(model, i) {
  const other = model.actors[model.other[i]], who = model.actors[model.who[i]];
  const is_lane = (actor) => actor && lane_kinds.includes(actor.kind);
  if (is_lane(other)) return other;
  if (is_lane(who)) return who;
  return other && other.kind === "region" ? other : null;
}

// The tree of regions, when each was open, and how it ended.
function make_regions(model) {
  model.regions = model.actors.filter((actor) => actor.kind === "region");
  for (const region of model.regions) Object.assign(region, {open: 0, close: model.ranks, outcome: "", closed_by: -1, depth: 0});
  for (let i = 0; i < model.count; ++i) {
    const region = model.actors[model.other[i]];
    if (!region || region.kind !== "region") continue;
    if (model.kinds[model.kind[i]] === "open") region.open = model.rank[i];
    if (model.kinds[model.kind[i]] === "close") {
      region.close = model.rank[i] + 1;
      region.closed_by = i;
      region.outcome = model.texts[model.text[i]];
    }
  }
  for (const region of model.regions) region.depth = ancestors_of(model, region).length;
}

/// From its parent outwards. A trace that makes a circle of them ends where it began.
function ancestors_of(model, actor) {
  const found = [];
  for (let at = model.actors[actor.region]; at && at !== actor && !found.includes(at); at = model.actors[at.region]) found.push(at);
  return found;
}

/// Lanes from top to bottom: of each region its line, then who moves in it, then the regions in it. `wanted(actor)` chooses the lanes; a
/// region shows when something in it does.
function make_lanes(model, wanted) {
  const members = new Map();
  const put = (region, actor) => members.has(region) ? members.get(region).push(actor) : members.set(region, [actor]);
  for (const actor of model.actors) {
    if (actor.kind === "object") continue;
    const parent = model.actors[actor.region];
    put(parent && parent.kind === "region" && !ancestors_of(model, parent).includes(parent) && parent !== actor ? actor.region : -1, actor);
  }
  const lanes = [];
  const done = new Set();
  const rank_of_kind = (actor) => ({body: 0, finalizer: 2, helper: 3}[actor.kind] ?? 1);
  const add = (region) => {
    const list = members.get(region) ?? [];
    const movers = list.filter((actor) => actor.kind !== "region" && wanted(actor));
    movers.sort((a, b) => rank_of_kind(a) - rank_of_kind(b) || a.first - b.first);
    for (const actor of movers) lanes.push({actor, region: model.actors[region] ?? null, is_region: false});
    const inner = list.filter((actor) => actor.kind === "region" && !done.has(actor)).sort((a, b) => a.open - b.open);
    for (const actor of inner) {
      done.add(actor);
      const at = lanes.length;
      lanes.push({actor, region: actor, is_region: true, last: at});
      add(actor.index);
      if (lanes.length === at + 1 && !wanted(actor)) lanes.pop(); else lanes[at].last = lanes.length - 1;
    }
  };
  add(-1);
  for (const actor of model.actors) actor.lane = -1;
  lanes.forEach((lane, index) => { lane.actor.lane = index; });
  return lanes;
}

// An edge goes from the step in which it was made to the next step of the one it was made to, or of the region's first.
function make_edges(model) {
  model.edges = {};
  for (const kind of edge_kinds) {
    const number = model.kinds.indexOf(kind);
    const events = [], to = [];
    for (let i = 0; i < model.count; ++i) {
      if (model.kind[i] !== number || model.other[i] < 0 || model.other[i] === model.who[i]) continue;
      if (model.who[i] < 0 && kind === "spawn") continue;  // by the lab, before all
      events.push(i);
      to.push(target_of(model, i));
    }
    model.edges[kind] = finish_edges(model, events, to);
  }
}

function target_of(model, i) {
  const steps = model.actors[model.other[i]].steps;
  // What time did comes before its step, and may be what makes it.
  const after = model.who[i] < 0 ? model.rank[i] : model.rank[i] + 1;
  const next = lower_bound(steps.length, after, (k) => model.rank[steps[k]]);
  return next < steps.length ? model.rank[steps[next]] : model.rank[i];
}

// For each block of edges the last rank that any of them reaches: so those that cross the view from further left are found quickly.
const edge_block = 256;
function finish_edges(model, events, to) {
  const reach = new Int32Array(Math.ceil(events.length / edge_block));
  for (let i = 0; i < events.length; ++i) reach[Math.floor(i / edge_block)] = Math.max(reach[Math.floor(i / edge_block)], to[i]);
  return {events: Int32Array.from(events), to: Int32Array.from(to), reach};
}

/// Indices into an edge list of those between shown lanes that touch the ranks from `from` to `until`, at most `most`; the second value:
/// whether that is all.
function edges_between(model, list, from, until, most) {
  const {events, to, reach} = list;
  const found = [];
  for (let block = 0; block < reach.length; ++block) {
    const begin = block * edge_block;
    if (model.rank[events[begin]] > until) break;
    if (reach[block] < from) continue;
    const end = Math.min(begin + edge_block, events.length);
    for (let i = begin; i < end; ++i) {
      const made = model.rank[events[i]];
      if (made > until) break;
      if ((to[i] < from && made < from) || !is_edge_shown(model, events[i])) continue;
      if (found.length === most) return [found, false];
      found.push(i);
    }
  }
  return [found, true];
}

function is_edge_shown(model, event) {
  return model.actors[model.other[event]].lane >= 0 && (model.who[event] < 0 || model.actors[model.who[event]].lane >= 0);
}

// ---- words ----

function who_text(model, i) {
  if (model.who[i] >= 0) return model.actors[model.who[i]].name;
  return ["time", "wake", "claim"].includes(model.kinds[model.kind[i]]) ? "time" : "";
}

/// What happened, in words.
function what_text(model, i) {
  const kind = model.kinds[model.kind[i]], text = model.texts[model.text[i]];
  if (kind === steps_kind) return text || "step";
  const other = model.actors[model.other[i]];
  const about = other ? `${other.kind === "region" ? "region " : ""}${other.name}` : "";
  return [kind, about, text && `– ${text}`].filter(Boolean).join(" ");
}

function time_text(ns) {
  if (ns === 0) return "0 s";
  const size = Math.abs(ns);
  const digits = (value) => String(parseFloat(value.toFixed(3)));
  if (size < 1e3) return `${ns} ns`;
  if (size < 1e6) return `${digits(ns / 1e3)} µs`;
  if (size < 1e9) return `${digits(ns / 1e6)} ms`;
  return `${digits(ns / 1e9)} s`;
}
