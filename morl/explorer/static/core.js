"use strict";
/* Numbers without a page: points, utilities, limits, what is nearest to being allowed. */
const Core = (() => {
  const bytes = (text) => Uint8Array.from(atob(text), (c) => c.charCodeAt(0));
  const floats = (text) => new Float64Array(bytes(text).buffer);

  /** Points (n, K) as returns, larger is better; `unit` holds the same on the scale of the utilities. */
  function table(data) {
    const k = data.objectives.length;
    const returns = floats(data.points);
    const n = returns.length / k;
    const { low, high } = data.scale;
    const unit = returns.map((value, at) => (value - low[at % k]) / (high[at % k] - low[at % k]));
    return { n, k, returns, unit, low, high, span: low.map((x, j) => high[j] - x) };
  }

  const row = (values, i, k) => values.subarray(i * k, i * k + k);

  /** Weights on the simplex; equal ones where all sliders are at 0. */
  function simplex(raw) {
    const total = raw.reduce((a, b) => a + b, 0);
    return raw.map((x) => (total > 0 ? x / total : 1 / raw.length));
  }

  function cvar(f, p, alpha) {
    const order = [...f.keys()].filter((j) => p[j] > 0).sort((a, b) => f[a] - f[b] || a - b);
    if (alpha <= 0) return f[order[0]];
    let before = 0, sum = 0, mass = 0;
    for (const j of order) {
      const share = Math.min(Math.max(alpha - before, 0), p[j]);
      sum += share * f[j];
      mass += share;
      before += p[j];
    }
    return sum / mass;
  }

  const UTILITIES = {
    linear: (f, w) => { let s = 0; for (let j = 0; j < w.length; j++) s += w[j] * f[j]; return s; },
    chebyshev: (f, w) => { let m = -Infinity; for (let j = 0; j < w.length; j++) m = Math.max(m, w[j] * (1 - f[j])); return -m; },
    worst: (f) => { let m = Infinity; for (const x of f) m = Math.min(m, x); return m; },
    cvar: (f, w, alpha) => cvar(f, w, alpha),
  };

  /** Utility of every point; the same formulas as morl.utility. */
  function scores(points, utility, weights, alpha) {
    const value = UTILITIES[utility], out = new Float64Array(points.n);
    for (let i = 0; i < points.n; i++) out[i] = value(row(points.unit, i, points.k), weights, alpha);
    return out;
  }

  /** The first of the largest among the allowed; -1 where none is. */
  function best(values, allowed) {
    let at = -1;
    for (let i = 0; i < values.length; i++) if (allowed[i] && (at < 0 || values[i] > values[at])) at = i;
    return at;
  }

  /** Which points lie within limits [[low, high], ...] of returns. */
  function within(points, limits) {
    const { n, k, returns } = points, out = new Uint8Array(n).fill(1);
    limits.forEach(([low, high], j) => {
      if (low === -Infinity && high === Infinity) return;
      for (let i = 0; i < n; i++) if (returns[i * k + j] < low || returns[i * k + j] > high) out[i] = 0;
    });
    return out;
  }

  /** The point that misses the limits least, as a share of the scale, and by how much in each objective. */
  function nearest(points, limits, shown) {
    const { n, k, returns, span } = points;
    let found = { index: -1, worst: Infinity, by: [] };
    for (let i = 0; i < n; i++) {
      if (!shown[i]) continue;
      const by = limits.map(([low, high], j) => Math.max(low - returns[i * k + j], returns[i * k + j] - high, 0));
      const worst = Math.max(...by.map((x, j) => x / span[j]));
      if (worst < found.worst) found = { index: i, worst, by };
    }
    return found;
  }

  /** Chance that a normal mean with a standard error reaches a bound (Abramowitz & Stegun 7.1.26, to 1e-7). */
  function chance(mean, error, low, high) {
    const phi = (x) => {
      const t = 1 / (1 + 0.3275911 * Math.abs(x) / Math.SQRT2);
      const tail = t * (0.254829592 + t * (-0.284496736 + t * (1.421413741 + t * (-1.453152027 + t * 1.061405429))));
      const erf = 1 - tail * Math.exp(-x * x / 2);
      return 0.5 * (1 + (x < 0 ? -erf : erf));
    };
    if (!(error > 0)) return mean >= low && mean <= high ? 1 : 0;
    return phi((high - mean) / error) - phi((low - mean) / error);
  }

  /** Ends and steps of an axis that people can read. */
  function nice(low, high) {
    if (!(high > low)) { const d = Math.abs(low) * 0.05 || 1; low -= d; high += d; }
    const rough = (high - low) / 5, power = 10 ** Math.floor(Math.log10(rough));
    const step = [1, 2, 2.5, 5, 10].find((x) => x * power >= rough * 0.999) * power;
    return { min: Math.floor(low / step + 1e-9) * step, max: Math.ceil(high / step - 1e-9) * step, step };
  }

  /** A number to four significant digits, without noise of rounding. */
  function number(x) {
    if (!Number.isFinite(x)) return String(x);
    if (x !== 0 && (Math.abs(x) >= 1e6 || Math.abs(x) < 1e-3)) return x.toExponential(2).replace("e+", "e");
    return String(Number(x.toPrecision(4)) + 0);
  }

  return { bytes, floats, table, row, simplex, scores, best, within, nearest, chance, nice, number };
})();
