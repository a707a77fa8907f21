// The lanes on their canvas. Only what is in view is drawn: of each visible lane the steps between the edges, found by binary search, and
// of steps that share a pixel one. So a frame costs as many items as there are pixels at most, whatever the run's length.

const lane_height_least = 22, lane_height_most = 34, region_height = 20, ruler_height = 22, gutter_width = 176;
const edges_most = 1500;      // drawn at a time
const label_width_least = 34; // of a step that has its words in it
const font = '12px system-ui, "DejaVu Sans", sans-serif';
const small_font = '11px system-ui, "DejaVu Sans", sans-serif';

class Chart {
  constructor(model, canvas) {
    Object.assign(this, {model, canvas, context: canvas.getContext("2d")});
    this.axis = model.axes.steps;
    this.top = 0;
    this.hidden_edges = new Set();
    this.selected = -1;
    this.found = new Int32Array(0);
    this.stats = {items: 0, lanes: 0, edges: 0, all_edges: true, ms: 0, frames: 0};
    this.read_colors();
  }

  read_colors() {
    const style = getComputedStyle(document.documentElement);
    const read = (name) => style.getPropertyValue(`--${name}`).trim();
    this.colors = Object.fromEntries([...lane_kinds, ...edge_kinds, "ground", "panel", "line", "text", "faint", "accent", "select", "find",
      "fail", "mark", "on-step", "region-light", "region-fill", "region-edge"].map((name) => [name, read(name)]));
  }

  set_lanes(lanes) {
    this.lanes = lanes;
    this.measure();
  }

  // A few lanes take more room, up to a bound.
  measure() {
    const {lanes} = this, regions = lanes.filter((lane) => lane.is_region).length;
    const room = (this.height - ruler_height - 8 - regions * region_height) / Math.max(lanes.length - regions, 1);
    this.lane_height = Math.floor(Math.min(Math.max(room, lane_height_least), lane_height_most));
    this.offsets = new Float64Array(lanes.length + 1);
    lanes.forEach((lane, i) => { this.offsets[i + 1] = this.offsets[i] + (lane.is_region ? region_height : this.lane_height); });
    this.scroll_to(this.top);
  }

  resize() {
    const ratio = window.devicePixelRatio || 1;
    this.width = this.canvas.clientWidth;
    this.height = this.canvas.clientHeight;
    this.canvas.width = Math.round(this.width * ratio);
    this.canvas.height = Math.round(this.height * ratio);
    this.context.setTransform(ratio, 0, 0, ratio, 0, 0);
    if (this.lanes) this.measure();
  }

  // ---- places ----

  get plot_width() { return Math.max(this.width - gutter_width, 1); }
  get whole() { return [this.axis.at[0] ?? 0, this.axis.at[this.model.ranks] ?? 1]; }
  x_of(position) { return gutter_width + (position - this.from) * this.scale; }
  x_of_rank(rank) { return this.x_of(this.axis.at[rank]); }
  position_at(x) { return this.from + (x - gutter_width) / this.scale; }
  width_of_rank(rank) { return (this.axis.at[rank + 1] - this.axis.at[rank]) * this.axis.fill * this.scale; }
  y_of(lane) { return ruler_height + this.offsets[lane] - this.top; }
  lane_at(y) {
    const index = lower_bound(this.lanes.length, y - ruler_height + this.top, (i) => this.offsets[i + 1]);
    return y > ruler_height && index < this.lanes.length ? index : -1;
  }
  rank_at(position) {
    const {at} = this.axis;
    return Math.min(Math.max(lower_bound(this.model.ranks, position, (i) => at[i + 1]), 0), Math.max(this.model.ranks - 1, 0));
  }
  get scale() { return this.plot_width / (this.to - this.from); }

  // ---- moving ----

