// Functions of the browser for the page: pieces of files, events of a remote search, pictures and films to save.

/** Pieces of a file or of a response. */
export async function openPieces(source) {
  if (source instanceof Blob) return source.stream().getReader();
  const response = await fetch(source);
  if (!response.ok) throw new Error(`${source} answered ${response.status}`);
  return response.body.getReader();
}

/** The next piece, or nothing after the last. */
export async function nextPiece(reader) {
  const { done, value } = await reader.read();
  return done ? undefined : value;
}

/** Lets the page paint and respond before continuing. */
export function breathe() {
  return new Promise((resolve) => setTimeout(resolve, 0));
}

/** Listens to a remote search; `onEvent` receives each event as text, `onState` whether the search is paused. */
export function listen(address, onEvent, onState, onRefusal, onLoss) {
  const source = new EventSource(address);
  source.onmessage = (event) => onEvent(event.data);
  source.addEventListener("state", (event) => onState(event.data));
  source.addEventListener("refused", (event) => onRefusal(event.data));
  source.addEventListener("end", () => source.close());
  source.onerror = () => {
    if (source.readyState === EventSource.CLOSED) onLoss();
  };
}

/** Sends a command to a remote search; returns the problem, if any. */
export async function send(address, body) {
  try {
    const response = await fetch(address, { method: "POST", headers: { "content-type": "application/json" }, body });
    return response.ok ? undefined : await response.text();
  } catch (error) {
    return `the search cannot be reached (${error instanceof Error ? error.message : error})`;
  }
}

export async function copyText(text) {
  try {
    await navigator.clipboard.writeText(text);
    return true;
  } catch {
    return false;
  }
}

export function saveText(name, type, text) {
  saveBlob(name, new Blob([text], { type }));
}

function saveBlob(name, blob) {
  const link = document.createElement("a");
  link.href = URL.createObjectURL(blob);
  link.download = name;
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 10_000);
}

// The style sheet gives a picture its looks, but a saved file has none.
const LOOKS = [
  "fill", "fill-opacity", "stroke", "stroke-width", "stroke-opacity", "stroke-dasharray", "stroke-linecap",
  "stroke-linejoin", "opacity", "font-family", "font-size", "font-style", "font-weight", "text-anchor", "visibility",
];

/** The picture as a separate document, on its background colour. */
export function pictureText(svg) {
  const copy = svg.cloneNode(true);
  const from = [svg, ...svg.querySelectorAll("*")];
  const to = [copy, ...copy.querySelectorAll("*")];
  from.forEach((element, i) => {
    const look = getComputedStyle(element);
    for (const name of LOOKS) to[i].setAttribute(name, look.getPropertyValue(name));
    if (look.transform !== "none") to[i].setAttribute("transform", look.transform);
    for (const name of ["class", "style", "tabindex", "role", "id"]) to[i].removeAttribute(name);
    for (const name of [...to[i].getAttributeNames()]) if (name.startsWith("aria-")) to[i].removeAttribute(name);
  });
  copy.querySelectorAll("*").forEach((element) => {
    if (element.getAttribute("visibility") === "hidden") element.remove();
  });
  const { width, height } = sizeOf(svg);
  copy.setAttribute("xmlns", "http://www.w3.org/2000/svg");
  copy.setAttribute("width", width);
  copy.setAttribute("height", height);
  const ground = document.createElementNS("http://www.w3.org/2000/svg", "rect");
  ground.setAttribute("width", "100%");
  ground.setAttribute("height", "100%");
  ground.setAttribute("fill", groundOf(svg));
  copy.prepend(ground);
  return new XMLSerializer().serializeToString(copy);
}

function sizeOf(svg) {
  const { width, height } = svg.viewBox.baseVal;
  return { width, height };
}

function groundOf(element) {
  for (let at = element; at; at = at.parentElement) {
    const colour = getComputedStyle(at).backgroundColor;
    if (colour !== "rgba(0, 0, 0, 0)" && colour !== "transparent") return colour;
  }
  return getComputedStyle(document.documentElement).backgroundColor;
}

async function image(svg) {
  const picture = new Image();
  picture.src = `data:image/svg+xml;charset=utf-8,${encodeURIComponent(pictureText(svg))}`;
  await picture.decode();
  return picture;
}

/** Saves a picture as PNG, with three pixels per unit. */
export async function savePng(name, svg) {
  const { width, height } = sizeOf(svg);
  const canvas = document.createElement("canvas");
  canvas.width = 3 * width;
  canvas.height = 3 * height;
  canvas.getContext("2d").drawImage(await image(svg), 0, 0, canvas.width, canvas.height);
  saveBlob(name, await new Promise((resolve) => canvas.toBlob(resolve, "image/png")));
}

const FILM = ["video/webm;codecs=vp9", "video/webm;codecs=vp8", "video/webm"];

/** Whether this browser can record a canvas. */
export function canFilm() {
  return typeof MediaRecorder === "function" && FILM.some((type) => MediaRecorder.isTypeSupported(type));
}

/**
 * Films the pictures while `seek` shows one moment after the other, and saves the film.
 * @param {string} name the file
 * @param {string} selector the pictures, in two columns
 * @param {number} moments how many
 * @param {(moment: number) => string} seek shows a moment and returns its caption
 */
