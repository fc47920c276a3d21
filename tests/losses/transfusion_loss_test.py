"""Losses of TransFusion: by hand, against SciPy, and that they teach."""

import keras
import numpy as np
import pytest
import tensorflow as tf
from scipy import ndimage

from builders import transparency
from builders.transfusion import denoiser, transfusion
from zoo.losses.transfusion import ssim, transfusion_losses

NUM_STEPS = 20


def truth(count=2, size=16):
    """Images of which the first half has a defect, a square, and the other half none."""
    random = np.random.default_rng(0)
    mask = np.zeros((count, size, size, 1), np.float32)
    mask[: count // 2, 3:9, 4:10] = 1
    return {
        "normal": random.uniform(-1, 1, (count, size, size, 3)).astype(np.float32),
        "anomaly": mask * random.uniform(-1, 1, (count, size, size, 3)).astype(np.float32),
        "mask": mask,
        "step": np.arange(count, dtype=np.int32) * 5 % (NUM_STEPS - 1) + 1,
    }


def right(batch, certainty):
    """Heads that know the truth."""
    return {
        "appearance": transparency.opacity(batch["step"], NUM_STEPS) * batch["anomaly"],
        "normal": batch["normal"],
        "mask_logit": certainty * (2 * batch["mask"] - 1),
    }


def test_structural_similarity_is_one_of_equal_images_and_that_of_scipy():
    one, other = truth()["normal"], truth()["anomaly"]
    assert float(ssim(one, one)) == pytest.approx(1.0, abs=1e-6)

    def mean(maps):  # truncated after 5 pixels of 1.5 sigma
        return ndimage.gaussian_filter(
            maps.astype(float), (0, 1.5, 1.5, 0), mode="constant", truncate=5 / 1.5
        )

    covariance = mean(one * other) - mean(one) * mean(other)
    spread = mean(one**2) - mean(one) ** 2 + mean(other**2) - mean(other) ** 2
    squares = mean(one) ** 2 + mean(other) ** 2
    expected = (2 * mean(one) * mean(other) + 0.02**2) * (2 * covariance + 0.06**2)
    expected /= (squares + 0.02**2) * (spread + 0.06**2)
    assert float(ssim(one, other)) == pytest.approx(expected.mean(), abs=1e-5)


def test_who_knows_the_truth_loses_nothing():
    batch = truth()
    found = transfusion_losses(batch, right(batch, 50.0), NUM_STEPS)
    assert set(found) == {"appearance", "mask", "normal", "consistency"}
    assert float(sum(found.values())) == pytest.approx(0.0, abs=1e-5)


def test_each_part_by_hand():
    batch = truth()
    heads = right(batch, 50.0)
    heads["mask_logit"] = np.full_like(batch["mask"], np.log(3.0))  # probability 3/4 everywhere
    heads["appearance"] = heads["appearance"] + 0.5
    found = {k: float(v) for k, v in transfusion_losses(batch, heads, NUM_STEPS).items()}
    share = batch["mask"].mean()
    # focal: weight 1/4 and (1/4)**2 on the defect, 3/4 and (3/4)**2 elsewhere
    focal = share / 64 * np.log(4 / 3) + (1 - share) * 27 / 64 * np.log(4)
    smooth = share * 0.25**2 / 2 + (1 - share) * 0.75**2 / 2
    assert found["mask"] == pytest.approx(5 * focal + smooth, rel=1e-5)
    assert found["appearance"] == pytest.approx(0.25)
    assert found["normal"] == pytest.approx(0.0, abs=1e-5)
    # All is taken for a defect, of which 1/step too much of 1/2 is removed, and 1/19 of the image
    # below added also where none is.
    step = batch["step"][:, None, None, None]
    change = -0.5 / step + (1 - batch["mask"]) * batch["normal"] / (NUM_STEPS - 1)
    assert found["consistency"] == pytest.approx((change**2).mean(), rel=1e-4)


def test_no_gradient_passes_the_threshold_of_the_mask():
    batch = truth()
    heads = {key: tf.constant(value) for key, value in right(batch, 1.0).items()}
    with tf.GradientTape() as tape:
        tape.watch(heads)
        loss = transfusion_losses(batch, heads, NUM_STEPS)["consistency"]
    slopes = tape.gradient(loss, heads)
    assert slopes["mask_logit"] is None
    assert slopes["appearance"] is not None and slopes["normal"] is not None


def test_overfits_four_images():
    keras.utils.set_random_seed(0)
    batch = {key: tf.constant(value) for key, value in truth(4).items()}
    network = denoiser(
        transfusion(
            image_shape=batch["normal"].shape[1:],
            base_filters=32,
            multipliers=(1, 1),
            attention=(False, True),
            num_blocks=1,
        )
    )
    image = transparency.forward_sample(**batch, num_steps=NUM_STEPS)
    nothing = tf.zeros_like(batch["mask"])  # as at the first step of the loop
    inputs = {"image": image, "mask": nothing, "step": batch["step"]}
    optimizer = keras.optimizers.AdamW(1e-3)

    @tf.function
    def learn():
        with tf.GradientTape() as tape:
            parts = transfusion_losses(batch, network(inputs, training=True), NUM_STEPS)
            loss = sum(parts.values())
        weights = network.trainable_variables
        optimizer.apply_gradients(zip(tape.gradient(loss, weights), weights))
        return loss

    history = [float(learn()) for _ in range(15)]
    assert history[-1] < history[0] / 2
