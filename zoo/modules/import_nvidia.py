"""Turns the TensorFlow 1 checkpoints of NVIDIA's UNet_Industrial into run directories.

Source: variable names as UNet_Industrial writes them (`UNet_v1/...`, the misspelt `ouputs_block`
included). Kernels are HWIO in both, so every array is copied as it is.
"""

import pathlib

import builders
from builders.runs import run_dir, run_files
from builders.runs.atomic import replacing, write_json
from zoo import hardware
from zoo.recipes import get_recipe

_SCOPE = "UNet_v1"
_FIRST_CONVS = {"conv1": "conv2d", "conv2": "conv2d_1"}
_UP_CONVS = {**_FIRST_CONVS, "upconv": "deconv2d/conv2d"}
# block of ours -> block of theirs, and layer of ours -> layer of theirs
_BLOCKS = {
    "stem": ("input_block", _FIRST_CONVS),
    **{f"down{i}": (f"downsample_block_{i}", _FIRST_CONVS) for i in (1, 2, 3)},
    "bottleneck": ("bottleneck_block", _UP_CONVS),
    **{f"up{i}": (f"upsample_block_{i}", _UP_CONVS) for i in (1, 2, 3)},
    "head": ("ouputs_block", _FIRST_CONVS),
}


def checkpoint_names() -> dict[str, str]:
    """Returns the scope of each layer of ours, by the layer's name."""
    names = {
        f"{ours}_{layer}": f"{_SCOPE}/{theirs}/{their_layer}"
        for ours, (theirs, layers) in _BLOCKS.items()
        for layer, their_layer in layers.items()
    }
    return {**names, "mask_logits": f"{_SCOPE}/ouputs_block/conv2d_2"}


def import_checkpoint(checkpoint: str, *, module: str, runs_dir) -> pathlib.Path:
    """Writes a run directory with the weights of a checkpoint.

    Args:
      checkpoint: path of the checkpoint without its suffix, such as `model.ckpt-2500`.
      module: handle of the module, `tiny_unet/dagm2007/class_1` to `class_10`.
      runs_dir: folder of all runs.

    Returns:
      The run directory `<runs_dir>/<module>/nvidia_import`, without calibration and metrics, since
      a checkpoint has none: `python -m zoo evaluate` measures it.

    Raises:
      ValueError: the checkpoint cannot be read, or is not of this network; or the run exists.
    """
    import tensorflow as tf  # a checkpoint of TensorFlow 1: nothing else reads it

    recipe = get_recipe(module, "nvidia", class_names=("good", "defect"))
    run = pathlib.Path(runs_dir) / module / "nvidia_import"
    if run.exists():
        raise ValueError(f"{run} exists. Move it away to import again.")
    try:
        reader = tf.train.load_checkpoint(checkpoint)
    except (tf.errors.OpError, ValueError) as error:
        raise ValueError(
            "Argument `checkpoint` must be the path of a TensorFlow checkpoint without its "
            f".index or .data suffix. Received: {checkpoint!r}"
        ) from error
    stored = reader.get_variable_to_shape_map()
    shape = stored.get(f"{_SCOPE}/input_block/conv2d/kernel", [3, 3, 1, 32])
    variant = "tiny" if shape[-1] == 32 else "original"
    model = builders.build(recipe.builder, **recipe.builder_args, variant=variant)
    for layer, scope in checkpoint_names().items():
        for variable in model.get_layer(layer).weights:
            name = f"{scope}/{variable.name}"
            if stored.get(name) != list(variable.shape):
                raise ValueError(
                    f"Argument `checkpoint` must be of UNet_Industrial: {name} must have the "
                    f"shape {list(variable.shape)}. Received: {stored.get(name, 'no such name')}"
                )
            variable.assign(reader.get_tensor(name))

    values = recipe.to_dict()
    values["builder_args"] = {**values["builder_args"], "variant": variant}
    run.parent.mkdir(parents=True, exist_ok=True)
    with replacing(run) as directory:
        directory.mkdir()
        run_dir.save_model(model, values, directory)
        write_json(
            directory / run_files.ENVIRONMENT_FILE,
            {**hardware.describe(), "imported_from": pathlib.Path(checkpoint).name},
        )
    return run
