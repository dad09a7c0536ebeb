// Draws each plotly figure when it nears the viewport, in the page's light or dark colors,
// and rearranges it for a narrow screen: panels in a column, legend above, controls below.
(function () {
  "use strict";
  const NARROW = 600; // px
  const SLIDER_HEIGHT = 100; // px, with its labels
  const BUTTONS_HEIGHT = 55; // px
  const AXIS_TITLE = 45; // px, the room for the numbers and the title of an axis
  const FLAT_GAP = 70; // px below a stacked panel with axes: their titles, the next panel's title
  const SCENE_GAP = 34; // px below a stacked scene: the next panel's title
  const COLORBAR_WIDTH = 95; // px, with its numbers and title
  const UNUSED_BUTTONS = [
    "zoom2d", "pan2d", "select2d", "lasso2d", "zoomIn2d", "zoomOut2d", "autoScale2d",
    "zoom3d", "pan3d", "orbitRotation", "tableRotation", "resetCameraLastSave3d",
  ];

  const isDark = () => document.documentElement.dataset.theme === "dark";
  const isNarrow = (div) => div.clientWidth < NARROW;
  const clone = (value) => JSON.parse(JSON.stringify(value));
  const keysLike = (layout, pattern) => Object.keys(layout).filter((key) => pattern.test(key));

  // ---- light and dark ---------------------------------------------------------------------

  // Every color the page decides, as {"path.in.layout": color}.
  function themeColors(layout) {
    const dark = isDark();
    const text = dark ? "#ced6dd" : "#222832";
    const grid = dark ? "#48566b" : "#dfe3e8";
    const panel = dark ? "#29313d" : "#f3f4f5";
    const edge = dark ? "#8a96a3" : "#8a929b";
    const clear = "rgba(0,0,0,0)";
    const colors = {
      paper_bgcolor: clear,
      plot_bgcolor: clear,
      "font.color": text,
      "modebar.bgcolor": clear,
      "modebar.color": edge,
      "modebar.activecolor": text,
      "legend.bgcolor": clear,
      "hoverlabel.bgcolor": panel,
      "hoverlabel.bordercolor": grid,
      "hoverlabel.font.color": text,
    };
    const axis = (path) => {
      colors[path + ".color"] = text;
      colors[path + ".gridcolor"] = grid;
      colors[path + ".zerolinecolor"] = grid;
      colors[path + ".linecolor"] = grid;
    };
    keysLike(layout, /^[xy]axis\d*$/).forEach(axis);
    for (const scene of keysLike(layout, /^scene\d*$/)) {
      for (const name of ["xaxis", "yaxis", "zaxis"]) {
        axis(scene + "." + name);
        colors[scene + "." + name + ".backgroundcolor"] = clear;
      }
    }
    (layout.annotations || []).forEach((_, i) => {
      colors[`annotations[${i}].font.color`] = text;
    });
    (layout.sliders || []).forEach((_, i) => {
      colors[`sliders[${i}].font.color`] = text;
      colors[`sliders[${i}].bgcolor`] = panel;
      colors[`sliders[${i}].activebgcolor`] = grid;
      colors[`sliders[${i}].bordercolor`] = edge;
      colors[`sliders[${i}].tickcolor`] = edge;
    });
    (layout.updatemenus || []).forEach((_, i) => {
      colors[`updatemenus[${i}].font.color`] = text;
      colors[`updatemenus[${i}].bgcolor`] = panel;
      colors[`updatemenus[${i}].bordercolor`] = edge;
    });
    return colors;
  }

  const steps = (path) => path.replace(/\[(\d+)\]/g, ".$1").split(".");

  function has(layout, path) {
    let value = layout;
    for (const step of steps(path)) {
      if (value === undefined || value === null) return false;
      value = value[step];
    }
    return value !== undefined && value !== null;
  }

  function put(layout, path, value) {
    const names = steps(path);
    const last = names.pop();
    let target = layout;
    for (const name of names) target = target[name] = target[name] || {};
    target[last] = value;
  }

  // The theme's colors, except where the chapter chose one itself.
  function ownColors(figure) {
    const all = Object.entries(themeColors(figure.drawn));
    return Object.fromEntries(all.filter(([path]) => !has(figure.layout, path)));
  }

  // ---- narrow screens ---------------------------------------------------------------------

  // Panels that stand side by side: [{left, right, flat, place(bottom, top)}] from left to right.
  function columnsOf(layout) {
    const panels = [];
    for (const key of keysLike(layout, /^scene\d*$/)) {
      const domain = (layout[key].domain = layout[key].domain || {});
      const [left, right] = domain.x || [0, 1];
      const place = (bottom, top) => Object.assign(domain, { x: [0, 1], y: [bottom, top] });
      panels.push({ left, right, place, flat: false });
    }
    for (const key of keysLike(layout, /^xaxis\d*$/)) {
      const x = layout[key];
      const y = layout["yaxis" + key.slice(5)];
      if (!x.domain || !y) continue;
      const [left, right] = x.domain;
      const place = (bottom, top) => {
        x.domain = [0, 1];
        y.domain = [bottom, top];
      };
      panels.push({ left, right, place, flat: true });
    }
    return panels.sort((a, b) => a.left - b.left);
  }

  // One row of panels becomes one column; a panel's title goes with it. Returns the height that
  // the figure needs; `controls` is the part of it below the panels.
  function stack(layout, height, controls) {
    const panels = columnsOf(layout);
    const inOneRow = panels.every((panel, i) => i === 0 || panel.left >= panels[i - 1].right - 0.01);
    if (panels.length < 2 || !inOneRow) return height + controls;
    const total = Math.round(height * 0.72 * panels.length) + controls;
    const inside = total - layout.margin.t - layout.margin.b; // px
    const gaps = panels.slice(1).map((_, i) => (panels[i].flat ? FLAT_GAP : SCENE_GAP) / inside);
    const share = (1 - gaps.reduce((sum, gap) => sum + gap, 0)) / panels.length;
    let top = 1;
    panels.forEach((panel, i) => {
      panel.place(Math.max(top - share, 0), top);
      for (const note of layout.annotations || []) {
        const belongs = note.xref === "paper" && note.x >= panel.left && note.x <= panel.right;
        if (belongs && !note.moved) Object.assign(note, { x: 0.5, y: top, moved: true });
      }
      top -= share + (gaps[i] || 0);
    });
    return total;
  }

  // Plotly fits a scene to the height of its panel, so that a panel higher than wide cuts the
  // scene off at its sides. Make it smaller: a cube of another size where lines are parallel (the
  // viewer's distance means nothing there), a greater distance in perspective.
  function fitScenes(layout, width, height) {
    const inside = height - layout.margin.t - layout.margin.b;
    for (const key of keysLike(layout, /^scene\d*$/)) {
      const scene = layout[key];
      const [bottom, top] = (scene.domain && scene.domain.y) || [0, 1];
      const [left, right] = (scene.domain && scene.domain.x) || [0, 1];
      const share = ((right - left) * width) / ((top - bottom) * inside);
      if (share >= 1) continue;
      const camera = (scene.camera = scene.camera || {});
      const parallel = camera.projection && camera.projection.type === "orthographic";
      if (parallel && scene.aspectratio) {
        for (const axis of ["x", "y", "z"]) scene.aspectratio[axis] *= share;
      } else {
        camera.eye = camera.eye || { x: 1.25, y: 1.25, z: 1.25 };
        for (const axis of ["x", "y", "z"]) camera.eye[axis] /= share;
      }
    }
  }

  // Legend above the plot; slider over the whole width below it; buttons below the slider.
  function narrow(layout, data, width, height) {
    const margin = (layout.margin = Object.assign({}, layout.margin, { l: 8, r: 8 }));
    if (keysLike(layout, /^[xy]axis\d*$/).length) margin.l = 44;
    layout.legend = Object.assign({}, layout.legend, {
      orientation: "h", x: 0, xanchor: "left", y: 1.02, yanchor: "bottom",
    });
    let controls = 0; // px
    const putBelow = (control, size) => {
      const pad = { t: AXIS_TITLE + controls, b: 0, l: 0, r: 0 };
      Object.assign(control, { x: 0, xanchor: "left", y: 0, yanchor: "top", pad });
      controls += size;
    };
    for (const slider of layout.sliders || []) {
      putBelow(slider, SLIDER_HEIGHT);
      slider.len = 1;
    }
    for (const menu of layout.updatemenus || []) putBelow(menu, BUTTONS_HEIGHT);
    if (controls) margin.b = AXIS_TITLE + controls;
    height = stack(layout, height, controls);
    const withBar = data.some((trace) => trace.colorbar && trace.showscale !== false);
    fitScenes(layout, width - margin.l - margin.r - (withBar ? COLORBAR_WIDTH : 0), height);
    return height;
  }

  // ---- drawing ----------------------------------------------------------------------------

  function layoutFor(div, figure) {
    const layout = clone(figure.layout);
    let height = layout.height || 450;
    delete layout.width;
    layout.autosize = true;
    const flat = keysLike(layout, /^[xy]axis\d*$/).length > 0;
    const usual = flat ? { l: 55, r: 20, t: 40, b: 45 } : { l: 0, r: 0, t: 34, b: 8 };
    layout.margin = Object.assign(usual, layout.margin);
    if (!figure.data.every((trace) => /3d|volume|isosurface|surface|cone/.test(trace.type))) {
      layout.xaxis = layout.xaxis || {};
      layout.yaxis = layout.yaxis || {};
    } else {
      layout.scene = layout.scene || {};
    }
    if (isNarrow(div)) height = narrow(layout, figure.data, div.clientWidth, height);
    layout.height = height;
    div.style.height = height + "px";
    // Plotly paints the active button almost white, whatever the mode.
    for (const menu of layout.updatemenus || []) menu.showactive = menu.showactive || false;
    figure.drawn = layout;
    Object.entries(ownColors(figure)).forEach(([path, color]) => put(layout, path, color));
    return layout;
  }

  function draw(div) {
    if (!div.figure) div.figure = JSON.parse(div.nextElementSibling.textContent);
    const figure = div.figure;
    const config = Object.assign(
      // A wheel over a figure scrolls the page; dragging and pinching still work.
      { responsive: true, displaylogo: false, showSendToCloud: false, scrollZoom: false },
      { displayModeBar: !isNarrow(div) && "hover", modeBarButtonsToRemove: UNUSED_BUTTONS },
      figure.config,
    );
    div.drawnNarrow = isNarrow(div);
    return Plotly.newPlot(div, figure.data, layoutFor(div, figure), config).then(() => {
      if (figure.frames.length) return Plotly.addFrames(div, figure.frames);
    });
  }

  function start() {
    const divs = [...document.querySelectorAll("div.plotly-book")];
    const seen = (entries) => {
      for (const entry of entries) {
        if (!entry.isIntersecting) continue;
        watcher.unobserve(entry.target);
        draw(entry.target);
      }
    };
    const watcher = new IntersectionObserver(seen, { rootMargin: "400px" });
    divs.forEach((div) => watcher.observe(div));

    const drawn = () => divs.filter((div) => div.figure);
    const recolor = () => drawn().forEach((div) => Plotly.relayout(div, ownColors(div.figure)));
    new MutationObserver(recolor).observe(document.documentElement, { attributeFilter: ["data-theme"] });
    window.addEventListener("resize", () => {
      drawn().filter((div) => div.drawnNarrow !== isNarrow(div)).forEach(draw);
    });
    window.addEventListener("beforeprint", () => divs.filter((div) => !div.figure).forEach(draw));
  }

  if (document.readyState === "loading") document.addEventListener("DOMContentLoaded", start);
  else start();
})();
