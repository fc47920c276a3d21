"""Makes the bytes of a SavedModel depend on the model alone.

TensorFlow numbers functions and tensors with a counter of the process, and stamps every export
with a random id. Without those, two exports of equal models are equal files.
"""

import pathlib
import re

from tensorflow.core.protobuf import saved_model_pb2

COUNTED_NAME = re.compile(r"(.+)_(\d+)")
# What a loop's condition does not read is named after the counted name of that function.
UNREAD_ARGUMENT = re.compile(r"_\d+(___redundant_placeholder\d+)")
COUNTED_GRADIENT = "CustomGradient-"  # of an activation with a gradient of its own, such as SiLU


def make_canonical(folder) -> None:
    """Rewrites `saved_model.pb` in a SavedModel folder, and removes the random fingerprint.

    Functions and gradients are numbered in the order of their making, from 0; the numeric ids of
    captured tensors and the numbers in unread arguments of loops, which nothing reads, are
    dropped; maps are written in sorted order.

    Args:
      folder: a SavedModel folder.
    """
    folder = pathlib.Path(folder)
    saved_model = saved_model_pb2.SavedModel()
    saved_model.ParseFromString((folder / "saved_model.pb").read_bytes())
    for meta_graph in saved_model.meta_graphs:
        functions = meta_graph.graph_def.library.function
        _renumber_gradients(meta_graph.graph_def)
        for function in functions:
            for argument in function.signature.input_arg:
                argument.name = UNREAD_ARGUMENT.sub(r"\1", argument.name)
        _rename(meta_graph, _new_names([function.signature.name for function in functions]))
        functions.sort(key=lambda function: function.signature.name)
        for function in functions:
            for argument in function.arg_attr.values():
                _drop_tensor_id(argument.attr)
    (folder / "saved_model.pb").write_bytes(saved_model.SerializeToString(deterministic=True))
    (folder / "fingerprint.pb").unlink(missing_ok=True)


def _renumber_gradients(graph_def) -> None:
    nodes = [*graph_def.node, *(n for each in graph_def.library.function for n in each.node_def)]
    users = [n.attr["_gradient_op_type"] for n in nodes if "_gradient_op_type" in n.attr]
    registered = graph_def.library.registered_gradients
    counted = {use.s.decode() for use in users} | {each.registered_op_type for each in registered}
    counted = [name for name in counted if name.startswith(COUNTED_GRADIENT)]
    in_order = sorted(counted, key=lambda name: int(name.removeprefix(COUNTED_GRADIENT)))
    names = {name: f"{COUNTED_GRADIENT}{number}" for number, name in enumerate(in_order)}
    for use in users:
        use.s = names.get(use.s.decode(), use.s.decode()).encode()
    for each in registered:
        each.registered_op_type = names.get(each.registered_op_type, each.registered_op_type)


def _drop_tensor_id(attributes) -> None:
    name = "_user_specified_name"
    if name in attributes and attributes[name].s.isdigit():
        del attributes[name]


def _new_names(names) -> dict:
    matches = filter(None, map(COUNTED_NAME.fullmatch, names))
    in_order = sorted(matches, key=lambda match: int(match[2]))
    return {match[0]: f"{match[1]}_{number}" for number, match in enumerate(in_order)}


def _rename(message, names) -> None:
    """Replaces every text and map key of a message that is a key of `names`, in place."""
    for field, value in message.ListFields():
        if field.message_type is None:
            if field.type == field.TYPE_STRING and field.is_repeated:
                value[:] = [names.get(text, text) for text in value]
            elif field.type == field.TYPE_STRING:
                setattr(message, field.name, names.get(value, value))
        elif field.message_type.GetOptions().map_entry:
            _rename_map(field, value, names)
        else:
            for child in value if field.is_repeated else [value]:
                _rename(child, names)


def _rename_map(field, value, names) -> None:
    if field.message_type.fields_by_name["value"].message_type is None:
        return  # maps of plain values hold no function
    for child in value.values():
        _rename(child, names)
    # Taken out first, since a new name may be the old name of another function.
    moved = {names[key]: value.pop(key) for key in list(value) if key in names}
    for key, child in moved.items():
        value[key].CopyFrom(child)
