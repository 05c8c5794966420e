// What the pictures to touch share: elements, sliders, choices, read-outs, a picture that is drawn
// anew at each change, and the start. A widget is `<div class="phasor-widget" data-widget="NAME">`;
// what stands in it is seen where JavaScript is off and makes room for the widget where it is on.
(function () {
  "use strict";
  const SVG = "http://www.w3.org/2000/svg";
  const builders = new Map();
  let ids = 0;

  function fill(node, attributes, children) {
    for (const [name, value] of Object.entries(attributes)) node.setAttribute(name, value);
    node.append(...children);
    return node;
  }
  const element = (tag, attributes = {}, ...children) =>
    fill(document.createElement(tag), attributes, children);
  const shape = (tag, attributes = {}, ...children) =>
    fill(document.createElementNS(SVG, tag), attributes, children);

  // As people write numbers: 4 digits that count, thousands apart, no 0.1 + 0.2.
  function number(value, digits = 4) {
    if (value === null || !Number.isFinite(value)) return "–";
    const size = Math.abs(value);
    if (size >= 1e15) return value.toExponential(2).replace("e+", "e");
    if (Number.isInteger(value) || size >= 10 ** digits)
      return Math.round(value).toLocaleString("en").replace("-", "−");
    if (size < 1e-4) return value.toExponential(digits - 2).replace(/-/g, "−");
    return String(Number(value.toPrecision(digits))).replace("-", "−");
  }

  // A labelled range: arrow keys, Home and End, touch and screen readers come with the element.
  function slider({ name, label, min, max, step = 1, value, show = number, changed }) {
    const id = `phasor-widget-${(ids += 1)}`;
    const input = element("input", { type: "range", id, name, min, max, step, value });
    const output = element("output", { for: id });
    const tell = () => {
      output.textContent = show(Number(input.value));
      input.setAttribute("aria-valuetext", output.textContent);
    };
    input.addEventListener("input", () => (tell(), changed(Number(input.value))));
    tell();
    const set = (next) => {
      input.value = next;
      tell();
    };
    const caption = element("label", { for: id }, label);
    const node = element("div", { class: "pw-slider" }, caption, output, input);
    return { node, set, get value() { return Number(input.value); } }; // prettier-ignore
  }

  // One of a few: radio buttons in a row.
  function choice({ name, label, among, value, changed }) {
    const group = `phasor-widget-${(ids += 1)}`;
    const buttons = among.map((each) => {
      const input = element("input", { type: "radio", name: group, value: each });
      input.checked = each === value;
      input.addEventListener("change", () => changed(each));
      return element("label", {}, input, each);
    });
    const legend = element("legend", {}, label);
    return element("fieldset", { class: "pw-choice", "data-name": name }, legend, ...buttons);
  }

  // Numbers beside a picture. `set(name, value, text)` keeps the whole number in `data-value`.
  function readouts(lines) {
    const values = new Map();
    const list = element("dl", { class: "pw-reads" });
    for (const { name, label, mark } of lines) {
      const value = element("dd", { "data-name": name });
      values.set(name, value);
      const term = element("dt", {}, ...(mark ? [mark] : []), label);
      list.append(element("div", {}, term, value));
    }
    const set = (name, value, text = number(value)) => {
      values.get(name).dataset.value = value === null ? "" : String(value);
      values.get(name).textContent = text;
    };
    return { node: list, set };
  }

  // An SVG as wide as its place. `paint(pen, width)` draws everything; `draw()` does it again.
  // Words stay as large on a phone as on a desk, since nothing is scaled.
  function picture({ label, height, paint }) {
    const svg = shape("svg", { role: "img", "aria-label": label });
    const node = element("div", { class: "pw-picture" }, svg);
    const draw = () => {
      const width = Math.max(240, Math.floor(node.clientWidth || 640));
      const tall = typeof height === "function" ? height(width) : height;
      fill(svg, { width, height: tall, viewBox: `0 0 ${width} ${tall}` }, []);
      svg.replaceChildren();
      const pen = (tag, attributes, ...children) => {
        const drawn = shape(tag, attributes, ...children);
        svg.append(drawn);
        return drawn;
      };
      paint(pen, width, tall);
    };
    let before = 0;
    new ResizeObserver(() => {
      if (node.clientWidth === before) return;
      before = node.clientWidth;
      draw();
    }).observe(node);
    const describe = (text) => svg.setAttribute("aria-label", text);
    return { node, svg, draw, describe };
  }

  function start(box) {
    const build = builders.get(box.dataset.widget);
    if (!build) throw new RangeError(`there is no widget ${box.dataset.widget}`);
    const source = box.querySelector('script[type="application/json"]');
    const body = element("div", { class: "pw" });
    const data = source && JSON.parse(source.textContent);
    build({ add: (...nodes) => body.append(...nodes), options: box.dataset, data });
    // Only now that it is built: what fails leaves the static picture where it was.
    for (const child of [...box.childNodes]) if (child !== source) child.remove();
    box.append(body);
  }

  window.phasor.widgets = {
    ...{ element, shape, number, slider, choice, readouts, picture },
    register: (name, build) => builders.set(name, build),
  };
  document.addEventListener("DOMContentLoaded", () => {
    for (const box of document.querySelectorAll(".phasor-widget")) {
      try {
        start(box);
      } catch (error) {
        window.reportError(error); // said in the console; the others are started all the same
      }
    }
  });
})();
