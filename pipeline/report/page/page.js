// The page is whole without this script: figures are images then, and folded parts open by a click. With it points say
// their values, a click in a legend hides a line in every figure, links open what they lead to, and all is printed.
"use strict";
const NEAR = 14, SAME = 3;  // in points of a figure: how far the mouse may be off, and which points lie on one another
const STYLE = `:host { display: block; position: relative; mix-blend-mode: multiply; }
  svg { display: block; width: 100%; height: auto; }
  [role=button] { cursor: pointer; } [role=button]:focus-visible { outline: 2px solid #004c8c; }
  .off { opacity: .3; text-decoration: line-through; }
  .tip { position: absolute; z-index: 1; pointer-events: none; white-space: pre; font: .8rem/1.4 system-ui, sans-serif;
         background: #fff; border: 1px solid #888; border-radius: .2rem; padding: .2rem .5rem; }
  .tip:empty { display: none; }
  @media print { .tip { display: none; } svg { max-height: 9cm; } }`;
const hidden = new Set();  // labels of lines, of all figures
const charts = [];

function chartOf(image) {
  const bytes = Uint8Array.from(atob(image.src.split(",")[1]), letter => letter.charCodeAt(0));
  const svg = new DOMParser().parseFromString(new TextDecoder().decode(bytes), "image/svg+xml").documentElement;
  const {series, points} = JSON.parse(svg.querySelector("metadata")?.textContent ?? "{}");
  if (!series?.length) return;
  const host = document.createElement("div"), style = document.createElement("style");
  const tip = document.createElement("div");
  style.textContent = STYLE;
  tip.className = "tip";
  tip.setAttribute("role", "status");
  host.className = "chart";
  host.style.cssText = image.style.cssText;
  host.setAttribute("role", "group");
  host.setAttribute("aria-label", image.alt);
  host.attachShadow({mode: "open"}).append(style, svg, tip);
  image.replaceWith(host);
  const parts = (kind, index) => svg.querySelectorAll(`[id^="${kind}${index}-"]`);
  const chart = {series, toggled: false, update() {
    series.forEach((label, index) => {
      const off = hidden.has(label);
      parts("series", index).forEach(part => part.style.display = off ? "none" : "");
      parts("legend", index).forEach(part => {
        part.classList.toggle("off", off);
        if (part.hasAttribute("role")) part.setAttribute("aria-pressed", String(!off));
      });
    });
    tip.textContent = "";
  }};
  const show = found => {
    tip.textContent = found.map(([index, , , text]) => `${series[index]}: ${text}`).join("\n");
    if (!found.length) return;
    const {width, height} = svg.viewBox.baseVal, [, x, y] = found[0];
    tip.style.left = x < width / 2 ? `calc(${100 * x / width}% + 12px)` : "";
    tip.style.right = x < width / 2 ? "" : `calc(${100 - 100 * x / width}% + 12px)`;
    tip.style.top = y < height / 2 ? `${100 * y / height}%` : "";
    tip.style.bottom = y < height / 2 ? "" : `${100 - 100 * y / height}%`;
  };
  const near = event => {
    const {x, y} = new DOMPoint(event.clientX, event.clientY).matrixTransform(svg.getScreenCTM().inverse());
    const shown = points.filter(([index]) => !hidden.has(series[index]));
    const off = point => Math.hypot(point[1] - x, point[2] - y);
    const nearest = shown.reduce((best, point) => off(point) < off(best) ? point : best, [0, Infinity, Infinity]);
    if (!(off(nearest) <= NEAR)) return show([]);
    const same = shown.filter(point => Math.hypot(point[1] - nearest[1], point[2] - nearest[2]) <= SAME);
    show(same.slice(0, 8));
  };
  svg.addEventListener("pointermove", near);
  svg.addEventListener("pointerdown", near);
  svg.addEventListener("pointerleave", () => show([]));
  series.forEach((label, index) => {
    const mine = points.filter(point => point[0] === index);
    let at = -1;
    for (const part of parts("legend", index)) {
      part.addEventListener("click", event => event.shiftKey ? alone(chart, label) : toggle(label));
      part.style.cursor = "pointer";
      if (!part.querySelector("text")) continue;
      chart.toggled = true;
      for (const [name, value] of [["role", "button"], ["tabindex", "0"], ["aria-pressed", "true"], ["aria-label", label]])
        part.setAttribute(name, value);
      part.addEventListener("blur", () => show([]));
      part.addEventListener("keydown", event => {
        const step = {ArrowRight: 1, ArrowLeft: -1}[event.key];
        if (step && mine.length) show([mine[at = Math.min(Math.max(at + step, 0), mine.length - 1)]]);
        else if (event.key === "Enter" || event.key === " ") event.shiftKey ? alone(chart, label) : toggle(label);
        else return;
        event.preventDefault();
      });
    }
  });
  charts.push(chart);
  const hint = document.createElement("p");
  hint.className = "soft hint";
  hint.textContent = "Point at a mark for its value.";
  if (chart.toggled) {
    hint.textContent += " Click a name to hide its line in every figure, with Shift to see it alone; on the keyboard Enter, "
      + "Shift+Enter, and the arrows for values. ";
    const all = document.createElement("button");
    all.textContent = "show all";
    all.addEventListener("click", () => { hidden.clear(); update(); });
    hint.append(all);
  }
  const caption = (host.closest("figure") ?? host).querySelector("figcaption");
  caption?.after(hint);
}

function toggle(label) {
  if (!hidden.delete(label)) hidden.add(label);
  update();
}

function alone(chart, label) {
  chart.series.forEach(one => one === label ? hidden.delete(one) : hidden.add(one));
  update();
}

function update() {
  charts.forEach(chart => chart.update());
}

function reveal() {
  const target = document.getElementById(decodeURIComponent(location.hash.slice(1)));
  for (let part = target; part; part = part.parentElement) if (part.tagName === "DETAILS") part.open = true;
  target?.scrollIntoView();
}

document.querySelectorAll("figure img").forEach(chartOf);
addEventListener("hashchange", reveal);
if (location.hash) reveal();
let folded = [];
addEventListener("beforeprint", () => {
  folded = [...document.querySelectorAll("details:not([open])")];
  folded.forEach(part => part.open = true);
});
addEventListener("afterprint", () => folded.forEach(part => part.open = false));
