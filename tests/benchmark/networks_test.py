"""The benchmark measures the network it claims to."""

import sys

import numpy as np
import pytest

import builders
from zoo.benchmark import networks
from zoo.recipes import get_recipe


def test_images_per_second_counts_steps(monkeypatch):
    monkeypatch.setattr(networks, "SECONDS", 0.0)
    calls = []
    result = networks.images_per_second(lambda: calls.append(0), batch=8)
    assert result["steps"] == networks.LEAST_STEPS == len(calls) - 1
    assert result["images_per_second"] > 8


@pytest.mark.parametrize(
    "builder, arguments",
    [
        ("tiny_unet", {"image_shape": [None, None, 1], "num_classes": 1}),
        ("micro_segmentor", {"image_shape": [None, None, 3], "num_classes": 1, "num_labels": 4}),
        ("unet", {"image_shape": [None, None, 3], "num_classes": 4, "base_filters": 8}),
    ],
)
def test_peer_has_as_many_parameters_and_the_same_shape(builder, arguments):
    torch = pytest.importorskip("torch")
    from zoo.benchmark import torch_peer

    model = torch_peer.PEERS[builder](arguments)
    ours = builders.build(builder, **arguments)
    trainable = sum(int(np.prod(weight.shape)) for weight in ours.trainable_weights)
    assert sum(weight.numel() for weight in model.parameters()) == trainable
    if builder == "micro_segmentor":
        mask, label = model(torch.zeros(1, 3, 32, 48))
        assert mask.shape == (1, 1, 32, 48) and label.shape == (1, 4)
        return
    channels, classes = arguments["image_shape"][2], arguments["num_classes"]
    assert model(torch.zeros(1, channels, 32, 48)).shape == (1, classes, 32, 48)


@pytest.mark.parametrize("peer", [None, "torch"])
@pytest.mark.parametrize("module", ["tiny_unet/dagm_synthetic/class_1", "unet/neu_seg/strip"])
def test_every_step_is_measured(module, peer, monkeypatch, tmp_path):
    if peer:
        pytest.importorskip(peer)
    monkeypatch.setattr(networks, "SECONDS", 0.0)
    monkeypatch.setattr(networks, "_pipeline", lambda recipe, data_dir: [])
    rows = list(
        networks.benchmark_networks(
            get_recipe(module, builder_args={"base_filters": 2} if "/neu_seg/" in module else {}),
            (32, 48),
            data_dir=tmp_path,
            precision="float32",
            batch_size=2,
            peer=peer,
        )
    )
    frameworks = {"keras on tensorflow"} | ({peer} if peer else set())
    assert {row["framework"] for row in rows} == frameworks
    assert [row["what"] for row in rows] == ["training", "inference"] * len(frameworks)


def test_inference_alone_of_what_paints_its_own_defects():
    recipe = get_recipe("transfusion/magnetic_tile/tile")
    image, mask = networks._example(recipe.builder_args, (1, 32, 32))
    (step,) = networks._frameworks(recipe, None, "float32", image, mask).values()
    assert list(step) == ["inference"]


@pytest.mark.parametrize(
    "builder, arguments",
    [
        ("tiny_unet", {"image_shape": [None, None, 1], "variant": "original"}),
        ("micro_segmentor", {"image_shape": [None, None, 1]}),
        ("unet", {"image_shape": [None, None, 3], "num_classes": 4, "normalization": "group"}),
    ],
)
def test_a_peer_of_another_network_is_refused(builder, arguments):
    pytest.importorskip("torch")
    from zoo.benchmark import torch_peer

    with pytest.raises(ValueError, match="whose network has"):
        torch_peer.PEERS[builder](arguments)


def test_a_network_without_a_peer():
    pytest.importorskip("torch")
    from zoo.benchmark import torch_peer

    with pytest.raises(ValueError, match="`peer` is there for micro_segmentor, tiny_unet, unet"):
        torch_peer.steps("flex_unet", {}, "float32", None, None)


def test_a_missing_peer_is_told_before_anything_is_timed(monkeypatch, tmp_path):
    monkeypatch.setitem(sys.modules, "zoo.benchmark.torch_peer", None)
    rows = networks.benchmark_networks(
        get_recipe("tiny_unet/dagm_synthetic/class_1"),
        (32, 48),
        data_dir=tmp_path,
        precision="float32",
        batch_size=1,
        peer="torch",
    )
    with pytest.raises(ValueError, match="pip install torch"):
        next(rows)
