"use strict";
/* The page: its state, and what follows from every change of it. */
const App = (() => {
  const $ = (id) => document.getElementById(id);

  class App {
    constructor(data) {
      this.data = this.unpack(data);
      this.points = Core.table(data);
      const { k } = this.points;
      this.state = { utility: "linear", weights: Array(k).fill(1 / k), alpha: 0.3, limits: Array.from({ length: k }, () => [-Infinity, Infinity]),
        focus: -1, best: -1, pinned: -1, shortlist: [], hidden: new Set(), allowed: null };
      this.player = new Player.Player(this.data);
      this.words();
      const on = { pick: (i) => this.pick(i), hover: (...where) => this.hover(...where), hidden: (front) => this.state.hidden.has(front),
        limit: (j, interval) => this.limit(j, interval || [-Infinity, Infinity], "brushed") };
      this.scatter = new Scatter($("scatter"), this.data, this.points, on);
      this.parallel = new Parallel($("parallel"), this.data, this.points, on);
      this.wire();
      this.refilter();
      this.parallel.draw();
      this.pinned(this.state.best);
    }

    unpack(data) {
      for (const key of ["kind", "front"]) data[key] = Core.bytes(data[key]);
      if (data.covariance) data.covariance = new Float32Array(Core.bytes(data.covariance).buffer);
      data.steps = [];
      data.ranges = data.ranges.map((ends, j) => { // to round numbers, as people read them
        const { sign } = data.objectives[j], { min, max, step } = Core.nice(...ends.map((x) => x * sign).sort((a, b) => a - b));
        data.steps.push(step);
        return [min * sign, max * sign].sort((a, b) => a - b);
      });
      if (data.reference) data.reference.values = Core.floats(data.reference.points);
      return data;
    }

    // ---- what is asked of points ------------------------------------------------------------------------------

    name(i) { return this.data.ids[i]; }

    command(i) {
      const { command } = this.data.fronts[this.data.front[i]];
      return command && `${command} --point ${this.data.ids[i]}`;
    }

    error(i, j) {
      const { covariance } = this.data, { k } = this.points;
      return covariance ? Math.sqrt(Math.max(covariance[i * k * k + j * k + j], 0)) : 0;
    }

    visible() { return Uint8Array.from(this.data.front, (f) => Number(!this.state.hidden.has(f))); }
    current() { return this.state.focus >= 0 ? this.state.focus : this.state.best; }

    // ---- changes ----------------------------------------------------------------------------------------------

    /** The sliders moved. */
    preferred() {
      const { state } = this, { k } = this.points;
      state.utility = $("kind").value;
      state.alpha = Number($("alpha").value);
      state.weights = Core.simplex([...Array(k).keys()].map((j) => Number($(`weight${j}`).value)));
      state.focus = -1;
      this.rank();
    }

    rank() {
      const { state } = this;
      this.scores = Core.scores(this.points, state.utility, state.weights, state.alpha);
      state.best = Core.best(this.scores, state.allowed);
      state.weights.forEach((w, j) => { $(`share${j}`).textContent = `${(100 * w).toFixed(0)} %`; $(`weight${j}`).disabled = state.utility === "worst"; });
      $("alphaRow").hidden = state.utility !== "cvar";
      $("alphaText").textContent = state.alpha.toFixed(2);
      this.show();
    }

    /** Rings, lines, table: everything that follows the current point. */
    show() {
      const { state } = this, marks = { best: state.best, focus: state.focus, pinned: state.pinned, shortlist: state.shortlist };
      this.scatter.mark(marks);
      this.parallel.mark(marks);
      Panels.point(this, this.current());
      Panels.live(this, this.current());
      this.tell();
    }

    limit(j, interval, from) {
      this.state.limits[j] = interval;
      Panels.limits(this, from === "typed" ? j : -1);
      if (from !== "brushed") this.parallel.limits(this.state.limits, j);
      cancelAnimationFrame(this.waiting);
      if (from === "brushed") this.waiting = requestAnimationFrame(() => this.refilter());
      else this.refilter();
    }

    clearLimits() {
      this.state.limits = this.state.limits.map(() => [-Infinity, Infinity]);
      Panels.limits(this, -1);
      this.parallel.limits(this.state.limits);
      this.refilter();
    }

    refilter() {
      const { state } = this, visible = this.visible();
      state.allowed = Core.within(this.points, state.limits).map((x, i) => x & visible[i]);
      this.scatter.filter(state.allowed);
      this.parallel.filter(state.allowed);
      this.scatter.draw();
      Panels.allowed(this);
      this.rank();
    }

    toggle(front) {
      const { hidden } = this.state;
      if (!hidden.delete(front)) hidden.add(front);
      this.refilter();
      this.parallel.draw();
      this.parallel.limits(this.state.limits);
    }

    pick(i) { this.state.focus = i; this.show(); }
    pinned(i) { this.state.pinned = i; this.show(); }

    keep(i) {
      const { shortlist } = this.state, at = shortlist.indexOf(i);
      if (at >= 0) shortlist.splice(at, 1); else shortlist.push(i);
      Panels.shortlist(this);
      this.show();
    }

    watch(i) { if (i >= 0 && this.player.has(i)) this.player.open(i, `${this.data.fronts[this.data.front[i]].name}, ${this.name(i)}`); }

    /** The next allowed point along the horizontal objective. */
    walk(by) {
      const { returns, k } = this.points, j = this.scatter.axes[0], { allowed } = this.state;
      const order = [...allowed.keys()].filter((i) => allowed[i]).sort((a, b) => returns[a * k + j] - returns[b * k + j] || a - b);
      const at = order.indexOf(this.current());
      if (order.length) this.pick(order[Math.max(0, Math.min(order.length - 1, at + by))]);
    }

    // ---- the page ---------------------------------------------------------------------------------------------

    words() {
      const { data } = this;
      $("title").textContent = data.title;
      $("summary").textContent = data.summary;
      Panels.sliders(this);
      Panels.limitRows(this);
      Panels.legend(this);
      $("kind").value = "linear";
    }

    wire() {
      const { k } = this.points, current = () => this.current();
      $("watch").onclick = () => this.watch(current());
      $("pin").onclick = () => this.pinned(current());
      $("keep").onclick = () => this.keep(current());
      $("back").onclick = () => { this.state.focus = -1; this.show(); };
      $("command").onclick = () => { $("commandText").hidden = false; this.copy(this.command(current())); };
      $("copyShortlist").onclick = () => this.copy(Panels.shortlistText(this));
      $("questions").ontoggle = () => { this.asking ??= new Elicit.Elicitation(this.points, this.data.options, this.data.rivals); Panels.question(this); };
      $("undo").onclick = () => { this.asking.undo(); Panels.question(this); };
      $("useWeights").onclick = () => {
        const centre = this.asking.centre(), most = Math.max(...centre);
        centre.forEach((w, j) => { $(`weight${j}`).value = String(w / most); });
        $("kind").value = "linear";
        this.preferred();
      };
      $("theme").onclick = () => this.theme(document.documentElement.dataset.theme !== "dark");
      $("parallelCard").hidden = k < 2;
      $("views").hidden = k < 3;
      for (const [id, solid] of [["flat", false], ["solid", true]]) $(id).onclick = () => this.view(solid);
      this.chooseAxes(false);
      for (const id of ["scatter", "parallel"]) $(id).addEventListener("keydown", (event) => this.key(event));
      addEventListener("message", (event) => { if (event.data && event.data.morl === "theme") this.theme(event.data.dark); });
    }

    view(solid) { this.chooseAxes(solid); this.scatter.show(solid, this.scatter.axes); }

    chooseAxes(solid) {
      const { objectives } = this.data, count = solid ? 3 : 2, axes = [...this.scatter.axes.slice(0, count)];
      $("flat").setAttribute("aria-pressed", String(!solid));
      $("solid").setAttribute("aria-pressed", String(solid));
      $("scatter").classList.toggle("turning", solid);
      $("axes").replaceChildren();
      if (objectives.length > count || solid) axes.forEach((axis, a) => {
        const label = Panels.make("label", "xyz"[a] + " "), select = Panels.make("select", "", { id: `axis${a}` });
        select.append(...objectives.map((o, j) => Panels.make("option", o.name, { value: String(j), selected: j === axis })));
        select.onchange = () => { this.scatter.axes[a] = Number(select.value); this.scatter.show(solid, this.scatter.axes); };
        label.append(select);
        $("axes").append(label);
      });
    }

    key(event) {
      const turns = { ArrowLeft: [-0.1, 0], ArrowRight: [0.1, 0], ArrowUp: [0, -0.1], ArrowDown: [0, 0.1] };
      const acts = { ArrowLeft: () => this.walk(-1), ArrowRight: () => this.walk(1), Enter: () => this.watch(this.current()),
        p: () => this.pinned(this.current()), s: () => this.keep(this.current()), Escape: () => { this.state.focus = -1; this.show(); } };
      const turn = event.shiftKey && this.scatter.solid && turns[event.key];
      if (!turn && !acts[event.key]) return;
      event.preventDefault();
      if (turn) this.scatter.rotate(...turn); else acts[event.key]();
    }

    hover(i, element, x, y) {
      const tip = $("tip");
      tip.hidden = i < 0;
      if (i < 0) return;
      const values = this.data.objectives.map((o, j) => `${o.label}: ${Core.number(this.points.returns[i * this.points.k + j] * o.sign)}`);
      tip.textContent = [`${this.name(i)} · ${this.data.fronts[this.data.front[i]].name} · ${this.data.kinds[this.data.kind[i]]}`, ...values].join("\n");
      const box = element.getBoundingClientRect();
      tip.style.left = `${Math.min(box.left + x + 14, innerWidth - tip.offsetWidth - 8) + scrollX}px`;
      tip.style.top = `${box.top + y + 14 + scrollY}px`;
    }

    theme(dark) {
      document.documentElement.dataset.theme = dark ? "dark" : "light";
      this.scatter.draw();
      this.parallel.draw();
      this.parallel.limits(this.state.limits);
    }

    copy(text) {
      const area = Panels.make("textarea", text);
      document.body.append(area);
      area.select();
      document.execCommand("copy"); // the clipboard's newer interface is not there in files and frames
      area.remove();
    }

    /** A notebook that holds the page learns which point is shown. */
    tell() { if (parent !== window) parent.postMessage({ morl: "point", id: this.current() < 0 ? "" : this.name(this.current()) }, "*"); }
  }

  const started = performance.now();
  document.documentElement.dataset.theme = matchMedia("(prefers-color-scheme: dark)").matches ? "dark" : "light";
  const app = new App(JSON.parse($("data").textContent));
  document.documentElement.dataset.ready = String(Math.round(performance.now() - started));
  return app;
})();
