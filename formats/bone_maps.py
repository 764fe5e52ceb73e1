"""Read the user's own bone maps from a TOML file."""

from __future__ import annotations

import tomllib
from pathlib import Path

from ..core.errors import InputError
from ..motion.bones import BoneMap, all_roles


def read_bone_maps(path: Path) -> dict[str, BoneMap]:
    """Read bone maps: one table a family of rigs, with lines `role = "bone"`.

    The roles "spine" and "neck" may have a list of bones, from the lowest upwards.

    Args:
        path: the .toml.

    Returns:
        Maps by the name of their table.

    Raises:
        InputError: not TOML, an unknown role, or a value that is not a name; the message says which.
    """
    try:
        with path.open("rb") as stream:
            document = tomllib.load(stream)
    except (OSError, tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise InputError(path, f"cannot be read as TOML ({error})") from error
    if not document:
        raise InputError(path, 'holds no map; write a table such as [my_rig] with lines such as hips = "Pelvis"')
    maps: dict[str, BoneMap] = {}
    for table, bones in document.items():
        if not isinstance(bones, dict):
            raise InputError(path, f"{table!r} stands outside a table; begin with a line such as [my_rig]")
        entries: dict[str, tuple[str, ...]] = {}
        for role, value in bones.items():
            if role not in all_roles():
                raise InputError(path, f"[{table}] {role!r} is no role; the roles are {', '.join(all_roles())}")
            names = value if isinstance(value, list) else [value]
            if not names or not all(isinstance(name, str) and name for name in names):
                raise InputError(path, f"[{table}] {role}: expected a bone's name or a list of names")
            entries[role] = tuple(names)
        maps[table] = entries
    return maps
