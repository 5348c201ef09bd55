"use strict";
/* Preference elicitation: which weights agree with the answers, and what may be lost whatever the true ones are.
   The rule of morl.pareto.elicitation: minimax regret over a polytope of weights that is kept by its vertices. */
const Elicit = (() => {
  const TINY = 1e-9, CANDIDATES = 12, INDIFFERENCE = 0.02;
  const dot = (a, b) => { let s = 0; for (let j = 0; j < a.length; j++) s += a[j] * b[j]; return s; };
  const minus = (a, b) => a.map((x, j) => x - b[j]);
  const least = (values) => values.reduce((a, b) => Math.min(a, b), Infinity);
  const most = (values) => values.reduce((a, b) => Math.max(a, b), -Infinity);

  /** Vertices of the part with w·row >= −limit. Crossings of pairs without an edge may lie inside: no maximum changes. */
  function cut(vertices, row, limit) {
    const height = vertices.map((v) => dot(v, row) + limit), made = vertices.filter((_, i) => height[i] >= -TINY);
    if (made.length === vertices.length) return vertices;
    vertices.forEach((v, i) => vertices.forEach((u, j) => {
      if (!(height[i] > TINY && height[j] < -TINY)) return;
      const share = height[i] / (height[i] - height[j]);
      made.push(v.map((x, m) => x + share * (u[m] - x)));
    }));
    const seen = new Set();
    return made.filter((v) => { const key = v.map((x) => x.toFixed(9)).join(); return !seen.has(key) && seen.add(key); });
  }

  class Elicitation {
    /** `options` are the points that may be recommended, `rivals` those that are best for some weights. */
    constructor(points, options, rivals) {
      const values = (members) => members.map((i) => Array.from(Core.row(points.unit, i, points.k)));
      Object.assign(this, { k: points.k, options, rivals, answers: [], slack: 0 });
      this.value = (i) => Array.from(Core.row(points.unit, i, points.k));
      [this.optionValues, this.rivalValues] = [values(options), values(rivals)];
      this.fit();
    }

    /** Worst regret of each option over weights that these vertices span. */
    regrets(vertices = this.vertices) {
      const best = vertices.map((v) => most(this.rivalValues.map((f) => dot(v, f))));
      return this.optionValues.map((f) => most(vertices.map((v, i) => best[i] - dot(v, f))));
    }

    /** The option with the smallest worst regret; of equal ones the best for the central weights. */
    recommendation() {
      const regrets = this.regrets(), loss = least(regrets), centre = this.centre();
      let chosen = -1, top = -Infinity;
      regrets.forEach((regret, i) => {
        const value = dot(centre, this.optionValues[i]);
        if (regret <= loss + 1e-12 && value > top) { top = value; chosen = i; }
      });
      return { index: this.options[chosen], loss: Math.max(loss, 0) };
    }

    /** The pair whose worse answer leaves the least to lose, then the one whose answers leave less together; or null. */
    question() {
      const candidates = this.candidates();
      let found = null, rank = [Infinity, Infinity];
      for (let a = 0; a < candidates.length; a++) for (let b = a + 1; b < candidates.length; b++) {
        const [i, j] = [candidates[a], candidates[b]], step = minus(this.value(i), this.value(j));
        const heights = this.vertices.map((v) => dot(v, step));
        if (!(most(heights) > this.slack + 1e-7 && least(heights) < -this.slack - 1e-7) || this.asked(i, j)) continue;
        const left = [step, step.map((x) => -x)].map((row) => least(this.regrets(cut(this.vertices, row, this.slack))));
        const here = [Math.max(...left), left[0] + left[1]].map((x) => Math.round(x * 1e9));
        if (here[0] < rank[0] || (here[0] === rank[0] && here[1] < rank[1])) { rank = here; found = [i, j]; }
      }
      return found;
    }

    asked(i, j) { return this.answers.some(({ first, second }) => (first === i && second === j) || (first === j && second === i)); }

    /** Points that are best at the centre, at vertices or half-way between them, most frequent first; and the recommended. */
    candidates() {
      const { vertices } = this, counts = new Map();
      const probes = [this.centre(), ...vertices];
      for (const v of vertices) for (const u of vertices) probes.push(v.map((x, m) => (x + u[m]) / 2));
      for (const w of probes) {
        let best = 0, top = -Infinity;
        this.rivalValues.forEach((f, i) => { const x = dot(w, f); if (x > top) { top = x; best = i; } });
        counts.set(this.rivals[best], (counts.get(this.rivals[best]) || 0) + 1);
      }
      const ordered = [...counts].sort(([i, m], [j, n]) => n - m || i - j).map(([i]) => i);
      return [...new Set([this.recommendation().index, ...ordered].slice(0, CANDIDATES + 1))].sort((i, j) => i - j);
    }

    answer(first, second, said) { this.answers.push({ first, second, said }); this.fit(); }
    undo() { this.answers.pop(); this.fit(); }
    centre() { return this.vertices[0].map((_, j) => this.vertices.reduce((s, v) => s + v[j], 0) / this.vertices.length); }

    /** The weights that fit all answers, each trusted up to the smallest slack that leaves any. */
    fit() {
      const inside = (slack) => {
        let left = Array.from({ length: this.k }, (_, j) => Array.from({ length: this.k }, (_, m) => Number(m === j)));
        for (const { first, second, said } of this.answers) {
          const step = minus(this.value(first), this.value(second)), limit = Math.max(slack, said === "equal" ? INDIFFERENCE : 0);
          if (said !== "second" && left.length) left = cut(left, step, limit);
          if (said !== "first" && left.length) left = cut(left, step.map((x) => -x), limit);
        }
        return left;
      };
      this.slack = 0;
      this.vertices = inside(0);
      if (this.vertices.length) return;
      let [low, high] = [0, 2]; // no answer misses by more than the whole scale
      while (high - low > 1e-7) { const middle = (low + high) / 2; if (inside(middle).length) high = middle; else low = middle; }
      this.slack = 1.05 * high + 1e-6;
      this.vertices = inside(this.slack);
    }
  }

  return { Elicitation };
})();
