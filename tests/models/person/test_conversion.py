"""Reading .tflite files, and the steps in torch, against loops, closed forms and LiteRT."""

import numpy as np
import pytest
import skimage.data
import torch
from PIL import Image
from torch.nn import functional

from mpc.core.errors import InputError
from mpc.models.person.convert import convert, same_padding
from mpc.models.person.engines import open_engine
from mpc.models.person.network import Step, StepNetwork, depth_to_space, load_step_network, save_step_network
from mpc.models.person.store import ORIGINS, original_path
from mpc.models.person.tflite import Level, make_dense, read_tflite
from support.person import FOLDER, needs_person
from support.tflite_file import small_network

NONE = np.zeros(0, np.int64)


def test_a_file_is_read_as_it_was_written():
    data, (first, first_bias, second, second_bias) = small_network()
    model = read_tflite(data)
    assert [operator.kind for operator in model.operators] == ["conv", "conv"]
    assert model.inputs == (0,)
    assert model.outputs == (8,)
    assert model.names[8] == "tensor 8"
    assert model.shapes[0] == (1, 9, 8, 3)
    # Half precision becomes float32, and what was stored sparse is dense.
    assert model.constants[5].dtype == np.float32
    for number, expected in ((5, first), (2, first_bias), (6, second), (4, second_bias)):
        assert np.array_equal(model.constants[number], expected.astype(np.float32))
    assert model.operators[0].options["activation"] == "relu6"
    assert model.operators[1].options == {
        "padding": 1, "stride_w": 1, "stride_h": 1, "activation": "none", "dilation_w": 1, "dilation_h": 1
    }  # fmt: skip


def test_a_converted_network_computes_what_loops_compute():
    data, (first, first_bias, second, second_bias) = small_network()
    picture = np.random.default_rng(1).normal(size=(9, 8, 3)).astype(np.float32)
    # SAME with stride 2: 9 rows give 5, so one row is added on each side; 8 columns give 4, so one is added behind.
    padded = np.zeros((11, 9, 3))
    padded[1:10, :8] = picture
    middle = np.zeros((5, 4, 4))
    for row in range(5):
        for column in range(4):
            window = padded[2 * row : 2 * row + 3, 2 * column : 2 * column + 3]
            for out in range(4):
                middle[row, column, out] = np.clip((window * first[out].astype(float)).sum() + first_bias[out], 0, 6)
    expected = middle @ second[:, 0, 0].T + second_bias
    (got,) = convert(read_tflite(data))(torch.from_numpy(picture).permute(2, 0, 1)[None])
    assert np.abs(got[0].permute(1, 2, 0).numpy() - expected).max() < 1e-5


def test_sparse_tensors_of_every_kind_of_level():
    """Rows compressed, columns in blocks of two whose insides come last: written by loops, read back."""
    rng = np.random.default_rng(2)
    dense = rng.normal(size=(6, 8)) * (rng.random((6, 4)).repeat(2, axis=1) < 0.4) * (np.arange(6) != 2)[:, None]
    rows = [row for row in range(6) if dense[row].any()]
    values, indices, segments = [], [], [0]
    for row in rows:
        for block in range(4):
            if dense[row, 2 * block : 2 * block + 2].any():
                indices.append(block)
                values += dense[row, 2 * block : 2 * block + 2].tolist()
        segments.append(len(indices))
    levels = [
        Level(0, np.array([0, len(rows)]), np.array(rows)), Level(0, np.array(segments), np.array(indices)),
        Level(2, NONE, NONE),
    ]  # fmt: skip
    assert np.array_equal(make_dense(np.array(values), (6, 8), [0, 1, 2], [1], levels), dense)
    # A dense tensor stored with its axes exchanged.
    swapped = [Level(8, NONE, NONE), Level(6, NONE, NONE)]
    assert np.array_equal(make_dense(dense.T.ravel(), (6, 8), [1, 0], [], swapped), dense)
    with pytest.raises(ValueError, match="sparse values"):
        make_dense(np.array(values[:-1]), (6, 8), [0, 1, 2], [1], levels)


def test_damaged_files_are_refused_with_their_name():
    data = small_network()[0]
    with pytest.raises(InputError, match=r"net\.tflite: is no TensorFlow Lite file"):
        read_tflite(data[:4] + b"PK" + data[6:], "net.tflite")
    rng, refused = np.random.default_rng(3), 0
    for _ in range(300):
        harmed = bytearray(data[: rng.integers(8, len(data))] if rng.random() < 0.5 else data)
        for place in rng.integers(8, len(harmed), 3):
            harmed[place] = rng.integers(256)
        try:
            read_tflite(bytes(harmed), "net.tflite")
        except InputError as error:
            refused += "net.tflite" in str(error)
    assert refused > 100


@pytest.mark.parametrize(("size", "window", "stride"), [(9, 3, 2), (8, 3, 2), (8, 5, 1), (7, 1, 2), (8, 2, 3)])
def test_same_padding_gives_as_many_outputs_as_tensorflow_states(size, window, stride):
    before, after = same_padding(size, window, stride)
    assert (size + before + after - window) // stride + 1 == -(-size // stride)
    assert after - before in (0, 1)


