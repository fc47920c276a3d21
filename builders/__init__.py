"""Model builders: plain functions from arguments to a `keras.Model`.

Every builder takes `image_shape` (H, W, C), H and W may be None. Those of masks take `num_classes`,
the number of mask channels: 1 means defect against good, K > 1 means background and K - 1 defect
types. Those of image labels take `num_labels`, good first. Input is float32 [B, H, W, C] in [0, 1];
output is a dict with a subset of `mask_logits` [B, H, W, K], `label_logits` [B, L], `cam`
[B, h, w, L], whose cells divide the image evenly, `box` [B, N, 4] and `box_heat` [B, N],
`anomaly_map` [B, H, W], of which the mask has the probabilities, `reconstruction` [B, H, W, 3] and
`score_logits` [B], where an image's score is not the highest of its mask; float32 under every dtype
policy.
"""

import keras

from builders.deeplab_v3_plus import deeplab_v3_plus
from builders.fast_unet import fast_unet
from builders.flex_unet import flex_unet
from builders.micro_segmentor import micro_segmentor
from builders.patch_core import patch_core
from builders.super_simple_net import super_simple_net
from builders.tiny_unet import tiny_unet
from builders.transfusion import transfusion
from builders.unet import unet
from builders.vgg16_cam import vgg16_cam

BUILDERS = {
    "deeplab_v3_plus": deeplab_v3_plus,
    "fast_unet": fast_unet,
    "flex_unet": flex_unet,
    "micro_segmentor": micro_segmentor,
    "patch_core": patch_core,
    "super_simple_net": super_simple_net,
    "tiny_unet": tiny_unet,
    "transfusion": transfusion,
    "unet": unet,
    "vgg16_cam": vgg16_cam,
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
