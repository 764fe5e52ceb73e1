"""A view of meshes in three dimensions inside a page: turned with the mouse, drawn by WebGL, nothing fetched."""

from __future__ import annotations

import base64
import json
from collections.abc import Sequence
from dataclasses import dataclass
from html import escape

import numpy as np

from ..core.arrays import F64, I64, U8
from ..geometry.mesh import PosedMesh

# A page with half a dozen meshes stays below some ten megabytes.
MAX_FACES = 60_000


@dataclass(frozen=True, eq=False)
class ViewerModel:
    """Two meshes seen side by side from the same direction.

    Attributes:
        name: on its button.
        titles: below each mesh.
        meshes: world metres.
        colours: at the vertices of each, (V, 3) uint8.
    """

    name: str
    titles: tuple[str, str]
    meshes: tuple[PosedMesh, PosedMesh]
    colours: tuple[U8, U8]


def viewer(models: Sequence[ViewerModel], legend: str) -> str:
    """HTML with its script; `legend` is HTML for below it."""
    if not models:
        return ""
    content = json.dumps([_pack(model) for model in models]).replace("</", "<\\/")
    buttons = "".join(
        f'<button data-model="{index}" aria-pressed="{"true" if index == 0 else "false"}">{escape(model.name)}</button>'
        for index, model in enumerate(models)
    )
    panes = "".join(
        '<figure><canvas width="900" height="1100"></canvas><figcaption></figcaption></figure>' for _ in range(2)
    )
    return (
        f'<div class="viewer"><div class="buttons">{buttons}</div><div class="panes">{panes}</div>{legend}'
        '<p class="note viewer-note">Drag to turn, wheel to come nearer, double click to reset.</p>'
        f'<script type="application/json" class="viewer-data">{content}</script></div><script>{_SCRIPT}</script>'
    )


def simplify(mesh: PosedMesh, colours: U8, most: int = MAX_FACES) -> tuple[F64, I64, U8]:
    """Vertices, faces and colours of a mesh of at most `most` faces: vertices of a grid's cell become one."""
    vertices, faces = mesh.vertices, mesh.faces.astype(np.int64)
    if len(faces) <= most:
        return vertices, faces, colours
    low, high = mesh.bounds
    area = float(mesh.face_areas.sum())
    cell = float(np.sqrt(area / most))  # about two faces a cell; coarser until they are few enough
    while True:
        index = np.floor((vertices - low) / cell).astype(np.int64)
        size = np.ceil((high - low) / cell).astype(np.int64) + 1
        _, owner = np.unique((index[:, 0] * size[1] + index[:, 1]) * size[2] + index[:, 2], return_inverse=True)
        joined = owner[faces]
        kept = (joined[:, 0] != joined[:, 1]) & (joined[:, 1] != joined[:, 2]) & (joined[:, 2] != joined[:, 0])
        joined = np.unique(joined[kept], axis=0)
        if len(joined) <= most:
            break
        cell *= 1.15
    count = np.bincount(owner)
    middle = np.stack([np.bincount(owner, vertices[:, axis]) / count for axis in range(3)], axis=1)
    mean = np.stack(
        [np.bincount(owner, colours[:, channel].astype(np.float64)) / count for channel in range(3)], axis=1
    )
    return middle, joined, np.rint(mean).astype(np.uint8)


def _pack(model: ViewerModel) -> dict[str, object]:
    low = np.minimum(*(mesh.bounds[0] for mesh in model.meshes))
    high = np.maximum(*(mesh.bounds[1] for mesh in model.meshes))
    centre, half = (low + high) / 2, float((high - low).max()) / 2
    packed = []
    for mesh, title, colours in zip(model.meshes, model.titles, model.colours, strict=True):
        vertices, faces, shown = simplify(mesh, colours)
        # 16 bits a coordinate: 0.03 mm for a person.
        quantised = np.rint((vertices - centre) / half * 32767).astype("<i2")
        packed.append(
            {
                "title": title
                + (f" ({len(faces):,} of {len(mesh.faces):,} faces)" if len(faces) < len(mesh.faces) else ""),
                "vertices": _base64(quantised.tobytes()),
                "colours": _base64(np.ascontiguousarray(shown).tobytes()),
                "faces": _base64(faces.astype("<u4").tobytes()),
            }
        )
    return {"name": model.name, "meshes": packed}


def _base64(content: bytes) -> str:
    return base64.b64encode(content).decode()