export async function saveFilm(name, selector, moments, seek) {
  const pictures = [...document.querySelectorAll(selector)];
  const sizes = pictures.map(sizeOf);
  const margin = 16;
  const columns = [0, 1].map((column) => Math.max(...sizes.filter((_, i) => i % 2 === column).map((size) => size.width)));
  const rows = [];
  for (let i = 0; i < sizes.length; i += 2) rows.push(Math.max(sizes[i].height, sizes[i + 1]?.height ?? 0));
  const canvas = document.createElement("canvas");
  const scale = 1.5;
  canvas.width = scale * (columns[0] + columns[1] + 3 * margin);
  canvas.height = scale * (rows.reduce((sum, row) => sum + row + margin, 0) + 44);
  const pen = canvas.getContext("2d");
  const ground = groundOf(pictures[0]);
  const ink = getComputedStyle(pictures[0]).color;
  const draw = async (caption) => {
    const images = await Promise.all(pictures.map(image));
    pen.setTransform(scale, 0, 0, scale, 0, 0);
    pen.fillStyle = ground;
    pen.fillRect(0, 0, canvas.width, canvas.height);
    pen.fillStyle = ink;
    pen.font = "16px sans-serif";
    pen.fillText(caption, margin, 28);
    images.forEach((picture, i) => {
      const [column, row] = [i % 2, Math.floor(i / 2)];
      const x = margin + column * (columns[0] + margin) + (columns[column] - sizes[i].width) / 2;
      const y = 40 + rows.slice(0, row).reduce((sum, height) => sum + height + margin, 0);
      pen.drawImage(picture, x, y, sizes[i].width, sizes[i].height);
    });
  };
  const recorder = new MediaRecorder(canvas.captureStream(25), {
    mimeType: FILM.find((type) => MediaRecorder.isTypeSupported(type)),
    videoBitsPerSecond: 4_000_000,
  });
  const parts = [];
  recorder.ondataavailable = (event) => parts.push(event.data);
  const ended = new Promise((resolve) => (recorder.onstop = resolve));
  for (let moment = 0; moment < moments; moment += 1) {
    const began = performance.now();
    const caption = seek(moment);
    await new Promise((resolve) => requestAnimationFrame(resolve));
    await draw(caption);
    if (recorder.state === "inactive") recorder.start();
    await new Promise((resolve) => setTimeout(resolve, Math.max(0, 80 - (performance.now() - began))));
  }
  await new Promise((resolve) => setTimeout(resolve, 500));
  recorder.stop();
  await ended;
  saveBlob(name, new Blob(parts, { type: "video/webm" }));
}

// --- the saved search, to resume after a reload: only the latest ---

const DATABASE = "darts-search";
const PARTS = ["about", "checkpoint", "log", "text"];

/** The browser's database, created on first use. */
function database() {
  return new Promise((resolve, reject) => {
    const opening = indexedDB.open(DATABASE, 2);
    opening.onupgradeneeded = () => {
      const { result: opened } = opening;
      for (const part of PARTS) if (!opened.objectStoreNames.contains(part)) opened.createObjectStore(part, { autoIncrement: true });
    };
    opening.onsuccess = () => resolve(opening.result);
    opening.onerror = () => reject(opening.error ?? new Error("the browser opens no database"));
    opening.onblocked = () => reject(new Error("another tab holds the database"));
  });
}

/** Runs `use` with all parts in one transaction: all of it is written, or nothing. */
async function transact(mode, use) {
  const opened = await database();
  try {
    const transaction = opened.transaction(PARTS, mode);
    const done = new Promise((resolve, reject) => {
      transaction.oncomplete = resolve;
      transaction.onabort = () => reject(transaction.error ?? new Error("the browser did not keep it"));
    });
    const result = use(...PARTS.map((part) => transaction.objectStore(part)));
    await done;
    return result;
  } finally {
    opened.close();
  }
}

/**
 * Saves a search: its manifest, its checkpoint, and the lines of its log since the last checkpoint.
 * @param {string} about the manifest as JSON; `fresh` deletes the data of any other search
 * @param {Uint8Array | undefined} text the user's own text, unless it is saved already
 */
export async function saveSearch(about, checkpoint, lines, fresh, text) {
  await transact("readwrite", (abouts, checkpoints, log, texts) => {
    for (const store of fresh ? [abouts, checkpoints, log, texts] : [abouts, checkpoints]) store.clear();
    abouts.add(about);
    checkpoints.add(checkpoint);
    log.add(lines);
    if (text) texts.add(text);
  });
}

/** The saved search: `{ about, checkpoint, log, text }`, or undefined. */
export async function savedSearch() {
  if (typeof indexedDB === "undefined") return undefined;
  const asked = await transact("readonly", (...stores) => stores.map((store) => store.getAll()));
  const [[about], [checkpoint], log, [text]] = asked.map((request) => request.result);
  return about && checkpoint ? { about, checkpoint, log: log.join(""), text } : undefined;
}

/** Deletes the saved search. */
export async function deleteSavedSearch() {
  if (typeof indexedDB === "undefined") return;
  await transact("readwrite", (...stores) => stores.forEach((store) => store.clear()));
}
