// The frame of a plot: scales, grid, ticks that never lie on each other, names of the axes.
(function () {
  "use strict";
  const { number } = window.phasor.widgets;

  function evenTicks(min, max, wanted) {
    const rough = (max - min) / wanted;
    const power = 10 ** Math.floor(Math.log10(rough));
    const step = [1, 2, 5, 10].find((each) => each * power >= rough) * power;
    const ticks = [];
    for (let at = Math.ceil(min / step - 1e-9); at * step <= max + step * 1e-9; at += 1)
      ticks.push(Number((at * step).toPrecision(12)));
    return ticks;
  }

  function logTicks(min, max) {
    const base = max / min >= 1000 ? 10 : 2;
    const ticks = [];
    const first = Math.ceil(Math.log(min) / Math.log(base) - 1e-9);
    for (let at = first; base ** at <= max * (1 + 1e-9); at += 1) ticks.push(base ** at);
    return ticks;
  }

  // Ticks given by hand are kept, but for those whose words would touch the ones before.
  function axisTicks({ min, max, log, ticks }, wanted) {
    return ticks || (log ? logTicks(min, max) : evenTicks(min, max, wanted));
  }

  // `axis` is {min, max, log, label, ticks, show}; what comes back maps numbers to pixels.
  function plot(pen, { width, height, x, y }) {
    const showX = x.show || number;
    const showY = y.show || number;
    const ticksY = axisTicks(y, Math.max(3, Math.floor(height / 55)));
    const left = 14 + Math.max(...ticksY.map((tick) => showY(tick).length)) * 7;
    const area = { left, right: width - 12, top: 26, bottom: height - 44 };
    const scale = ({ min, max, log }, from, to) => {
      const of = log ? Math.log : (value) => value;
      return (value) => from + ((of(value) - of(min)) / (of(max) - of(min))) * (to - from);
    };
    const at = { x: scale(x, area.left, area.right), y: scale(y, area.bottom, area.top) };
    const text = (place, words) => pen("text", { class: "pw-tick", ...place }, words);
    for (const tick of ticksY) {
      const row = at.y(tick);
      pen("line", { class: "pw-grid", x1: area.left, x2: area.right, y1: row, y2: row });
      text({ x: area.left - 6, y: row + 4, "text-anchor": "end" }, showY(tick));
    }
    let taken = -Infinity;
    for (const tick of axisTicks(x, Math.max(3, Math.floor(width / 90)))) {
      const half = (showX(tick).length * 7) / 2;
      const column = at.x(tick);
      if (column - half < taken + 6) continue;
      const place = Math.min(column, width - half);
      taken = place + half;
      const stroke = { x1: column, x2: column, y1: area.bottom, y2: area.bottom + 5 };
      pen("line", { class: "pw-grid", ...stroke });
      text({ x: place, y: area.bottom + 18, "text-anchor": "middle" }, showX(tick));
    }
    const { left: x1, right: x2, bottom } = area;
    pen("line", { class: "pw-axis", x1, x2, y1: bottom, y2: bottom });
    text({ class: "pw-name", x: (x1 + x2) / 2, y: height - 6, "text-anchor": "middle" }, x.label);
    text({ class: "pw-name", x: 0, y: 14 }, y.label);
    return { ...area, x: at.x, y: at.y };
  }

  // A path through points [x, y] in pixels; it breaks where a point is null.
  function path(points) {
    let open = false;
    return points
      .map((point) => {
        if (point === null) return (open = false), "";
        const command = `${open ? "L" : "M"}${point[0].toFixed(2)} ${point[1].toFixed(2)}`;
        open = true;
        return command;
      })
      .join("");
  }

  Object.assign(window.phasor.widgets, { plot, path });
})();
