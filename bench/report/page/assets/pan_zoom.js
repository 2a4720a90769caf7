"use strict";
// One place and one zoom for all panes of a picture: from one pixel of the image on one of the screen to eight, or the
// whole image. Screens of more than one dot a pixel count as many dots, so that pixels stay squares of one size.
report.panZoom = (changed) => {
  const MOST = 8, view = { width: 1, height: 1, x: 0.5, y: 0.5, scale: 1, fitted: true };
  let last = null;  // the canvas whose size counts
  const dots = () => devicePixelRatio, unit = () => Math.max(1, Math.round(dots()));

  function fitting(canvas) {
    const scale = Math.min(canvas.width / view.width, canvas.height / view.height) / unit();
    return scale >= 1 ? Math.min(MOST, Math.floor(scale)) : scale;
  }
  const scale = (canvas = last) => (view.fitted && canvas ? fitting(canvas) : view.scale);

  // Where the image lies in a canvas: dots a pixel, and its corner.
  function place(canvas) {
    last = canvas;
    const k = scale(canvas) * unit();
    const [x, y] = [[view.x, view.width, canvas.width], [view.y, view.height, canvas.height]].map(([at, length, room]) => {
      if (length * k <= room) return Math.round((room - length * k) / 2);
      return Math.round(room / 2 - Math.min(length - room / 2 / k, Math.max(room / 2 / k, at)) * k);
    });
    return { k, x, y };
  }

  function point(canvas, event) {
    const box = canvas.getBoundingClientRect(), { k, x, y } = place(canvas);
    const [left, top] = [(event.clientX - box.left) * dots(), (event.clientY - box.top) * dots()];
    return { left, top, x: (left - x) / k, y: (top - y) / k };
  }

  function centre(canvas) {  // where the middle of the canvas is, after what `place` held it to
    const { k, x, y } = place(canvas);
    return { x: (canvas.width / 2 - x) / k, y: (canvas.height / 2 - y) / k };
  }

  function zoom(to, canvas = last, at = null) {
    if (!canvas) return;
    const from = centre(canvas), fixed = at ?? { ...from, left: canvas.width / 2, top: canvas.height / 2 };
    view.scale = Math.min(MOST, Math.max(Math.min(1, fitting(canvas)), to));
    view.fitted = false;
    view.x = fixed.x - (fixed.left - canvas.width / 2) / (view.scale * unit());
    view.y = fixed.y - (fixed.top - canvas.height / 2) / (view.scale * unit());
    changed();
  }

  function step(direction, canvas = last, at = null) {
    if (!canvas) return;
    const now = scale(canvas);
    const to = direction > 0 ? Math.floor(now + 1e-9) + 1 : Math.ceil(now - 1e-9) - 1;
    if (to < 1) fit(); else zoom(to, canvas, at);
  }

  function fit() {
    view.fitted = true;
    Object.assign(view, { x: view.width / 2, y: view.height / 2 });
    changed();
  }

  function pan(right, down, canvas = last) {  // in dots
    if (!canvas) return;
    const from = centre(canvas), k = scale(canvas) * unit();
    view.x = from.x + right / k;
    view.y = from.y + down / k;
    changed();
  }

  // `grab(event, point)` may return what follows a drag, (point) => ...; otherwise a drag pans, and two fingers zoom.
  function attach(canvas, grab) {
    const fingers = new Map();
    let follow = null, pinch = null, wheel = 0;
    const spread = () => {
      const [a, b] = [...fingers.values()];
      return { distance: Math.hypot(a.clientX - b.clientX, a.clientY - b.clientY),
        clientX: (a.clientX + b.clientX) / 2, clientY: (a.clientY + b.clientY) / 2 };
    };
    canvas.addEventListener("pointerdown", (event) => {
      if (event.button !== 0) return;
      canvas.setPointerCapture(event.pointerId);
      fingers.set(event.pointerId, event);
      if (fingers.size === 1) follow = grab(event, point(canvas, event)) ?? null;
      else if (fingers.size === 2) { follow = null; pinch = { ...spread(), scale: scale(canvas) }; }
    });
    canvas.addEventListener("pointermove", (event) => {
      const before = fingers.get(event.pointerId);
      if (!before) return;
      fingers.set(event.pointerId, event);
      if (fingers.size === 2) {
        const now = spread();
        pan((pinch.clientX - now.clientX) * dots(), (pinch.clientY - now.clientY) * dots(), canvas);
        Object.assign(pinch, { clientX: now.clientX, clientY: now.clientY });
        zoom(pinch.scale * now.distance / Math.max(1, pinch.distance), canvas, point(canvas, now));
      } else if (follow) follow(point(canvas, event));
      else pan((before.clientX - event.clientX) * dots(), (before.clientY - event.clientY) * dots(), canvas);
    });
    const end = (event) => {
      if (!fingers.delete(event.pointerId)) return;
      if (pinch && fingers.size < 2) {
        pinch = null;
        if (view.scale > 1) zoom(Math.round(view.scale), canvas);  // whole pixels again
      }
      if (!fingers.size) follow = null;
    };
    canvas.addEventListener("pointerup", end);
    canvas.addEventListener("pointercancel", end);
    canvas.addEventListener("wheel", (event) => {
      event.preventDefault();
      wheel += event.deltaY * (event.deltaMode === 1 ? 20 : 1);
      if (Math.abs(wheel) < 30) return;  // touchpads send many small steps
      step(-Math.sign(wheel), canvas, point(canvas, event));
      wheel = 0;
    }, { passive: false });
  }

  function show(width, height) {  // another image: the place stays where it is of the same size
    if (view.width === width && view.height === height) return;
    Object.assign(view, { width, height });
    fit();
  }

  return { view, place, point, zoom, step, fit, pan, attach, show, scale };
};
