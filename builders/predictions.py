"""From a model's outputs to what a user reads: probabilities, an image score, labels, boxes."""

from keras import ops

from builders.boxes import boxes, heat_map


def predictions(outputs: dict) -> dict:
    """Adds what users read to a model's outputs.

    Where a model has a mask and labels, the mask decides where a defect is and whether there is
    one, and the label which type it is: the probability of each type is that of the defect, divided
    as the labels but good are, in the mask and for the image. So heads that disagree never mark a
    defect in an image that they call good. Where a model learnt from labels alone (it has a `cam`),
    the label decides whether.

    Args:
      outputs: a model's output dict with `mask_logits` float32 [B, H, W, K], and maybe
        `label_logits` [B, L] and `cam` [B, h, w, L].

    Returns:
      The dict as given, and `mask`, probabilities float32 [B, H, W, K]: sigmoid for one channel,
      softmax with the background first for more, L channels where labels divide the types;
      `score` float32 [B] in [0, 1], the highest defect probability of any pixel, or with a `cam`
      that of the label; with labels, their probabilities `label` [B, L], of which good has 1 less
      the score; with a `cam`, `box` [B, N, 4], [ymin, xmin, ymax, xmax] in [0, 1], and `box_score`
      [B, N] as `boxes` has them, the score times that of the image, none where the likeliest label
      is good.
    """
    found = {**outputs, "mask": _mask(outputs)}
    defect = found["mask"][..., 0]
    if found["mask"].shape[-1] > 1:
        defect = 1.0 - defect
    found["score"] = ops.max(defect, axis=(1, 2))
    if "cam" in outputs:
        found["label"] = ops.softmax(outputs["label_logits"], axis=-1)
        found["score"] = 1.0 - found["label"][:, 0]
        heat = heat_map(outputs["cam"], ops.argmax(found["label"], axis=-1))
        found["box"], hottest = boxes(heat)
        found["box_score"] = hottest * found["score"][:, None]
    elif "label_logits" in outputs:
        score = found["score"][:, None]
        found["label"] = ops.concatenate([1.0 - score, score * _types(outputs)], axis=-1)
    return found


def _mask(outputs):
    logits = outputs["mask_logits"]
    if logits.shape[-1] > 1:
        return ops.softmax(logits, axis=-1)
    defect = ops.sigmoid(logits)
    if "label_logits" not in outputs or outputs["label_logits"].shape[-1] == 2:
        return defect
    types = _types(outputs)[:, None, None, :]
    return ops.concatenate([1.0 - defect, defect * types], axis=-1)


def _types(outputs):
    """Probability [B, L - 1] of each type, given that there is a defect."""
    return ops.softmax(outputs["label_logits"][:, 1:], axis=-1)
