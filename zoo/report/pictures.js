// Draws the pictures of the report's cards while they are in view. Runs together with page.js.
"use strict";

const FILL = [213, 94, 0]; // of marked pixels
const FILL_OPACITY = 0.45;
const LINE = [86, 180, 233]; // around the true defect
const BOX = "rgb(0, 158, 115)"; // that the model drew
// class of the frame -> words for those who cannot see the picture
const PICTURES = [["image", "Image"], ["truth", "True mask"], ["levels", "Anomaly map"]];

const visible = new Set();
const images = new Map(); // card -> its pictures
const drawings = new Map(); // card -> its decoded pictures; of the cards drawn last alone

function pixelsOf(image, width, height) {
  const canvas = document.createElement("canvas");
  canvas.width = width;
  canvas.height = height;
  const context = canvas.getContext("2d", { willReadFrequently: true });
  if (image) context.drawImage(image, 0, 0, width, height);
  else context.fillRect(0, 0, width, height);
  return context.getImageData(0, 0, width, height);
}

// The first of four channels of each pixel.
function firstChannel(pixels) {
  return new Uint8Array(pixels.data.length / 4).map((_, index) => pixels.data[4 * index]);
}

// 0 where there is no defect, 1 on a defect, 2 next to one, 3 where pixels are not judged.
function truthOf(pixels) {
  const { width, data: channels } = pixels;
  const truth = new Uint8Array(channels.length / 4);
  for (let index = 0; index < truth.length; index++) {
    const red = channels[4 * index];
    // Types have colours, what is not judged is grey.
    if (red !== channels[4 * index + 1] || red !== channels[4 * index + 2]) truth[index] = 1;
    else if (red) truth[index] = 3;
  }
  for (let index = 0; index < truth.length; index++) {
    if (truth[index] === 1) continue;
    const column = index % width;
    const beside =
      truth[index - width] === 1 ||
      truth[index + width] === 1 ||
      (column > 0 && truth[index - 1] === 1) ||
      (column < width - 1 && truth[index + 1] === 1);
    if (beside) truth[index] = 2;
  }
  return truth;
}

// The pictures of a card: still encoded, so that they can be kept.
function imagesOf(card) {
  if (!images.has(card)) {
    const loaded = PICTURES.map(([name, alt]) => {
      const source = find(`.${name} noscript`, card);
      if (!source) return null;
      const image = new Image();
      image.src = /src="([^"]*)"/.exec(source.textContent)[1];
      image.alt = alt;
      return image;
    });
    images.set(card, loaded);
  }
  return images.get(card);
}

async function draw(card) {
  await Promise.all(imagesOf(card).map((image) => image?.decode()));
  drawNow(card);
}

function drawNow(card) {
  const [image, truth, levels] = imagesOf(card);
  if (drawings.has(card)) return drawPrediction(card);
  if (!levels.complete) return; // printed too soon
  const { naturalWidth: width, naturalHeight: height } = levels;
  drawings.set(card, {
    base: pixelsOf(image, width, height),
    truth: truthOf(pixelsOf(truth, width, height)),
    levels: firstChannel(pixelsOf(levels, width, height)),
    counts: new Uint32Array(bytesOf(card.dataset.counts).buffer),
  });
  if (image) find(".image", card).append(image);
  find(".truth", card).append(truth);
  drawMap(card, width, height);
  drawPrediction(card);
}

function drawMap(card, width, height) {
  const map = new ImageData(width, height);
  const colors = bytesOf(data.colors);
  const most = data.pixel ? data.pixel.thresholds.length : 255;
  drawings.get(card).levels.forEach((level, index) => {
    const color = 3 * Math.round((255 * level) / most);
    for (let channel = 0; channel < 3; channel++) {
      map.data[4 * index + channel] = colors[color + channel];
    }
    map.data[4 * index + 3] = 255;
  });
  put(find(".map", card), map);
}

function put(canvas, pixels) {
  canvas.width = pixels.width;
  canvas.height = pixels.height;
  canvas.getContext("2d").putImageData(pixels, 0, 0);
}

function drawPrediction(card) {
  if (!drawings.has(card)) return; // not yet loaded: it will be drawn by then
  const { base, truth, levels, counts } = drawings.get(card);
  const at = pixelSlider ? pixelSlider.valueAsNumber : levels.length;
  const picture = new ImageData(new Uint8ClampedArray(base.data), base.width);
  for (let index = 0; index < levels.length; index++) {
    const opacity = truth[index] === 2 ? 1 : truth[index] < 3 && levels[index] > at ? FILL_OPACITY : 0;
    const color = truth[index] === 2 ? LINE : FILL;
    for (let channel = 0; opacity && channel < 3; channel++) {
      const place = 4 * index + channel;
      picture.data[place] = (1 - opacity) * picture.data[place] + opacity * color[channel];
    }
  }
  const canvas = find(".prediction", card);
  put(canvas, picture);
  if (isRejected(card)) drawBoxes(canvas, JSON.parse(card.dataset.boxes));
  if (pixelSlider) showCardOverlap(card, counts[2 * at], counts[2 * at + 1]);
}

function drawBoxes(canvas, boxes) {
  const { width, height } = canvas;
  const context = canvas.getContext("2d");
  context.strokeStyle = BOX;
  context.lineWidth = 2;
  for (const [top, left, bottom, right] of boxes) {
    context.strokeRect(left * width, top * height, (right - left) * width, (bottom - top) * height);
  }
}

function showCardOverlap(card, both, predicted) {
  const [truth, judged] = [Number(card.dataset.truth), Number(card.dataset.judged)];
  if (!judged) return; // without a true mask there is nothing to overlap with
  const share = fixed(100 * ratio(predicted, judged), 2);
  find(".prediction", card).setAttribute("aria-label", `Prediction: ${share} % marked`);
  find(".overlap", card).textContent = truth
    ? `IoU ${fixed(ratio(both, predicted + truth - both), 2)},`
    : `${share} % marked,`;
}

function forget(card) {
  drawings.delete(card);
  for (const image of findAll("img", card)) image.remove();
  for (const canvas of findAll("canvas", card)) canvas.width = canvas.height = 0;
}

const observer = new IntersectionObserver(
  (entries) => {
    for (const { target, isIntersecting } of entries) {
      if (isIntersecting) visible.add(target);
      else visible.delete(target);
      if (isIntersecting) draw(target);
    }
    for (const card of [...drawings.keys()].slice(0, -CARDS_AT_ONCE)) {
      if (!visible.has(card)) forget(card);
    }
  },
  { rootMargin: "300px" },
);
