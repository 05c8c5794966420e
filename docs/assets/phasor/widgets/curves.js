// Measured curves: series over x with their intervals; a slider marks one x and reads it out.
//
// The JSON in the widget: {"title", "x": {"label", "values", "log"}, "y": {"label"},
// "series": [{"name", "values", "low", "high"}], "command", "versions", "sha256"}. `low` and `high`
// may be null, and so may a value where nothing was measured.
(function () {
  "use strict";
  const { element, number, path, picture, plot, readouts, register, shape, slider } =
    window.phasor.widgets;
  const COLOURS = 8;
  const DASHES = ["none", "7 3", "2 3", "9 3 2 3"];

  function look(at) {
    const dash = DASHES[at % DASHES.length];
    return { class: `pw-line pw-colour-${at % COLOURS}`, "stroke-dasharray": dash };
  }

  // The same stroke as in the plot, so that colour is never all that tells two lines apart.
  function mark(at) {
    const line = shape("line", { ...look(at), x1: 0, x2: 26, y1: 6, y2: 6 });
    return shape("svg", { class: "pw-mark", width: 26, height: 12, "aria-hidden": "true" }, line);
  }

  // Of all numbers that are drawn, with a little room.
  function range(series) {
    const all = series.flatMap(({ values, low, high }) => [values, low || [], high || []].flat());
    const known = all.filter((value) => value !== null);
    const [min, max] = [Math.min(...known), Math.max(...known)];
    const room = (max - min || Math.abs(max) || 1) * 0.05;
    return { min: min >= 0 && min - room < 0 ? 0 : min - room, max: max + room };
  }

  function band(series, xs, frame) {
    if (!series.low || !series.high) return [];
    const known = xs.map((x, i) => [x, series.low[i], series.high[i]]);
    const inside = known.filter(([, low, high]) => low !== null && high !== null);
    const corners = [
      ...inside.map(([x, , high]) => [frame.x(x), frame.y(high)]),
      ...inside.reverse().map(([x, low]) => [frame.x(x), frame.y(low)]),
    ];
    return corners.length ? [`${path(corners)}Z`] : [];
  }

  function provenance({ command, versions, sha256 }) {
    const told = Object.entries(versions || {}).map(([name, version]) => `${name} ${version}`);
    return element(
      "details",
      { class: "pw-source" },
      element("summary", {}, "How this was measured"),
      element("pre", {}, element("code", {}, command)),
      element("p", {}, [...told, `data ${String(sha256).slice(0, 12)}`].join(", ")),
    );
  }

  register("curves", ({ add, data }) => {
    const { x, y, series } = data;
    const xs = x.values;
    let marked = xs.length - 1;
    const few = xs.length <= 8 ? xs : undefined;

    const chart = picture({
      label: data.title,
      height: (width) => (width < 480 ? 260 : 320),
      paint(pen, width, height) {
        const axis = { min: Math.min(...xs), max: Math.max(...xs), log: x.log, ticks: few };
        const frame = plot(pen, {
          ...{ width, height },
          x: { ...axis, label: x.label },
          y: { ...range(series), label: y.label },
        });
        const x1 = frame.x(xs[marked]);
        pen("line", { class: "pw-cursor", x1, x2: x1, y1: frame.top, y2: frame.bottom });
        series.forEach((each, i) => {
          for (const d of band(each, xs, frame))
            pen("path", { class: `pw-band pw-colour-${i % COLOURS}`, d });
        });
        series.forEach((each, i) => {
          const points = each.values.map((value, at) =>
            value === null ? null : [frame.x(xs[at]), frame.y(value)],
          );
          pen("path", { ...look(i), d: path(points) });
          points.forEach((point, at) => {
            // Few points are measured ones that each deserve a dot; the marked one always has it.
            if (point === null || !(few || at === marked)) return;
            const dot = { cx: point[0], cy: point[1], r: at === marked ? 5 : 3 };
            pen("circle", { class: `pw-dot pw-colour-${i % COLOURS}`, ...dot });
          });
        });
      },
    });

    const reads = readouts(series.map(({ name }, i) => ({ name, label: name, mark: mark(i) })));
    const update = (at) => {
      marked = at;
      for (const { name, values, low, high } of series) {
        const interval = low && high && low[at] !== null && high[at] !== null;
        const between = interval ? ` (${number(low[at])} to ${number(high[at])})` : "";
        reads.set(name, values[at], number(values[at]) + between);
      }
      chart.draw();
    };
    const pick = slider({
      ...{ name: "x", label: x.label, min: 0, max: xs.length - 1, value: marked },
      show: (at) => number(xs[at]),
      changed: update,
    });
    add(element("p", { class: "pw-title" }, data.title), chart.node, pick.node, reads.node);
    add(provenance(data));
    update(marked);
  });
})();