  show(from, to) {
    const [begin, end] = this.whole;
    const all = Math.max(end - begin, 1e-9);
    const margin = all * 0.02;
    const least = this.axis === this.model.axes.steps ? Math.min(4, all) : all / Math.max(this.model.ranks, 1) / 50;
    const span = Math.min(Math.max(to - from, least), all + 2 * margin);
    const middle = (from + to) / 2;
    this.from = Math.min(Math.max(middle - span / 2, begin - margin), end + margin - span);
    this.to = this.from + span;
  }
  fit() { this.show(...this.whole); }
  zoom(factor, x = gutter_width + this.plot_width / 2) {
    const at = this.position_at(x), share = (x - gutter_width) / this.plot_width;
    const span = (this.to - this.from) / factor;
    this.show(at - span * share, at + span * (1 - share));
  }
  pan(pixels) { this.show(this.from + pixels / this.scale, this.to + pixels / this.scale); }
  scroll_to(top) {
    const most = (this.offsets?.[this.lanes.length] ?? 0) + ruler_height + 8 - this.height;
    this.top = Math.max(Math.min(top, most), 0);
  }
  /// So that the event can be seen, and zoomed in if it is lost among others.
  reveal(event) {
    const rank = this.model.rank[event], at = this.axis.at[rank];
    const wide_enough = this.width_of_rank(rank) >= 3;
    const span = wide_enough ? this.to - this.from : Math.max((this.axis.at[rank + 1] - at) * this.plot_width / 14, 1e-9);
    if (!wide_enough || at < this.from || at > this.to - span * 0.02) this.show(at - span / 2, at + span / 2);
    const lane = this.lane_of(event);
    if (lane < 0) return;
    const y = this.y_of(lane);
    if (y < ruler_height) this.scroll_to(this.top + y - ruler_height);
    if (y + this.lane_height > this.height) this.scroll_to(this.top + y + this.lane_height - this.height);
  }
  lane_of(event) {
    const {model} = this;
    const actor = model.kind[event] === model.step_kind ? model.actors[model.who[event]] : owner_of_mark(model, event);
    return actor ? actor.lane : -1;
  }

  // ---- drawing ----

  draw() {
    const begun = performance.now();
    const {context: c, model} = this;
    Object.assign(this.stats, {items: 0, lanes: 0, edges: 0, all_edges: true});
    c.fillStyle = this.colors.ground;
    c.fillRect(0, 0, this.width, this.height);
    this.ranks_seen = [this.rank_at(this.from), this.rank_at(this.to)];
    c.save();
    c.beginPath();
    c.rect(0, ruler_height, this.width, this.height - ruler_height);
    c.clip();
    const first = Math.max(this.lane_at(ruler_height + 0.5), 0);
    let last = first;
    while (last < this.lanes.length && this.y_of(last) < this.height) ++last;
    this.draw_regions();
    for (let lane = first; lane < last; ++lane) if (!this.lanes[lane].is_region) this.draw_life(lane);
    this.draw_edges();
    for (let lane = first; lane < last; ++lane) this.draw_lane(lane);
    this.draw_failure();
    this.draw_gutter(first, last);
    c.restore();
    this.draw_ruler();
    if (model.count === 0) this.say("The trace has no events.");
    else if (this.lanes.length === 0) this.say("No lane has such a name.");
    this.stats.lanes = last - first;
    this.stats.ms = performance.now() - begun;
    ++this.stats.frames;
  }

  say(sentence) {
    this.context.fillStyle = this.colors.faint;
    this.context.font = font;
    this.context.fillText(sentence, gutter_width + 16, ruler_height + 30);
  }

  region_color(region, alpha) {
    return `hsl(${(region.index * 67 + 205) % 360} 55% ${this.colors["region-light"]} / ${alpha})`;
  }

  // A band from where the region opened to where it closed, around its lanes and the regions in it.
  draw_regions() {
    const {context: c} = this;
    this.lanes.forEach((lane, index) => {
      if (!lane.is_region) return;
      const y = this.y_of(index) + 1.5, bottom = this.y_of(lane.last) + (this.lanes[lane.last].is_region ? region_height : this.lane_height) - 1.5 - lane.actor.depth;
      if (bottom < ruler_height || y > this.height) return;
      const x = Math.max(this.x_of_rank(lane.actor.open) - 4, gutter_width - 20);
      const end = Math.min(this.x_of_rank(lane.actor.close) + 2, this.width + 20);
      if (end < gutter_width || x > this.width) return;
      c.beginPath();
      c.roundRect(x, y, Math.max(end - x, 2), bottom - y, 5);
      c.fillStyle = this.region_color(lane.actor, this.colors["region-fill"]);
      c.fill();
      c.lineWidth = 1;
      c.strokeStyle = this.region_color(lane.actor, this.colors["region-edge"]);
      c.stroke();
      ++this.stats.items;
      if (end - x < 40) return;
      c.font = small_font;
      c.fillStyle = this.region_color(lane.actor, 1);
      const text = lane.actor.outcome ? `region ${lane.actor.name} → ${lane.actor.outcome}` : `region ${lane.actor.name}`;
      const left = Math.max(x, gutter_width) + 6;
      c.fillText(this.cut(text, Math.min(end, this.width) - left - 4), left, y + 13);
    });
  }

