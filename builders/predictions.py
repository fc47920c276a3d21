"""From a model's outputs to what a user reads: probabilities and an image score."""

from keras import ops


def predictions(outputs: dict) -> dict:
    """Adds probabilities and the image score to a model's outputs.

    Args:
      outputs: a model's output dict with `mask_logits` float32 [B, H, W, K].

    Returns:
      A dict with `mask_logits` as given; `mask`, probabilities float32 [B, H, W, K]: sigmoid for
      one channel, softmax with the background first for more; `score` float32 [B] in [0, 1], the
      highest defect probability of any pixel.
    """
    logits = outputs["mask_logits"]
    if logits.shape[-1] == 1:
        mask = ops.sigmoid(logits)
        defect = mask[..., 0]
    else:
        mask = ops.softmax(logits, axis=-1)
        defect = 1.0 - mask[..., 0]
    return {**outputs, "mask": mask, "score": ops.max(defect, axis=(1, 2))}
