"""Transparency diffusion: defects that fade in, and the loop that fades them out again.

A step t counts from 0, the normal image, to `num_steps` - 1, where defects are opaque. Images are
float32 [B, H, W, 3] in [-1, 1] here. Source: Fučka et al., "TransFusion", arXiv:2311.09999, and its
code, MaticFuc/ECCV_TransFusion on GitHub.
"""

import keras
from keras import layers, ops

STEPS = ("published", "full")
SMOOTHING = 7  # pixels on a side of the box that smooths the maps
RECONSTRUCTION_SHARE = 0.05  # of the anomaly map; the rest is that of the masks
LEAST = 1e-7  # probability that has a logit: of 1 less a smaller one, float32 makes 1


def opacity(step, num_steps: int):
    """Returns how opaque defects are at a step: 0 to 1 in equal parts, float32 [B, 1, 1, 1].

    Args:
      step: int [B], 0 to num_steps - 1.
      num_steps: steps of the schedule, both ends included.
    """
    return ops.reshape(ops.cast(step, "float32") / (num_steps - 1), (-1, 1, 1, 1))


def forward_sample(normal, anomaly, mask, step, num_steps: int):
    """Lays a defect over a normal image, as opaque as the step has it.

    Args:
      normal: the image without it.
      anomaly: the defect in [-1, 1], and 0 outside of the mask.
      mask: float32 [B, H, W, 1], 1 where the defect is, else 0.
      step: int [B], 0 to num_steps - 1.
      num_steps: as in `opacity`.

    Returns:
      The image with the defect, float32 [B, H, W, 3].
    """
    return normal + opacity(step, num_steps) * (anomaly - mask * normal)


def reverse_step(image, step, heads, num_steps: int):
    """Takes one part of the opacity from what the mask marks.

    Heads that know the truth turn `forward_sample` at a step into that of the step before.

    Args:
      image: at this step.
      step: int [B], 1 to num_steps - 1.
      heads: dict of `appearance`, the defect times its opacity, and `normal`, the image without
        it, both [B, H, W, 3]; and `mask_logit` [B, H, W, 1], of which only the sign counts.
      num_steps: as in `opacity`.

    Returns:
      The image at the step before, float32 [B, H, W, 3].
    """
    mask, part = mark_defects(heads["mask_logit"]), 1 / (num_steps - 1)
    visible = part / opacity(step, num_steps) * heads["appearance"]
    return image - mask * visible + part * mask * heads["normal"]


def mark_defects(mask_logit):
    """Returns 1 where a defect is likelier than none, else 0; without a gradient."""
    return ops.cast(mask_logit > 0, "float32")


def logits(probability):
    """Returns what the sigmoid turns into these probabilities, kept finite."""
    probability = ops.clip(probability, LEAST, 1 - LEAST)
    return ops.log(probability) - ops.log(1 - probability)


@keras.saving.register_keras_serializable("defect_zoo")
class ReverseProcess(layers.Layer):
    """Fades the defects of images out, all steps in one loop that compiles once.

    The network answers as after training: its normalisation does not follow these images. Gradients
    pass through the loop.

    Args:
      network: a model from `image` [B, H, W, 3], `mask` [B, H, W, 1] and `step` int32 [B] to the
        heads of `reverse_step`.
      num_steps: as in `opacity`.
      steps: "published" begins a step below the opaque one, though training shows the empty mask
        of the beginning to the opaque one alone, and yet divides the sum of the masks by all
        steps, so that `mean_mask` stays below 1; "full" begins at the opaque one.
    """

    def __init__(self, network, num_steps: int, steps: str, **kwargs):
        super().__init__(**kwargs)
        self.network = network
        self.num_steps = num_steps
        self.steps = steps

    def call(self, image):
        """Returns the image without defects, and the mean of the masks [B, H, W, 1]."""
        first = self.num_steps - (1 if self.steps == "full" else 2)
        nothing = ops.zeros_like(image[..., :1])

        def body(done, state):
            image, mask, sum_of_masks = state
            step = ops.cast(nothing[:, 0, 0, 0], "int32") + (first - done)
            heads = self.network({"image": image, "mask": mask, "step": step}, training=False)
            image = reverse_step(image, step, heads, self.num_steps)
            found = ops.sigmoid(heads["mask_logit"])
            return image, mark_defects(heads["mask_logit"]), sum_of_masks + found

        image, _, sum_of_masks = ops.fori_loop(0, first, body, (image, nothing, nothing))
        return image, sum_of_masks / (self.num_steps - 1)

    def compute_output_shape(self, image_shape):
        return tuple(image_shape), (*image_shape[:3], 1)

    def get_config(self):
        network = keras.saving.serialize_keras_object(self.network)
        config = {"network": network, "num_steps": self.num_steps, "steps": self.steps}
        return {**super().get_config(), **config}

    @classmethod
    def from_config(cls, config):
        network = keras.saving.deserialize_keras_object(config["network"])
        return cls(**{**config, "network": network})


@keras.saving.register_keras_serializable("defect_zoo")
class AnomalyMap(layers.Layer):
    """Mixes what the masks say with what the reconstruction changed, both smoothed by a box.

    Beyond the borders all is 0, as published, so maps fade there.
    """

    def call(self, mean_mask, image, reconstruction):
        """Maps [B, H, W] in [0, 1], of masks [B, H, W, 1] and images [B, H, W, C] in [0, 1]."""
        error = ops.mean(ops.square(image - reconstruction), axis=-1, keepdims=True)
        mixed = (1 - RECONSTRUCTION_SHARE) * mean_mask + RECONSTRUCTION_SHARE * error
        border = SMOOTHING // 2
        padded = ops.pad(mixed, ((0, 0), (border, border), (border, border), (0, 0)))
        # A box is linear: what is mixed before it is mixed behind it.
        return ops.average_pool(padded, SMOOTHING, strides=1, padding="valid")[..., 0]

    def compute_output_shape(self, mean_mask_shape, image_shape, reconstruction_shape):
        return mean_mask_shape[:3]
