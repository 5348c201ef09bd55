"use strict";
/* Watching a policy: frames of one episode, drawn from a sheet of images, over the rewards collected so far. */
const Player = (() => {
  const $ = (id) => document.getElementById(id);

  class Player {
    constructor(data) {
      this.data = data;
      this.at = 0;
      $("closePlayer").onclick = () => $("player").close();
      $("player").addEventListener("close", () => this.stop());
      $("play").onclick = () => (this.timer ? this.stop() : this.start());
      $("step").oninput = () => { this.stop(); this.go(Number($("step").value)); };
    }

    has(index) { return Boolean(this.data.media[index]); }

    open(index, title) {
      this.media = this.data.media[index];
      $("playerTitle").textContent = title;
      $("player").showModal();
      const { rewards, frames, steps, cut } = this.media;
      this.last = steps;
      $("step").max = String(steps);
      $("frames").hidden = !frames;
      $("playerHint").textContent = `One episode of this policy${cut ? `, its first ${steps} steps` : ""}; rewards added up, not discounted.`;
      if (frames) {
        this.sheet = new Image();
        this.sheet.onload = () => this.go(this.at);
        this.sheet.src = frames.image;
        Object.assign($("frames"), { width: frames.width, height: frames.height });
      }
      this.curves(rewards);
      this.go(0);
      if (!matchMedia("(prefers-reduced-motion: reduce)").matches) this.start();
    }

    /** Rewards collected so far, by objective, as shares of their own ranges so that all fit one axis. */
    curves(rewards) {
      const t = Charts.theme(), { objectives } = this.data;
      this.sums = objectives.map((o, j) => { let s = 0; return [0, ...rewards.map((r) => (s += r[j] * o.sign))]; });
      this.chart ??= echarts.init($("trace"), null, { renderer: "canvas" });
      this.chart.resize();
      const ranges = this.sums.map((s) => [Math.min(...s), Math.max(...s)]);
      this.chart.setOption({
        animation: false, grid: { left: 44, right: 16, top: 40, bottom: 34 },
        legend: { top: 0, itemStyle: { opacity: 0 }, textStyle: { color: t.ink }, data: objectives.map((o) => o.label) },
        xAxis: { type: "value", min: 0, max: this.last, name: "step", nameLocation: "middle", nameGap: 20, axisLabel: { color: t.soft }, splitLine: { show: false } },
        yAxis: { type: "value", min: 0, max: 1, interval: 0.5, axisLabel: { color: t.soft, formatter: (x) => ({ 0: "least", 1: "most" })[x] ?? "" }, splitLine: { lineStyle: { color: t.line } } },
        series: objectives.map((o, j) => ({ name: o.label, type: "line", step: "middle", symbol: "none", silent: true, color: t.series[(j * 2 + 1) % 8], lineStyle: { width: 2, type: ["solid", "dashed", "dotted"][j % 3] },
          data: this.sums[j].map((s, step) => [step, (s - ranges[j][0]) / (ranges[j][1] - ranges[j][0] || 1)]) })),
      }, { notMerge: true });
    }

    go(step) {
      this.at = Math.max(0, Math.min(step, this.last));
      $("step").value = String(this.at);
      $("stepText").textContent = `${this.at} / ${this.last}`;
      const { frames } = this.media;
      if (frames && this.sheet.complete) {
        const f = Math.max(0, Math.min(Math.floor((this.at - 1) / frames.every), frames.count - 1)); // taken after steps
        const [x, y] = [(f % frames.columns) * frames.width, Math.floor(f / frames.columns) * frames.height];
        $("frames").getContext("2d").drawImage(this.sheet, x, y, frames.width, frames.height, 0, 0, frames.width, frames.height);
      }
      this.line ??= null;
      if (this.line) this.chart.getZr().remove(this.line);
      const [x] = this.chart.convertToPixel("grid", [this.at, 0]);
      this.line = new echarts.graphic.Line({ silent: true, zlevel: 3, shape: { x1: x, x2: x, y1: 40, y2: this.chart.getHeight() - 34 }, style: { stroke: Charts.theme().best, lineWidth: 2 } });
      this.chart.getZr().add(this.line);
      $("sums").textContent = this.data.objectives.map((o, j) => `${o.label}: ${Core.number(this.sums[j][this.at])}`).join(" · ");
    }

    start() {
      if (this.at >= this.last) this.go(0);
      $("play").textContent = "❚❚";
      const wait = Math.max(40, Math.min(400, 8000 / Math.max(this.last, 1)));
      this.timer = setInterval(() => { this.go(this.at + 1); if (this.at >= this.last) this.stop(); }, wait);
    }

    stop() { clearInterval(this.timer); this.timer = 0; $("play").textContent = "▶"; }
  }

  return { Player };
})();