  draw_life(index) {
    const {context: c, model} = this, {actor} = this.lanes[index];
    if (actor.first < 0) return;
    const x = Math.max(this.x_of_rank(model.rank[actor.first]), gutter_width);
    const end = Math.min(this.x_of_rank(model.rank[actor.last]) + Math.max(this.width_of_rank(model.rank[actor.last]), 1), this.width);
    if (end <= x) return;
    c.fillStyle = this.colors.line;
    c.fillRect(x, this.y_of(index) + this.lane_height / 2 - 1, end - x, 2);
    ++this.stats.items;
  }

  draw_lane(index) {
    const {actor, is_region} = this.lanes[index];
    if (!is_region) this.draw_steps(actor, this.y_of(index));
    this.draw_marks(actor, this.y_of(index), is_region ? region_height : this.lane_height);
  }

  draw_steps(actor, y) {
    const {model, context: c} = this, {steps} = actor;
    const color = this.colors[actor.kind];
    let k = lower_bound(steps.length, this.ranks_seen[0], (i) => model.rank[steps[i]]);
    let run_begin = NaN, run_end = NaN;  // of steps that leave no pixel between them
    const flush = () => {
      if (Number.isNaN(run_begin)) return;
      c.fillStyle = color;
      c.fillRect(run_begin, y + 4, run_end - run_begin, this.lane_height - 8);
      ++this.stats.items;
      run_begin = NaN;
    };
    while (k < steps.length) {
      const event = steps[k], rank = model.rank[event];
      if (rank > this.ranks_seen[1]) break;
      const x = this.x_of_rank(rank), width = Math.max(this.width_of_rank(rank), 1);
      if (width < 4) {
        if (x <= run_end + 0.5) run_end = Math.max(run_end, x + width); else { flush(); run_begin = x; run_end = x + width; }
        const next = this.rank_at(this.position_at(Math.floor(x + width) + 1e-6));
        k = next > rank + 1 ? Math.max(k + 1, lower_bound(steps.length, next, (i) => model.rank[steps[i]])) : k + 1;
      } else {
        this.draw_step(event, x, y, width, color);
        ++k;
      }
    }
    flush();
  }

  draw_step(event, x, y, width, color) {
    const {context: c, model} = this;
    c.fillStyle = color;
    c.beginPath();
    c.roundRect(x, y + 4, width, this.lane_height - 8, Math.min(3, width / 3));
    c.fill();
    ++this.stats.items;
    if (width < label_width_least) return;
    c.font = small_font;
    c.fillStyle = this.colors["on-step"];
    c.fillText(this.cut(model.texts[model.text[event]] || "step", width - 8), x + 4, y + this.lane_height / 2 + 4);
  }

  draw_marks(actor, y, height) {
    const {model} = this, {marks} = actor;
    let k = lower_bound(marks.length, this.ranks_seen[0], (i) => model.rank[marks[i]]);
    let last_x = -Infinity;
    for (; k < marks.length; ++k) {
      const event = marks[k], rank = model.rank[event];
      if (rank > this.ranks_seen[1]) break;
      const kind = model.kinds[model.kind[event]];
      const inside = kind === "end" || kind === "close" ? this.width_of_rank(rank) : Math.min(this.width_of_rank(rank) / 2, 40);
      const x = this.x_of_rank(rank) + inside;
      if (x - last_x < 1) {  // on to the first of the next pixel
        const next = this.rank_at(this.position_at(last_x + 1.001));
        if (next > rank) k = lower_bound(marks.length, next, (i) => model.rank[marks[i]]) - 1;
        continue;
      }
      last_x = x;
      this.draw_mark(kind, x, y + height / 2, this.width_of_rank(rank) > 3);
    }
  }

