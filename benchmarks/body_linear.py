"""The depths of a finished network, corrected linearly with and without a body (`body_prior.py --fuse`)."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch
from people_intervals import by_person, figures
from torch import Tensor

from mpc.core.arrays import F64
from mpc.datasets.loading.body import KNOWN, body_maps
from mpc.datasets.loading.views import ViewDataset
from mpc.models.features import PixelFeatures, normalise_images
from mpc.models.maps import MAPS
from mpc.models.runs import load_run
from mpc.models.surface import SurfaceNetwork
from mpc.train.body import BodySettings, disturb_body
from mpc.train.data import collate
from mpc.train.maps import LAYERS, true_maps

BODIES = ("known", "noisy", "fitted")
"""Bodies that a correction is fitted with; a noisy one is the known one with the noise of training."""


def fused_rows(run: Path, shards: Path) -> list[dict[str, object]]:
    """The same rows for a finished network whose depths are corrected linearly, with and without a body."""
    network = load_run(run).surface
    corrections = fit_corrections(network, shards)
    held_out = _pixels(network, shards, "test", ("known", "fitted"))
    rng, rows, plain = np.random.default_rng(0), [], None
    arms = [("as it is", "none", "none"), ("corrected", "none", "none")]
    arms += [("corrected", trained, given) for trained in BODIES for given in ("known", "fitted")]
    for name, trained, given in arms:
        predicted = [view.depths for view in held_out]
        if name != "as it is":
            predicted = [view.inputs(given) @ corrections[trained] for view in held_out]
        errors = np.array(
            [
                np.abs(one - view.truth).mean(axis=0) * view.half_cm
                for one, view in zip(predicted, held_out, strict=True)
            ]
        )
        people = by_person(errors, [view.person for view in held_out])
        plain = people if name == "corrected" and plain is None else plain
        row: dict[str, object] = {"network": name, "trained": trained, "given": given}
        for side, label in enumerate(("front", "back")):
            row |= figures(label, people[:, side], None if plain is None else plain[:, side], rng)
        rows.append(row)
        print(json.dumps(row), flush=True)
    return rows


def fit_corrections(network: SurfaceNetwork, shards: Path, bodies: Sequence[str] = BODIES) -> dict[str, F64]:
    """The correction (20, 2) with the least squares over the training people, by the body that it is fitted with."""
    views = _pixels(network, shards, "train", bodies)
    truth = np.concatenate([view.truth for view in views])
    return {
        body: _least_squares(np.concatenate([view.inputs(body) for view in views]), truth) for body in ("none", *bodies)
    }


class CorrectedNetwork(SurfaceNetwork):
    """A surface network whose depths are corrected linearly at every pixel before points read them.

    Args:
        network: the network.
        correction: (20, 2), see `_View.inputs`.
    """

    def __init__(self, network: SurfaceNetwork, correction: F64) -> None:
        super().__init__(network.config)
        self.load_state_dict(network.state_dict())
        self.eval()
        self.correction = torch.from_numpy(correction).float()

    def encode(self, images: Tensor, landmarks: Tensor | None = None, body: Tensor | None = None) -> PixelFeatures:
        """See `SurfaceNetwork.encode`; the body goes into the correction."""
        features = super().encode(images, landmarks)
        stack = features.stacks[-1]
        maps = stack[:, :MAPS].float()
        given = torch.full_like(maps, torch.nan) if body is None else body
        shown = torch.isfinite(given).all(dim=1, keepdim=True)
        parts = (maps, torch.ones_like(maps[:, :1]), torch.where(shown, given, 0.0), shown, maps[:, :2] * shown)
        depths = torch.einsum("bchw,cd->bdhw", torch.cat(parts, dim=1), self.correction)
        return replace(features, stacks=(torch.cat([depths, stack[:, 2:]], dim=1),), maps=())


@dataclass(frozen=True, eq=False)
class _View:
    """The pixels of one view that show the person.

    Attributes:
        depths: (N, 2) the network's depths of front and back.
        maps: (N, 8) all its maps.
        bodies: by source, (N, 8), NaN where there is no body.
        truth: (N, 2) true depths.
        person: number of the person.
        half_cm: half of the view cube, cm.
    """

    depths: F64
    maps: F64
    bodies: dict[str, F64]
    truth: F64
    person: int
    half_cm: float

    def inputs(self, source: str) -> F64:
        """(N, 20) what the correction is given: the network's maps, 1, and the body's maps and whether there is one."""
        body = self.bodies.get(source, np.full_like(self.maps, np.nan))
        shown = np.isfinite(body).all(axis=1, keepdims=True)
        # Where there is a body the network's own depths have weights of their own.
        parts = (self.maps, np.ones((len(body), 1)), np.where(shown, body, 0.0), shown, self.depths * shown)
        return np.concatenate(parts, axis=1)


def _pixels(network: SurfaceNetwork, shards: Path, split: str, wanted: Sequence[str]) -> list[_View]:
    """What a network sees of the views of a split, with the bodies that are wanted."""
    size = network.config.encoder.side
    known = ViewDataset(shards, split, points=0, image_size=size, layers=(*LAYERS, *KNOWN), landmarks=True)
    fitted = ViewDataset(shards, split, points=0, image_size=size, bodies=True) if "fitted" in wanted else None
    noise, rng = BodySettings(left_out=0.0), np.random.default_rng(0)
    people: dict[str, int] = {}
    found = []
    for view in range(len(known)):
        item = known[view]
        batch = collate([item])
        with torch.inference_mode():
            maps = network.encode(normalise_images(batch["image"]), batch["landmarks"]).maps[-1][0]
        truth, shown = true_maps(batch)
        bodies = {"known": body_maps(item)}
        if fitted is not None:
            bodies["fitted"] = body_maps(fitted[view])
        if "noisy" in wanted and bodies["known"] is not None:
            whole = bodies["known"][None]
            bodies["noisy"] = disturb_body(whole, noise, noisy=True, rng=rng, rows=slice(0, 1), count=1)[0]
        mask = shown[0, 0]
        rows = {name: body[:, mask].T.double().numpy() for name, body in bodies.items() if body is not None}
        flat = maps[:, mask].T.double().numpy()
        found.append(
            _View(
                flat[:, :2], flat, rows, truth[0, :2][:, mask].T.double().numpy(),
                people.setdefault(known.views[view].subject, len(people)),
                100.0 / float(batch["calibration"][0, 2, :3].norm()),
            )
        )  # fmt: skip
    return found


def _least_squares(inputs: F64, truth: F64) -> F64:
    """(C, 2) weights with the least squares, held a little by a ridge."""
    return np.asarray(np.linalg.solve(inputs.T @ inputs + 1e-3 * np.eye(inputs.shape[1]), inputs.T @ truth))
