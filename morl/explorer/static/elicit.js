"use strict";
/* Preference elicitation: which weights agree with the answers, and what may be lost whatever the true ones are.
   The same rule as morl.pareto.elicitation. */
const Elicit = (() => {
  const dot = (a, b) => { let s = 0; for (let j = 0; j < a.length; j++) s += a[j] * b[j]; return s; };
  const TINY = 1e-9;

  /** Vertices of {w in the polytope: w·normal >= 0}. Crossings of all pairs may lie inside; that does no harm. */
  function cut(vertices, normal) {
    const side = vertices.map((v) => dot(v, normal)), kept = vertices.filter((_, i) => side[i] >= -TINY);
    if (kept.length === vertices.length) return vertices;
    const made = [];
    vertices.forEach((v, i) => vertices.forEach((u, j) => {
      if (!(side[i] > TINY && side[j] < -TINY)) return;
      const share = side[i] / (side[i] - side[j]);
      made.push(v.map((x, m) => x + share * (u[m] - x)));
    }));
    return [...kept, ...made].filter((v, i, all) => all.findIndex((u) => u.every((x, m) => Math.abs(x - v[m]) < TINY)) === i);
  }

  class Elicitation {
    constructor(points, members) {
      const { unit, k } = points;
      Object.assign(this, { k, members, answers: [] });
      this.values = members.map((i) => Array.from(Core.row(unit, i, k)));
      this.start = [...Array(k).keys()].map((j) => [...Array(k).keys()].map((m) => Number(m === j)));
      this.vertices = this.start;
    }

    /** The point whose largest loss over the weights is least, and that loss, on the scale of the utilities. */
    regret(vertices = this.vertices) {
      const scores = vertices.map((v) => this.values.map((f) => dot(v, f)));
      const top = scores.map((row) => row.reduce((a, b) => Math.max(a, b), -Infinity));
      let index = -1, loss = Infinity;
      for (let i = 0; i < this.values.length; i++) {
        let worst = 0;
        for (let v = 0; v < vertices.length && worst < loss; v++) worst = Math.max(worst, top[v] - scores[v][i]);
        if (worst < loss) { loss = worst; index = i; }
      }
      const tops = [...new Set(scores.map((row, v) => row.findIndex((x) => x === top[v])))];
      return { index, loss, tops };
    }

    /** The pair whose answer, whichever it is, leaves the least to lose; null where nothing is to be gained. */
    question() {
      const now = this.regret();
      if (now.loss <= TINY) return null;
      const candidates = [...new Set([now.index, ...now.tops])].slice(0, 9);
      let found = null, least = Infinity;
      for (let a = 0; a < candidates.length; a++) for (let b = a + 1; b < candidates.length; b++) {
        const normal = this.values[candidates[a]].map((x, j) => x - this.values[candidates[b]][j]);
        const parts = [normal, normal.map((x) => -x)].map((d) => cut(this.vertices, d));
        if (parts.some((p) => !p.length || p === this.vertices)) continue;
        const left = Math.max(...parts.map((p) => this.regret(p).loss));
        if (left < least) { least = left; found = [candidates[a], candidates[b]]; }
      }
      return found && found.map((i) => this.members[i]);
    }

    /** "first", "second" or "equal". An answer that contradicts the others is set aside: false. */
    answer(first, second, said) {
      const [f, g] = [first, second].map((i) => this.values[this.members.indexOf(i)]);
      const normal = f.map((x, j) => x - g[j]), back = normal.map((x) => -x);
      let left = this.vertices;
      if (said !== "second") left = cut(left, normal);
      if (said !== "first") left = cut(left, back);
      this.answers.push(this.vertices);
      if (left.length) this.vertices = left;
      return left.length > 0;
    }

    undo() { if (this.answers.length) this.vertices = this.answers.pop(); }

    centre() { return this.start[0].map((_, j) => this.vertices.reduce((s, v) => s + v[j], 0) / this.vertices.length); }
  }

  return { Elicitation };
})();
