"""Masks of people in photographs: how good they are, and what they cost, beside the selfie network alone.

    python benchmarks/segment.py --work DIR       # makes and draws free people in DIR the first time (ten minutes)
    python benchmarks/segment.py --tiny           # seconds; proves that it runs

Views of free people are laid over photographs that packages carry, at 70 to 95 % of the picture's height, in three
shapes of picture, with tint, noise and JPEG; the truth is the view's alpha. The photographs: scikit-image's
motorcycle, rocket, brick, gravel and grass, scikit-learn's china and flower where it is installed, those of Debian's
mate-backgrounds where they are, and any in --photographs. None shows a person. Masks count as empty where the picture
is refused. Milliseconds are processor time of one thread, of finding alone, without reading and writing files.
"""

from __future__ import annotations

import argparse
import io
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from unittest.mock import patch

import numpy as np
import skimage.data
import torch
from PIL import Image

from mpc.core.errors import MpcError
from mpc.core.randomness import derive_rng
from mpc.datasets.renders.build import render_models
from mpc.datasets.renders.format import read_scene, scene_folders
from mpc.datasets.renders.settings import RenderSettings
from mpc.formats.png import read_png
from mpc.models.person import finder
from mpc.models.person.detect import selfie_mask
from mpc.models.person.engines import has_litert, open_engine
from mpc.models.person.finder import PersonFinder, mask_overlap
from mpc.models.person.store import require_networks
from mpc.people.make import make_people
from mpc.reconstruct.capture.body import measure_body
from mpc.reconstruct.capture.masks import straight_ends
from mpc.reconstruct.capture.people import MOST_PEOPLE

SHAPES = ((640, 480), (480, 640), (576, 576))
MATE = Path("/usr/share/backgrounds/mate/nature")
NOISE = 5.0


@dataclass(frozen=True)
class Composite:
    """A picture with a person and its true mask.

    Attributes:
        name: of the view and of the photograph.
        picture: (H, W, 3) uint8.
        mask: (H, W) float32, 0 to 1.
    """

    name: str
    picture: np.ndarray
    mask: np.ndarray


def photographs(folders: list[Path]) -> dict[str, np.ndarray]:
    """The photographs, by name."""
    found = {name: getattr(skimage.data, name)() for name in ("rocket", "brick", "gravel", "grass")}
    found["motorcycle"] = skimage.data.stereo_motorcycle()[0]
    try:
        from sklearn.datasets import load_sample_image
    except ImportError:
        pass
    else:
        found |= {name: load_sample_image(f"{name}.jpg") for name in ("china", "flower")}
    for folder in [MATE, *folders]:
        found |= {path.stem: np.asarray(Image.open(path).convert("RGB")) for path in sorted(folder.glob("*.jpg"))}
    return {name: np.repeat(p[..., None], 3, axis=2) if p.ndim == 2 else p[..., :3] for name, p in found.items()}


def draw_people(work: Path, *, tiny: bool) -> list[Path]:
    """Pictures of free people, made and drawn in a folder unless they are there."""
    models, renders = work / "models", work / "renders"
    if not renders.is_dir():
        scans, rigged, seed = (1, 0, 1) if tiny else (14, 2, 77)
        make_people(models, scans=scans, rigged=rigged, seed=seed, hard_poses=0.0, texture_size=512, jobs=1)
        settings = RenderSettings(views=2 if tiny else 4, step_deg=90, size=512, fov_deg=40, pitch_deg=(5.0,), rays=64)
        render_models(models, renders, settings, renderer="embree", jobs=1)
    scenes = [read_scene(folder) for folder in scene_folders(renders)]
    return [view.path for scene in scenes for view in scene.views]


