// Draws the 3D views in the reader's light or dark colors and lets one joint be chosen everywhere.
(function () {
  "use strict";
  const page = JSON.parse(document.getElementById("prediction").textContent);
  const darkness = window.matchMedia("(prefers-color-scheme: dark)");
  const config = { responsive: true, displaylogo: false, displayModeBar: false, scrollZoom: false };
  const STEP = Math.PI / 12;

  const color = (name) => getComputedStyle(document.documentElement).getPropertyValue(name).trim();

  function colors() {
    const text = color("--text");
    const line = color("--line");
    const look = { paper_bgcolor: "rgba(0,0,0,0)", "font.color": text };
    for (const axis of ["xaxis", "yaxis", "zaxis"]) {
      const path = "scene." + axis + ".";
      Object.assign(look, { [path + "color"]: text, [path + "gridcolor"]: line });
      Object.assign(look, { [path + "zerolinecolor"]: line, [path + "linecolor"]: line });
    }
    return look;
  }

  // ---- the 3D views -----------------------------------------------------------------------

  function turn(div, key) {
    const eye = Object.assign({}, div._fullLayout.scene._scene.getCamera().eye);
    const side = { ArrowLeft: -1, ArrowRight: 1 }[key] || 0;
    const rise = { ArrowUp: 1, ArrowDown: -1 }[key] || 0;
    const distance = Math.hypot(eye.x, eye.y, eye.z);
    const around = Math.atan2(eye.y, eye.x) + side * STEP;
    const limit = Math.PI / 2 - 0.05;
    const height = Math.asin(eye.z / distance) + rise * STEP;
    const up = Math.max(-limit, Math.min(limit, height));
    return Plotly.relayout(div, {
      "scene.camera.eye": {
        x: distance * Math.cos(up) * Math.cos(around),
        y: distance * Math.cos(up) * Math.sin(around),
        z: distance * Math.sin(up),
      },
    });
  }

  function draw(id) {
    const div = document.getElementById(id);
    const figure = page.figures[id];
    delete figure.layout.height;
    figure.layout.autosize = true;
    // Plotly fits the scene to the height: in a narrow place it has to become smaller.
    const fit = Math.min(1, div.clientWidth / div.clientHeight);
    const ratio = figure.layout.scene.aspectratio;
    for (const axis of Object.keys(ratio)) ratio[axis] *= fit;
    div.setAttribute("role", "img");
    div.setAttribute("aria-label", figure.layout.meta.alt);
    div.addEventListener("keydown", (event) => {
      if (!/^Arrow/.test(event.key)) return;
      event.preventDefault();
      turn(div, event.key);
    });
    return Plotly.newPlot(div, figure.data, figure.layout, config).then(() => div);
  }

  const drawn = Promise.all(Object.keys(page.figures).map(draw));
  const recolor = () => drawn.then((divs) => divs.forEach((div) => Plotly.relayout(div, colors())));
  darkness.addEventListener("change", recolor);

  // ---- the chosen joint -------------------------------------------------------------------

  const select = document.getElementById("joint");
  const each = (selector, act) => document.querySelectorAll(selector).forEach(act);

  function markTraces(div, joint) {
    const show = { true: [], false: [] };
    div.data.forEach((trace, i) => {
      if (trace.meta && "joint" in trace.meta) show[trace.meta.joint === joint].push(i);
    });
    for (const visible of [true, false]) {
      if (show[visible].length) Plotly.restyle(div, { visible }, show[visible]);
    }
  }

  function choose(joint) {
    select.value = String(joint);
    document.getElementById("chosen").textContent = page.sentences[joint];
    each("[data-joint]", (tag) => tag.classList.toggle("chosen", Number(tag.dataset.joint) === joint));
    drawn.then((divs) => divs.forEach((div) => markTraces(div, joint)));
  }

  select.addEventListener("change", () => choose(Number(select.value)));
  each("circle[data-joint], tr[data-joint]", (tag) => {
    tag.addEventListener("click", () => choose(Number(tag.dataset.joint)));
  });

  // ---- the photograph ---------------------------------------------------------------------

  const zoom = document.getElementById("zoom");
  zoom.addEventListener("click", () => {
    const photo = document.querySelector(".photo");
    const close = zoom.getAttribute("aria-pressed") !== "true";
    zoom.setAttribute("aria-pressed", String(close));
    photo.setAttribute("viewBox", close ? photo.dataset.box : photo.dataset.all);
  });

  choose(page.joint);
  recolor();
})();
