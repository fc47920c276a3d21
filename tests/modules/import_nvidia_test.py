"""A checkpoint written with the names of UNet_Industrial becomes a run directory."""

import json

import numpy as np
import pytest
import tensorflow as tf

import builders
from builders.runs import run_dir
from zoo.modules.import_nvidia import checkpoint_names, import_checkpoint

MODULE = "tiny_unet/dagm2007/class_3"

# The variables of the original graph, written out: its blocks, each with its convolutions.
ORIGINAL = [
    f"UNet_v1/{block}/{conv}/{kind}"
    for block, convs in (
        ("input_block", ("conv2d", "conv2d_1")),
        ("downsample_block_1", ("conv2d", "conv2d_1")),
        ("downsample_block_2", ("conv2d", "conv2d_1")),
        ("downsample_block_3", ("conv2d", "conv2d_1")),
        ("bottleneck_block", ("conv2d", "conv2d_1", "deconv2d/conv2d")),
        ("upsample_block_1", ("conv2d", "conv2d_1", "deconv2d/conv2d")),
        ("upsample_block_2", ("conv2d", "conv2d_1", "deconv2d/conv2d")),
        ("upsample_block_3", ("conv2d", "conv2d_1", "deconv2d/conv2d")),
        ("ouputs_block", ("conv2d", "conv2d_1", "conv2d_2")),
    )
    for conv in convs
    for kind in ("kernel", "bias")
]


def write_checkpoint(path, **replaced) -> dict[str, np.ndarray]:
    """Writes random values under the original's names, beside what its optimizer left."""
    rng = np.random.default_rng(0)
    model = builders.build("tiny_unet")
    tensors = {"global_step": np.int64(2500)}
    for layer, scope in checkpoint_names().items():
        for variable in model.get_layer(layer).weights:
            name = f"{scope}/{variable.name}"
            tensors[name] = rng.normal(0, 0.05, variable.shape).astype(np.float32)
            tensors[f"{name}/RMSProp"] = np.ones(variable.shape, np.float32)
    tensors.update(replaced)
    tf.raw_ops.SaveV2(
        prefix=str(path),
        tensor_names=list(tensors),
        shape_and_slices=[""] * len(tensors),
        tensors=list(tensors.values()),
    )
    return tensors


def test_names_are_those_of_the_original():
    ours = [
        f"{scope}/{kind}" for scope in checkpoint_names().values() for kind in ("kernel", "bias")
    ]
    assert sorted(ours) == sorted(ORIGINAL) and len(ours) == 46


def test_import(tmp_path):
    tensors = write_checkpoint(tmp_path / "model.ckpt-2500")
    run = import_checkpoint(str(tmp_path / "model.ckpt-2500"), module=MODULE, runs_dir=tmp_path)
    model, recipe = run_dir.load_model(run)
    assert recipe["module"] == MODULE and recipe["class_names"] == ["good", "defect"]
    for layer, name in (
        ("stem_conv1", "UNet_v1/input_block/conv2d"),
        ("down3_conv2", "UNet_v1/downsample_block_3/conv2d_1"),
        ("bottleneck_upconv", "UNet_v1/bottleneck_block/deconv2d/conv2d"),
        ("up1_conv1", "UNet_v1/upsample_block_1/conv2d"),
        ("up3_upconv", "UNet_v1/upsample_block_3/deconv2d/conv2d"),
        ("mask_logits", "UNet_v1/ouputs_block/conv2d_2"),
    ):
        kernel, bias = model.get_layer(layer).get_weights()
        np.testing.assert_array_equal(kernel, tensors[f"{name}/kernel"])
        np.testing.assert_array_equal(bias, tensors[f"{name}/bias"])
    environment = json.loads((run / "environment.json").read_text())
    assert environment["imported_from"] == "model.ckpt-2500"
    with pytest.raises(ValueError, match=r"exists\. Move it away"):
        import_checkpoint(str(tmp_path / "model.ckpt-2500"), module=MODULE, runs_dir=tmp_path)


def test_other_checkpoints_are_refused(tmp_path):
    with pytest.raises(ValueError, match=r"without its \.index or \.data suffix"):
        import_checkpoint(str(tmp_path / "none"), module=MODULE, runs_dir=tmp_path)
    wrong = {"UNet_v1/upsample_block_2/conv2d/bias": np.zeros(7, np.float32)}
    write_checkpoint(tmp_path / "wrong", **wrong)
    with pytest.raises(
        ValueError, match=r"upsample_block_2/conv2d/bias must have the shape \[64\]"
    ):
        import_checkpoint(str(tmp_path / "wrong"), module=MODULE, runs_dir=tmp_path)
    assert not (tmp_path / MODULE / "nvidia_import").exists()
