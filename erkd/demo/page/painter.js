// The trimap, painted over the photo: a list of marks, so that undo draws all but the last again.

// The red channel is the trimap's value. Laid over the photo by `hard-light`, middle grey leaves it as it is.
const COLOURS = { background: "#00188c", unknown: "#808080", foreground: "#ffa01e" };
const RGB = { 0: [0, 24, 140], 128: [128, 128, 128], 255: [255, 160, 30] };
const MOST_ZOOM = 16;
const TALLEST = 0.58; // of the window

// Values that a blurred edge or a JPEG file put in between count as the nearest.
const nearest = value => (value < 64 ? 0 : value > 191 ? 255 : 128);

export function makePainter({ view, sheet, canvas, pointer, tool, size, changed, boxed }) {
  const pen = canvas.getContext("2d");
  const [path, circle] = pointer.children;
  const fingers = new Map();
  let marks = [], undone = [], current = null, zoom = 1, pinch = null, cursor = null;

  // ---- marks

  function cover(kind) {
    pen.fillStyle = COLOURS[kind];
    pen.fillRect(0, 0, canvas.width, canvas.height);
  }

  function trace(points) {
    pen.beginPath();
    pen.moveTo(...points[0]);
    for (const point of points.length > 1 ? points.slice(1) : points) pen.lineTo(point[0] + 0.01, point[1]);
  }

  function draw(mark) {
    if (mark.kind === "clear") return cover("unknown");
    if (mark.kind === "file") return pen.drawImage(mark.picture, 0, 0);
    trace(mark.points);
    pen.lineWidth = mark.width;
    pen.lineCap = pen.lineJoin = "round";
    if (mark.kind === "outline") {
      if (mark.first) cover("background");
      pen.closePath();
      pen.fillStyle = COLOURS.foreground;
      pen.fill();
    }
    pen.strokeStyle = COLOURS[mark.kind === "outline" ? "unknown" : mark.kind];
    pen.stroke();
  }

  function redraw() {
    cover("unknown");
    marks.forEach(draw);
    changed();
  }

  function add(mark) {
    marks.push(mark);
    undone = [];
    redraw();
  }

  // ---- pointer and keys

  const scale = () => canvas.width / canvas.getBoundingClientRect().width; // photo pixels per screen pixel

  function place(event) {
    const box = canvas.getBoundingClientRect();
    return [(event.clientX - box.left) * scale(), (event.clientY - box.top) * scale()];
  }

  function show(point) {
    cursor = point;
    circle.setAttribute("r", point ? (size() * scale()) / 2 : 0);
    if (point) circle.setAttribute("cx", point[0]), circle.setAttribute("cy", point[1]);
  }

  function begin(point) {
    const kind = tool();
    const first = kind === "outline" && share().unknown === 1;
    current = { kind, first, width: size() * scale(), points: [point] };
    extend([]);
  }

  // From the first to the last point: left, top, right, bottom. A side beyond the photo's edge, or almost there, is it.
  function rectangle(points) {
    const ends = [points[0], points.at(-1)], most = [canvas.width, canvas.height];
    const side = (axis, pick) => {
      const at = Math.round(pick(...ends.map(end => end[axis]))), near = most[axis] / 100;
      return at < near ? 0 : at > most[axis] - near ? most[axis] : at;
    };
    return [side(0, Math.min), side(1, Math.min), side(0, Math.max), side(1, Math.max)];
  }

  function extend(points) {
    const from = Math.max(0, current.points.length - 1);
    current.points.push(...points);
    if (current.kind === "box") {
      const [left, top, right, bottom] = rectangle(current.points);
      path.setAttribute("stroke-width", 2 * scale());
      return path.setAttribute("d", `M${left},${top}H${right}V${bottom}H${left}Z`);
    }
    if (current.kind !== "outline") return draw({ ...current, points: current.points.slice(from) });
    path.setAttribute("d", "M" + current.points.join("L") + "Z");
    path.setAttribute("stroke-width", current.width);
  }

  function end(keep) {
    const mark = current;
    current = null;
    path.setAttribute("d", "");
    if (!mark) return;
    if (mark.kind === "box") {
      const box = rectangle(mark.points);
      if (keep && box[0] < box[2] && box[1] < box[3]) boxed(box);
      return;
    }
    if (keep && (mark.kind !== "outline" || mark.points.length > 2)) add(mark);
    else redraw();
  }

  sheet.addEventListener("pointerdown", event => {
    if (event.button) return;
    event.preventDefault();
    sheet.focus({ preventScroll: true });
    sheet.setPointerCapture(event.pointerId);
    fingers.set(event.pointerId, event);
    if (fingers.size === 2) end(false), (pinch = spread());
    else if (fingers.size === 1) begin(place(event));
  });
  sheet.addEventListener("pointermove", event => {
    if (event.pointerType !== "touch") show(place(event));
    if (!fingers.has(event.pointerId)) return;
    fingers.set(event.pointerId, event);
    if (pinch && fingers.size === 2) squeeze();
    else if (current) extend((event.getCoalescedEvents?.() ?? []).concat(event).map(place));
  });
  for (const name of ["pointerup", "pointercancel"]) {
    sheet.addEventListener(name, event => {
      fingers.delete(event.pointerId);
      if (fingers.size < 2) pinch = null;
      end(name === "pointerup");
    });
  }
  sheet.addEventListener("pointerleave", () => show(null));
  sheet.addEventListener("keydown", event => {
    const steps = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] };
    const step = steps[event.key], wide = size() * scale();
    if (event.ctrlKey || event.metaKey || !(step || event.key === " ")) return;
    event.preventDefault();
    const [x, y] = cursor ?? [canvas.width / 2, canvas.height / 2];
    if (step) show([x + (step[0] * wide) / 2, y + (step[1] * wide) / 2]);
    else if (!["outline", "box"].includes(tool())) begin([x, y]), end(true), show([x, y]);
  });

  // ---- zoom

  function resize() {
    if (!canvas.width) return;
    const shape = canvas.height / canvas.width;
    const room = Math.min(view.clientWidth, (TALLEST * innerHeight) / shape);
    view.style.height = `${Math.ceil(room * shape)}px`;
    sheet.style.width = `${room * zoom}px`;
  }

  // What lies at x, y in the window stays there; without a place, the middle does.
  function zoomTo(factor, x, y) {
    const frame = view.getBoundingClientRect(), before = sheet.getBoundingClientRect();
    x ??= frame.left + frame.width / 2;
    y ??= frame.top + frame.height / 2;
    zoom = Math.min(MOST_ZOOM, Math.max(1, factor));
    resize();
    const after = sheet.getBoundingClientRect();
    const [across, down] = [(x - before.left) / before.width, (y - before.top) / before.height];
    view.scrollBy(after.left + across * after.width - x, after.top + down * after.height - y);
  }

  function spread() {
    const [a, b] = [...fingers.values()];
    return {
      x: (a.clientX + b.clientX) / 2,
      y: (a.clientY + b.clientY) / 2,
      length: Math.hypot(a.clientX - b.clientX, a.clientY - b.clientY),
    };
  }

  function squeeze() {
    const now = spread();
    view.scrollBy(pinch.x - now.x, pinch.y - now.y);
    zoomTo((zoom * now.length) / pinch.length, now.x, now.y);
    pinch = now;
  }

  view.addEventListener("wheel", event => {
    if (!event.ctrlKey && !event.metaKey) return;
    event.preventDefault();
    zoomTo(zoom * Math.exp(-event.deltaY / 300), event.clientX, event.clientY);
  }, { passive: false });
  new ResizeObserver(resize).observe(view.parentElement);
  addEventListener("resize", resize);

  // ---- what the trimap is

  // The share of each kind, counted on a small copy.
  function share() {
    const small = new OffscreenCanvas(200, 200), context = small.getContext("2d");
    context.imageSmoothingEnabled = false;
    context.drawImage(canvas, 0, 0, 200, 200);
    const counts = { 0: 0, 128: 0, 255: 0 }, pixels = context.getImageData(0, 0, 200, 200).data;
    for (let i = 0; i < pixels.length; i += 4) counts[nearest(pixels[i])] += 1 / 40000;
    const whole = value => (counts[value] > 0.9999999 ? 1 : counts[value]);
    return { background: whole(0), unknown: whole(128), foreground: whole(255) };
  }

  // A canvas of the pixels of `source`, each changed by `colour` from its red value.
  function mapped(source, colour) {
    const copy = new OffscreenCanvas(canvas.width, canvas.height), context = copy.getContext("2d");
    context.drawImage(source, 0, 0);
    const image = context.getImageData(0, 0, copy.width, copy.height), pixels = image.data;
    for (let i = 0; i < pixels.length; i += 4) {
      [pixels[i], pixels[i + 1], pixels[i + 2]] = colour(nearest(pixels[i]));
      pixels[i + 3] = 255;
    }
    context.putImageData(image, 0, 0);
    return copy;
  }

  return {
    start(width, height) {
      [canvas.width, canvas.height, zoom, marks, undone] = [width, height, 1, [], []];
      sheet.style.aspectRatio = `${width} / ${height}`;
      pointer.setAttribute("viewBox", `0 0 ${width} ${height}`);
      resize();
      redraw();
    },
    load: picture => add({ kind: "file", picture: mapped(picture, value => RGB[value]) }),
    clear: () => add({ kind: "clear" }),
    undo: () => marks.length && (undone.push(marks.pop()), redraw()),
    redo: () => undone.length && (marks.push(undone.pop()), redraw()),
    history: () => [marks.length, undone.length],
    zoom: factor => zoomTo(factor ? zoom * factor : 1),
    share,
    file: () => mapped(canvas, value => [value, value, value]).convertToBlob({ type: "image/png" }),
  };
}