_SCRIPT = """
(function () {
  "use strict";
  const root = document.currentScript.previousElementSibling;
  const models = JSON.parse(root.querySelector(".viewer-data").textContent);
  const vertex = `#version 300 es
    in vec3 position; in vec3 colour; uniform mat3 turn; uniform vec3 view; out vec3 place; out vec3 tint;
    void main() { vec3 p = turn * position; place = p; tint = colour;
      gl_Position = vec4((p.xy + view.xy) * view.z * vec2(1.22, 1.0), -p.z * 0.5, 1.0); }`;
  const fragment = `#version 300 es
    precision highp float; in vec3 place; in vec3 tint; out vec4 result;
    void main() { vec3 n = normalize(cross(dFdx(place), dFdy(place)));
      float light = 0.35 + 0.65 * max(dot(n, normalize(vec3(-0.35, 0.5, 0.8))), 0.0);
      result = vec4(tint * light, 1.0); }`;
  const bytes = text => Uint8Array.from(atob(text), c => c.charCodeAt(0));
  const begin = { yaw: 0.5, pitch: 0.12, zoom: 0.94, x: 0, y: 0 };
  const state = Object.assign({}, begin);
  const panes = [...root.querySelectorAll("canvas")].map(canvas => {
    const gl = canvas.getContext("webgl2", { antialias: true, preserveDrawingBuffer: true });
    if (!gl) return null;
    const program = gl.createProgram();
    for (const [kind, source] of [[gl.VERTEX_SHADER, vertex], [gl.FRAGMENT_SHADER, fragment]]) {
      const shader = gl.createShader(kind);
      gl.shaderSource(shader, source); gl.compileShader(shader); gl.attachShader(program, shader);
    }
    gl.linkProgram(program); gl.useProgram(program); gl.enable(gl.DEPTH_TEST);
    const at = { position: gl.getAttribLocation(program, "position"), colour: gl.getAttribLocation(program, "colour") };
    const uniform = { turn: gl.getUniformLocation(program, "turn"), view: gl.getUniformLocation(program, "view") };
    const buffers = { v: gl.createBuffer(), c: gl.createBuffer(), f: gl.createBuffer() };
    let count = 0;
    return {
      load(mesh) {
        const faces = bytes(mesh.faces);
        gl.bindBuffer(gl.ARRAY_BUFFER, buffers.v);
        gl.bufferData(gl.ARRAY_BUFFER, bytes(mesh.vertices), gl.STATIC_DRAW);
        gl.vertexAttribPointer(at.position, 3, gl.SHORT, true, 6, 0); gl.enableVertexAttribArray(at.position);
        gl.bindBuffer(gl.ARRAY_BUFFER, buffers.c);
        gl.bufferData(gl.ARRAY_BUFFER, bytes(mesh.colours), gl.STATIC_DRAW);
        gl.vertexAttribPointer(at.colour, 3, gl.UNSIGNED_BYTE, true, 3, 0); gl.enableVertexAttribArray(at.colour);
        gl.bindBuffer(gl.ELEMENT_ARRAY_BUFFER, buffers.f);
        gl.bufferData(gl.ELEMENT_ARRAY_BUFFER, faces, gl.STATIC_DRAW);
        count = faces.length / 4;
        canvas.nextElementSibling.textContent = mesh.title;
      },
      draw() {
        const [cy, sy] = [Math.cos(state.yaw), Math.sin(state.yaw)];
        const [cp, sp] = [Math.cos(state.pitch), Math.sin(state.pitch)];
        gl.viewport(0, 0, canvas.width, canvas.height);
        gl.clearColor(0.965, 0.957, 0.941, 1); gl.clear(gl.COLOR_BUFFER_BIT | gl.DEPTH_BUFFER_BIT);
        gl.uniformMatrix3fv(uniform.turn, false, [cy, sy * sp, -sy * cp, 0, cp, sp, sy, -cy * sp, cy * cp]);
        gl.uniform3f(uniform.view, state.x, state.y, state.zoom);
        gl.drawElements(gl.TRIANGLES, count, gl.UNSIGNED_INT, 0);
      },
    };
  });
  if (panes.some(pane => !pane)) {
    root.querySelector(".viewer-note").textContent = "This browser offers no WebGL 2; the pictures show the same.";
    root.querySelector(".panes").remove();
    return;
  }
  const draw = () => panes.forEach(pane => pane.draw());
  const show = index => {
    panes.forEach((pane, side) => pane.load(models[index].meshes[side]));
    root.querySelectorAll("button").forEach((b, i) => b.setAttribute("aria-pressed", String(i === index)));
    draw();
  };
  root.querySelectorAll("button").forEach((button, index) => button.addEventListener("click", () => show(index)));
  root.querySelectorAll("canvas").forEach(canvas => {
    canvas.addEventListener("pointerdown", e => canvas.setPointerCapture(e.pointerId));
    canvas.addEventListener("pointermove", e => {
      if (!e.buttons) return;
      if (e.shiftKey || e.buttons > 1) {
        state.x += e.movementX / 250 / state.zoom; state.y -= e.movementY / 250 / state.zoom;
      } else {
        state.yaw += e.movementX / 150;
        state.pitch = Math.max(-1.5, Math.min(1.5, state.pitch + e.movementY / 150));
      }
      draw();
    });
    canvas.addEventListener("wheel", e => {
      e.preventDefault(); state.zoom = Math.max(0.4, Math.min(20, state.zoom * Math.exp(-e.deltaY / 600))); draw();
    }, { passive: false });
    canvas.addEventListener("contextmenu", e => e.preventDefault());
    canvas.addEventListener("dblclick", () => { Object.assign(state, begin); draw(); });
  });
  show(0);
})();
"""
