"""What each output of a model learns: its loss, and the figure that validation watches."""

import keras

from zoo import losses
from zoo.losses.label import get_label_loss
from zoo.metrics.labels import BalancedAccuracy
from zoo.metrics.segmentation import SetIoU

OUTPUTS = ("mask_logits", "label_logits")  # in the order of the recipes' `loss_weights`


def learning_outputs(model, recipe) -> dict[str, int]:
    """Returns the outputs that have a target, and how many channels each has.

    Raises:
      ValueError: the recipe and the network agree on nothing to learn, on no labels to stop by, or
        on another number of labels.
    """
    outputs = {
        name: model.output[name].shape[-1]
        for name in OUTPUTS
        if name in model.output and (name != "mask_logits" or recipe.loss is not None)
    }
    if not outputs:
        raise ValueError(
            f"Recipe field `loss` must name a loss, since {recipe.builder} has no labels to learn. "
            "Received: None"
        )
    if recipe.stop_accuracy is not None and "label_logits" not in outputs:
        raise ValueError(
            f"Recipe field `stop_accuracy` is of labels, and {recipe.builder} learns none. "
            f"Received: {recipe.stop_accuracy}"
        )
    count, weights = outputs.get("label_logits"), recipe.label_weights
    if weights is not None and count not in (None, len(weights)):
        raise ValueError(
            f"Recipe field `label_weights` must have a weight for each of the {count} labels, good "
            f"first. Received: {weights}"
        )
    return outputs


def learner(model, outputs) -> keras.Model:
    """Returns the part of a model that is fitted, which shares its layers.

    Keras wants a target for every output of what it fits.
    """
    return keras.Model(model.input, {name: model.output[name] for name in outputs})


def compile_arguments(recipe, outputs) -> dict:
    """Returns what `compile` needs to know of each output that learns."""
    loss, metrics, weights = {}, {}, dict(zip(OUTPUTS, recipe.loss_weights))
    if "mask_logits" in outputs:
        loss["mask_logits"] = losses.get_loss(recipe.loss, recipe.class_weights)
        metrics["mask_logits"] = [SetIoU(outputs["mask_logits"])]
    if "label_logits" in outputs:
        loss["label_logits"] = get_label_loss(recipe.label_weights)
        metrics["label_logits"] = [
            BalancedAccuracy(outputs["label_logits"]),
            keras.metrics.SparseCategoricalAccuracy("accuracy"),
        ]
    several = len(outputs) > 1
    return {
        "loss": loss,
        "metrics": metrics,
        "loss_weights": {name: weights[name] for name in outputs} if several else None,
    }


def monitored(outputs: dict[str, int]) -> str:
    """Returns the validation figure that chooses the weights: of masks where they are learnt."""
    return "val_iou" if "mask_logits" in outputs else "val_balanced_accuracy"
