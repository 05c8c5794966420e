// A counter becomes sines. Three pictures of one position: the digits of a binary number, sines of
// the same periods, and the six pairs of phasor.Sinusoidal(12), with a hand for sine and cosine.
(function () {
  "use strict";
  const { angle, geometric, widgets } = window.phasor;
  const { choice, element, path, picture, readouts, register, slider } = widgets;
  const ROWS = 6;
  const LAST = 63;
  const MODES = ["binary digits", "sines", "phasor.Sinusoidal(12)"];
  // Digit p has a period of 2^(p + 1) tokens: half a turn for each change.
  const LIKE_DIGITS = Array.from({ length: ROWS }, (_, p) => Math.PI / 2 ** p);
  const two = (value) => value.toFixed(2).replace("-", "−");

  function wave(mode, p, frequencies) {
    if (mode === MODES[0]) return (m) => Math.floor(m / 2 ** p) % 2;
    // Between whole positions a line is drawn, where no exact phase is needed.
    return (m) => Math.sin(Number.isInteger(m) ? angle(m, frequencies[p]) : m * frequencies[p]);
  }

  register("clock", ({ add }) => {
    const state = { m: 11, mode: MODES[0] };
    const frequencies = () =>
      state.mode === MODES[2] ? geometric(2 * ROWS).invFreq : LIKE_DIGITS;

    const view = picture({
      label: "Six waves over the position, each slower than the one before",
      height: ROWS * 52 + 30,
      paint(pen, width) {
        const digits = state.mode === MODES[0];
        const x = (m) => 4 + (m / LAST) * (width - 112);
        for (let p = 0; p < ROWS; p += 1) {
          const middle = 30 + p * 52;
          const of = wave(state.mode, p, frequencies());
          const y = (value) => middle + 17 - (digits ? value : (value + 1) / 2) * 34;
          const kind = `pw-colour-${p}`;
          pen("line", { class: "pw-grid", x1: x(0), x2: x(LAST), y1: y(0), y2: y(0) });
          const points = [];
          for (let m = 0; m <= LAST; m += digits ? 1 : 0.125) {
            points.push([x(m), y(of(m))]);
            if (digits) points.push([x(Math.min(m + 1, LAST)), y(of(m))]);
          }
          pen("path", { class: `pw-line ${kind}`, d: path(points) });
          const value = of(state.m);
          pen("circle", { class: `pw-dot ${kind}`, cx: x(state.m), cy: y(value), r: 5 });
          const told = { "data-name": `row-${p}`, "data-value": value };
          const words = digits ? String(value) : two(value);
          pen("text", { class: "pw-word", ...told, x: width - 92, y: middle + 5 }, words);
          if (digits) continue;
          const turned = angle(state.m, frequencies()[p]);
          const [cx, cy] = [width - 22, middle];
          const hand = { x2: cx + 15 * Math.cos(turned), y2: cy - 15 * Math.sin(turned) };
          pen("circle", { class: "pw-axis", cx, cy, r: 17 });
          pen("line", { class: `pw-line pw-thick ${kind}`, x1: cx, y1: cy, ...hand });
        }
        const [x1, y2] = [x(state.m), ROWS * 52 + 6];
        pen("line", { class: "pw-cursor", x1, x2: x1, y1: 8, y2 });
        pen("text", { class: "pw-name", x: 4, y: ROWS * 52 + 24 }, "position →");
      },
    });

    const reads = readouts([
      { name: "position", label: "position" },
      { name: "digits", label: "in binary" },
    ]);
    const update = () => {
      reads.set("position", state.m);
      const digits = state.m.toString(2).padStart(ROWS, "0");
      reads.set("digits", digits, digits);
      view.describe(`${state.mode} at position ${state.m}, the fastest row first`);
      view.draw();
    };
    const place = slider({
      ...{ name: "m", label: "position", min: 0, max: LAST, value: state.m },
      changed: (to) => ((state.m = to), update()),
    });
    const modes = choice({
      ...{ name: "mode", label: "Show:", among: MODES, value: state.mode },
      changed: (to) => ((state.mode = to), update()),
    });
    add(modes, view.node, place.node, reads.node);

    // Nothing moves by itself; where the reader wants no motion, nothing can be made to.
    if (!window.matchMedia("(prefers-reduced-motion: reduce)").matches) {
      const button = element("button", { type: "button" }, "Count");
      let timer = null;
      const step = () => {
        state.m = (state.m + 1) % (LAST + 1);
        place.set(state.m);
        update();
      };
      button.addEventListener("click", () => {
        timer = timer ? clearInterval(timer) : setInterval(step, 250);
        button.textContent = timer ? "Stop" : "Count";
      });
      add(button);
    }
    update();
  });
})();