def test_depth_to_space_in_the_order_of_tensorflow():
    value = torch.arange(2 * 3 * 8, dtype=torch.float32).reshape(1, 8, 2, 3)
    got = depth_to_space(value, 2)
    assert got.shape == (1, 2, 4, 6)
    for row in range(4):
        for column in range(6):
            for channel in range(2):
                source = ((row % 2) * 2 + column % 2) * 2 + channel
                assert got[0, channel, row, column] == value[0, source, row // 2, column // 2]


def test_a_transposed_convolution_of_adjoining_windows():
    weight, bias = torch.randn(3, 1, 2, 2), torch.randn(1)
    step = Step("conv_transpose", (0,), 1, {"stride": [2, 2]}, True)
    network = StepNetwork([step], [1], (2, 2), {"steps.0.weight": weight, "steps.0.bias": bias})
    picture = torch.randn(1, 3, 2, 2)
    (got,) = network(picture)
    for row in range(4):
        for column in range(4):
            value = picture[0, :, row // 2, column // 2] @ weight[:, 0, row % 2, column % 2] + bias
            assert got[0, 0, row, column] == pytest.approx(float(value), abs=1e-5)


def test_a_network_is_written_and_read_unchanged(tmp_path):
    network = convert(read_tflite(small_network()[0]), "a" * 64)
    save_step_network(tmp_path / "n.safetensors", network)
    read = load_step_network(tmp_path / "n.safetensors")
    picture = torch.randn(1, 3, 9, 8)
    assert torch.equal(network(picture)[0], read(picture)[0])
    assert (read.size, read.source, read.steps) == (network.size, "a" * 64, network.steps)
    data = (tmp_path / "n.safetensors").read_bytes()
    for name, harmed, reason in (
        ("half", data[: len(data) // 2], "not a whole safetensors file"),
        ("kind", data.replace(b"mpc-person-network", b"mpc-person-nothing"), "expected mpc-person-network 1"),
        ("steps", data.replace(b"steps.0.bias", b"steps.7.bias"), "weights do not fit"),
    ):
        (tmp_path / name).write_bytes(harmed)
        with pytest.raises(InputError, match=reason):
            load_step_network(tmp_path / name)


# Greatest difference to LiteRT seen on these pictures, twice, for each output: anchors' boxes (of 744) and scores;
# landmarks (of 256 pixels), presence, mask before the sigmoid (of 1,711), heat maps, metres; selfie's mask (of 1).
TOLERANCES = {
    "pose_detection": (2e-3, 1e-3),
    "pose_landmark_full": (8e-3, 1e-5, 0.6, 5e-4, 5e-5),
    "selfie_segmentation": (2.3e-4,),
}


@needs_person
@pytest.mark.parametrize("name", ORIGINS)
def test_torch_gives_what_litert_gives(name):
    pytest.importorskip("ai_edge_litert", reason="LiteRT is not installed (the extra mask)")
    size = load_step_network(FOLDER / f"{name}.safetensors").size
    ours, theirs = (open_engine(FOLDER, name, kind) for kind in ("torch", "litert"))
    for picture in (skimage.data.astronaut(), skimage.data.coffee()):
        small = np.asarray(Image.fromarray(picture).resize(size[::-1]), np.float32) / 255
        got, expected = (engine(small * 2 - 1 if name == "pose_detection" else small) for engine in (ours, theirs))
        assert [one.shape for one in got] == [one.shape for one in expected]
        for one, other, tolerance in zip(got, expected, TOLERANCES[name], strict=True):
            assert np.abs(one - other).max() < tolerance
            assert np.abs(other).max() > 100 * tolerance


@needs_person
def test_half_of_the_detectors_weights_are_read_from_sparse_tensors():
    """With levels read wrongly the network would still run; so the share of zeros is compared with what is stored."""
    constants = read_tflite(original_path(FOLDER, "pose_detection").read_bytes()).constants
    kernels = [values for values in constants.values() if values.ndim == 4 and values.shape[1:3] == (1, 1)]
    zeros = [np.mean(kernel == 0) for kernel in kernels if kernel.size > 100_000]
    assert len(zeros) > 10
    assert 0.5 < np.mean(zeros) < 0.95


def test_unknown_steps_are_refused():
    with pytest.raises(ValueError, match="unknown kind 'softmax'"):
        StepNetwork([Step("softmax", (0,), 1)], [1], (4, 4), {})


def test_steps_without_weights_are_those_of_torch():
    """One network with every such step, written out by hand."""
    picture = torch.randn(1, 4, 8, 8)
    steps = [
        Step("hard_swish", (0,), 1), Step("average_pool", (1,), 2, {"window": [8, 8], "stride": [8, 8]}),
        Step("sigmoid", (2,), 3), Step("multiply", (1, 3), 4, {"activation": "none"}),
        Step("max_pool", (4,), 5, {"window": [2, 2], "stride": [2, 2]}),
        Step("resize_bilinear", (5,), 6, {"size": [8, 8]}), Step("add", (6, 0), 7, {"activation": "relu"}),
        Step("pad", (7,), 8, {"padding": [0, 1, 2, 0]}), Step("reshape", (8,), 9, {"shape": [1, -1, 4]}),
        Step("reshape", (4,), 10, {"shape": [1, -1, 4]}), Step("concatenate", (9, 10), 11, {"axis": 1}),
    ]  # fmt: skip
    (got,) = StepNetwork(steps, [11], (8, 8), {})(picture)
    swish = picture * (picture + 3).clamp(0, 6) / 6
    gated = swish / (1 + torch.exp(-swish.mean(dim=(2, 3), keepdim=True)))
    pooled = gated.unfold(2, 2, 2).unfold(3, 2, 2).amax(dim=(4, 5))
    grown = functional.interpolate(pooled, (8, 8), mode="bilinear") + picture
    padded = torch.zeros(1, 4, 10, 9)
    padded[:, :, 2:, :8] = grown.clamp(min=0)
    expected = torch.cat([padded.permute(0, 2, 3, 1).reshape(1, -1, 4), gated.permute(0, 2, 3, 1).reshape(1, -1, 4)], 1)
    assert torch.allclose(got, expected, atol=1e-5)
