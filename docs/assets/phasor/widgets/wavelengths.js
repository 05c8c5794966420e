// The wavelength of each pair against the context: pairs longer than it never complete a turn.
// data-base, data-head-dim and data-context say where the sliders start.
(function () {
  "use strict";
  const { geometric, widgets } = window.phasor;
  const { number, picture, plot, readouts, register, slider } = widgets;
  const BASES = [100, 1000, 10000, 50000, 100000, 500000, 1e6, 5e6, 1e7, 1e8];
  const HEAD_DIMS = [16, 32, 64, 80, 96, 128, 192, 256];
  const CONTEXTS = Array.from({ length: 15 }, (_, at) => 64 * 2 ** at);
  const TOP = 1e9;

  register("wavelengths", ({ add, options }) => {
    const state = {
      base: Number(options.base || 10000),
      headDim: Number(options.headDim || 128),
      context: Number(options.context || 4096),
    };

    const view = picture({
      label: "Wavelength of each pair, on a scale of powers of ten",
      height: (width) => (width < 480 ? 280 : 330),
      paint(pen, width, height) {
        const { invFreq } = geometric(state.headDim, state.base);
        const ticks = [1, 1e3, 1e6, TOP];
        const frame = plot(pen, {
          ...{ width, height },
          x: { min: 0, max: invFreq.length - 1, label: "pair, fastest first" },
          y: { min: 1, max: TOP, log: true, label: "tokens for one turn", ticks, show: power },
        });
        const limit = frame.y(state.context);
        pen("line", { class: "pw-limit", x1: frame.left, x2: frame.right, y1: limit, y2: limit });
        const words = `context ${number(state.context)}`;
        pen("text", { class: "pw-word", x: frame.left + 6, y: limit - 6 }, words);
        const r = Math.min(4, Math.max(2, width / invFreq.length / 3));
        invFreq.forEach((omega, p) => {
          const turn = (2 * Math.PI) / omega;
          const [cx, cy] = [frame.x(p), frame.y(turn)];
          // Hollow and of another colour: a pair that never completes a turn.
          const kind = turn > state.context ? "pw-ring pw-colour-1" : "pw-fill pw-colour-0";
          pen("circle", { class: kind, cx, cy, r });
        });
      },
    });

    const reads = readouts([
      { name: "unfinished", label: "pairs that never complete a turn" },
      { name: "pairs", label: "pairs" },
      { name: "shortest", label: "shortest wavelength, tokens" },
      { name: "longest", label: "longest wavelength, tokens" },
      { name: "turns", label: "turns of the slowest pair in the context" },
      { name: "turns-fastest", label: "turns of the fastest pair" },
    ]);
    const update = () => {
      const { invFreq } = geometric(state.headDim, state.base);
      const slowest = invFreq[invFreq.length - 1];
      const turns = (omega) => (state.context * omega) / (2 * Math.PI);
      reads.set("unfinished", invFreq.filter((omega) => turns(omega) < 1).length);
      reads.set("pairs", invFreq.length);
      reads.set("shortest", (2 * Math.PI) / invFreq[0]);
      reads.set("longest", (2 * Math.PI) / slowest);
      reads.set("turns", turns(slowest));
      reads.set("turns-fastest", turns(invFreq[0]));
      view.draw();
    };
    const among = (name, label, values) =>
      slider({
        ...{ name, label, min: 0, max: values.length - 1, value: values.indexOf(state[name]) },
        show: (at) => number(values[at], 12),
        changed: (at) => ((state[name] = values[at]), update()),
      }).node;
    add(view.node);
    add(among("base", "base (rope_theta)", BASES), among("headDim", "head_dim", HEAD_DIMS));
    add(among("context", "context, tokens", CONTEXTS), reads.node);
    update();
  });

  function power(value) {
    const digits = [..."⁰¹²³⁴⁵⁶⁷⁸⁹"];
    const exponent = Math.round(Math.log10(value));
    return exponent === 0 ? "1" : `10${[...String(exponent)].map((each) => digits[each]).join("")}`;
  }
})();
