"""What each output of a model learns: its loss, and the figure that validation watches."""

from zoo import losses
from zoo.label_loss import get_label_loss
from zoo.metrics.labels import BalancedAccuracy
from zoo.metrics.segmentation import SetIoU


def learning_outputs(model, recipe) -> dict[str, int]:
    """The outputs that have a target, and how many channels each has.

    Raises:
      ValueError: the recipe and the network agree on nothing to learn.
    """
    outputs = {
        name: model.output[name].shape[-1]
        for name in ("mask_logits", "label_logits")
        if name in model.output and (name != "mask_logits" or recipe.loss is not None)
    }
    if not outputs:
        raise ValueError(
            f"Recipe field `loss` must name a loss, since {recipe.builder} has no labels to learn. "
            "Received: None"
        )
    return outputs


def of_outputs(recipe, outputs) -> dict:
    """What `compile` needs to know of each output that learns."""
    known = {
        "mask_logits": lambda channels: (
            losses.get_loss(recipe.loss, recipe.class_weights),
            SetIoU(channels),
        ),
        "label_logits": lambda channels: (
            get_label_loss(recipe.label_weights),
            BalancedAccuracy(channels),
        ),
    }
    pairs = {name: known[name](channels) for name, channels in outputs.items()}
    weights = dict(zip(known, recipe.loss_weights))
    return {
        "loss": {name: loss for name, (loss, _) in pairs.items()},
        "metrics": {name: [metric] for name, (_, metric) in pairs.items()},
        "loss_weights": {name: weights[name] for name in outputs} if len(outputs) > 1 else None,
    }


def monitored(outputs: dict[str, int]) -> str:
    """The validation figure that chooses the weights: of masks where they are learnt."""
    return "val_iou" if "mask_logits" in outputs else "val_balanced_accuracy"
