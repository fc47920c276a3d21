"""The command line: `python -m export convert` and `python -m export serve`."""

import os
import sys

from absl import app, flags, logging

from export import FORMATS, PRECISIONS

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")  # TensorFlow reads it when first imported

RUN = flags.DEFINE_list("run", [], "Run directories to convert, with commas between.")
MODULES_DIR = flags.DEFINE_string("modules_dir", "modules", "Folder of all modules.")
FORMAT = flags.DEFINE_enum(
    "format", "saved_model", FORMATS, "What to write; others stand beside the module."
)
PRECISION = flags.DEFINE_enum(
    "precision",
    "float32",
    PRECISIONS,
    "Of other formats: float16 halves the file, int8 quarters it.",
)
WEIGHTS = flags.DEFINE_enum(
    "weights",
    "float32",
    ("float32", "bfloat16"),
    "Of the module, not of other formats; bfloat16 halves the archive.",
)
IMAGE_SIZE = flags.DEFINE_list(
    "image_size", None, "Height and width of the only images that another format shall take."
)
IMAGES = flags.DEFINE_list(
    "images", [], "PNG or JPEG files or globs, to fit int8 to and to compare formats on."
)
VERSION = flags.DEFINE_integer(
    "version",
    None,
    "Version to write or to package; without it the next free one, or the newest.",
    lower_bound=1,
)
MODULE = flags.DEFINE_string("module", None, "Handle of a published module.")
HUB = flags.DEFINE_enum("hub", None, ("kaggle", "huggingface"), "Where it shall be uploaded.")
OWNER = flags.DEFINE_string("owner", None, "Your name there, or your organisation's.")
OUTPUT_DIR = flags.DEFINE_string("output_dir", None, "Folder to write; it must not exist.")
HOST = flags.DEFINE_string("host", "127.0.0.1", "Address to serve on; 0.0.0.0 answers everybody.")
PORT = flags.DEFINE_integer("port", 8500, "Port to serve on.", lower_bound=0, upper_bound=65535)


USAGE = """Usage: python -m export COMMAND [flags]

  convert  turns run directories into versions of their modules
           python -m export convert --run=runs/my_run --modules_dir=modules
           with --format, in the format of another runtime as well, run once and compared
           python -m export convert --run=runs/my_run --format=onnx
           python -m export convert --run=runs/my_run --format=litert --precision=int8 \
               --image_size=512,512 --images='parts/good/*.png'
  package  lays a published module out for Kaggle Models or Hugging Face, and says how to upload it
           python -m export package --module=tiny_unet/dagm2007/class_1 --hub=huggingface \
               --owner=me --output_dir=upload
  serve    serves a folder of modules to hub.load and to browsers
           python -m export serve --modules_dir=modules --port=8500

All flags: python -m export --helpfull"""


def convert() -> None:
    if not RUN.value:
        raise ValueError("Flag --run must name one run directory or more, as in --run=runs/my_run.")
    if FORMAT.value == "saved_model":
        for flag in (PRECISION, IMAGE_SIZE, IMAGES):
            if flag.present:
                raise ValueError(
                    f"Flag --{flag.name} is of other formats: name one, as in --format=onnx."
                )

    from export.publish import publish  # takes seconds, since it imports TensorFlow
    from export.versions import version_paths

    for run in RUN.value:
        manifest, written = publish(
            run, MODULES_DIR.value, version=VERSION.value, weights=WEIGHTS.value
        )
        paths = version_paths(MODULES_DIR.value, manifest["handle"], manifest["version"])
        archive = manifest["archive"]
        print(f"{'exported' if written else 'already exported'}: {paths['module']}")
        print(f"  archive {paths['archive']}  {archive['bytes']:,} bytes")
        print(f"  sha256  {archive['sha256']}")
        print(f'  module = hub.load("{paths["module"]}")')
        if FORMAT.value != "saved_model":
            _convert_to_other_format(run, paths["module"])


