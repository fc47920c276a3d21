"""Arguments of builders that follow from other fields of a recipe, unless they are given."""

from zoo.recipes.recipe import Recipe


def builder_args(recipe: Recipe) -> dict:
    """Returns the arguments that follow from `recipe`, empty for most builders."""
    if recipe.builder != "deeplab_v3_plus" or recipe.builder_args.get("rates"):
        return {}
    from builders.deeplab_v3_plus import atrous_rates  # brings Keras, which takes seconds

    shape = recipe.builder_args["image_shape"][:2]
    window = recipe.crop_size or recipe.image_size or [side or 512 for side in shape]
    return {"rates": atrous_rates(min(window), recipe.builder_args.get("output_stride", 16))}
