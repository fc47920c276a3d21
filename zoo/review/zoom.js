// Zooms into the image of a review: shows a window of it at full resolution, and moves the window.
// Runs together with page.js.
"use strict";

const GROWTH = 2; // times that zooming enlarges at least
const STRIDE = 0.25; // of the window, that a key moves it by
const SLACK = 4; // screen pixels that a pointer may stray while it clicks

let view = null; // top, left, height and width of the window, in pixels; null shows the whole image
let grip = null; // where a pointer went down, and the window then

const stage = () => find("#stage");
const layers = () => ["image", "heat", "marks"].map((name) => find(`#${name}`));

function clamped(value, lowest, highest) {
  return Math.min(Math.max(value, lowest), highest);
}

// Screen pixels of an image pixel, where all of a height and width is to be seen.
function scaleOf({ height, width }) {
  return Math.min(stage().clientHeight / height, stage().clientWidth / width);
}

// What is asked of the server.
function viewQuery() {
  return view && { window: [view.top, view.left, view.height, view.width].join() };
}

// The place of the image that lies below a pointer.
function placeOf({ clientX, clientY }) {
  const { left, top, width, height } = stage().getBoundingClientRect();
  const scale = scaleOf(image());
  return {
    row: image().height / 2 + (clientY - top - height / 2) / scale,
    column: image().width / 2 + (clientX - left - width / 2) / scale,
  };
}

// Each pixel gets one of the screen, or several where the image is small; none is lost.
function zoomTo({ row, column }) {
  const { clientHeight, clientWidth, dataset } = stage();
  const scale = Math.max(1, Math.ceil(GROWTH * scaleOf(image())));
  const fitting = (length, most) => clamped(Math.floor(length / scale), 1, Math.min(most, dataset.longest));
  const height = fitting(clientHeight, image().height);
  const width = fitting(clientWidth, image().width);
  view = { height, width };
  placeView(row - height / 2, column - width / 2);
  drawAll();
}

async function zoomToHottest() {
  const shown = image();
  try {
    const answer = await fetch(`/hottest?${new URLSearchParams({ file: shown.file })}`);
    if (!answer.ok) throw new Error(await answer.text());
    const [row, column] = await answer.json();
    if (shown === image() && !view) zoomTo({ row, column });
  } catch (error) {
    showError(`${shown.name} cannot be zoomed: ${error.message}`);
  }
}

function leaveZoom() {
  view = null;
  drawAll();
}

// Lets the window begin there, or as near as the image goes.
function placeView(top, left) {
  view.top = Math.round(clamped(top, 0, image().height - view.height));
  view.left = Math.round(clamped(left, 0, image().width - view.width));
  alignLayers();
  showView();
}

function moveView(down, right) {
  if (!view) return;
  placeView(view.top + STRIDE * down * view.height, view.left + STRIDE * right * view.width);
  drawLayers();
}

// A layer that still shows the window before lies where its pixels belong, until the new one comes.
function alignLayers() {
  for (const layer of layers()) {
    const [top, left] = (layer.dataset.window || "0,0").split(",");
    const [down, right] = view ? [top - view.top, left - view.left].map((pixels) => pixels * scaleOf(view)) : [0, 0];
    layer.style.transform = `translate(${right}px, ${down}px)`;
  }
}

function showView() {
  find("#zoom-button").setAttribute("aria-pressed", String(view !== null));
  stage().classList.toggle("zoomed", view !== null);
  find("#view").hidden = !view;
  if (!view) return;
  const { top, left, height, width } = view;
  find("#view").textContent = `${width} × ${height} pixels at x ${left}, y ${top} of ${image().width} × ${image().height}`;
}

// A pointer that goes down and up clicks; one that moves in between drags the window.

function onPointerDown(event) {
  if (event.button !== 0 || !event.isPrimary) return;
  grip = { x: event.clientX, y: event.clientY, from: view && { ...view }, moved: false };
  stage().setPointerCapture(event.pointerId);
}

function onPointerMove({ clientX, clientY, isPrimary }) {
  if (!grip || !isPrimary) return;
  const [right, down] = [clientX - grip.x, clientY - grip.y];
  grip.moved ||= Math.hypot(right, down) > SLACK;
  if (!grip.moved || !grip.from || !view) return;
  placeView(grip.from.top - down / scaleOf(view), grip.from.left - right / scaleOf(view));
}

function onPointerUp(event) {
  if (!grip || !event.isPrimary) return;
  const { moved, from } = grip;
  grip = null;
  if (moved && from && view) drawLayers();
  else if (moved || event.type === "pointercancel") return;
  else if (view) leaveZoom();
  else zoomTo(placeOf(event));
}

function startZoom() {
  stage().addEventListener("pointerdown", onPointerDown);
  stage().addEventListener("pointermove", onPointerMove);
  for (const name of ["pointerup", "pointercancel"]) stage().addEventListener(name, onPointerUp);
}
