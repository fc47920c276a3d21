// Asks the server for the pictures of a review, and lays them upon each other. Runs together with
// review.js.
"use strict";

let stale = false; // what is drawn is not what is wanted any more
let drawing = false;

function address(layer, shown, more = {}) {
  return `/picture?${new URLSearchParams({ file: shown.file, layer, ...more })}`;
}

function isOn(name) {
  return find(`#${name}-button`).getAttribute("aria-pressed") === "true";
}

function drawAll(shown, after) {
  const picture = find("#image");
  for (const layer of [picture, find("#heat"), find("#marks")]) layer.hidden = true; // the one before
  picture.src = address("image", shown, viewQuery());
  picture.alt = `Image ${shown.name}`;
  showView();
  drawMarks();
  drawHeat();
  if (after) new Image().src = address("image", after); // the server has it ready by then
}

// An image or a map has come.
function onLoad({ target: picture }) {
  picture.hidden = picture.id === "heat" && !isOn("heat");
  picture.classList.toggle("enlarged", picture.naturalWidth < picture.clientWidth * devicePixelRatio);
}

// One request after the other: of those that a moving slider wants, only the last is asked for.
async function drawMarks() {
  stale = true;
  if (drawing) return;
  drawing = true;
  while (stale) {
    stale = false;
    const [shown, threshold, asked] = [image(), draft, view];
    try {
      const more = { ...viewQuery(), ...(threshold === null ? {} : { threshold }) };
      const answer = await fetch(address("marks", shown, more));
      if (!answer.ok) throw new Error(await answer.text());
      const content = await answer.blob();
      if (shown === image() && asked === view) showMarks(content, threshold, Number(answer.headers.get("Defect-Pixels")));
    } catch (error) {
      showError(`The mask of ${shown.name} cannot be drawn: ${error.message}`);
    }
  }
  drawing = false;
}

function showMarks(content, threshold, pixels) {
  const marks = find("#marks");
  URL.revokeObjectURL(marks.src);
  marks.src = URL.createObjectURL(content);
  marks.alt = `Mask${threshold === null ? "" : ` at ${threshold}`}: ${pixels} pixels`;
  marks.hidden = !isOn("marks");
  if (threshold === null || threshold !== draft) return;
  draftPixels = pixels;
  showWords();
}

function drawHeat() {
  if (isOn("heat")) find("#heat").src = address("heat", image(), viewQuery());
  else find("#heat").hidden = true;
}

function toggle(name) {
  find(`#${name}-button`).setAttribute("aria-pressed", String(!isOn(name)));
  if (name === "heat") drawHeat();
  else find("#marks").hidden = !isOn("marks");
}
