"""The figures of `metrics.json`: what each is called everywhere, and what it says.

Figures of the same name in other files, such as those of `zoo/results`, mean the same.
"""

from typing import NamedTuple


class Figure(NamedTuple):
    """A figure of `metrics.json`.

    Attributes:
      name: what it is called.
      meaning: what it says, in a sentence or two.
      digits: decimals in a table.
    """

    name: str
    meaning: str
    digits: int = 3

    @property
    def title(self) -> str:
        """The name with a capital, for a heading."""
        return self.name[0].upper() + self.name[1:]


# In the order in which pages show them.
FIGURES = {
    "images": Figure("test images", "Images that were measured."),
    "defective": Figure("defective images", "Images among them that show a defect."),
    "masked": Figure("defective images with a mask", "They alone count for masks and pixels."),
    "regions": Figure("separate defects", "Connected regions of defect pixels."),
    "image_auroc": Figure(
        "image AUROC",
        "How often a defective image scores higher than a good one, at no threshold in particular. "
        "0.5 is guessing.",
        digits=4,
    ),
    "image_ap": Figure(
        "image AP",
        "Average precision: the share of defective images among those with the highest scores, "
        "averaged as ever more defects are detected.",
    ),
    "pg@0.05": Figure(
        "accepted good parts at 5 % missed",
        "The highest share of good images that are accepted while at most 5 % of the defective "
        "ones are.",
    ),
    "pb@0.05": Figure(
        "detected defects at 5 % rejected",
        "The highest share of defective images that are detected while at most 5 % of the good "
        "ones are rejected.",
    ),
    "pb@0.01": Figure(
        "detected defects at 1 % rejected",
        "The same while at most 1 % are: TPR at 1 % FPR. With fewer than 100 good images, none "
        "may be.",
    ),
    "pixel_auroc": Figure(
        "pixel AUROC",
        "How often a defect pixel scores higher than a good one. Near 1 even for poor masks, since "
        "most pixels are good and easy.",
    ),
    "pixel_ap": Figure("pixel AP", "Average precision of pixels: strict for small defects."),
    "au_pro@0.3": Figure(
        "AU-PRO@0.3",
        "How much of a defect is predicted, every defect counting alike, averaged over all "
        "thresholds with at most 30 % false positive pixels. 0.15 is guessing.",
    ),
    "au_pro@0.05": Figure(
        "AU-PRO@0.05",
        "The same for at most 5 % false positive pixels: stricter, and not to be compared with the "
        "figure at 0.3.",
    ),
    "au_spro@0.05": Figure(
        "AU-sPRO@0.05",
        "AU-PRO in which a defect counts whole once its saturation area is predicted.",
    ),
    "defect_iou": Figure(
        "defect IoU",
        "Predicted and true area: the part they share of all they cover, averaged over the "
        "defective images. 1 is perfect.",
    ),
    "defect_dice": Figure(
        "defect Dice",
        "The same overlap in another unit, 2 IoU / (1 + IoU) of each image: always the higher.",
    ),
    "set_iou": Figure(
        "set IoU",
        "IoU of the pixels of all images together: large defects weigh more, and predictions on "
        "good images count as errors.",
    ),
    "set_dice": Figure("set Dice", "Dice of the pixels of all images together."),
    "mean_iou": Figure(
        "mean IoU of types",
        "IoU of the pixels of all images for each defect type, averaged over the types.",
    ),
    "mean_iou_with_background": Figure(
        "mean IoU with background", "The same with the background as one more type."
    ),
    "boundary_f1": Figure(
        "boundary F1",
        "How well the outline of the prediction follows the true one, averaged over the defective "
        "images.",
    ),
    "hits": Figure(
        "hottest pixel on the defect", "Defective images whose likeliest pixel is on the defect."
    ),
    "hit_rate": Figure(
        "hit rate",
        "The share of them among the defective images with a mask: the pointing game.",
    ),
    "tp": Figure("detected defects", "Defective images that are rejected."),
    "fn": Figure("missed defects", "Defective images that are accepted."),
    "fp": Figure("rejected good parts", "Good images that are rejected."),
    "tn": Figure("accepted good parts", "Good images that are accepted."),
    "tpr": Figure("TPR", "The share of the defective images that are detected."),
    "tnr": Figure("TNR", "The share of the good images that are accepted."),
    "precision": Figure("precision", "The share of the rejected images that are defective."),
    "f1": Figure("F1", "Of decisions on images."),
    "balanced_accuracy": Figure("balanced accuracy", "The mean of TPR and TNR."),
    "macro_f1": Figure("macro F1", "The mean of the F1 of defective and of good images."),
    "label_f1": Figure(
        "label F1",
        "F1 of the labels of images, averaged over the labels; of two labels that of the defect.",
    ),
    "box_recall@0.3": Figure(
        "box recall", "The share of the separate defects that a box covers with an IoU of 0.3."
    ),
    "box_precision@0.3": Figure(
        "box precision", "The share of the boxes that cover a defect so; none does on a good image."
    ),
    "box_mean_iou": Figure(
        "box IoU", "IoU of each separate defect's box with the predicted one that fits it best."
    ),
    "nvidia_dice_mean": Figure(
        "NVIDIA's number",
        "Dice averaged over all images, the good ones included, which NVIDIA published as IoU.",
    ),
}
