"""Read glTF materials as they look without light, in display values."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

import numpy as np

from ...core.arrays import F64, U8
from ...geometry.mesh import Material, Wrap
from ..images import read_texture
from .container import GltfFile, Json

# OpenGL's numbers, which glTF uses (section 5.26, "sampler"); some exporters write those of OpenGL's older clamps, too.
REPEAT, CLAMP, MIRROR = 10497, 33071, 33648
WRAPS: dict[int, Wrap] = {REPEAT: "repeat", CLAMP: "clamp", MIRROR: "mirror", 10496: "clamp", 33069: "clamp"}


@dataclass(frozen=True, eq=False)
class GltfMaterial:
    """A material and how its texture lies on the surface.

    Attributes:
        material: without light, in display values.
        texcoord: number of the TEXCOORD set that it uses.
        uv_matrix: (3, 3) applied to those coordinates, v down.
    """

    material: Material
    texcoord: int
    uv_matrix: F64


class MaterialReader:
    """Reads materials once each; textures are decoded for materials in use alone."""

    def __init__(self, gltf: GltfFile) -> None:
        self._gltf = gltf
        self._materials: dict[int | None, GltfMaterial] = {}
        self._images: dict[int, U8] = {}

    def read(self, index: Any) -> GltfMaterial:
        """Material `index` of the file, or glTF's default (white) for None."""
        gltf = self._gltf
        key = None if index is None else gltf.index(index, len(gltf.items("materials")), "materials")
        if key not in self._materials:
            self._materials[key] = self._build(key)
        return self._materials[key]

    def _build(self, index: int | None) -> GltfMaterial:
        gltf = self._gltf
        entry: Json = {} if index is None else gltf.entry("materials", index)
        name = str(entry.get("name") or f"material_{index}")
        pbr = entry.get("pbrMetallicRoughness")
        source: Json = pbr if isinstance(pbr, dict) else {}
        texture_key, factor_key = "baseColorTexture", "baseColorFactor"
        glossy = gltf.extension(entry, "KHR_materials_pbrSpecularGlossiness")
        if glossy is not None and texture_key not in source:
            source, texture_key, factor_key = glossy, "diffuseTexture", "diffuseFactor"
        factor = gltf.numbers(source, factor_key, [1.0, 1.0, 1.0, 1.0])
        texture, texcoord, matrix, wrap = self._texture(source.get(texture_key), name)
        mode: Literal["opaque", "mask"] = "opaque"
        cutoff = 0.5
        if entry.get("alphaMode") == "MASK":
            mode, cutoff = "mask", float(gltf.numbers({"c": [entry.get("alphaCutoff", 0.5)]}, "c", [0.5])[0])
        elif entry.get("alphaMode") == "BLEND":
            mode = "mask"  # no order-dependent blending: what is at least half opaque is drawn
        red, green, blue = (float(value) for value in to_display(factor[:3]))
        colour = (red, green, blue, float(np.clip(factor[3], 0.0, 1.0)))
        material = Material(name, texture, colour, mode, min(max(cutoff, 0.0), 1.0), wrap)
        return GltfMaterial(material, texcoord, matrix)

    def _texture(self, info: Any, material: str) -> tuple[U8 | None, int, F64, tuple[Wrap, Wrap]]:
        gltf = self._gltf
        if not isinstance(info, dict):
            return None, 0, np.eye(3), ("repeat", "repeat")
        entry = gltf.entry("textures", info.get("index"))
        texcoord = gltf.whole(info, "texCoord", 0)
        transform = gltf.extension(info, "KHR_texture_transform")
        matrix = np.eye(3)
        if transform is not None:
            texcoord = gltf.whole(transform, "texCoord", texcoord)
            matrix = texture_transform(
                gltf.numbers(transform, "offset", [0.0, 0.0]),
                float(gltf.numbers({"r": [transform.get("rotation", 0.0)]}, "r", [0.0])[0]),
                gltf.numbers(transform, "scale", [1.0, 1.0]),
            )
        webp = gltf.extension(entry, "EXT_texture_webp")
        source = entry.get("source") if webp is None else webp.get("source", entry.get("source"))
        if source is None:
            if gltf.extension(entry, "KHR_texture_basisu") is not None:
                raise gltf.fail(f'material "{material}" has a Basis Universal texture, which is not read')
            raise gltf.fail(f'material "{material}" has a texture without an image')
        position = gltf.index(source, len(gltf.items("images")), "images")
        if position not in self._images:
            self._images[position] = read_texture(*gltf.image_bytes(position))
        return self._images[position], texcoord, matrix, self._wrap(entry.get("sampler"), material)

    def _wrap(self, sampler: Any, material: str) -> tuple[Wrap, Wrap]:
        """What a texture shows beyond [0, 1] along u and v; it repeats where the file does not say."""
        if sampler is None:
            return "repeat", "repeat"
        entry = self._gltf.entry("samplers", sampler)
        modes = [entry.get(key, REPEAT) for key in ("wrapS", "wrapT")]
        for position, mode in enumerate(modes):
            if not isinstance(mode, int) or mode not in WRAPS:
                self._gltf.notices.append(f'material "{material}": wrap mode {str(mode)[:20]} is unknown; it repeats')
                modes[position] = REPEAT
        return WRAPS[modes[0]], WRAPS[modes[1]]


def texture_transform(offset: F64, rotation_rad: float, scale: F64) -> F64:
    """(3, 3) matrix T R S of KHR_texture_transform, for coordinates with v down."""
    cosine, sine = np.cos(rotation_rad), np.sin(rotation_rad)
    turn = np.array([[cosine, sine], [-sine, cosine]])
    matrix = np.eye(3)
    matrix[:2, :2] = turn * scale
    matrix[:2, 2] = offset
    return matrix


def to_display(linear: F64) -> F64:
    """Linear light to sRGB display values, both in [0, 1]."""
    linear = np.clip(linear, 0.0, 1.0)
    return np.where(linear <= 0.0031308, 12.92 * linear, 1.055 * linear ** (1 / 2.4) - 0.055)


def to_linear(display: F64) -> F64:
    """sRGB display values to linear light, both in [0, 1]."""
    display = np.clip(display, 0.0, 1.0)
    return np.where(display <= 0.04045, display / 12.92, ((display + 0.055) / 1.055) ** 2.4)