def compose(view: Path, photograph: np.ndarray, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """Lay a person over a photograph. Returns the picture (H, W, 3) and the true mask (H, W)."""
    width, height = SHAPES[rng.integers(len(SHAPES))]
    ground = crop_ground(photograph, width, height, rng)
    layer = place_person(view, (width, height), (0.7, 0.95), 0.95, rng)
    picture, (mask,) = photograph_people(ground, [(layer, 0, 0)], rng)
    return picture, mask


def compose_pair(views: list[Path], photograph: np.ndarray, rng: np.random.Generator) -> tuple[np.ndarray, list]:
    """Lay two people side by side over a photograph. Returns the picture (640, 960, 3) and the true masks."""
    ground = crop_ground(photograph, 960, 640, rng)
    layers = [(place_person(view, (480, 640), (0.55, 0.95), 0.96, rng), 480 * n, 0) for n, view in enumerate(views)]
    return photograph_people(ground, layers, rng)


def crop_ground(photograph: np.ndarray, width: int, height: int, rng: np.random.Generator) -> Image.Image:
    """A part of a photograph, as large as fits this shape."""
    ground = Image.fromarray(photograph)
    scale = max(width / ground.width, height / ground.height)
    ground = ground.resize((round(ground.width * scale) + 1, round(ground.height * scale) + 1))
    left, top = (int(rng.integers(0, max(n, 1))) for n in (ground.width - width, ground.height - height))
    return ground.crop((left, top, left + width, top + height))


def place_person(
    view: Path, size: tuple[int, int], heights: tuple[float, float], most: float, rng: np.random.Generator
) -> Image.Image:
    """A layer (RGBA) of a size (width, height) that holds a person.

    Args:
        view: picture of the person.
        size: width and height of the layer.
        heights: least and greatest height of the person, as a share of the layer's.
        most: greatest width of the person, as a share of the layer's.
        rng: draws height and place.
    """
    width, height = size
    person = Image.fromarray(read_png(view))
    person = person.crop(person.getbbox())
    factor = min(rng.uniform(*heights) * height / person.height, most * width / person.width)
    # Pillow averages premultiplied colours, so no background comes in at the edge.
    person = person.resize((round(person.width * factor), round(person.height * factor)), Image.Resampling.LANCZOS)
    place = (int(rng.integers(0, width - person.width + 1)), int(rng.integers(0, height - person.height + 1)))
    layer = Image.new("RGBA", size)
    layer.paste(person, place)
    return layer


def photograph_people(
    ground: Image.Image, layers: list[tuple[Image.Image, int, int]], rng: np.random.Generator
) -> tuple[np.ndarray, list[np.ndarray]]:
    """Lay layers over a ground at their places, with tint, noise and JPEG. Returns the picture and their masks."""
    joined, masks = ground.convert("RGBA"), []
    for layer, left, top in layers:
        whole = Image.new("RGBA", ground.size)
        whole.paste(layer, (left, top))
        joined = Image.alpha_composite(joined, whole)
        masks.append(np.asarray(whole)[..., 3].astype(np.float32) / 255)
    picture = np.asarray(joined.convert("RGB")).astype(np.float64)
    picture = picture * rng.uniform(0.9, 1.1, 3) + rng.normal(0, NOISE, picture.shape)
    stream = io.BytesIO()
    Image.fromarray(np.clip(np.rint(picture), 0, 255).astype(np.uint8)).save(stream, "JPEG", quality=85)
    return np.asarray(Image.open(stream)), masks


def composites(views: list[Path], grounds: dict[str, np.ndarray], count: int, seed: int) -> list[Composite]:
    """Composites, each of a view and a photograph that are drawn at random."""
    rng = derive_rng(seed, "composites")
    order = rng.permutation(len(views))
    names = sorted(grounds)
    made = []
    for number in range(count):
        view, name = views[order[number % len(views)]], names[number % len(names)]
        picture, mask = compose(view, grounds[name], rng)
        made.append(Composite(f"{view.parent.parent.name}/{view.parent.name}/{view.stem} on {name}", picture, mask))
    return made


def chain(engine: str, *, refined: bool = True, most: int = 1) -> Callable[[np.ndarray], np.ndarray]:
    """What `mpc segment` does, with an engine; or without the guided filter; `most`: how many people are looked for."""
    people = PersonFinder.open(engine)
    refine = finder.refine_mask if refined else lambda picture, mask, cell_px: mask

    def mask(picture: np.ndarray) -> np.ndarray:
        with patch.object(finder, "refine_mask", refine):
            found = people.find(picture, most)
        return found[0].mask if found and found[0].is_there else np.zeros(picture.shape[:2], np.float32)

    return mask


def selfie(engine: str) -> Callable[[np.ndarray], np.ndarray]:
    """The selfie network alone, on the whole picture."""
    network = open_engine(require_networks(), "selfie_segmentation", engine)
    return lambda picture: selfie_mask(picture, network)


def measure(name: str, method: Callable[[np.ndarray], np.ndarray], pictures: list[Composite], show: int) -> None:
    """Print one row."""
    method(pictures[0].picture)
    overlaps, seconds = [], 0.0
    for one in pictures:
        began = time.process_time()
        mask = method(one.picture)
        seconds += time.process_time() - began
        overlaps.append(mask_overlap(mask, one.mask))
    values = np.array(overlaps)
    print(
        f"| {name} | {values.mean():.3f} | {np.median(values):.3f} | {values.min():.2f} | {np.mean(values > 0.9):.0%} "
        f"| {np.sum(values == 0)} | {1000 * seconds / len(pictures):.0f} |",
        flush=True,
    )
    for place in np.argsort(values)[:show]:
        print(f"    {values[place]:.2f} {pictures[place].name}")


def measure_framing(pictures: list[Composite]) -> None:
    """Where masks that were found, and landmarks, put the middle of a person, beside the true mask's mean column."""
    networks, errors = PersonFinder.open("auto"), []
    for one in pictures:
        people = networks.find(one.picture)
        if people and people[0].is_there:
            columns = np.arange(one.mask.shape[1]) + 0.5
            truth, found = (
                np.average(columns, weights=(mask >= 0.5).sum(axis=0) + 1e-9) for mask in (one.mask, people[0].mask)
            )
            body = measure_body(people[0])
            tall = np.ptp(np.flatnonzero((one.mask >= 0.5).any(axis=1))) + 1
            errors.append([100 * (place - truth) / tall for place in (found, body.surface[0], body.pelvis[0])])
    spread = np.sqrt(np.mean(np.square(errors), axis=0))
    words = [f"{name} {value:.2f} %" for name, value in zip(("mask", "surface", "pelvis"), spread, strict=True)]
    print(f"middle against the true mask's, root mean square in shares of the height: {', '.join(words)}")


def measure_pairs(views: list[Path], grounds: dict[str, np.ndarray], count: int, seed: int) -> None:
    """How often two people in one picture are both found, and a second one is where there is only one."""
    rng, networks, names = derive_rng(seed, "pairs"), PersonFinder.open("auto"), sorted(grounds)
    order, both, false = rng.permutation(len(views)), 0, 0
    for number in range(count):
        chosen = [views[order[(2 * number + side) % len(views)]] for side in range(2)]
        picture, masks = compose_pair(chosen, grounds[names[number % len(names)]], rng)
        found = [one.mask for one in networks.find(picture, MOST_PEOPLE) if one.is_there]
        both += all(max([mask_overlap(mask, one) for one in found], default=0.0) > 0.6 for mask in masks)
    singles = composites(views, grounds, count, seed)
    for one in singles:
        false += sum(person.is_there for person in networks.find(one.picture, MOST_PEOPLE)) > 1
    print(f"two people both found: {both} of {count} pictures; a second one seen where one is: {false} of {count}")


def measure_straight_ends(views: list[Path]) -> None:
    """How many masks of whole people, and of people cut off by a line, are said to be cut off."""
    shares = {"nowhere": (0.0, 1.0), "above the eyes": (0.06, 1.0), "at the ankles": (0.0, 0.93)}
    shares |= {"at the knees": (0.0, 0.72), "at the waist": (0.0, 0.45)}
    said = dict.fromkeys(shares, 0)
    for view in views:
        mask = read_png(view)[..., 3] >= 128
        rows = np.flatnonzero(mask.any(axis=1))
        for name, (top, bottom) in shares.items():
            seen = slice(rows[0] + round(top * len(rows)), rows[0] + round(bottom * len(rows)))
            said[name] += bool(straight_ends(mask[seen]))
    words = [f"{name} {count / len(views):.0%}" for name, count in said.items()]
    print(f"people whose mask is cut off {', '.join(words)} are told so")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--work", type=Path)
    parser.add_argument("--photographs", type=Path, nargs="+", default=[])
    parser.add_argument("--count", type=int, default=120)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--worst", type=int, default=0, help="name so many of the worst pictures of each row")
    parser.add_argument("--tiny", action="store_true")
    options = parser.parse_args()
    torch.set_num_threads(1)
    try:
        require_networks()
    except MpcError as error:
        print(f"nothing measured: {error}")
        return
    grounds = photographs(options.photographs)
    with tempfile.TemporaryDirectory() as place:
        views = draw_people(options.work or Path(place), tiny=options.tiny)
        pictures = composites(views, grounds, 2 if options.tiny else options.count, options.seed)
        print(f"{len(pictures)} composites of {len(views)} views over {', '.join(sorted(grounds))}")
        print("| method | mean IoU | median | worst | above 0.9 | none | ms of a core |")
        print("| --- | --- | --- | --- | --- | --- | --- |")
        engines = ["litert", "torch"] if has_litert() else ["torch"]
        for engine in engines:
            measure(f"one person, as in films, {engine}", chain(engine), pictures, options.worst)
        for engine in engines:
            measure(f"everybody, as in pictures, {engine}", chain(engine, most=MOST_PEOPLE), pictures, 0)
        best = engines[0]
        measure(f"without the guided filter, {best}", chain(best, refined=False), pictures, 0)
        for engine in engines:
            measure(f"selfie segmentation alone, {engine}", selfie(engine), pictures, 0)
        measure_framing(pictures)
        measure_pairs(views, grounds, 2 if options.tiny else min(options.count, 40), options.seed)
        measure_straight_ends(views)


if __name__ == "__main__":
    main()
