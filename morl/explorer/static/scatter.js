"use strict";
/* Two objectives on axes, or three in a cube that is turned; regions of uncertainty follow the same projection. */
const Scatter = (() => {
  const { Chart, RADIUS, SYMBOLS, theme, coarse, look } = Charts;

  class Scatter extends Chart {
    constructor(...given) {
      super(...given);
      this.axes = [0, Math.min(1, this.points.k - 1), 2];
      this.solid = false; // three objectives
      this.turn = { yaw: -0.65, pitch: 0.42 };
      let from = null;
      const pointer = this.chart.getZr();
      pointer.on("mousedown", (e) => { from = this.solid ? [e.offsetX, e.offsetY] : null; });
      pointer.on("mouseup", () => { from = null; });
      pointer.on("mousemove", (e) => {
        if (!from) return;
        this.rotate((e.offsetX - from[0]) * 0.008, (e.offsetY - from[1]) * 0.008);
        from = [e.offsetX, e.offsetY];
      });
    }

    show(solid, axes) { this.solid = solid; this.axes = axes; this.draw(); }

    rotate(yaw, pitch) {
      this.turn.yaw += yaw;
      this.turn.pitch = Math.max(-1.57, Math.min(1.57, this.turn.pitch + pitch));
      if (!this.waiting) this.waiting = requestAnimationFrame(() => { this.waiting = 0; this.draw(); });
    }

    /** Rows of the linear map (2, K) from returns, and its offset: to shown numbers, or to the turned cube. */
    projection() {
      const { k } = this.points, rows = [new Float64Array(k), new Float64Array(k)], offset = [0, 0];
      if (!this.solid) {
        [0, 1].forEach((r) => { rows[r][this.axes[r]] = this.data.objectives[this.axes[r]].sign; });
        return { rows, offset };
      }
      const { yaw, pitch } = this.turn, [c, s, d, e] = [Math.cos(yaw), Math.sin(yaw), Math.cos(pitch), Math.sin(pitch)];
      const turned = [[c, s, 0], [-e * s, e * c, d]]; // of (x, y, z) in the cube from −1 to 1, z upwards
      this.axes.forEach((j, axis) => {
        const [low, high] = this.data.ranges[j], scale = 2 / (high - low);
        [0, 1].forEach((r) => { rows[r][j] += turned[r][axis] * scale; offset[r] -= turned[r][axis] * (1 + low * scale); });
      });
      return { rows, offset, turned };
    }

    project(values, map, at = 0) {
      const out = [map.offset[0], map.offset[1]];
      for (let j = 0; j < this.points.k; j++) { out[0] += map.rows[0][j] * values[at + j]; out[1] += map.rows[1][j] * values[at + j]; }
      return out;
    }

    draw() {
      if (!this.begin()) return;
      const t = theme(), map = this.projection(), { k, returns } = this.points, many = this.points.n;
      const series = this.groups().map(([key, members]) => {
        const [front, kind] = key.split("/").map(Number);
        const style = key === "out"
          ? { symbol: "circle", symbolSize: 4, itemStyle: { color: t.out, opacity: 0.7 } }
          : look(kind, t.series[front % 8], SYMBOLS[front % 4], many);
        return { type: "scatter", silent: true, animation: false, z: key === "out" ? 2 : 3, progressive: 0,
          data: members.map((i) => this.project(returns, map, i * k)), ...style };
      });
      this.chart.setOption({
        animation: false,
        grid: this.solid ? { left: 8, right: 8, top: 8, bottom: 8 } : { left: 66, right: 18, top: 22, bottom: 52 },
        xAxis: this.axis(0, t), yAxis: this.axis(1, t),
        series: [...this.reference(t, map), ...this.regions(t, map), ...series],
      }, { notMerge: true });
      this.pixels = null;
      this.mark(this.marks);
    }

    axis(r, t) {
      if (this.solid) {
        const { clientWidth: w, clientHeight: h } = this.element, reach = 1.75, wide = Math.max(1, w / h), tall = Math.max(1, h / w);
        const end = reach * (r ? tall : wide);
        return { type: "value", min: -end, max: end, show: false };
      }
      const objective = this.data.objectives[this.axes[r]], ends = this.data.ranges[this.axes[r]].map((x) => x * objective.sign);
      return {
        type: "value", min: Math.min(...ends), max: Math.max(...ends), interval: this.data.steps[this.axes[r]], inverse: objective.sign < 0,
        name: `${objective.label}   better →`, nameLocation: "middle", nameGap: r ? 48 : 30,
        nameTextStyle: { color: t.ink, fontSize: 13, width: r ? this.element.clientHeight - 60 : this.element.clientWidth - 90, overflow: "truncate" },
        axisLabel: { color: t.soft, formatter: Core.number, hideOverlap: true },
        axisLine: { show: true, onZero: false, lineStyle: { color: t.soft } }, splitLine: { lineStyle: { color: t.line } },
      };
    }

    /** The exact or best-known front, beneath. */
    reference(t, map) {
      const { reference } = this.data;
      if (!reference || this.on.hidden("reference")) return [];
      const { k } = this.points, n = reference.values.length / k, data = [];
      for (let i = 0; i < n; i++) data.push(this.project(reference.values, map, i * k));
      return [{ type: "scatter", silent: true, animation: false, z: 1, data, symbol: "circle", symbolSize: 13 * Math.max(0.35, Math.min(1, (40 / n) ** 0.5)),
        itemStyle: { color: "transparent", borderColor: t.soft, borderWidth: 1.2 } }];
    }

    /** 95 % regions of sampled means: of all points while they are few, else of those that are marked. */
    regions(t, map) {
      const { covariance, front } = this.data;
      if (!covariance) return [];
      let members = this.points.n <= 300 ? [...Array(this.points.n).keys()] : Object.values(this.marks).flat();
      members = members.filter((i) => i >= 0 && !this.on.hidden(front[i]) && (!this.allowed || this.allowed[i]));
      const outlines = members.map((i) => this.ellipse(i, map)).filter(Boolean);
      return [{ type: "custom", silent: true, animation: false, z: 0, data: outlines.map((_, i) => [i, 0]),
        clip: true, encode: { x: [], y: [] },
        renderItem: (params, api) => ({
          type: "polygon", shape: { points: outlines[params.dataIndex].points.map((p) => api.coord(p)) },
          style: { fill: t.series[front[outlines[params.dataIndex].index] % 8], opacity: 0.16 },
        }) }];
    }

    ellipse(index, { rows }) {
      const { k, returns } = this.points, cov = this.data.covariance.subarray(index * k * k, (index + 1) * k * k);
      const form = (a, b) => { let s = 0; for (let i = 0; i < k; i++) for (let j = 0; j < k; j++) s += a[i] * cov[i * k + j] * b[j]; return s; };
      const [a, b, d] = [form(rows[0], rows[0]), form(rows[0], rows[1]), form(rows[1], rows[1])];
      if (!(a > 0 || d > 0)) return null;
      const l11 = Math.sqrt(Math.max(a, 0)), l21 = l11 > 0 ? b / l11 : 0, l22 = Math.sqrt(Math.max(d - l21 * l21, 0));
      const centre = this.project(returns, this.projection(), index * k), points = [];
      for (let step = 0; step < 28; step++) {
        const [c, s] = [Math.cos(step * Math.PI / 14) * RADIUS, Math.sin(step * Math.PI / 14) * RADIUS];
        points.push([centre[0] + l11 * c, centre[1] + l21 * c + l22 * s]);
      }
      return { index, points };
    }

    place(index, map = this.projection()) {
      return this.chart.convertToPixel("grid", this.project(this.points.returns, map, index * this.points.k));
    }

    near(x, y) {
      const { n } = this.points, map = this.projection();
      if (!this.pixels) { this.pixels = new Float32Array(2 * n); for (let i = 0; i < n; i++) this.pixels.set(this.place(i, map), 2 * i); }
      let found = -1, least = coarse() ? 900 : 200;
      for (let i = 0; i < n; i++) {
        const d = (this.pixels[2 * i] - x) ** 2 + (this.pixels[2 * i + 1] - y) ** 2;
        if (d < least && !this.on.hidden(this.data.front[i])) { least = d; found = i; }
      }
      return found;
    }

    drawMarks(t) {
      if (!this.element.clientWidth || !this.chart.getOption()) return;
      const map = this.projection();
      if (this.solid) this.cube(t, map.turned);
      const { best = -1, focus = -1, pinned = -1, shortlist = [] } = this.marks;
      const ring = (i, r, stroke, lineWidth) => {
        const [cx, cy] = this.place(i, map);
        this.shape("Circle", { cx, cy, r }, { fill: null, stroke: t.back, lineWidth: lineWidth + 3 });
        this.shape("Circle", { cx, cy, r }, { fill: null, stroke, lineWidth });
      };
      for (const i of shortlist) ring(i, 6, t.ink, 1.5);
      if (pinned >= 0) {
        const [x, y] = this.place(pinned, map);
        this.shape("Rect", { x: x - 14, y: y - 14, width: 28, height: 28 }, { fill: null, stroke: t.back, lineWidth: 5 });
        this.shape("Rect", { x: x - 14, y: y - 14, width: 28, height: 28 }, { fill: null, stroke: t.pin, lineWidth: 2 });
      }
      if (focus >= 0 && focus !== best) ring(focus, 10, t.focus, 3);
      if (best >= 0) {
        const [cx, cy] = this.place(best, map);
        ring(best, 10, t.best, 3);
        this.shape("Circle", { cx, cy, r: 4.5 }, { fill: t.best, stroke: t.back, lineWidth: 1 });
      }
    }

    /** Edges and labels of the cube in which three objectives are turned; labels go to edges of its outline. */
    cube(t, turned) {
      const at = (p) => this.chart.convertToPixel("grid", turned.map((row) => row[0] * p[0] + row[1] * p[1] + row[2] * p[2]));
      const middle = at([0, 0, 0]), ends = [[-1, -1], [-1, 1], [1, -1], [1, 1]];
      const along = (axis, x, [a, b]) => { const p = [a, b]; p.splice(axis, 0, x); return p; };
      const line = (axis, end, main) => {
        const [[x1, y1], [x2, y2]] = [-1, 1].map((x) => at(along(axis, x, end)));
        this.shape("Line", { x1, y1, x2, y2 }, { stroke: main ? t.ink : t.soft, lineWidth: main ? 1.6 : 0.6, opacity: main ? 0.9 : 0.5 }, 0);
      };
      const outward = ([x, y], by) => { const size = Math.hypot(x - middle[0], y - middle[1]) || 1; return [x + (x - middle[0]) / size * by, y + (y - middle[1]) / size * by]; };
      const label = ([x, y], text, strong, align = "center") => this.shape("Text", {}, { text, x, y, align, verticalAlign: "middle", fontSize: 12, lineHeight: 15,
        fontWeight: strong ? "bold" : "normal", fill: strong ? t.ink : t.soft, stroke: t.back, lineWidth: 3 });
      this.axes.forEach((j, axis) => {
        const objective = this.data.objectives[j], [low, high] = this.data.ranges[j];
        const outer = ([a, b]) => { const [x, y] = at(along(axis, 0, [a, b])); return axis === 2 ? -x : y; }; // leftmost, or lowest
        const main = ends.reduce((best, end) => (outer(end) > outer(best) ? end : best));
        for (const end of ends) line(axis, end, end === main);
        const [x, y] = outward(at(along(axis, 0, main)), axis === 2 ? 30 : 34);
        label([x, y], `${objective.label}\nbetter ${axis === 2 ? "↑" : at(along(axis, 1, main))[0] > at(along(axis, -1, main))[0] ? "→" : "←"}`, true, axis === 2 ? "right" : "center");
        label(outward(at(along(axis, -0.92, main)), 14), Core.number(low * objective.sign), false);
        label(outward(at(along(axis, 0.92, main)), 14), Core.number(high * objective.sign), false);
      });
    }
  }

  return Scatter;
})();
