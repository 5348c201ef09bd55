"use strict";
/* What stands beside the plots: sliders, limits, the comparison with the pinned point, the shortlist, questions.
   Text enters the page as text, never as markup. */
const Panels = (() => {
  const $ = (id) => document.getElementById(id);
  const make = (tag, text = "", properties = {}) => Object.assign(document.createElement(tag), { textContent: text }, properties);
  const cells = (tag, ...texts) => { const row = make("tr"); row.append(...texts.map((t) => (t instanceof Node ? t : make(tag, t)))); return row; };
  const shown = (app, i, j) => app.points.returns[i * app.points.k + j] * app.data.objectives[j].sign + 0;

  function sliders(app) {
    app.data.objectives.forEach((objective, j) => {
      const label = make("label", objective.label, { className: "field" }), share = make("output", "", { id: `share${j}` });
      const slider = make("input", "", { type: "range", min: "0", max: "1", step: "0.01", value: "0.5", id: `weight${j}` });
      slider.addEventListener("input", () => app.preferred());
      label.append(share, slider);
      $("weights").append(label);
    });
    $("scaleHint").textContent = app.data.scale.stated
      ? "Weights count on the return scale that the problem states."
      : "The problem states no return scale: weights count on the range of these points.";
    for (const id of ["kind", "alpha"]) $(id).addEventListener("input", () => app.preferred());
  }

  function limitRows(app) {
    app.data.objectives.forEach((objective, j) => {
      const row = make("label", "", { className: "limit" });
      const input = make("input", "", { type: "number", step: "any", id: `limit${j}`, placeholder: "no limit" });
      input.addEventListener("input", () => {
        const value = input.value === "" ? -Infinity : Number(input.value) * objective.sign;
        app.limit(j, [value, Infinity], "typed");
      });
      row.append(make("span", `${objective.label} ${objective.sign < 0 ? "at most" : "at least"}`), input);
      $("limitRows").append(row, make("p", "", { className: "hint", id: `limitNote${j}`, hidden: true }));
    });
    $("clearLimits").onclick = () => app.clearLimits();
  }

  /** The limits as they are, in shown numbers. */
  function limits(app, typed) {
    app.state.limits.forEach(([low, high], j) => {
      const { sign } = app.data.objectives[j], note = $(`limitNote${j}`);
      if (typed !== j) $(`limit${j}`).value = low === -Infinity ? "" : Core.number(low * sign);
      note.hidden = high === Infinity;
      if (high !== Infinity) note.textContent = `and ${sign < 0 ? "at least" : "at most"} ${Core.number(high * sign)}`;
    });
  }

  function allowed(app) {
    const visible = app.visible(), count = app.state.allowed.reduce((a, b) => a + b, 0), all = visible.reduce((a, b) => a + b, 0);
    if (count || !all) { $("allowed").textContent = `${count} of ${all} points allowed.`; return; }
    const miss = Core.nearest(app.points, app.state.limits, visible);
    const by = miss.by.map((x, j) => (x > 0 ? `${app.data.objectives[j].name} by ${Core.number(x)}` : "")).filter(Boolean);
    $("allowed").textContent = `No point is allowed. Nearest is ${app.name(miss.index)}, which misses ${by.join(", ")}.`;
  }

  /** The current point against the pinned one: what is gained and what is given up. */
  function comparison(app, index) {
    const { pinned } = app.state, { data, points } = app, against = pinned >= 0 && pinned !== index;
    const pin = make("th", against ? app.name(pinned) : "");
    pin.append(make("span", "pinned", { className: "hint" }));
    $("compareHead").replaceChildren(cells("th", "", app.name(index), ...(against ? [pin, "change"] : [])));
    $("compare").replaceChildren(...data.objectives.map((objective, j) => {
      const here = make("td", Core.number(shown(app, index, j)));
      const error = app.error(index, j), [low, high] = app.state.limits[j];
      if (error > 0) here.append(make("span", `± ${Core.number(1.96 * error)}`, { className: "hint" }));
      if (error > 0 && (low !== -Infinity || high !== Infinity)) {
        here.append(make("span", `holds with ${(100 * Core.chance(points.returns[index * points.k + j], error, low, high)).toFixed(0)} %`, { className: "hint" }));
      }
      const heading = make("td", objective.label);
      heading.append(make("span", objective.sign < 0 ? "less is better" : "more is better", { className: "hint" }));
      if (!against) return cells("td", heading, here);
      const gain = points.returns[index * points.k + j] - points.returns[pinned * points.k + j];
      const difference = Core.number(Math.abs(gain));
      const change = make("td", gain === 0 ? "same" : `${gain * objective.sign > 0 ? "+" : "−"}${difference}`, { className: gain > 0 ? "gain" : gain < 0 ? "loss" : "" });
      if (gain !== 0) change.append(make("span", gain > 0 ? "▲ gained" : "▼ given up", { className: "hint" }));
      return cells("td", heading, here, Core.number(shown(app, pinned, j)), change);
    }));
  }

  function point(app, index) {
    const { state, data } = app, none = index < 0;
    for (const id of ["watch", "pin", "keep", "command"]) $(id).disabled = none;
    $("back").hidden = state.focus < 0;
    $("commandText").hidden ||= none || !app.command(index);
    if (none) {
      $("pointTitle").textContent = "No point is allowed";
      $("pointFacts").textContent = "Loosen a limit.";
      $("compareHead").replaceChildren(); $("compare").replaceChildren();
      return;
    }
    const front = data.fronts[data.front[index]];
    $("pointTitle").textContent = `${state.focus >= 0 && state.focus !== state.best ? "Picked" : "Best"}: ${app.name(index)}`;
    const kind = data.kinds[data.kind[index]], why = kind === "non-convex" ? ": no weighted sum finds it" : "";
    $("pointFacts").textContent = [front.name, `${kind}${why}`, data.episodes ? episodes(data.episodes[index]) : ""].filter(Boolean).join(" · ");
    comparison(app, index);
    $("watch").disabled = !app.player.has(index);
    $("watch").title = app.player.has(index) ? "" : "No recording of this policy is in the page; the command plays it";
    $("keep").textContent = state.shortlist.includes(index) ? "Off the shortlist" : "Shortlist";
    $("command").disabled = !app.command(index);
    $("commandText").firstChild.textContent = app.command(index) || "";
  }

  const episodes = (count) => (count > 0 ? `mean of ${count} episodes` : "computed exactly");

  function live(app, index) {
    const values = index < 0 ? "none allowed" : app.data.objectives.map((o, j) => `${o.name} ${Core.number(shown(app, index, j))}`).join(" · ");
    $("live").textContent = index < 0 ? "No point is allowed by the limits" : `${app.name(index)}: ${values}`;
  }

  function shortlist(app) {
    const { shortlist } = app.state, { data } = app;
    $("noShortlist").hidden = shortlist.length > 0;
    $("copyShortlist").hidden = !shortlist.length;
    $("shortlistHead").replaceChildren(...(shortlist.length ? [cells("th", "point", ...data.objectives.map((o) => o.label), "")] : []));
    $("shortlist").replaceChildren(...shortlist.map((i) => {
      const pick = make("button", app.name(i)), drop = make("button", "✕", { ariaLabel: `Remove ${app.name(i)}` });
      pick.onclick = () => app.pick(i);
      drop.onclick = () => app.keep(i);
      const [first, last] = [make("td"), make("td")];
      first.append(pick); last.append(drop);
      return cells("td", first, ...data.objectives.map((_, j) => Core.number(shown(app, i, j))), last);
    }));
  }

  function shortlistText(app) {
    const head = ["point", "front", ...app.data.objectives.map((o) => o.label), "command"];
    const rows = app.state.shortlist.map((i) => [app.data.ids[i], app.data.fronts[app.data.front[i]].name, ...app.data.objectives.map((_, j) => shown(app, i, j)), app.command(i) || ""]);
    return [head, ...rows].map((row) => row.join("\t")).join("\n");
  }

  function question(app) {
    const { asking } = app, asked = asking.question(), { index, loss } = asking.recommendation();
    const trust = asking.slack > 0 ? ` Your answers contradict each other: each is trusted up to ${(100 * asking.slack).toFixed(1)} %.` : "";
    $("certificate").textContent = `Whatever your true weights within what you said, ${app.name(index)} loses at most ${(100 * loss).toFixed(2)} % of the scale.${trust}`;
    $("undo").disabled = !asking.answers.length;
    const box = $("question");
    box.replaceChildren();
    if (!asked) { box.append(make("p", "No question is left that would tell more.")); return; }
    const pair = make("div", "", { className: "pair" });
    const answer = (said) => () => { asking.answer(asked[0], asked[1], said); question(app); };
    asked.forEach((point, which) => {
      const card = make("div"), list = make("dl");
      app.data.objectives.forEach((o, j) => list.append(make("dt", o.label), make("dd", Core.number(shown(app, point, j)))));
      const choose = make("button", which ? "I prefer B" : "I prefer A", { type: "button" });
      choose.onclick = answer(which ? "second" : "first");
      card.append(list, choose);
      pair.append(card);
    });
    const equal = make("button", "Both alike", { type: "button" });
    equal.onclick = answer("equal");
    box.append(pair, equal);
  }

  function legend(app) {
    const { data } = app, marks = ["●", "■", "▲", "◆"];
    const box = (name, key, colour, mark) => {
      const label = make("label"), input = make("input", "", { type: "checkbox", checked: true }), glyph = make("span", mark);
      glyph.style.color = colour;
      input.onchange = () => app.toggle(key);
      label.append(input, glyph, make("span", name));
      return label;
    };
    const fronts = data.fronts.map((front, f) => box(`${front.name} (${front.count})`, f, `var(--series-${f % 8})`, marks[f % 4]));
    if (data.reference) fronts.push(box(data.reference.name, "reference", "var(--soft)", "○"));
    const kinds = { supported: "● supported", "non-convex": "○ non-convex: no weighted sum finds it", "within noise": "◐ pale: within noise", dominated: "· dominated" };
    const present = data.kinds.filter((_, i) => data.kind.includes(i)).map((kind) => make("span", kinds[kind]));
    if (data.covariance) present.push(make("span", "shaded: 95 % region"));
    $("legend").replaceChildren(...fronts, ...present, make("span", "◎ best"), make("span", "□ pinned"));
  }

  return { sliders, limitRows, limits, allowed, point, live, shortlist, shortlistText, question, legend, make };
})();
