"""The command line of the zoo; every flag of it is defined here."""

import dataclasses
import os
import sys

# TensorFlow reads it when it is imported. Batches gain from oneDNN's kernels on every CPU that
# was measured; single images do on some, and there TensorFlow takes them by itself.
if sys.argv[1:2] == ["train"]:
    os.environ.setdefault("TF_ENABLE_ONEDNN_OPTS", "1")

from absl import app, flags

from zoo.commands import COMMANDS, USAGE, command_line
from zoo.commands.options import RECIPE_FLAGS
from zoo.recipes.recipe import parse_field, type_name
from zoo.visualization.terminal import quiet_imports, show_our_messages_alone

flags.DEFINE_string(
    "module", None, "Handle <builder>/<dataset>/<class>; * and ? stand for several."
)
flags.DEFINE_string("recipe", "default", "Name of the recipe; `list` shows those of each module.")
flags.DEFINE_bool("fast", False, "Choose a network for a fast line, which needs masks.")
flags.DEFINE_bool("json", False, "Print JSON instead of a table.")
flags.DEFINE_bool("tables", False, "Print all tables of the result files in --source.")
flags.DEFINE_string("runs_dir", "runs", "Folder of all runs.")
flags.DEFINE_string(
    "data_dir", "data", "Folder of built data sets; take one of its own for each archive."
)
flags.DEFINE_string(
    "manual_dir", None, "Folder of your images, or of the archive as it was downloaded."
)
flags.DEFINE_string(
    "run_name", None, "Name of the run; default <recipe>_seed<seed>, of an update <run>_updated."
)
flags.DEFINE_bool("resume", False, "Continue a run that was interrupted.")
flags.DEFINE_bool(
    "skip_broken_images", False, "Leave out unreadable images, naming each, instead of stopping."
)
flags.DEFINE_bool("tensorboard", False, "Also write TensorBoard logs.")
flags.DEFINE_integer(
    "every", None, "Measure the anomaly metrics of the validation images every so many epochs."
)
flags.DEFINE_string(
    "source",
    None,
    "A run directory, a module's folder, URL or handle, or, with --ground_truth, a folder of "
    "anomaly maps (.npy, .npz, .tiff); summarize and compare take several runs, the teacher's "
    "first; summarize its own earlier files as well; review takes a folder of pseudo masks.",
)
flags.DEFINE_string(
    "student", None, "Run or module whose answers a review compares the teacher's masks with."
)
flags.DEFINE_string("modules_dir", "modules", "Folder of exported modules.")
flags.DEFINE_string(
    "ground_truth", None, "Folder of the test set that belongs to the anomaly maps in --source."
)
flags.DEFINE_enum(
    "layout",
    "mvtec",
    ["mvtec", "loco", "folder"],
    "Of --ground_truth and --source: mvtec: test/<type>/<name>.tiff and ground_truth/<type>/"
    "<name>_mask.png; loco: the same with a folder of masks for each image; folder: <name>.npy and "
    "<name>.png, in folders named by label if you like.",
)
flags.DEFINE_bool(
    "resize_maps", False, "Resize maps of another size to their ground truth, bilinearly."
)
flags.DEFINE_float(
    "ground_truth_threshold", None, "Grey levels of the ground truth above this are defects."
)
flags.DEFINE_string(
    "calibration", None, "A calibration.json whose thresholds replace those of --source."
)
flags.DEFINE_string(
    "dataset",
    None,
    "name/config to read; default is the one the model was trained on, in compare the first "
    "student's; statistics needs it.",
)
flags.DEFINE_string(
    "split",
    None,
    "Split to measure on, by default the recipe's test, or to calibrate on, by default its "
    "validation folds.",
)
flags.DEFINE_list(
    "tile_size",
    None,
    "height,width of the tiles that large images are predicted by; none: whole, but 1024,1024 in "
    "the demo. A recipe's "
    "image_size comes first: tiles are of what the network sees. DeepLabv3+, which averages over "
    "the whole image, averages over each tile then, and answers otherwise.",
)
flags.DEFINE_integer(
    "tile_overlap",
    128,
    "Pixels that neighbouring tiles share, and blend over; three times the reach of a network "
    "(unet 107, flex_unet 231) makes its answer that of the whole image.",
)
flags.DEFINE_list("images", [], "Image files, folders or globs, with commas between.")
flags.DEFINE_string("output_dir", None, "Folder that receives the results.")
flags.DEFINE_integer(
    "port",
    7860,
    "Port of the demo and of the review, on this machine alone.",
    lower_bound=1,
    upper_bound=65535,
)
flags.DEFINE_enum(
    "roles",
    "honest",
    ["honest", "seed-712"],
    "Who may see which image: honest: each image, with its copies, has one role; seed-712: the "
    "published 7:1:2, in which images of the teacher measure its students.",
)
flags.DEFINE_bool(
    "image_labels", False, "It is known which images are good, and which are not, though not where."
)
flags.DEFINE_string("shell", "bash", "Of the completion: bash, zsh or fish.")
flags.DEFINE_string("checkpoint", None, "Path of a TensorFlow 1 checkpoint.")
flags.DEFINE_enum("peer", None, ["torch"], "Also time the same network in PyTorch.")


class _FieldParser(flags.ArgumentParser):
    """Reads one field of a recipe; `none` stays a word, since None means that no flag was given."""

    def __init__(self, field: dataclasses.Field):
        self.field = field
        self.syntactic_help = type_name(field)

    def parse(self, argument):
        if not isinstance(argument, str) or argument.lower() == "none":
            return argument
        return parse_field(self.field, argument)


for _field in RECIPE_FLAGS:
    flags.DEFINE(_FieldParser(_field), _field.name, None, f"Recipe: {_field.metadata['help']}.")


def main(argv) -> int:
    quiet_imports()
    show_our_messages_alone()
    return command_line.run(argv, COMMANDS, USAGE)


def start() -> None:
    """Parses the flags and runs the command."""
    sys.modules["__main__"].__doc__ = USAGE  # what --help prints first
    app.run(main, flags_parser=lambda argv: command_line.parse(argv, COMMANDS, USAGE))


if __name__ == "__main__":
    start()
