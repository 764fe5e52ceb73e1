// The page of `mpc live`: one websocket, a video element for the camera, and two canvases. See wire.py for the messages.
"use strict";

const at = (id) => document.getElementById(id);
const PICTURE = 1, FRAME_MESH = 2, RECORDING = 3;
const MOST_SIDE = 640;
const view = { yaw: 0, pitch: 0, zoom: 1 };
const page = { frames: 0, delay: null, error: "", recording: false, using: false };
window.mpcLive = page; // for whoever looks at the page from a script
let socket = null, stream = null, wanted = false, looked = false, sentAt = 0, came = 0, shown = 0;

function send(table) {
  if (socket && socket.readyState === WebSocket.OPEN) socket.send(JSON.stringify(table));
}

function connect() {
  socket = new WebSocket(`${location.protocol === "https:" ? "wss" : "ws"}://${location.host}/socket`);
  socket.binaryType = "arraybuffer";
  socket.onopen = () => { page.error = ""; send({ view }); if (stream) send({ camera: true }); };
  socket.onmessage = (event) => (typeof event.data === "string" ? tell(JSON.parse(event.data)) : take(event.data));
  socket.onclose = (event) => {
    page.error = event.reason || "the connection to mpc live is lost; trying again";
    at("note").textContent = page.error;
    setTimeout(connect, 2000);
  };
}

// The state of the server, as text.
function tell(state) {
  if (state.next) { wanted = true; sendFrame(); return; }
  page.state = state;
  page.using = state.using;
  at("note").textContent = [page.error, state.note].filter(Boolean).join("; ");
  at("source").textContent = state.source || "input";
  at("progress").textContent = state.progress;
  page.recording = state.recording;
  at("record").textContent = state.recording ? "Stop, and save the sequence" : "Record";
  at("camera").hidden = !state.camera;
  fill(at("resolution"), state.resolutions, state.resolution);
  fill(at("mode"), state.modes, state.mode);
  const stages = Object.entries(state.stages_ms).map(([name, ms]) => `${name} ${ms} ms`).join(", ");
  const delay = page.delay === null || !page.using ? `${state.delay_ms} ms behind the frame`
    : `${Math.round(page.delay)} ms from camera to screen`;
  at("speed").textContent = `${state.fps.toFixed(1)} frames a second, ${delay}; ${stages || "no frame yet"}; `
    + `${state.clients} viewer${state.clients === 1 ? "" : "s"}`;
}

function fill(select, values, chosen) {
  if (select.options.length !== values.length) select.replaceChildren(...values.map((value) => new Option(value, value)));
  if (document.activeElement !== select) select.value = chosen;
}

// A picture, or a file to save.
async function take(buffer) {
  const head = new DataView(buffer), kind = head.getUint8(0);
  if (kind === FRAME_MESH || kind === RECORDING) {
    save(buffer.slice(1), kind === FRAME_MESH ? "frame.glb" : "sequence.glb");
    return;
  }
  if (kind !== PICTURE) return;
  const stamp = head.getFloat64(5, true), length = head.getUint32(13, true);
  const order = ++came;
  const parts = [buffer.slice(17, 17 + length), buffer.slice(17 + length)];
  const pictures = await Promise.all(parts.map((part) => createImageBitmap(new Blob([part], { type: "image/jpeg" }))));
  if (order < shown) { pictures.forEach((picture) => picture.close()); return; } // a newer one was decoded before it
  shown = order;
  ["input", "result"].forEach((id, index) => {
    const canvas = at(id), picture = pictures[index];
    if (canvas.width !== picture.width) { canvas.width = picture.width; canvas.height = picture.height; }
    canvas.getContext("2d").drawImage(picture, 0, 0);
    picture.close();
  });
  page.frames += 1;
  if (stamp > 0 && page.using) page.delay = performance.now() - stamp; // otherwise it is another browser's clock
}

function save(content, name) {
  page.saved = { name, bytes: content.byteLength };
  const link = document.createElement("a");
  link.href = URL.createObjectURL(new Blob([content], { type: "model/gltf-binary" }));
  link.download = name;
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 10000);
}

// The camera. The server asks for a frame when it has taken the one before, so none is out of date.
async function useCamera() {
  if (stream) {
    stream.getTracks().forEach((track) => track.stop());
    stream = null;
    page.delay = null;
    send({ camera: false });
    at("camera").textContent = "Use my camera";
    return;
  }
  if (!navigator.mediaDevices) {
    page.error = "browsers give the camera to localhost or over TLS alone: docs/live.md has a recipe for each";
    at("note").textContent = page.error;
    return;
  }
  try {
    stream = await navigator.mediaDevices.getUserMedia({ video: { width: { ideal: 640 }, height: { ideal: 480 } } });
  } catch (error) {
    page.error = `the camera cannot be used: ${error.message}`;
    at("note").textContent = page.error;
    return;
  }
  page.error = "";
  at("camera").textContent = "Stop my camera";
  at("video").srcObject = stream;
  await at("video").play();
  send({ camera: true });
}

const canvas = document.createElement("canvas");

function sendFrame() {
  const video = at("video");
  if (!stream || !wanted) return;
  if (!video.videoWidth) { setTimeout(sendFrame, 50); return; }
  wanted = false;
  const share = Math.min(1, MOST_SIDE / Math.max(video.videoWidth, video.videoHeight));
  canvas.width = Math.round(video.videoWidth * share);
  canvas.height = Math.round(video.videoHeight * share);
  const stamp = sentAt = performance.now();
  canvas.getContext("2d").drawImage(video, 0, 0, canvas.width, canvas.height);
  canvas.toBlob(async (blob) => {
    if (!blob || !socket || socket.readyState !== WebSocket.OPEN) return;
    const head = new DataView(new ArrayBuffer(8));
    head.setFloat64(0, stamp, true);
    socket.send(new Blob([head, blob]));
  }, "image/jpeg", 0.8);
}

// Turning. At most one message a drawn frame of the browser.
function look() {
  if (looked) return;
  looked = true;
  requestAnimationFrame(() => { looked = false; send({ view }); });
}

function turn(across, down) {
  view.yaw = (view.yaw + across) % 360;
  view.pitch = Math.max(-80, Math.min(80, view.pitch + down));
  look();
}

const result = at("result");
result.onpointerdown = (event) => result.setPointerCapture(event.pointerId);
result.onpointermove = (event) => {
  if (result.hasPointerCapture(event.pointerId)) turn(-event.movementX * 0.6, event.movementY * 0.4);
};
result.onwheel = (event) => {
  event.preventDefault();
  view.zoom = Math.max(0.5, Math.min(4, view.zoom * Math.exp(-event.deltaY / 600)));
  look();
};
result.ondblclick = () => { Object.assign(view, { yaw: 0, pitch: 0, zoom: 1 }); look(); };
result.onkeydown = (event) => {
  const step = { ArrowLeft: [10, 0], ArrowRight: [-10, 0], ArrowUp: [0, 10], ArrowDown: [0, -10] }[event.key];
  if (step) { event.preventDefault(); turn(...step); }
};
at("camera").onclick = useCamera;
at("resolution").onchange = (event) => { send({ resolution: Number(event.target.value) }); event.target.blur(); };
at("mode").onchange = (event) => { send({ mode: event.target.value }); event.target.blur(); };
at("mesh").onclick = () => send({ mesh: true });
at("record").onclick = () => send({ record: !page.recording });
// Ask again where no frame was wanted for long: one was lost, or another browser's camera was in use.
setInterval(() => { if (stream && performance.now() - sentAt > 2000) send({ camera: true }); }, 1000);
connect();
