"use strict";
/* The front in two objectives, turned in three, and along parallel axes; drawn with Apache ECharts on canvas.
   Points are drawn once. What follows the sliders (rings, thick lines) lies on a layer of its own, so that moving it
   draws a handful of shapes and not thousands of points. */
const Charts = (() => {
  const SYMBOLS = ["circle", "rect", "triangle", "diamond"];
  const KIND = { supported: 0, nonConvex: 1, withinNoise: 2, dominated: 3 };
  const RADIUS = Math.sqrt(-2 * Math.log(0.05)); // of a 95 % ellipse, in standard deviations

  const css = (name) => getComputedStyle(document.documentElement).getPropertyValue(name).trim();
  const theme = () => ({
    ink: css("--ink"), soft: css("--soft"), line: css("--line"), back: css("--card"), best: css("--best"),
    pin: css("--pin"), focus: css("--focus"), out: css("--out"),
    series: Array.from({ length: 8 }, (_, i) => css(`--series-${i}`)),
  });
  const coarse = () => matchMedia("(pointer: coarse)").matches;

  /** How the points of one kind look: filled, hollow, pale or a dot. */
  function look(kind, colour, symbol, n) {
    const size = (coarse() ? 10 : 8) * Math.max(0.55, Math.min(1, (300 / n) ** 0.3));
    if (kind === KIND.dominated) return { symbol: "circle", symbolSize: size * 0.45, itemStyle: { color: colour, opacity: 0.55 } };
    const fill = kind === KIND.nonConvex ? "transparent" : colour;
    const opacity = kind === KIND.withinNoise ? 0.4 : 0.9;
    return { symbol, symbolSize: size, itemStyle: { color: fill, borderColor: colour, borderWidth: kind === KIND.nonConvex ? 1.6 : 0.6, opacity } };
  }

  /** What both charts share: the ECharts instance, its layer of marks, clicks and hovering by nearest point. */
  class Chart {
    constructor(element, data, points, on) {
      Object.assign(this, { element, data, points, on, marks: {}, shapes: [], allowed: null });
      this.chart = echarts.init(element, null, { renderer: "canvas" });
      const pointer = this.chart.getZr();
      pointer.on("click", (event) => { const i = this.near(event.offsetX, event.offsetY); if (i >= 0) on.pick(i); });
      pointer.on("mousemove", (event) => on.hover(this.near(event.offsetX, event.offsetY), element, event.offsetX, event.offsetY));
      pointer.on("globalout", () => on.hover(-1));
      new ResizeObserver(() => this.fit()).observe(element);
    }

    /** Draw anew where the element has another size than it was drawn in. */
    fit() {
      const size = `${this.element.clientWidth} ${this.element.clientHeight}`;
      if (!this.element.clientWidth || size === this.size) return;
      this.chart.resize();
      this.draw();
    }

    /** Whether there is room to draw in, and which. */
    begin() {
      this.size = `${this.element.clientWidth} ${this.element.clientHeight}`;
      return this.element.clientWidth > 0;
    }

    /** Points by series (front and kind) in the order in which they are drawn; what is outside the limits first. */
    groups() {
      const groups = new Map(), { front, kind } = this.data;
      for (let i = 0; i < this.points.n; i++) {
        if (this.on.hidden(front[i])) continue;
        const key = this.allowed && !this.allowed[i] ? "out" : `${front[i]}/${kind[i]}`;
        if (!groups.has(key)) groups.set(key, []);
        groups.get(key).push(i);
      }
      return [...groups].sort(([a], [b]) => (b === "out") - (a === "out") || (a < b ? -1 : 1));
    }

    shape(kind, shape, style, zlevel = 6) {
      const made = new echarts.graphic[kind]({ shape, style, zlevel, silent: true });
      this.shapes.push(made);
      this.chart.getZr().add(made);
      return made;
    }

    clear() {
      for (const shape of this.shapes) this.chart.getZr().remove(shape);
      this.shapes = [];
    }

    mark(marks) { this.marks = marks; this.clear(); this.drawMarks(theme()); }
    filter(allowed) { this.allowed = allowed; }
  }

  return { Chart, KIND, RADIUS, SYMBOLS, css, theme, coarse, look };
})();
