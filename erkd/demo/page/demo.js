// The page: files in and out, the two requests, and the result. Nothing is kept but in this tab.
import { makePainter } from "./painter.js";

const $ = id => document.getElementById(id);
const chosen = name => document.querySelector(`input[name=${name}]:checked`).value;
const settings = await (await fetch("settings")).json();
const painter = makePainter({
  view: $("view"), sheet: $("sheet"), canvas: $("marks"), pointer: $("pointer"),
  tool: () => chosen("tool"), size: () => +$("size").value, changed: marked, boxed: box => telling(openBox)(box),
});
let photo = null, result = null, running = null, ground = null;

// ---- messages

function complain(error) {
  $("error").textContent = error?.message ?? error;
  $("error").hidden = false;
  $("error").scrollIntoView({ block: "nearest" });
}

// An action whose failure is told to the reader; the last message goes when the next action starts.
const telling = action => async (...given) => {
  $("error").hidden = true;
  try {
    await action(...given);
  } catch (error) {
    if (error.name !== "AbortError") complain(error);
  }
};

function marked() {
  const share = painter.share(), [done, undone] = painter.history();
  const percent = Object.entries(share).map(([kind, part]) => `${kind} ${Math.round(part * 100)} %`).join(", ");
  const missing = Object.keys(share).filter(kind => !share[kind]);
  $("undo").disabled = !done;
  $("redo").disabled = !undone;
  $("matte").disabled = missing.length > 0 || running;
  $("hint").textContent = share.unknown === 1
    ? "Drag a Box around the subject, draw around it with Outline, or paint where foreground and background surely are."
    : missing.length ? `Still missing: ${missing.join(" and ")}.` : `Trimap: ${percent}.`;
}

// ---- files in

const named = (file, name) => new File([file], name, { type: file.type });

async function picture(file, what) {
  if (file.size > settings.max_bytes) {
    throw new Error(`${what}: ${(file.size / 1e6).toFixed(1)} MB; at most ${settings.max_bytes / 1e6} MB are taken.`);
  }
  let bitmap;
  try {
    bitmap = await createImageBitmap(file, { colorSpaceConversion: "none" });
  } catch {
    throw new Error(`${what}: ${file.name} is not a picture that this browser can read.`);
  }
  if (bitmap.width * bitmap.height > settings.max_pixels) {
    throw new Error(`${what}: ${bitmap.width} × ${bitmap.height} pixels; at most ${settings.max_pixels / 1e6} million are taken.`);
  }
  return bitmap;
}

async function openPhoto(file) {
  const bitmap = await picture(file, "Photo");
  running?.abort();
  if (photo) URL.revokeObjectURL(photo.url);
  photo = { file, url: URL.createObjectURL(file), width: bitmap.width, height: bitmap.height };
  photo.stem = file.name.replace(/\.[^.]*$/, "") || "photo";
  [result, $("outcome").hidden, $("looks").hidden, $("steps").hidden] = [null, true, true, false];
  $("shown").src = $("before").src = photo.url;
  [$("drop").hidden, $("editor").hidden] = [true, false];
  painter.start(photo.width, photo.height);
}

async function openTrimap(file) {
  await picture(file, "Trimap"); // small enough, and a picture
  painter.load(await createImageBitmap(await post("trimap", { image: photo.file, trimap: file })));
}

// The trimap that the server makes of a mask, or of a box around the subject; it can be painted on.
async function openMade(address, files, stage) {
  const { file } = photo;
  running?.abort();
  const { signal } = (running = new AbortController());
  busy(stage);
  try {
    const trimap = await createImageBitmap(await post(address, { image: file, ...files }, signal));
    signal.throwIfAborted();
    running = null;
    painter.load(trimap);
  } finally {
    if (running?.signal === signal) running = null;
    if (!running) busy(""), marked();
  }
}

async function openMask(file) {
  await picture(file, "Mask");
  await openMade("mask", { mask: file }, "Making a trimap of the mask …");
}

async function openBox(box) {
  await openMade("box", { box: new Blob([box.join()]) }, "Looking for the subject in the box …");
}

async function openGround(file) {
  ground = await picture(file, "Background");
  look();
}

async function openSample(name) {
  const [image, trimap] = await Promise.all(["jpg", "png"].map(kind => get(`samples/${name}.${kind}`)));
  await openPhoto(named(image, `${name}.jpg`));
  await openTrimap(named(trimap, `${name}.png`));
}

// ---- requests

async function get(address, options) {
  let answer;
  try {
    answer = await fetch(address, options);
  } catch (error) {
    if (error.name === "AbortError") throw error;
    throw new Error("The server does not answer. Is `erkd demo` still running?");
  }
  if (answer.ok) return answer.blob();
  const said = await answer.json().catch(() => ({}));
  throw new Error(said.error ?? `The server failed (${answer.status}); its terminal says why.`);
}

function post(address, files, signal) {
  const body = new FormData();
  for (const [name, file] of Object.entries(files)) body.append(name, file, name);
  return get(address, { method: "POST", body, signal });
}

async function matte() {
  const { file, stem } = photo, started = performance.now();
  const { signal } = (running = new AbortController());
  busy("Estimating alpha …");
  try {
    const address = settings.qualities.length ? `matte/${chosen("quality")}` : "matte";
    const alpha = await post(address, { image: file, trimap: await painter.file() }, signal);
    busy("Estimating the subject's own colours …");
    const cutout = await post("cutout", { image: file, alpha }, signal);
    const pictures = await Promise.all([alpha, cutout].map(blob => createImageBitmap(blob)));
    signal.throwIfAborted();
    result = { stem, files: { alpha, cutout }, alpha: pictures[0], cutout: pictures[1] };
    const { width, height } = pictures[0], seconds = (performance.now() - started) / 1000;
    $("took").textContent = `${width} × ${height} pixels in ${seconds.toFixed(1)} seconds.`;
    [$("outcome").hidden, $("looks").hidden, $("steps").hidden] = [false, false, true];
    look();
    $("result").scrollIntoView({ block: "nearest" });
  } finally {
    running = null;
    busy("");
    marked();
  }
}

