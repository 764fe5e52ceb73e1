"""A tiny ASCII FBX 7.4 writer: a post of quads on two bones, the upper bends within a second."""

from __future__ import annotations

from pathlib import Path

TICKS = 46186158000  # a second


def _numbers(values: object) -> str:
    return ",".join(f"{value:.9g}" for value in values)  # type: ignore[attr-defined]


def _matrix(place: tuple[float, float, float]) -> str:
    return _numbers([1, 0, 0, 0, 0, 1, 0, 0, 0, 0, 1, 0, *place, 1])


def _array(name: str, values: list[float]) -> str:
    return f"{name}: *{len(values)} {{\na: {_numbers(values)}\n}}"


def write_post(
    path: Path,
    *,
    unit_cm: float = 1.0,
    z_up: bool = False,
    skin: bool = True,
    clip: bool = True,
    texture: str | None = None,
    clamp: bool = False,
    body: bool = True,
    bind_pose: bool = False,
    morph: float | None = None,
    hidden: bool = False,
) -> Path:
    """A square post 0.2 m wide and 2 m high in the file's unit and axes; the upper bone starts at 1 m.

    Args:
        unit_cm: centimetres of one unit of the file.
        skin: the lower ring follows "lower", the upper two "upper" (weights 2: not normalised).
        clip: "bend": "upper" turns 0 to 90 degrees about the axis that points left (x) within a second.
        texture: name of a picture for the material.
        clamp: the texture's edge is shown beyond u = 1 (v repeats).
        body: False leaves out the surface.
        bind_pose: a pose with the upper bone upright, while its node is stored turned by 40 degrees.
        morph: weight, percent, of a shape that moves the uppermost ring up by half a metre.
        hidden: the surface's node is not visible.
    """
    metre = 100.0 / unit_cm

    def point(x: float, y: float, z: float) -> tuple[float, float, float]:
        return (x * metre, -z * metre, y * metre) if z_up else (x * metre, y * metre, z * metre)

    ring = [(-0.1, -0.1), (0.1, -0.1), (0.1, 0.1), (-0.1, 0.1)]
    points = [point(x, height, z) for height in (0.0, 1.0, 2.0) for x, z in ring]
    faces = [[4 * level + k, 4 * level + 4 + k, 4 * level + 4 + (k + 1) % 4, 4 * level + (k + 1) % 4]
             for level in (0, 1) for k in range(4)]  # fmt: skip
    index = [value if n < 3 else -value - 1 for face in faces for n, value in enumerate(face)]
    uv = [0, 0, 0, 1, 1, 1, 1, 0]
    up, front = ("2", "1") if z_up else ("1", "2")
    sign = "-1" if z_up else "1"
    objects = [
        f'Geometry: 10, "Geometry::post", "Mesh" {{\n{_array("Vertices", [v for p in points for v in p])}\n'
        f"{_array('PolygonVertexIndex', index)}\nGeometryVersion: 124\n"
        'LayerElementUV: 0 {\nVersion: 101\nName: "map"\nMappingInformationType: "ByPolygonVertex"\n'
        f'ReferenceInformationType: "IndexToDirect"\n{_array("UV", uv)}\n'
        f"{_array('UVIndex', [0, 1, 2, 3] * len(faces))}\n}}\n"
        'LayerElementMaterial: 0 {\nVersion: 101\nName: ""\nMappingInformationType: "AllSame"\n'
        f'ReferenceInformationType: "IndexToDirect"\n{_array("Materials", [0])}\n}}\n'
        'Layer: 0 {\nVersion: 100\nLayerElement: {\nType: "LayerElementUV"\nTypedIndex: 0\n}\n'
        'LayerElement: {\nType: "LayerElementMaterial"\nTypedIndex: 0\n}\n}\n}',
        'Model: 20, "Model::post", "Mesh" {\nVersion: 232\nProperties70: {\n'
        f'P: "Visibility", "Visibility", "", "A",{int(not hidden)}\n}}\n}}',
        'Material: 30, "Material::paint", "" {\nVersion: 102\nShadingModel: "lambert"\nProperties70: {\n'
        'P: "DiffuseColor", "Color", "", "A",1,0.5,0.25\n}\n}',
    ]
    links = ['C: "OO",20,0', 'C: "OO",10,20', 'C: "OO",30,20']
    if texture is not None:
        objects.append(
            f'Texture: 31, "Texture::t", "" {{\nType: "TextureVideoClip"\nFileName: "{texture}"\n'
            f'RelativeFilename: "{texture}"\n'
            f'Properties70: {{\nP: "WrapModeU", "enum", "", "",{int(clamp)}\nP: "WrapModeV", "enum", "", "",0\n}}\n}}'
        )
        links.append('C: "OP",31,30, "DiffuseColor"')
    if morph is not None:
        moved = [value for _ in range(4) for value in point(0, 0.5, 0)]
        objects += [
            f'Geometry: 11, "Geometry::tall", "Shape" {{\nVersion: 100\n{_array("Indexes", [8, 9, 10, 11])}\n'
            f"{_array('Vertices', moved)}\n}}",
            'Deformer: 71, "Deformer::shapes", "BlendShape" {\nVersion: 100\n}',
            'Deformer: 72, "SubDeformer::tall", "BlendShapeChannel" {\nVersion: 100\nProperties70: {\n'
            f'P: "DeformPercent", "Number", "", "A",{morph}\n}}\n{_array("FullWeights", [100])}\n}}',
        ]
        links += ['C: "OO",71,10', 'C: "OO",72,71', 'C: "OO",11,72']
    lower, upper = point(0, 0, 0), point(0, 1, 0)
    for number, (name, place) in enumerate((("lower", lower), ("upper", upper))):
        parent = 0 if number == 0 else 40
        bone = 40 + number
        turned = 'P: "Lcl Rotation", "Lcl Rotation", "", "A",40,0,0\n' if bind_pose and number else ""
        objects.append(
            f'Model: {bone}, "Model::{name}", "LimbNode" {{\nVersion: 232\nProperties70: {{\n'
            f'P: "Lcl Translation", "Lcl Translation", "", "A",{_numbers(place)}\n{turned}}}\n}}'
        )
        objects.append(
            f'NodeAttribute: {50 + number}, "NodeAttribute::{name}", "LimbNode" {{\nTypeFlags: "Skeleton"\n}}'
        )
        links += [f'C: "OO",{bone},{parent}', f'C: "OO",{50 + number},{bone}']
        if skin:
            members = list(range(4)) if number == 0 else list(range(4, 12))
            objects.append(
                f'Deformer: {60 + number}, "SubDeformer::{name}", "Cluster" {{\nVersion: 100\n'
                f"{_array('Indexes', list(members))}\n{_array('Weights', [2.0] * len(members))}\n"
                f"Transform: *16 {{\na: {_matrix(tuple(-v for v in place))}\n}}\n"  # type: ignore[arg-type]
                f"TransformLink: *16 {{\na: {_matrix(place)}\n}}\n}}"
            )
            links += [f'C: "OO",{60 + number},70', f'C: "OO",{bone},{60 + number}']
    if bind_pose:
        nodes = "".join(
            f"PoseNode: {{\nNode: {bone}\nMatrix: *16 {{\na: {_matrix(place)}\n}}\n}}\n"
            for bone, place in ((40, lower), (41, upper))
        )
        objects.append(f'Pose: 90, "Pose::bind", "BindPose" {{\nType: "BindPose"\nVersion: 100\n{nodes}}}')
    if not body:
        objects = [text for text in objects if not text.startswith(("Geometry", "Deformer", "Material"))]
        links = [link for link in links if not link.startswith('C: "OO",10,')]
    if skin and body:
        objects.append('Deformer: 70, "Deformer::skin", "Skin" {\nVersion: 101\nLink_DeformAcuracy: 50\n}')
        links.append('C: "OO",70,10')
    if clip:
        keys = 31
        times = [round(TICKS * k / 30) for k in range(keys)]
        objects += [
            'AnimationStack: 80, "AnimStack::rig|bend", "" {\nProperties70: {\n'
            f'P: "LocalStop", "KTime", "Time", "",{TICKS}\nP: "ReferenceStop", "KTime", "Time", "",{TICKS}\n}}\n}}',
            'AnimationLayer: 81, "AnimLayer::base", "" {\n}',
            'AnimationCurveNode: 82, "AnimCurveNode::R", "" {\nProperties70: {\n'
            'P: "d|X", "Number", "", "A",0\nP: "d|Y", "Number", "", "A",0\nP: "d|Z", "Number", "", "A",0\n}\n}',
            f'AnimationCurve: 83, "AnimCurve::", "" {{\nDefault: 0\nKeyVer: 4008\nKeyTime: *{keys} {{\n'
            f"a: {','.join(map(str, times))}\n}}\n{_array('KeyValueFloat', [3.0 * k for k in range(keys)])}\n"
            f"KeyAttrFlags: *1 {{\na: 260\n}}\nKeyAttrDataFloat: *4 {{\na: 0,0,0,0\n}}\n"
            f"KeyAttrRefCount: *1 {{\na: {keys}\n}}\n}}",
        ]
        links += ['C: "OO",81,80', 'C: "OO",82,81', 'C: "OP",82,41, "Lcl Rotation"', 'C: "OP",83,82, "d|X"']
    path.write_text(
        "; FBX 7.4.0 project file\nFBXHeaderExtension: {\nFBXHeaderVersion: 1003\nFBXVersion: 7400\n}\n"
        "GlobalSettings: {\nVersion: 1000\nProperties70: {\n"
        f'P: "UpAxis", "int", "Integer", "",{up}\nP: "UpAxisSign", "int", "Integer", "",1\n'
        f'P: "FrontAxis", "int", "Integer", "",{front}\nP: "FrontAxisSign", "int", "Integer", "",{sign}\n'
        'P: "CoordAxis", "int", "Integer", "",0\nP: "CoordAxisSign", "int", "Integer", "",1\n'
        f'P: "UnitScaleFactor", "double", "Number", "",{unit_cm}\nP: "TimeMode", "enum", "", "",6\n}}\n}}\n'
        "Objects: {\n" + "\n".join(objects) + "\n}\nConnections: {\n" + "\n".join(links) + "\n}\n"
    )
    return path
