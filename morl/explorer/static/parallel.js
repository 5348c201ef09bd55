"use strict";
/* All objectives along parallel axes, better always upwards; brushing an axis sets a limit. */
const Parallel = (() => {
  const { Chart, KIND, theme, coarse } = Charts;

  class Parallel extends Chart {
    constructor(...given) {
      super(...given);
      const { on } = this;
      this.chart.on("axisareaselected", () => {
        if (this.quiet) return;
        const axes = this.chart.getModel().findComponents({ mainType: "parallelAxis" });
        axes.forEach((axis, j) => {
          const [interval] = axis.activeIntervals.length ? axis.activeIntervals : [null];
          const { sign } = this.data.objectives[j];
          on.limit(j, interval ? interval.map((x) => x * sign).sort((a, b) => a - b) : null);
        });
      });
    }

    box() {
      const { clientWidth: w, clientHeight: h } = this.element, side = w < 500 ? 42 : 70;
      return { left: side, right: side, top: 58, bottom: 34, width: w - 2 * side, height: h - 92 };
    }

    ends(j) {
      const { sign } = this.data.objectives[j], [low, high] = this.data.ranges[j];
      return { min: Math.min(low * sign, high * sign), max: Math.max(low * sign, high * sign) };
    }

    /** The name above an axis, in two lines where one is too short, and how wide it may be: at the ends no wider than the margin. */
    naming(j, box, gap) {
      const last = this.points.k - 1, room = Math.min(gap, 190) - 6, { label } = this.data.objectives[j];
      const maxWidth = j === 0 || j === last ? Math.min(room, 2 * box.left - 4) : room, words = label.split(" ");
      let first = words.shift();
      while (words.length && (first.length + words[0].length + 1) * 6.4 <= maxWidth) first += ` ${words.shift()}`;
      return { name: [first, words.join(" "), "better ↑"].filter(Boolean).join("\n"), nameTruncate: { maxWidth } };
    }

    draw() {
      if (!this.begin()) return;
      const t = theme(), { k, n, returns } = this.points, box = this.box(), gap = box.width / Math.max(k - 1, 1);
      const opacity = Math.max(0.05, Math.min(0.75, 4 / Math.sqrt(n)));
      const series = this.groups().filter(([key]) => key !== "out").map(([key, members]) => {
        const [front, kind] = key.split("/").map(Number);
        return { type: "parallel", silent: true, animation: false, progressive: 0, inactiveOpacity: 0.04, activeOpacity: opacity,
          lineStyle: { color: t.series[front % 8], width: n > 300 ? 0.8 : 1.2, opacity: kind === KIND.dominated ? opacity / 3 : opacity, type: kind === KIND.nonConvex && n <= 400 ? "dashed" : "solid" },
          data: members.map((i) => this.data.objectives.map((o, j) => returns[i * k + j] * o.sign)) };
      });
      this.chart.setOption({
        animation: false,
        parallel: { left: box.left, right: box.right, top: box.top, bottom: box.bottom },
        parallelAxis: this.data.objectives.map((o, j) => ({
          dim: j, ...this.ends(j), interval: this.data.steps[j], inverse: o.sign < 0, realtime: true, ...this.naming(j, box, gap), nameLocation: o.sign < 0 ? "start" : "end", nameGap: 12, z: 5,
          nameTextStyle: { color: t.ink, fontSize: 12, lineHeight: 15, align: "center" },
          axisLine: { lineStyle: { color: t.soft } }, axisTick: { show: false },
          axisLabel: { color: t.ink, fontSize: 11, formatter: Core.number, hideOverlap: true, textBorderColor: t.back, textBorderWidth: 3 },
          areaSelectStyle: { width: coarse() ? 30 : 16, borderColor: t.pin, color: t.pin, opacity: 0.25 },
        })),
        series,
      }, { notMerge: true });
      this.mark(this.marks);
    }

    /** Show limits that were set elsewhere, of one axis or of all. */
    limits(limits, only = -1) {
      const axes = this.chart.getModel().findComponents({ mainType: "parallelAxis" });
      const changed = only < 0 ? [...axes.keys(), 0] : [only, (only + 1) % axes.length]; // an axis shows its area when another is set
      this.quiet = true;
      for (const j of changed) {
        const { sign } = this.data.objectives[j], { min, max } = this.ends(j), [low, high] = limits[j];
        const free = low === -Infinity && high === Infinity;
        const ends = [low * sign, high * sign].sort((a, b) => a - b).map((x) => Math.max(min, Math.min(max, x)));
        this.chart.dispatchAction({ type: "axisAreaSelect", parallelAxisId: axes[j].id, intervals: free ? [] : [ends] });
      }
      this.quiet = false;
    }

    filter(allowed) { this.allowed = null; this.only = allowed; } // ECharts pales the lines outside its intervals

    place(index, j) {
      const box = this.box(), [low, high] = this.data.ranges[j], value = this.points.returns[index * this.points.k + j];
      const x = box.left + box.width * (this.points.k > 1 ? j / (this.points.k - 1) : 0.5);
      return [x, box.top + box.height * (1 - (value - low) / (high - low))];
    }

    near(x, y) {
      const box = this.box(), { k, n, returns } = this.points, part = (x - box.left) / box.width * (k - 1);
      const j = Math.floor(part), share = part - j;
      if (j < 0 || j >= k - 1 || Math.min(share, 1 - share) * box.width < 16 * (k - 1)) return -1; // near an axis: brushing
      let found = -1, least = coarse() ? 14 : 7;
      const unit = (i, m) => (returns[i * k + m] - this.data.ranges[m][0]) / (this.data.ranges[m][1] - this.data.ranges[m][0]);
      for (let i = 0; i < n; i++) {
        if (this.on.hidden(this.data.front[i]) || (this.only && !this.only[i])) continue;
        const d = Math.abs(box.top + box.height * (1 - (unit(i, j) * (1 - share) + unit(i, j + 1) * share)) - y);
        if (d < least) { least = d; found = i; }
      }
      return found;
    }

    drawMarks(t) {
      const { best = -1, focus = -1, pinned = -1, shortlist = [] } = this.marks, { k } = this.points;
      const line = (i, stroke, lineWidth, dash) => {
        const points = [...Array(k).keys()].map((j) => this.place(i, j));
        this.shape("Polyline", { points }, { fill: null, stroke: t.back, lineWidth: lineWidth + 3 });
        this.shape("Polyline", { points }, { fill: null, stroke, lineWidth, lineDash: dash });
        return points;
      };
      for (const i of shortlist) line(i, t.ink, 1.2);
      if (pinned >= 0) line(pinned, t.pin, 2.5, [7, 4]);
      if (focus >= 0 && focus !== best) line(focus, t.focus, 3);
      if (best >= 0) for (const [cx, cy] of line(best, t.best, 3.5)) this.shape("Circle", { cx, cy, r: 4.5 }, { fill: t.best, stroke: t.back, lineWidth: 1.5 });
      if (best >= 0 && this.data.covariance) this.whiskers(best, t);
    }

    /** 95 % intervals of the best point on every axis. */
    whiskers(i, t) {
      const { k } = this.points, box = this.box();
      for (let j = 0; j < k; j++) {
        const [x, y] = this.place(i, j), [low, high] = this.data.ranges[j];
        const half = 1.96 * Math.sqrt(Math.max(this.data.covariance[i * k * k + j * k + j], 0)) / (high - low) * box.height;
        if (half > 2) this.shape("Line", { x1: x, x2: x, y1: y - half, y2: y + half }, { stroke: t.best, lineWidth: 6, opacity: 0.35 });
      }
    }
  }

  return Parallel;
})();
