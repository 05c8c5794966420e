// How much slower each pair turns, by five methods on the same pairs. data-base, data-head-dim,
// data-context (the trained length) and data-factor say which; the JSON in the widget has the
// factors of LongRoPE, {"longrope": {"name", "factor", "long_factor"}}: found by search, for that
// one factor.
(function () {
  "use strict";
  const { geometric, scaling, widgets } = window.phasor;
  const { path, picture, plot, readouts, register, shape, slider, number } = widgets;
  const DASHES = ["none", "7 3", "2 3", "9 3 2 3", "none"];
  const FACTORS = [1, 2, 4, 8, 16, 32];
  const TICKS = [...FACTORS, 64, 128];

  const look = (at) => ({ class: `pw-line pw-colour-${at}`, "stroke-dasharray": DASHES[at] });

  function mark(at) {
    const line = shape("line", { ...look(at), x1: 0, x2: 26, y1: 6, y2: 6 });
    return shape("svg", { class: "pw-mark", width: 26, height: 12, "aria-hidden": "true" }, line);
  }

  register("stretching", ({ add, options, data }) => {
    const context = Number(options.context || 4096);
    const plain = geometric(Number(options.headDim || 96), Number(options.base || 10000));
    const turns = plain.invFreq.map((omega) => (context * omega) / (2 * Math.PI));
    const state = { factor: Number(options.factor || 8), pair: 24 };
    const longrope = data && data.longrope;

    // The frequencies by each method; LongRoPE's are there at the factor they were found for.
    function scaled(factor) {
      const given = { factor, originalSeqLen: context };
      const found = {
        linear: scaling.linear(given)(plain),
        ntk: scaling.ntk(given)(plain),
        yarn: scaling.yarn(given)(plain),
        llama3: scaling.llama3(given)(plain),
      };
      if (longrope && factor === longrope.factor) {
        const factors = { shortFactor: longrope.long_factor, longFactor: longrope.long_factor };
        found.longrope = scaling.longrope({ ...given, ...factors }).at(context + 1)(plain);
      }
      return found;
    }
    const slower = (each, p) => plain.invFreq[p] / each.invFreq[p];
    const names = ["linear", "ntk", "yarn", "llama3", ...(longrope ? ["longrope"] : [])];
    const labels = { ntk: "NTK", yarn: "YaRN", llama3: "Llama 3", longrope: longrope?.name };

    const view = picture({
      label: "How many times slower each pair turns, by method",
      height: (width) => (width < 480 ? 280 : 330),
      paint(pen, width, height) {
        const found = scaled(state.factor);
        const all = Object.values(found).flatMap((each) => turns.map((_, p) => slower(each, p)));
        const max = Math.max(2, ...all) * 1.1;
        const ticks = TICKS.filter((each) => each <= max);
        const frame = plot(pen, {
          ...{ width, height },
          x: { min: 0, max: turns.length - 1, label: "pair, fastest first" },
          y: { min: 0.9, max, log: true, label: "times slower", ticks },
        });
        // Where a pair turns 32 times, and once, in the trained length: YaRN's two ends.
        for (const count of [32, 1]) {
          const p = turns.findIndex((each) => each < count);
          if (p < 0) continue;
          const [x, words] = [frame.x(p - 0.5), count === 1 ? "1 turn" : `${count} turns`];
          pen("line", { class: "pw-limit", x1: x, x2: x, y1: frame.top, y2: frame.bottom });
          const place = { x: x - 4, y: frame.top + 24, "text-anchor": "end" };
          pen("text", { class: "pw-tick", ...place }, words);
        }
        const column = frame.x(state.pair);
        const down = { x1: column, x2: column, y1: frame.top, y2: frame.bottom };
        pen("line", { class: "pw-cursor", ...down });
        names.forEach((name, i) => {
          if (!found[name]) return;
          const points = turns.map((_, p) => [frame.x(p), frame.y(slower(found[name], p))]);
          pen("path", { ...look(i), d: path(points) });
          const [cx, cy] = points[state.pair];
          pen("circle", { class: `pw-dot pw-colour-${i}`, cx, cy, r: 4 });
        });
      },
    });

    const lines = names.map((name, i) => ({ name, label: labels[name] || name, mark: mark(i) }));
    const reads = readouts([
      ...lines,
      { name: "turns", label: "turns of this pair as trained" },
      { name: "gain", label: "YaRN's gain on cos and sin" },
    ]);
    const update = () => {
      const found = scaled(state.factor);
      for (const name of names) {
        const value = found[name] ? slower(found[name], state.pair) : null;
        const shown = value === null ? `only for ${longrope.factor}` : `${number(value)} ×`;
        reads.set(name, value, shown);
      }
      reads.set("turns", turns[state.pair]);
      reads.set("gain", found.yarn.gain);
      view.draw();
    };
    const factor = slider({
      ...{ name: "factor", label: "factor", min: 0, max: FACTORS.length - 1 },
      value: FACTORS.indexOf(state.factor),
      show: (at) => `${FACTORS[at]}: ${number(context, 9)} to ${number(FACTORS[at] * context, 9)}`,
      changed: (at) => ((state.factor = FACTORS[at]), update()),
    });
    const pair = slider({
      ...{ name: "pair", label: "pair", min: 0, max: turns.length - 1, value: state.pair },
      changed: (to) => ((state.pair = to), update()),
    });
    add(view.node, factor.node, pair.node, reads.node);
    update();
  });
})();
