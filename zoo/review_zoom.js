// The window of an image that is shown pixel for pixel, and how it moves. Runs together with
// review.js.
"use strict";

const LONGEST = Number(document.documentElement.dataset.longest); // side of a picture, in pixels
const SHARE = 2; // of the height and the width that a window shows, the half
const PACE = 4; // a key moves it by a quarter of itself

let view = null; // { top, left, height, width } in pixels of the image; null: all of it is shown
let held = null; // where the pointer took hold of the picture

const clamp = (value, most) => Math.min(Math.max(Math.round(value), 0), most);

// A window of the usual size round a place.
function viewAt(row, column) {
  const [height, width] = image().size.map((side) => Math.min(Math.ceil(side / SHARE), LONGEST));
  return moved({ top: row - height / 2, left: column - width / 2, height, width }, 0, 0);
}

function moved({ top, left, height, width }, rows, columns) {
  const [lowest, rightmost] = [image().size[0] - height, image().size[1] - width];
  return { top: clamp(top + rows, lowest), left: clamp(left + columns, rightmost), height, width };
}

function setView(wanted) {
  view = wanted;
  drawAll(image());
}

function showView() {
  const [height, width] = image().size;
  const { top, left } = view ?? {};
  const whole = `${width}x${height} pixels`;
  find("#window").textContent = view
    ? `${view.width}x${view.height} from x ${left}, y ${top} of ${whole}`
    : whole;
  find("#zoom-button").setAttribute("aria-pressed", String(view !== null));
  find("#stage").dataset.zoomed = String(view !== null);
}

// What a request for a layer says of the window.
function viewQuery() {
  return view ? { window: [view.top, view.left, view.height, view.width].join(",") } : {};
}

async function zoom() {
  if (view) return setView(null);
  const shown = image();
  try {
    const answer = await fetch(`/hottest?${new URLSearchParams({ file: shown.file })}`);
    if (!answer.ok) throw new Error(await answer.text());
    const place = await answer.json();
    if (shown === image()) setView(viewAt(...place));
  } catch (error) {
    showError(`${shown.name} cannot be enlarged: ${error.message}`);
  }
}

function pan(rows, columns) {
  if (view) setView(moved(view, (rows * view.height) / PACE, (columns * view.width) / PACE));
}

// Pixels of the image in one of the screen; the picture fits into the stage, in its middle.
function scale() {
  const { clientHeight, clientWidth } = find("#stage");
  const [height, width] = view ? [view.height, view.width] : image().size;
  return Math.max(height / clientHeight, width / clientWidth);
}

function placeOf(event) {
  const box = find("#stage").getBoundingClientRect();
  const [height, width] = image().size;
  const row = (event.clientY - box.top - box.height / 2) * scale() + height / 2;
  const column = (event.clientX - box.left - box.width / 2) * scale() + width / 2;
  return [row, column];
}

function hold(event) {
  if (event.button !== 0) return;
  held = [event.clientX, event.clientY];
  find("#stage").setPointerCapture(event.pointerId);
}

function drag(event) {
  if (!held || !view) return;
  const [x, y] = [event.clientX - held[0], event.clientY - held[1]];
  for (const layer of find("#stage").children) layer.style.transform = `translate(${x}px, ${y}px)`;
}

function letGo(event) {
  if (!held) return;
  const [x, y] = [event.clientX - held[0], event.clientY - held[1]];
  held = null;
  for (const layer of find("#stage").children) layer.style.transform = "";
  if (event.type === "pointercancel") return;
  const clicked = Math.hypot(x, y) < 4; // a hand trembles
  if (!view && clicked) setView(viewAt(...placeOf(event)));
  else if (view && clicked) setView(null);
  else if (view) setView(moved(view, -y * scale(), -x * scale()));
}

function keyOf({ key, shiftKey }) {
  if (key.length === 1) return key.toLowerCase();
  return shiftKey && key.startsWith("Arrow") ? `Shift${key}` : key;
}

function startZoom() {
  Object.assign(ACTIONS, {
    z: zoom,
    ShiftArrowUp: () => pan(-1, 0),
    ShiftArrowDown: () => pan(1, 0),
    ShiftArrowLeft: () => pan(0, -1),
    ShiftArrowRight: () => pan(0, 1),
  });
  find("#zoom-button").addEventListener("click", zoom);
  const stage = find("#stage");
  stage.addEventListener("pointerdown", hold);
  stage.addEventListener("pointermove", drag);
  for (const type of ["pointerup", "pointercancel"]) stage.addEventListener(type, letGo);
  stage.addEventListener("dragstart", (event) => event.preventDefault());
}

document.addEventListener("DOMContentLoaded", startZoom); // ACTIONS is there by then
