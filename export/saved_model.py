"""Writes a model as a reusable SavedModel, the module format of TF-Hub."""

import pathlib

import keras
import tensorflow as tf

from builders.predictions import predictions
from builders.runs.atomic import replacing
from builders.runs.inference import for_inference
from export.canonical import make_canonical

PNG_SIGNATURE = b"\x89PNG\r\n\x1a\n"
PNG_BIT_DEPTH_AT = 24  # signature, then length and name of the header chunk, width and height
PNG_COLOR_TYPE_AT = 25  # 0 is grey without transparency
LUMA = (0.299, 0.587, 0.114)  # weights of red, green and blue in grey, ITU-R BT.601


def write(
    model: keras.Model,
    path,
    *,
    class_names: list[str],
    threshold: float = 0.5,
    score_threshold: float = 0.5,
    assets=(),
) -> None:
    """Writes a folder that `hub.load` and `tf.saved_model.load` turn back into a module.

    The loaded module needs TensorFlow alone. It is called as `module(image, training=False)` and
    has `variables`, `trainable_variables` and `regularization_losses`, the signatures
    `serving_default`, `serve_uint8` and `serve_bytes`, and as attributes the four arguments below.
    The folder appears whole or not at all, and models of equal weights and layer names give equal
    bytes.

    Source: "Reusable SavedModels", documentation of tensorflow/hub.

    Args:
      model: a model of `builders.build`, in float32.
      path: the folder to write; it must not exist.
      class_names: names of the classes, good first.
      threshold: probability above which a pixel counts as defect.
      score_threshold: image score above which an image counts as defective.
      assets: files to store in the module; `card.md` becomes `module.card.asset_path`.
    """
    module = tf.train.Checkpoint()  # a root that takes functions, lists and variables as attributes
    # The plain tf.Variable inside each Keras variable is what loads without Keras.
    module.variables = [variable.value for variable in model.variables]
    module.trainable_variables = [variable.value for variable in model.trainable_variables]
    module.regularization_losses = [
        _regularization_loss(variable)
        for variable in model.trainable_variables
        if variable.regularizer is not None
    ]
    for name, value in (
        ("threshold", float(threshold)),
        ("score_threshold", float(score_threshold)),
        ("class_names", class_names),
    ):
        # SavedModels keep no plain Python values; a variable reads and compares like one.
        setattr(module, name, tf.Variable(value, trainable=False, name=name))
    for file in map(pathlib.Path, assets):
        setattr(module, file.stem, tf.saved_model.Asset(str(file)))

    signatures = _add_functions(module, model)
    with replacing(path) as temporary:
        tf.saved_model.save(module, str(temporary), signatures=signatures)
        make_canonical(temporary)


def _add_functions(module, model) -> dict:
    """Makes the module callable, and returns its signatures by name."""
    shape = model.inputs[0].shape[1:]
    image_spec = tf.TensorSpec([None, *shape], tf.float32, name="image")
    uint8_spec = tf.TensorSpec([None, *shape], tf.uint8, name="image")
    bytes_spec = tf.TensorSpec([], tf.string, name="bytes")
    views = {True: model, False: for_inference(model)}  # by whether it trains

    @tf.function
    def call(image, training=False):
        return predictions(views[training](image, training=training))

    for training in (False, True):
        call.get_concrete_function(image_spec, training=training)
    module.__call__ = call

    @tf.function(input_signature=[image_spec])
    def serving_default(image):
        return call(image, training=False)

    @tf.function(input_signature=[uint8_spec])
    def serve_uint8(image):
        return call(tf.cast(image, tf.float32) / 255.0, training=False)

    @tf.function(input_signature=[bytes_spec])
    def serve_bytes(bytes):
        image = tf.ensure_shape(decode(bytes, channels=shape[-1]), shape)
        return call(image[None], training=False)

    return {
        "serving_default": serving_default,
        "serve_uint8": serve_uint8,
        "serve_bytes": serve_bytes,
    }


def decode(content, *, channels: int):
    """Decodes PNG or JPEG to float32 [H, W, channels] in [0, 1], as training images were read."""
    is_png = tf.equal(tf.strings.substr(content, 0, len(PNG_SIGNATURE)), PNG_SIGNATURE)
    is_16_bit_png = tf.cond(  # a text too short for the second `substr` is no PNG
        is_png,
        lambda: tf.equal(tf.strings.substr(content, PNG_BIT_DEPTH_AT, 1), b"\x10"),
        lambda: False,
    )

    def from_16_bit():
        image = tf.cast(tf.io.decode_png(content, channels=3, dtype=tf.uint16), tf.float32)
        is_grey = tf.equal(tf.strings.substr(content, PNG_COLOR_TYPE_AT, 1), b"\x00")
        # 65535 / 257 = 255; of colours and of transparent images, Pillow took the upper eight bits.
        return tf.where(is_grey, image / 257.0, tf.floor(image / 256.0))

    def from_8_bit():
        # Reads PNG too; the accurate transform gives the pixels that Pillow gave in training.
        image = tf.io.decode_jpeg(content, channels=3, dct_method="INTEGER_ACCURATE")
        return tf.cast(image, tf.float32)

    image = tf.cond(is_16_bit_png, from_16_bit, from_8_bit)
    if channels == 1:  # the decoders' own grey is off by up to two levels
        image = tf.tensordot(image, LUMA, axes=1)[..., None]
    return tf.round(image) / 255.0


def _regularization_loss(variable):
    @tf.function(input_signature=[])
    def regularization_loss():
        return tf.convert_to_tensor(variable.regularizer(variable))

    return regularization_loss
