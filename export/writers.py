"""Writers of a Keras model in the formats of other runtimes, by what each runtime brings along.

Each takes the model with all outputs, the path and images float32 [B, H, W, C] in [0, 1], to which
int8 is fitted.
"""

import tensorflow as tf

SUFFIXES = {"litert": ".tflite", "onnx": ".onnx", "openvino": ".xml", "keras": ".keras"}
_SMALLER = {"optimizations": [tf.lite.Optimize.DEFAULT]}  # LiteRT's word for lower precision


def _keras(full, path, batch):
    full.save(path)


def _litert(full, path, batch, **options):
    full.export(str(path), format="litert", verbose=False, **options)


def _litert_float16(full, path, batch):
    _litert(full, path, batch, **_SMALLER, target_spec={"supported_types": [tf.float16]})


def _litert_int8(full, path, batch):
    _refuse_loops(full, batch)

    def examples():
        return ([image[None]] for image in batch)

    _litert(full, path, batch, **_SMALLER, representative_dataset=examples)


def _refuse_loops(full, batch):
    graph = tf.function(full).get_concrete_function(tf.TensorSpec([1, *batch.shape[1:]])).graph
    bodies = graph.as_graph_def().library.function
    if any(node.op == "Conv2D" for body in bodies for node in body.node_def):
        raise ValueError(
            "int8 cannot hold a network that convolves in a loop: LiteRT's converter crashes, and "
            "ONNX's leaves the loop in float32. Set --format=litert --precision=float16, or "
            "openvino."
        )


def _onnx(full, path, batch):
    full.export(str(path), format="onnx", verbose=False)


def _onnx_int8(full, path, batch):
    from onnxruntime import quantization

    _refuse_loops(full, batch)

    class Images(quantization.CalibrationDataReader):
        images = iter(batch)

        def get_next(self):
            image = next(self.images, None)
            return None if image is None else {"image": image[None]}

    whole = path.with_name("float32.onnx")
    _onnx(full, whole, batch)
    quantization.quantize_static(
        str(whole),
        str(path),
        Images(),
        per_channel=True,
        # Weights of 7 bits: with 8, sums of products overflow on CPUs without VNNI instructions.
        reduce_range=True,
        op_types_to_quantize=["Conv", "ConvTranspose", "MatMul"],
    )


def _openvino(full, path, batch, compress_to_fp16=False):
    import openvino

    whole = path.with_name("saved_model")
    full.export(str(whole), verbose=False)
    # Its converter, `convert_model`, would read as much and report on it to its makers.
    model = openvino.Core().read_model(whole)
    openvino.save_model(model, path, compress_to_fp16=compress_to_fp16)


def _openvino_float16(full, path, batch):
    _openvino(full, path, batch, compress_to_fp16=True)


# No int8 of OpenVINO: on FastUNet the pixels that ONNX's int8 marks in OpenVINO agreed with the
# model's by an IoU of 0.79, those of NNCF by 0.90, where LiteRT and ONNX Runtime reach 0.98.
# (format, precision) -> writer(model with predictions, path, images float32 [B, H, W, C])
WRITERS = {
    ("litert", "float32"): _litert,
    ("litert", "float16"): _litert_float16,
    ("litert", "int8"): _litert_int8,
    ("onnx", "float32"): _onnx,
    ("onnx", "int8"): _onnx_int8,
    ("openvino", "float32"): _openvino,
    ("openvino", "float16"): _openvino_float16,
    ("keras", "float32"): _keras,
}
