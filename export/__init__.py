"""Publishes run directories as modules: `python -m export convert` and `python -m export serve`."""


def _write_saved_model(*args, **kwargs):
    # TensorFlow takes seconds to import, and neither the server nor the usage text needs it.
    from export import saved_model

    saved_model.write(*args, **kwargs)


# name -> writer(model, path, *, class_names, threshold, score_threshold, assets)
FORMATS = {
    "saved_model": _write_saved_model,
}
