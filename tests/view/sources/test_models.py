"""A model directory as it is viewed: people posed, what the check warns of, and those that cannot be read."""

import numpy as np
import pytest

from mpc.core.errors import InputError
from mpc.subjects.find import find_subjects
from mpc.subjects.load import load_subject
from mpc.subjects.scenes import SceneSpec, pose_scene
from mpc.view.recognise import open_source
from support.gltf_files import rigged


def shown(source, name, **chosen):
    values = {control.name: control.value(chosen) for control in source.controls(name, chosen)}
    return source.show(name, values)


@pytest.fixture
def models(tmp_path):
    """A rig with a clip, and a file that is damaged."""
    (tmp_path / "models").mkdir()
    rigged().glb(tmp_path / "models", "rig.glb")
    (tmp_path / "models" / "damaged.obj").write_text("v 0 0 0\n")
    return tmp_path / "models"


def test_a_rig_is_posed_as_the_frame_says(models):
    source = open_source(models)
    assert list(source.names()) == ["damaged", "rig"]
    animation, frame = source.controls("rig", {})
    loaded = load_subject(find_subjects(models)[1])
    ((name, clip),) = loaded.clips.items()
    assert list(animation.values) == [name]
    assert len(frame.values) == clip.frames > 1
    assert frame.rate == pytest.approx(min(1 / clip.step_s, 30.0))
    last = clip.frames - 1
    content = shown(source, "rig", frame=str(last))
    expected = pose_scene(loaded, SceneSpec("rig", name, last)).mesh.vertices
    assert (content.bodies[0].mesh.vertices == expected).all()
    assert content.facts["kind"] == "rigged"
    assert content.facts["unit"].startswith("m (")
    assert content.facts["animations"] == f"{name} {clip.frames}"


def test_what_the_check_warns_of_comes_later_and_is_found_once(figures, monkeypatch):
    source = open_source(figures)
    content = shown(source, "one")
    (subject,) = (found for found in find_subjects(figures) if found.id == "one")
    assert content.facts["height"] == f"{np.ptp(load_subject(subject).mesh.vertices[:, 1]):.2f} m"
    assert "check" not in content.facts
    whole = content.later()
    assert whole.facts["check"] in ("ok", "warning")
    assert {"parts", "closed", "in doubt"} <= set(whole.facts)
    assert whole.bodies[0] is content.bodies[0]
    monkeypatch.setattr("mpc.datasets.check.subject.check_subject", lambda _: pytest.fail("checked twice"))
    again = shown(source, "one")
    assert again.facts == whole.facts
    assert again.later is None


def test_one_person_who_cannot_be_read_is_told_of(models):
    source = open_source(models)
    with pytest.raises(InputError, match=r"damaged\.obj"):
        source.controls("damaged", {})
    rigged().glb(models, "damaged.glb")
    (models / "damaged.obj").unlink()
    source.names()
    assert shown(source, "damaged").bodies
    with pytest.raises(InputError, match="holds nobody of the name gone"):
        source.controls("gone", {})


def test_a_person_whose_file_was_written_anew_is_read_anew(models):
    source = open_source(models)
    before = shown(source, "rig").bodies[0].mesh.vertices
    assert shown(source, "rig", frame="1").bodies[0].mesh.vertices.shape == before.shape
    (models / "rig.glb").write_bytes(b"damaged")
    with pytest.raises(InputError, match=r"rig\.glb"):
        source.controls("rig", {})
