// Rotary encoding on one pair of channels: a query at position m and a key at position n, each
// turned by its own position. Drag an arrow, or move a slider; data-head-dim, data-base and
// data-pair say which pair is shown first. Before they are turned the query is (1, 0) and the key
// (0.8, 0.6).
(function () {
  "use strict";
  const { angle, geometric, widgets } = window.phasor;
  const { channels, choice, number, pairing, picture, readouts, register, slider } = widgets;
  const LAST = 63;
  const REACH = 1.2; // of the radius: where a finger takes an arrow instead of scrolling the page
  const KEY = Math.atan2(0.6, 0.8);

  const three = (value) => value.toFixed(3).replace("-", "−");

  // From one direction to another, the short way round.
  const between = (to, from) => Math.atan2(Math.sin(to - from), Math.cos(to - from));

  function arrow(pen, { x, y, radius }, turned, colour, word, wordAt) {
    const kind = `pw-colour-${colour}`;
    const at = (far, way) => [x + far * Math.cos(way), y - far * Math.sin(way)];
    const [cx, cy] = at(radius, turned);
    pen("line", { class: `pw-line pw-thick ${kind}`, x1: x, y1: y, x2: cx, y2: cy });
    pen("circle", { class: `pw-dot ${kind}`, cx, cy, r: 8 });
    const [wordX, wordY] = at(radius + 24, wordAt);
    const place = { x: wordX, y: wordY + 4, "text-anchor": "middle" };
    pen("text", { class: `pw-word-own ${kind}`, ...place }, word);
  }

  register("rotation", ({ add, options }) => {
    const { invFreq } = geometric(Number(options.headDim || 8), Number(options.base || 10000));
    const state = { m: 20, n: 6, both: 0, pair: Number(options.pair || 1), layout: "half" };
    const positions = () => ({ query: state.m + state.both, key: state.n + state.both });
    const turned = () => {
      const { query, key } = positions();
      const omega = invFreq[state.pair];
      return { query: angle(query, omega), key: angle(key, omega) + KEY };
    };
    let circle = null;

    const view = picture({
      label: "Two arrows on a circle, a query and a key, each turned by its position",
      height: (width) => (width < 560 ? 400 : 290),
      paint(pen, width) {
        const beside = width >= 560;
        circle = { x: beside ? 150 : width / 2, y: 145, radius: 100 };
        const { x, y, radius } = circle;
        pen("circle", { class: "pw-disc", cx: x, cy: y, r: radius * REACH });
        pen("circle", { class: "pw-axis", cx: x, cy: y, r: radius });
        pen("line", { class: "pw-grid", x1: x - radius, x2: x + radius, y1: y, y2: y });
        pen("line", { class: "pw-grid", x1: x, x2: x, y1: y - radius, y2: y + radius });
        const { query, key } = turned();
        // Words of two arrows that are close are pushed apart.
        const apart = between(query, key);
        const push = (Math.max(0, 0.5 - Math.abs(apart)) / 2) * (apart < 0 ? -1 : 1);
        arrow(pen, circle, key, 1, `key ${positions().key}`, key - push);
        arrow(pen, circle, query, 0, `query ${positions().query}`, query + push);
        const place = beside ? { left: 330, top: 150 } : { left: 4, top: 345 };
        const row = { ...place, width: width - place.left - 4 };
        pairing(pen, row, state.layout, state.pair, invFreq.length);
      },
    });

    const reads = readouts([
      { name: "query-angle", label: "query turned by, radians" },
      { name: "key-angle", label: "key turned by, radians" },
      { name: "distance", label: "distance m − n" },
      { name: "length", label: "length of both arrows" },
      { name: "score", label: "score, query · key" },
      { name: "channels", label: "channels of this pair" },
    ]);

    function update() {
      const { query, key } = turned();
      const q = [Math.cos(query), Math.sin(query)];
      const k = [Math.cos(key), Math.sin(key)];
      const score = q[0] * k[0] + q[1] * k[1];
      reads.set("query-angle", positions().query * invFreq[state.pair]);
      reads.set("key-angle", positions().key * invFreq[state.pair]);
      reads.set("distance", state.m - state.n);
      reads.set("length", Math.hypot(...q), three(Math.hypot(...q)));
      reads.set("score", score, three(score));
      const [a, b] = channels(state.layout, state.pair, invFreq.length);
      reads.set("channels", `${a} ${b}`, `${a} and ${b}`);
      const at = positions();
      view.describe(`Query at ${at.query}, key at ${at.key}, score ${three(score)}`);
      view.draw();
    }
    const put = (name, value) => {
      state[name] = Math.min(Math.max(Math.round(value), 0), LAST);
      sliders[name].set(state[name]);
      update();
    };
    const position = (name, label) => {
      const value = state[name];
      return slider({ name, label, min: 0, max: LAST, value, changed: (to) => put(name, to) });
    };
    const sliders = {
      m: position("m", "m, position of the query"),
      n: position("n", "n, position of the key"),
      both: position("both", "move both by"),
    };

    // A drag moves the nearer arrow, by as many tokens as its turn is worth at this pair's speed.
    let grip = null;
    const pointed = (event) => {
      const box = view.svg.getBoundingClientRect();
      const right = event.clientX - box.left - circle.x;
      const up = circle.y - (event.clientY - box.top);
      return { at: Math.atan2(up, right), far: Math.hypot(up, right) };
    };
    view.svg.addEventListener("pointerdown", (event) => {
      const { at, far } = pointed(event);
      if (far > circle.radius * REACH) return;
      const { query, key } = turned();
      const name = Math.abs(between(at, query)) <= Math.abs(between(at, key)) ? "m" : "n";
      grip = { name, at, exact: state[name] };
      view.svg.setPointerCapture(event.pointerId);
    });
    view.svg.addEventListener("pointermove", (event) => {
      if (!grip) return;
      const { at } = pointed(event);
      grip.exact += between(at, grip.at) / invFreq[state.pair];
      grip.at = at;
      put(grip.name, grip.exact);
    });
    for (const end of ["pointerup", "pointercancel"])
      view.svg.addEventListener(end, () => (grip = null));

    const pair = slider({
      ...{ name: "pair", label: "pair", min: 0, max: invFreq.length - 1, value: state.pair },
      show: (at) => `${at}: ${number(invFreq[at])} radians a token`,
      changed: (to) => ((state.pair = to), update()),
    });
    const layout = choice({
      ...{ name: "layout", label: "Channels in pairs:", among: ["half", "interleaved"] },
      ...{ value: state.layout, changed: (to) => ((state.layout = to), update()) },
    });
    const { m, n, both } = sliders;
    add(view.node, m.node, n.node, both.node, pair.node, layout, reads.node);
    update();
  });
})();