  draw_mark(kind, x, y, is_large) {
    const {context: c} = this;
    const shape = {cancel: "diamond", obligation: "square", finalizer: "triangle", end: "bar", close: "bar", phase: "tick", note: "dot"}[kind];
    if (!shape) return;
    c.fillStyle = kind === "cancel" ? this.colors.cancel : kind === "finalizer" ? this.colors.finalizer : kind === "obligation" ? this.colors.body : this.colors.mark;
    const r = is_large ? 4.5 : 2.5;
    c.beginPath();
    if (shape === "diamond") { c.moveTo(x, y - r - 1); c.lineTo(x + r, y); c.lineTo(x, y + r + 1); c.lineTo(x - r, y); }
    else if (shape === "triangle") { c.moveTo(x, y - r); c.lineTo(x + r, y + r); c.lineTo(x - r, y + r); }
    else if (shape === "square") c.rect(x - r + 1, y - r + 1, 2 * r - 2, 2 * r - 2);
    else if (shape === "bar") c.rect(x, y - 9, 2, 18);
    else if (shape === "tick") c.rect(x - 0.5, y + 5, 1.5, 5);
    else c.arc(x, y, r * 0.6, 0, 7);
    c.fill();
    if (is_large && shape !== "bar" && shape !== "tick") { c.strokeStyle = this.colors.ground; c.lineWidth = 1; c.stroke(); }
    ++this.stats.items;
  }

  // Where there are more than can be told apart, those of the most telling kinds stay.
  draw_edges() {
    let left = edges_most;
    const chosen = [];
    for (const kind of ["cancel", "claim", "spawn", "wake"]) {
      if (this.hidden_edges.has(kind)) continue;
      const [found, is_all] = edges_between(this.model, this.model.edges[kind], this.ranks_seen[0], this.ranks_seen[1], left);
      if (!is_all) { this.stats.all_edges = false; continue; }
      left -= found.length;
      chosen.push([kind, found]);
    }
    const strength = left > edges_most - 100 ? 0.6 : left > edges_most - 250 ? 0.4 : 0.2;
    for (const [kind, found] of chosen) {
      const {events, to} = this.model.edges[kind];
      for (const i of found) this.draw_edge(kind, events[i], to[i], strength);
    }
    for (const kind of edge_kinds) this.draw_edges_of_selected(kind);
  }

  draw_edges_of_selected(kind) {
    const {model, selected} = this;
    if (selected < 0) return;
    const rank = model.rank[selected], list = model.edges[kind];
    const at = lower_bound(list.events.length, rank, (i) => model.rank[list.events[i]]);
    for (let i = at; i < list.events.length && model.rank[list.events[i]] === rank; ++i) this.draw_edge(kind, list.events[i], list.to[i], 1);
    for (let i = at - 1; i >= 0 && i > at - edges_most; --i) {
      if (list.to[i] === rank && model.other[list.events[i]] === model.who[selected]) this.draw_edge(kind, list.events[i], list.to[i], 1);
    }
  }

  draw_edge(kind, event, to_rank, strength) {
    const {model, context: c} = this;
    if (!is_edge_shown(model, event)) return;
    const from_lane = model.who[event] >= 0 ? model.actors[model.who[event]].lane : -2;
    const to_lane = model.actors[model.other[event]].lane;
    const rank = model.rank[event];
    const end = this.x_of_rank(to_rank) + (to_rank === rank && from_lane >= 0 ? 6 : 0);
    const x = from_lane === -2 ? end - 7 : this.x_of_rank(rank) + Math.min(this.width_of_rank(rank), 24);  // time comes from above
    const y = from_lane === -2 ? ruler_height : this.y_of(from_lane) + this.lane_height / 2, end_y = this.y_of(to_lane) + this.lane_height / 2;
    if (Math.max(y, end_y) < ruler_height || Math.min(y, end_y) > this.height) return;
    const bend = from_lane === -2 ? 0 : Math.min(Math.max(Math.abs(end - x) / 2, 8), 60);
    c.strokeStyle = c.fillStyle = this.colors[kind];
    c.globalAlpha = strength;
    c.lineWidth = strength === 1 ? 2.5 : 1.2;
    c.setLineDash(kind === "claim" ? [4, 3] : []);
    c.beginPath();
    c.moveTo(x, y);
    c.bezierCurveTo(x + bend, y, end - bend, end_y, end, end_y);
    c.stroke();
    c.setLineDash([]);
    const down = end_y > y ? 1 : -1;
    c.beginPath();
    c.moveTo(end + 1, end_y);
    c.lineTo(end - 6, end_y - 3.5 - down * 0.5);
    c.lineTo(end - 6, end_y + 3.5 - down * 0.5);
    c.fill();
    c.globalAlpha = 1;
    ++this.stats.items;
    ++this.stats.edges;
  }

