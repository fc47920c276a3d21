"""The loss of label logits against the label of each image."""

from keras import ops


def get_label_loss(label_weights=None):
    """Returns the cross-entropy of the softmax, the weighted mean over the images of a batch.

    The sum is divided by that of the images' weights, as PyTorch does, and not by their number, as
    `class_weight` of Keras does: otherwise a batch of heavy images would take larger steps.

    Args:
      label_weights: weight of the images of each label, good first; None for alike.

    Returns:
      A function (label, logits) -> float32 scalar, of `label` int [B] and `logits` [B, L].
    """

    def loss(label, logits):
        logits = ops.cast(logits, "float32")
        label = ops.cast(ops.reshape(label, (-1,)), "int32")
        true = ops.one_hot(label, logits.shape[-1], dtype="float32")
        entropy = -ops.sum(true * ops.log_softmax(logits), axis=-1)
        if label_weights is None:
            return ops.mean(entropy)
        weights = ops.take(ops.convert_to_tensor(label_weights, dtype="float32"), label)
        return ops.sum(weights * entropy) / ops.sum(weights)

    return loss
