"""FastUNet: what its arguments change, and which it refuses."""

import keras
import numpy as np
import pytest
from keras import ops

import builders


@pytest.mark.parametrize("stem_stride", [2, 4])
@pytest.mark.parametrize("num_classes", [1, 3])
def test_without_refinement(stem_stride, num_classes):
    keras.utils.set_random_seed(0)
    model = builders.build(
        "fast_unet",
        num_classes=num_classes,
        stem_stride=stem_stride,
        base_filters=2,
        refine_filters=0,
    )
    names = {layer.name for layer in model.layers}
    assert "mask_logits" in names and not any(name.startswith("refine") for name in names)
    logits = model(np.random.default_rng(0).random((2, 37, 41, 1)).astype(np.float32))
    assert logits["mask_logits"].shape == (2, 37, 41, num_classes)
    assert np.isfinite(ops.convert_to_numpy(logits["mask_logits"])).all()


@pytest.mark.parametrize("stem_stride", [1, 3, 8])
def test_stride_of_the_stem(stem_stride):
    with pytest.raises(
        ValueError, match=rf"`stem_stride` must be one of \(2, 4\)\. Received: {stem_stride}"
    ):
        builders.build("fast_unet", stem_stride=stem_stride)
