"""From a model's outputs to what a user reads: probabilities, an image score, labels, boxes."""

from keras import ops


def predictions(outputs: dict) -> dict:
    """Adds what users read to a model's outputs.

    One rule holds for heads that disagree, here and wherever these answers are read. Whether there
    is a defect is said by `score`, and decided by the image threshold alone: an image whose score
    does not exceed it is good, whatever its labels and boxes say, and has no type and no box. What
    the score comes from is the mask; or the label where a model learnt from labels alone (it has a
    `cam`). Which type it is, is said by the labels but good, in the mask and for the image. Where
    it is, is said by the mask at the pixel threshold, which knows nothing of the image's: it may
    mark pixels of an image that passes, and none of one that does not.

    Args:
      outputs: a model's output dict with `mask_logits` float32 [B, H, W, K], and maybe
        `label_logits` [B, L], `cam` [B, h, w, L], `box` [B, N, 4], `box_heat` [B, N] and
        `score_logits` [B].

    Returns:
      The dict as given, and `mask`, probabilities float32 [B, H, W, K]: sigmoid for one channel,
      softmax with the background first for more, L channels where labels divide the types;
      `score` float32 [B] in [0, 1], the highest defect probability of any pixel, with a `cam` that
      of the label, or that of `score_logits`, which it replaces; with labels, their probabilities
      `label` [B, L], of which good has 1 less the score; with boxes, `box_score` [B, N], the heat
      of each times the score of the image, in place of `box_heat`: they lie where the likeliest
      defect is, in good images as well.

    Raises:
      ValueError: mask and labels of a model both tell types apart, and may disagree.
    """
    found = {**outputs, "mask": _mask(outputs)}
    found["score"] = ops.max(defect_probability(found["mask"]), axis=(1, 2))
    if "cam" in outputs:
        found["label"] = ops.softmax(outputs["label_logits"], axis=-1)
        found["score"] = 1.0 - found["label"][:, 0]
    elif "score_logits" in outputs:
        found["score"] = ops.sigmoid(found.pop("score_logits"))
    elif "label_logits" in outputs:
        score = found["score"][:, None]
        found["label"] = ops.concatenate([1.0 - score, score * _types(outputs)], axis=-1)
    if "box" in outputs:
        found["box_score"] = found.pop("box_heat") * found["score"][:, None]
    return found


def defect_probability(mask):
    """The probability of any defect [..., H, W], from those of all channels [..., H, W, K]."""
    return mask[..., 0] if mask.shape[-1] == 1 else 1.0 - mask[..., 0]


def mask_probabilities(logits):
    """Probabilities [..., K] from mask logits: sigmoid of one channel, softmax of more."""
    return ops.sigmoid(logits) if logits.shape[-1] == 1 else ops.softmax(logits, axis=-1)


def _mask(outputs):
    logits = outputs["mask_logits"]
    if "cam" not in outputs and "label_logits" in outputs:
        num_labels = outputs["label_logits"].shape[-1]
        if logits.shape[-1] > 1 and num_labels > 2:
            raise ValueError(
                "A model whose labels tell types of defect apart must have one mask channel, or "
                f"its two heads could disagree. Received: {logits.shape[-1]} channels and "
                f"{num_labels} labels"
            )
    defect = mask_probabilities(logits)
    num_labels = outputs["label_logits"].shape[-1] if "label_logits" in outputs else 2
    if defect.shape[-1] > 1 or num_labels == 2:
        return defect
    types = _types(outputs)[:, None, None, :]
    return ops.concatenate([1.0 - defect, defect * types], axis=-1)


def _types(outputs):
    """Returns probability [B, L - 1] of each type, given that there is a defect."""
    return ops.softmax(outputs["label_logits"][:, 1:], axis=-1)