function busy(stage) {
  $("hint").textContent = stage;
  $("matte").disabled = stage !== "";
  $("cancel").hidden = $("progress").hidden = stage === "";
}

// ---- result

// Draw what is chosen: alpha, the cut-out, or the cut-out before the new background.
function paint(context, kind) {
  const { width, height } = context.canvas;
  context.clearRect(0, 0, width, height);
  if (kind === "composite") {
    context.fillStyle = $("colour").value;
    context.fillRect(0, 0, width, height);
    if (ground) {
      const scale = Math.max(width / ground.width, height / ground.height);
      const [across, down] = [ground.width * scale, ground.height * scale];
      context.drawImage(ground, (width - across) / 2, (height - down) / 2, across, down);
    }
  }
  context.drawImage(kind === "alpha" ? result.alpha : result.cutout, 0, 0);
}

function look() {
  const kind = chosen("look"), after = $("after");
  $("grounds").hidden = kind !== "composite";
  after.parentElement.style.setProperty("--ratio", `${result.alpha.width} / ${result.alpha.height}`);
  [after.width, after.height] = [result.alpha.width, result.alpha.height];
  paint(after.getContext("2d"), kind);
}

async function fileOf(kind) {
  if (result.files[kind]) return result.files[kind];
  const canvas = new OffscreenCanvas(result.alpha.width, result.alpha.height);
  paint(canvas.getContext("2d"), kind);
  return canvas.convertToBlob({ type: "image/png" });
}

function save(blob, name) {
  const link = document.createElement("a");
  [link.href, link.download] = [URL.createObjectURL(blob), name];
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 60000);
}

// ---- controls

for (const name of settings.samples) {
  const button = document.createElement("button"), image = document.createElement("img");
  [button.className, button.title, image.src, image.alt] = ["sample", name, `samples/${name}.jpg`, `Sample: ${name}`];
  button.append(image);
  button.onclick = telling(() => openSample(name));
  $("samples").append(button);
}

for (const name of settings.qualities) {
  const label = document.createElement("label"), input = document.createElement("input");
  [input.type, input.name, input.value, input.checked] = ["radio", "quality", name, name === settings.quality];
  label.append(input, name[0].toUpperCase() + name.slice(1));
  $("qualities").append(label);
}
$("qualities").hidden = settings.qualities.length < 2;

for (const [id, open] of [["photo", openPhoto], ["trimap", openTrimap], ["mask", openMask], ["ground", openGround]]) {
  $(id).onchange = telling(async () => {
    const [file] = $(id).files;
    $(id).value = ""; // so that the same file can be chosen again
    if (file) await open(file);
  });
}

addEventListener("dragover", event => event.preventDefault());
addEventListener("drop", telling(async event => {
  event.preventDefault();
  const [file] = event.dataTransfer.files;
  const open = { "trimap-drop": openTrimap, "mask-drop": openMask }[photo && event.target.closest("label")?.id] ?? openPhoto;
  if (file) await open(file);
}));
addEventListener("paste", telling(async event => {
  const [file] = event.clipboardData.files;
  if (file) await openPhoto(file);
}));

const actions = {
  undo: painter.undo, redo: painter.redo, clear: painter.clear,
  in: () => painter.zoom(1.5), out: () => painter.zoom(1 / 1.5), fit: () => painter.zoom(),
  matte, cancel: () => running?.abort(),
  "save-trimap": async () => save(await painter.file(), `${photo.stem}-trimap.png`),
};
for (const [id, action] of Object.entries(actions)) $(id).onclick = telling(action);
for (const button of document.querySelectorAll("[data-save]")) {
  const kind = button.dataset.save;
  button.onclick = telling(async () => save(await fileOf(kind), `${result.stem}-${kind}.png`));
}
$("looks").onchange = look;
$("colour").oninput = () => ((ground = null), look());
$("show").onchange = () => $("sheet").classList.toggle("bare", !$("show").checked);

const compare = $("split").parentElement;
const split = () => compare.style.setProperty("--split", `${$("split").value}%`);
$("split").oninput = split;
compare.onpointerdown = compare.onpointermove = event => {
  if (event.type === "pointerdown") compare.setPointerCapture(event.pointerId);
  if (!event.buttons) return;
  const box = compare.getBoundingClientRect();
  $("split").value = ((event.clientX - box.left) / box.width) * 100;
  split();
};

addEventListener("keydown", event => {
  if (!photo) return;
  const key = event.key.toLowerCase(), command = event.ctrlKey || event.metaKey;
  const letters = { r: "box", o: "outline", f: "foreground", u: "unknown", b: "background" };
  if (command && (key === "z" || key === "y")) {
    event.preventDefault();
    key === "y" || event.shiftKey ? painter.redo() : painter.undo();
  } else if (command || event.altKey) {
    return;
  } else if (letters[key]) {
    document.querySelector(`input[name=tool][value=${letters[key]}]`).checked = true;
  } else if (key === "[" || key === "]") {
    $("size").value = Math.round(+$("size").value * (key === "]" ? 1.25 : 0.8));
  }
});
document.body.dataset.ready = "yes";
