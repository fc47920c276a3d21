// Asks the server for the pictures of a review, and lays them upon each other. Runs together with
// page.js.
"use strict";

let stale = false; // what is drawn is not what is wanted any more
let drawing = false;

function address(layer, shown, more = {}) {
  return `/picture?${new URLSearchParams({ file: shown.file, layer, ...more })}`;
}

function isOn(name) {
  return find(`#${name}-button`).getAttribute("aria-pressed") === "true";
}

function drawAll() {
  for (const layer of layers()) {
    layer.hidden = true; // it shows something else,
    delete layer.dataset.asked; // and so does what it may still be loading
  }
  showView();
  drawLayers();
}

function drawLayers() {
  const [shown, picture] = [image(), find("#image")];
  ask(picture, address("image", shown, viewQuery()), viewQuery());
  picture.alt = `Image ${shown.name}`;
  draftPixels = null;
  showWords();
  drawMarks();
  drawHeat();
}

// The server has the image ready when its turn comes.
function prepare(shown) {
  new Image().src = address("image", shown);
}

// Lets a layer show a picture as soon as it has come.
function ask(layer, source, query) {
  layer.dataset.asked = query?.window ?? "";
  layer.src = source;
}

function isAsked(layer) {
  return layer.dataset.asked !== undefined;
}

function onLoad({ target: layer }) {
  if (!isAsked(layer)) return;
  layer.dataset.window = layer.dataset.asked;
  layer.hidden = layer.id !== "image" && !isOn(layer.id);
  layer.classList.toggle("enlarged", layer.id !== "marks" && layer.naturalWidth < layer.clientWidth * devicePixelRatio);
  alignLayers();
}

// One request after the other: of those that a moving slider wants, only the last is asked for.
async function drawMarks() {
  stale = true;
  if (drawing) return;
  drawing = true;
  while (stale) {
    stale = false;
    const [shown, threshold, query] = [image(), draft, viewQuery()];
    try {
      const answer = await fetch(address("marks", shown, { ...query, ...(threshold !== null && { threshold }) }));
      if (!answer.ok) throw new Error(await answer.text());
      const content = await answer.blob();
      const isSeen = shown === image() && query?.window === viewQuery()?.window;
      if (isSeen) showMarks(content, threshold, query, Number(answer.headers.get("Defect-Pixels")));
    } catch (error) {
      showError(`The mask of ${shown.name} cannot be drawn: ${error.message}`);
    }
  }
  drawing = false;
}

function showMarks(content, threshold, query, pixels) {
  const marks = find("#marks");
  URL.revokeObjectURL(marks.src);
  ask(marks, URL.createObjectURL(content), query);
  marks.alt = `Mask${threshold === null ? "" : ` at ${threshold}`}: ${pixels} pixels`;
  if (threshold === null || threshold !== draft) return;
  draftPixels = pixels;
  showWords();
}

function drawHeat() {
  if (isOn("heat")) ask(find("#heat"), address("heat", image(), viewQuery()), viewQuery());
  else find("#heat").hidden = true;
}

function toggle(name) {
  find(`#${name}-button`).setAttribute("aria-pressed", String(!isOn(name)));
  if (name === "heat") drawHeat();
  else find("#marks").hidden = !isOn("marks") || !isAsked(find("#marks"));
}

function startPictures() {
  for (const layer of layers()) {
    layer.addEventListener("load", onLoad);
    layer.addEventListener("error", () => showError(`${image().name} cannot be shown.`));
  }
}
