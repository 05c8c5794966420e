// Which channels of a head form a pair: the layouts `half` and `interleaved`, as a picture.
(function () {
  "use strict";
  // Channels of a pair: neighbours, or one from each half.
  function channels(layout, pair, pairs) {
    return layout === "half" ? [pair, pair + pairs] : [2 * pair, 2 * pair + 1];
  }

  // A row of channels, and above it an arc from the first to the second of each pair.
  function pairing(pen, { left, top, width }, layout, pair, pairs) {
    const size = Math.min(34, width / (2 * pairs));
    const middle = (channel) => left + (channel + 0.5) * size;
    for (let each = 0; each < pairs; each += 1) {
      const [a, b] = channels(layout, each, pairs);
      const kind = each === pair ? "pw-line pw-thick pw-colour-4" : "pw-axis";
      const rise = 10 + (b - a) * size * 0.22 + each * 3;
      const [from, to, y] = [middle(a), middle(b), top - rise];
      const d = `M${from} ${top}C${from} ${y} ${to} ${y} ${to} ${top}`;
      pen("path", { class: kind, d });
    }
    for (let channel = 0; channel < 2 * pairs; channel += 1) {
      const chosen = channels(layout, pair, pairs).includes(channel);
      const box = { x: left + channel * size + 1, y: top + 2, width: size - 2, height: size - 2 };
      pen("rect", { class: chosen ? "pw-fill pw-colour-4" : "pw-empty", ...box });
      const at = { x: middle(channel), y: top + 2 + size / 2 + 4, "text-anchor": "middle" };
      pen("text", { class: chosen ? "pw-word-on" : "pw-tick", ...at }, String(channel));
    }
  }

  Object.assign(window.phasor.widgets, { channels, pairing });
})();
