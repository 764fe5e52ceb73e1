"""Run by another Python, one that has Blender's `bpy`: the world places of a glTF file's vertices at moments of a clip.

Usage: python blender_pose.py FILE CLIP OUT.npz TIME...
"""

import sys

import bpy
import numpy as np

path, clip, out, *times = sys.argv[1:]
FPS = 240
bpy.ops.wm.read_factory_settings(use_empty=True)
bpy.context.scene.render.fps = FPS
bpy.ops.import_scene.gltf(filepath=path)
armature = next(item for item in bpy.data.objects if item.type == "ARMATURE")
action = next((item for item in bpy.data.actions if item.name.split(".")[0] == clip), bpy.data.actions[0])
if armature.animation_data.action is None or armature.animation_data.action.name != action.name:
    for track in list(armature.animation_data.nla_tracks):
        armature.animation_data.nla_tracks.remove(track)
    armature.animation_data.action = action
    armature.animation_data.action_slot = action.slots[0]
meshes = [item for item in bpy.data.objects if item.type == "MESH" and item.find_armature() is not None]
frames = []
for time in times:
    frame = float(time) * FPS
    bpy.context.scene.frame_set(int(frame // 1), subframe=frame % 1)
    graph = bpy.context.evaluated_depsgraph_get()
    places = []
    for item in meshes:
        posed = item.evaluated_get(graph).to_mesh()
        local = np.empty(3 * len(posed.vertices))
        posed.vertices.foreach_get("co", local)
        world = np.array(item.matrix_world)
        places.append(local.reshape(-1, 3) @ world[:3, :3].T + world[:3, 3])
    z_up = np.concatenate(places)
    frames.append(np.stack([z_up[:, 0], z_up[:, 2], -z_up[:, 1]], axis=1))  # back to glTF's y up
np.savez(out, places=np.stack(frames))
