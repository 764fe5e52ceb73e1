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