def _convert_to_other_format(run, stem) -> None:
    from builders.runs.run_dir import load_model, read_learnt_from
    from export import portable, publish

    model, recipe = load_model(run)
    made = portable.write(
        model,
        recipe,
        stem,
        format=FORMAT.value,
        precision=PRECISION.value,
        image_size=_image_size(),
        images=portable.read_images(IMAGES.value, recipe, _image_size()),
        calibration=publish.read_calibration(run),
        known_images=publish.read_known_images(run),
        learnt_from=read_learnt_from(run),
    )
    print(
        f"{FORMAT.value} {PRECISION.value}: {stem.with_name(made['file'])}  {made['bytes']:,} bytes"
    )
    agreement = made["agreement"]
    print(
        f"  probabilities differ by up to {made['max_difference']:.2g}, marked pixels "
        + ("there were none" if agreement is None else f"agree with an IoU of {agreement:.4f}")
        + f", on {made['compared_on']}"
    )
    print("  {} ms an image of {}x{}".format(made["milliseconds"], *made["timed_at"]))


def _image_size() -> tuple[int, int] | None:
    if IMAGE_SIZE.value is None:
        return None
    if len(IMAGE_SIZE.value) != 2 or not all(side.isdecimal() for side in IMAGE_SIZE.value):
        raise ValueError(
            f"Flag --image_size must be height,width. Received: {','.join(IMAGE_SIZE.value)}"
        )
    height, width = map(int, IMAGE_SIZE.value)
    return height, width


def package() -> None:
    required = {"module": MODULE, "hub": HUB, "owner": OWNER, "output_dir": OUTPUT_DIR}
    if missing := [f"--{name}" for name, flag in required.items() if not flag.value]:
        raise ValueError(f"Give the flags {', '.join(missing)} as well.")

    from export.hubs import lay_out

    commands = lay_out(
        MODULES_DIR.value,
        MODULE.value,
        version=VERSION.value,
        hub=HUB.value,
        owner=OWNER.value,
        output_dir=OUTPUT_DIR.value,
    )
    print(f"written: {OUTPUT_DIR.value}\nRead its page and licence once more, then upload it by")
    print("\n".join(f"  {command}" for command in commands))


def serve() -> None:
    from export.serve import make_server

    with make_server(MODULES_DIR.value, HOST.value, PORT.value) as server:
        host, port = server.server_address
        print(f"Serving {MODULES_DIR.value} on http://{host}:{port}/", flush=True)
        try:
            server.serve_forever()
        except KeyboardInterrupt:
            print("stopped")


# What each command does, and the flags that it reads.
COMMANDS = {
    "convert": (
        convert,
        (RUN, MODULES_DIR, FORMAT, PRECISION, WEIGHTS, IMAGE_SIZE, IMAGES, VERSION),
    ),
    "package": (package, (MODULE, MODULES_DIR, VERSION, HUB, OWNER, OUTPUT_DIR)),
    "serve": (serve, (MODULES_DIR, HOST, PORT)),
}


def _check_flags(command: str) -> None:
    """Raises where a flag was given that the command would not read."""
    own = [flag.name for flag in COMMANDS[command][1]]
    for other, (_, read) in COMMANDS.items():
        for flag in read:
            if flag.present and flag.name not in own:
                raise ValueError(
                    f"Command {command} does not read the flag --{flag.name}, which belongs to "
                    f"{other}."
                )


def main(argv) -> int:
    logging.set_verbosity(logging.WARNING)  # TensorFlow reports every written file
    words = argv[1:]
    if len(words) != 1 or words[0] not in COMMANDS:
        print(USAGE, file=sys.stderr)
        if words:
            print(
                f"\nThe command must be one of {', '.join(COMMANDS)}. Received: {' '.join(words)}",
                file=sys.stderr,
            )
        return 2
    try:
        _check_flags(words[0])
        COMMANDS[words[0]][0]()
    except (ValueError, OSError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    __doc__ = USAGE  # what --help prints first
    app.run(main)
