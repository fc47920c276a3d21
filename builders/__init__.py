"""Model builders: plain functions from arguments to a `keras.Model`.

Every builder takes `image_shape` (H, W, C), H and W may be None, and `num_classes`, the number of
mask channels: 1 means defect against good, K > 1 means background and K - 1 defect types. Input
is float32 [B, H, W, C] in [0, 1]; output is a dict with a subset of `mask_logits` [B, H, W, K],
`label_logits` [B, L] and `cam` [B, h, w, L], float32 under every dtype policy.
"""

import keras

from builders.deeplab_v3_plus import deeplab_v3_plus
from builders.flex_unet import flex_unet
from builders.tiny_unet import tiny_unet
from builders.unet import unet

BUILDERS = {
    "deeplab_v3_plus": deeplab_v3_plus,
    "flex_unet": flex_unet,
    "tiny_unet": tiny_unet,
    "unet": unet,
}


def build(name: str, **arguments) -> keras.Model:
    """Builds a model by the name of its builder.

    Args:
      name: a key of `BUILDERS`.
      **arguments: the builder's own arguments; see its docstring.

    Returns:
      A functional `keras.Model`.

    Raises:
      ValueError: no builder has this name; the message lists those there are.
    """
    if name not in BUILDERS:
        raise ValueError(
            f"Argument `name` must be one of {', '.join(sorted(BUILDERS))}. Received: {name!r}"
        )
    return BUILDERS[name](**arguments)