  get failure_rank() {
    const {header, step, count, rank, ranks} = this.model;
    if (!header.kind || count === 0) return -1;
    const at = lower_bound(count, header.step, (i) => step[i]);
    return at < count ? rank[at] : ranks - 1;
  }

  draw_failure() {
    const {context: c, model} = this;
    const rank = this.failure_rank;
    this.outline_found();
    if (rank >= 0) {
      const x = this.x_of_rank(rank), width = Math.max(this.width_of_rank(rank), 2);
      if (x + width > gutter_width && x < this.width) {
        c.fillStyle = this.colors.fail;
        c.globalAlpha = 0.13;
        c.fillRect(x - 1, ruler_height, width + 2, this.height);
        c.globalAlpha = 1;
        c.fillRect(x - 1, ruler_height, 1.5, this.height);
        const event = model.step_of_rank[rank];
        if (event >= 0) this.outline(event, this.colors.fail, 2);
        ++this.stats.items;
      }
    }
    if (this.selected >= 0) this.outline(this.selected, this.colors.select, 2.5);
  }

  // A tick below each step that was found, as many as there are pixels at most.
  outline_found() {
    const {context: c, model, found} = this;
    c.fillStyle = this.colors.find;
    let last_x = -Infinity, last_lane = -1;
    for (let k = lower_bound(found.length, this.ranks_seen[0], (i) => model.rank[found[i]]); k < found.length; ++k) {
      const rank = model.rank[found[k]];
      if (rank > this.ranks_seen[1]) break;
      const lane = this.lane_of(found[k]), x = this.x_of_rank(rank);
      if (lane < 0 || (x - last_x < 1 && lane === last_lane)) continue;
      last_x = x;
      last_lane = lane;
      c.fillRect(x, this.y_of(lane) + this.lane_height - 4, Math.max(this.width_of_rank(rank), 2), 3);
      ++this.stats.items;
    }
  }

  outline(event, color, thickness) {
    const {context: c, model} = this;
    const lane = this.lane_of(event);
    if (lane < 0) return;
    const rank = model.rank[event], x = this.x_of_rank(rank), width = Math.max(this.width_of_rank(rank), 4);
    if (x + width < gutter_width || x > this.width) return;
    c.strokeStyle = color;
    c.lineWidth = thickness;
    c.beginPath();
    c.roundRect(x - 1.5, this.y_of(lane) + 2.5, width + 3, (this.lanes[lane].is_region ? region_height : this.lane_height) - 5, 4);
    c.stroke();
    ++this.stats.items;
  }

  draw_gutter(first, last) {
    const {context: c} = this;
    c.fillStyle = this.colors.panel;
    c.fillRect(0, ruler_height, gutter_width - 6, this.height);
    c.fillStyle = this.colors.line;
    c.fillRect(gutter_width - 6, ruler_height, 1, this.height);
    const chosen = this.selected >= 0 ? this.lane_of(this.selected) : -1;
    for (let index = first; index < last; ++index) {
      const {actor, is_region, region} = this.lanes[index], y = this.y_of(index);
      const depth = is_region ? actor.depth : region ? region.depth + 1 : 0;
      const x = 10 + Math.min(depth, 8) * 10;
      if (index === chosen) { c.fillStyle = this.colors.select; c.fillRect(0, y + 3, 3, this.lane_height - 6); }
      if (is_region) {
        c.font = small_font;
        c.fillStyle = this.region_color(actor, 1);
        c.fillText(this.cut(`▾ ${actor.name}`, gutter_width - x - 12), x - 2, y + 14);
      } else {
        c.fillStyle = this.colors[actor.kind];
        c.fillRect(x, y + this.lane_height / 2 - 4, 4, 8);
        c.font = font;
        c.fillStyle = actor.kind === "helper" ? this.colors.faint : this.colors.text;
        const kind = actor.kind === "thread" || actor.kind === "task" ? "" : ` ${actor.kind}`;
        c.fillText(this.cut(actor.name + kind, gutter_width - x - 22), x + 9, y + this.lane_height / 2 + 4);
      }
      ++this.stats.items;
    }
  }

