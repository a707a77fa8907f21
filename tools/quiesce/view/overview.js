// The strip above the lanes.

/// The whole run in a strip: how much happened where, what was found, the failure, and the part in view.
class Overview {
  constructor(chart, canvas) {
    Object.assign(this, {chart, canvas, context: canvas.getContext("2d"), counted: null});
  }
  forget() { this.counted = null; }
  resize() {
    const ratio = window.devicePixelRatio || 1;
    this.width = this.canvas.clientWidth;
    this.height = this.canvas.clientHeight;
    this.canvas.width = Math.round(this.width * ratio);
    this.canvas.height = Math.round(this.height * ratio);
    this.context.setTransform(ratio, 0, 0, ratio, 0, 0);
    this.forget();
  }
  x_of_rank(rank) {
    const [begin, end] = this.chart.whole;
    return (this.chart.axis.at[rank] - begin) / Math.max(end - begin, 1e-9) * this.width;
  }
  position_at(x) {
    const [begin, end] = this.chart.whole;
    return begin + x / this.width * (end - begin);
  }

  // How many events of visible lanes lie at each pixel. Counted once for a width, an axis and a choice of lanes.
  count() {
    const {chart: {model, lanes}} = this;
    const counted = new Float64Array(Math.ceil(this.width) + 1);
    for (const {actor} of lanes) for (const event of actor.steps) ++counted[Math.floor(this.x_of_rank(model.rank[event]))];
    return counted;
  }

  draw() {
    const {context: c, chart} = this, {colors, model} = chart;
    this.counted ??= this.count();
    const most = Math.max(this.counted.reduce((a, b) => Math.max(a, b), 0), 1);
    c.fillStyle = colors.panel;
    c.fillRect(0, 0, this.width, this.height);
    c.fillStyle = colors.thread;
    c.globalAlpha = 0.75;
    const wide = Math.max(this.width / Math.max(model.ranks, 1) - 1, 1);
    this.counted.forEach((n, x) => {
      if (n > 0) c.fillRect(x, this.height - 3 - n / most * (this.height - 10), wide, 3 + n / most * (this.height - 10));
    });
    c.globalAlpha = 1;
    c.fillStyle = colors.find;
    let last = -Infinity;
    for (const event of chart.found) {
      const x = this.x_of_rank(model.rank[event]);
      if (x - last >= 1) { c.fillRect(x, 0, 2, 6); last = x; }
    }
    if (chart.failure_rank >= 0) {
      c.fillStyle = colors.fail;
      c.fillRect(Math.min(this.x_of_rank(chart.failure_rank), this.width - 2), 0, 2, this.height);
    }
    const [begin, end] = chart.whole, all = Math.max(end - begin, 1e-9);
    const left = (chart.from - begin) / all * this.width, right = (chart.to - begin) / all * this.width;
    c.fillStyle = colors.ground;
    c.globalAlpha = 0.55;
    c.fillRect(0, 0, left, this.height);
    c.fillRect(right, 0, this.width - right, this.height);
    c.globalAlpha = 1;
    c.strokeStyle = colors.accent;
    c.lineWidth = 1.5;
    c.strokeRect(Math.max(left, 0) + 0.75, 0.75, Math.max(Math.min(right, this.width) - Math.max(left, 0) - 1.5, 3), this.height - 1.5);
  }
}
