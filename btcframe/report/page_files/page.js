// Draws every figure from the values beside it, and again when the window turns dark, changes its width or is printed.
(() => {
  "use strict";
  const root = document.documentElement;
  const dark = matchMedia("(prefers-color-scheme: dark)");
  const print = matchMedia("print");
  const touch = matchMedia("(pointer: coarse)");
  const plots = [...document.querySelectorAll(".plot")].map((box) => ({
    box,
    spec: JSON.parse(box.parentElement.querySelector("script").textContent),
  }));

  function resolve(value, style) {
    if (typeof value === "string")
      return value.startsWith("var(") ? style.getPropertyValue(value.slice(4, -1)).trim() : value;
    if (Array.isArray(value)) return value.map((each) => resolve(each, style));
    if (value && typeof value === "object")
      return Object.fromEntries(Object.entries(value).map(([key, each]) => [key, resolve(each, style)]));
    return value;
  }

  function draw() {
    const style = getComputedStyle(root);
    for (const { box, spec } of plots) {
      const { data, layout } = resolve(spec, style);
      layout.width = box.clientWidth;
      layout.height = box.clientHeight;
      if (touch.matches) layout.dragmode = false; // a finger scrolls the page
      Plotly.react(box, data, layout, { displayModeBar: false, doubleClick: "reset" });
    }
    root.dataset.drawn = [plots.length, style.colorScheme, innerWidth].join(" "); // how many, and for which window
  }

  function paper(on) {
    root.classList.toggle("paper", on);
    for (const details of document.querySelectorAll("details")) {
      if (on && !details.open) {
        details.dataset.folded = "yes";
        details.open = true;
      } else if (!on && details.dataset.folded) {
        delete details.dataset.folded;
        details.open = false;
      }
    }
    draw();
  }

  let width = innerWidth;
  let pending = 0;
  addEventListener("resize", () => {
    if (innerWidth === width) return; // a phone's address bar comes and goes
    width = innerWidth;
    cancelAnimationFrame(pending);
    pending = requestAnimationFrame(draw);
  });
  dark.addEventListener("change", draw);
  print.addEventListener("change", () => paper(print.matches));
  addEventListener("beforeprint", () => paper(true));
  addEventListener("afterprint", () => paper(false));
  draw();
})();
