"""A classifier of images whose features show where the evidence lies: VGG16 with a CAM."""

import keras
from keras import layers, ops

from builders import backbones, boxes, resizing

STRIDE = 16  # pixels of the image in a cell of the map, high and wide
PREPROCESSING = ("imagenet", "unit")
CAMS = ("exact", "published")
BOX_MODES = ("regions", "hull")


def vgg16_cam(
    *,
    image_shape: tuple[int | None, int | None, int] = (None, None, 3),
    num_labels: int = 2,
    backbone: str = "VGG16",
    weights: str | None = None,
    trainable_from: str | None = None,
    preprocessing: str = "imagenet",
    cam: str = "exact",
    box_mode: str = "regions",
    box_threshold: float = boxes.THRESHOLD,
    box_evidence: str = "difference",
) -> keras.Model:
    """Builds a classifier that learns from image labels and maps the evidence for each.

    Source: OlgaChernytska/Visual-Inspection on GitHub, after Zhou et al., "Learning Deep Features
    for Discriminative Localization", arXiv:1512.04150. Deliberate differences: the average is
    taken over the features themselves, the image enters as the backbone was trained, and each
    region of evidence against good has a box of its own, where `cam="published"`,
    `preprocessing="unit"`, `box_mode="hull"` and `box_evidence="label"` do as the original did;
    images have any size, where it took 224x224; the model returns logits, and maps that nothing
    stretched to [0, 1].

    Images whose height or width is no multiple of 16 are enlarged to the next one, not padded: so
    the cells of `cam` divide the image evenly, and a place in [0, 1] on the map is that place on
    the image.

    Args:
      image_shape: (H, W, C) of the image; H and W may be None for any size. C is 1 or 3; grey
        images are repeated into three channels.
      num_labels: image labels L, good first.
      backbone: a name in `keras.applications`. VGG16 with two labels has 14,715,714 parameters,
        of which 7,080,450 are trainable from "block5_conv1" on.
      weights: of the backbone: None for a random start, "imagenet", or the path of a file.
      trainable_from: name of the backbone's first layer that learns; those before are frozen, and
        their batch normalisation with them. None for all.
      preprocessing: "imagenet", what the backbone was trained on, or "unit", [0, 1] as it is.
      cam: how features become logits: "exact" averages them, so that the mean of a map and the
        bias of its label are the logit; "published" takes the highest of 2x2 cells before.
      box_mode: "regions", a box round each connected region of heat, or "hull", one round all.
      box_threshold: of heat, in [0, 1); a higher one draws smaller boxes.
      box_evidence: what heat is made of, see `boxes.evidence`: "difference" or "label".

    Returns:
      A model from `image` [B, H, W, C] in [0, 1] to a dict of `label_logits` [B, L]; `cam`
      [B, h, w, L] with h and w H / 16 and W / 16, rounded up, the evidence for each label without
      its bias; `mask_logits` [B, H, W, K], the logits of each cell by itself, enlarged
      bilinearly: a channel for each label, or one, of defect against good, for two labels; `box`
      [B, N, 4] and `box_heat` [B, N], as `boxes.boxes` has them, of the likeliest defect of every
      image, also of those that look good.

    Raises:
      ValueError: an argument is out of its range, or there are no such weights.
    """
    for name, value, valid in (
        ("preprocessing", preprocessing, PREPROCESSING),
        ("cam", cam, CAMS),
        ("box_mode", box_mode, BOX_MODES),
        ("box_evidence", box_evidence, boxes.EVIDENCE),
    ):
        if value not in valid:
            raise ValueError(
                f"Argument `{name}` must be one of {', '.join(valid)}. Received: {value!r}"
            )
    if num_labels < 2:
        raise ValueError(f"Argument `num_labels` must be 2 or more. Received: {num_labels}")
    encoder = backbones.backbone(backbone, weights=weights, output_stride=STRIDE)
    if trainable_from is not None:
        _freeze_before(encoder, trainable_from)

    # === Encoder ===
    image = keras.Input(image_shape, name="image", dtype="float32")
    x = resizing.stretch_to_multiple(image, STRIDE)
    x = backbones.preprocess(backbone, x) if preprocessing == "imagenet" else backbones.rgb(x)
    _, features = encoder(x)

    # === Head ===
    head = layers.Dense(num_labels, name="label_logits", dtype="float32")
    x = features
    if cam == "published":
        x = layers.MaxPooling2D(2, padding="same", name="head_pool", dtype="float32")(x)
    x = layers.GlobalAveragePooling2D(name="head_mean", dtype="float32")(x)
    label_logits, cell_logits = head(x), head(features)

    # === Maps: what the head makes of nothing is its bias ===
    evidence = cell_logits - head(ops.zeros_like(x))[:, None, None]
    if num_labels == 2:  # a softmax of two is a sigmoid of their difference
        cell_logits = cell_logits[..., 1:] - cell_logits[..., :1]
    mask_logits = resizing.EnlargeLike(name="mask_logits", dtype="float32")(cell_logits, image)

    # === Boxes: drawn, not learnt ===
    # Keras' `argmax` looks at the bits of zeros, which ONNX and OpenVINO cannot.
    defect = 1 + ops.top_k(label_logits[:, 1:], 1)[1][:, 0]
    heat = boxes.heat_map(ops.stop_gradient(evidence), defect, box_evidence)
    box, box_heat = boxes.boxes(heat, threshold=box_threshold, single=box_mode == "hull")
    outputs = {
        "mask_logits": mask_logits,
        "label_logits": label_logits,
        "cam": evidence,
        "box": box,
        "box_heat": box_heat,
    }
    return keras.Model(image, outputs, name="vgg16_cam")


def _freeze_before(encoder, name):
    names = [layer.name for layer in encoder.layers if layer.weights]
    if name not in names:
        raise ValueError(
            f"Argument `trainable_from` must be one of {', '.join(names)}. Received: {name!r}"
        )
    for layer in encoder.layers:
        if layer.name == name:
            return
        layer.trainable = False