  draw_ruler() {
    const {context: c} = this;
    c.fillStyle = this.colors.panel;
    c.fillRect(0, 0, this.width, ruler_height);
    c.fillStyle = this.colors.line;
    c.fillRect(0, ruler_height - 1, this.width, 1);
    c.font = small_font;
    c.fillStyle = this.colors.faint;
    c.fillText(this.axis === this.model.axes.steps ? "step" : "virtual time", 10, 15);
    if (this.model.count === 0) return;
    for (const [position, text] of this.ruler_marks()) {
      const x = this.x_of(position);
      if (x < gutter_width - 1 || x > this.width) continue;
      c.fillStyle = this.colors.line;
      c.fillRect(x, ruler_height - 6, 1, 6);
      c.fillStyle = this.colors.faint;
      c.fillText(text, x + 3, 14);
    }
    const rank = this.failure_rank;
    if (rank < 0) return;
    const x = this.x_of_rank(rank);
    if (x < gutter_width || x > this.width) return;
    c.fillStyle = this.colors.fail;
    const text = this.model.header.kind, width = c.measureText(text).width + 10;
    const left = Math.min(x - 1, this.width - width);
    c.fillRect(left, 2, width, ruler_height - 3);
    c.fillStyle = this.colors["on-step"];
    c.fillText(text, left + 5, 15);
  }

  ruler_marks() { return this.axis === this.model.axes.steps ? this.step_marks() : this.time_marks(); }

  // Round numbers, at least 90 pixels apart.
  step_marks() {
    const {model} = this, least = 90 / this.scale;
    const power = 10 ** Math.floor(Math.log10(Math.max(least, 1)));
    const size = Math.max([1, 2, 5, 10].map((n) => n * power).find((n) => n >= least) ?? 10 * power, 1);
    const marks = [];
    for (let at = Math.ceil(Math.max(this.from, 0) / size) * size; at <= this.to && at < model.ranks; at += size)
      marks.push([at, String(model.step[model.first_of[at]])]);
    return marks;
  }

  // Instants where they begin, as many as have room; the one in which the view begins stands at its edge.
  time_marks() {
    const {model} = this, {instants} = model, {at} = this.axis;
    const text = (k) => time_text(model.ns[model.first_of[instants[k]]]);
    const place = (k) => at[instants[k]];
    const marks = [];
    let k = lower_bound(instants.length, this.from, place);
    if (k > 0 && (k === instants.length || this.x_of(place(k)) > gutter_width + 90)) marks.push([this.from, text(k - 1)]);
    while (k < instants.length && place(k) <= this.to) {
      marks.push([place(k), text(k)]);
      k = Math.max(k + 1, lower_bound(instants.length, place(k) + 90 / this.scale, place));
    }
    return marks;
  }

  cut(text, width) {
    const {context: c} = this;
    const about = 6.2;  // pixels a letter takes: measuring is slow
    if (text.length * about <= width * 0.9 || c.measureText(text).width <= width) return text;
    let length = Math.max(Math.floor(width / about) - 1, 0);
    while (length > 0 && c.measureText(text.slice(0, length) + "…").width > width) --length;
    return length > 0 ? text.slice(0, length) + "…" : "";
  }

  // ---- what is where ----

  /// The event at a place on the canvas, or -1: the nearest of that lane within a few pixels.
  event_at(x, y) {
    const index = this.lane_at(y);
    if (index < 0 || x < gutter_width) return -1;
    const {model} = this, {actor} = this.lanes[index];
    const rank = this.rank_at(this.position_at(x));
    let best = -1, best_distance = 7;
    for (const list of [actor.steps, actor.marks]) {
      const at = lower_bound(list.length, rank, (i) => model.rank[list[i]]);
      for (let k = Math.max(at - 2, 0); k < Math.min(at + 2, list.length); ++k) {
        const left = this.x_of_rank(model.rank[list[k]]), right = left + Math.max(this.width_of_rank(model.rank[list[k]]), 1);
        const distance = x < left ? left - x : x > right ? x - right : 0;
        if (distance < best_distance) { best = list[k]; best_distance = distance; }
      }
    }
    return best;
  }
}
