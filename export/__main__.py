"""The command line: `python -m export convert` and `python -m export serve`."""

import sys
from collections.abc import Iterator

from absl import app, flags, logging

from export import FORMATS, PRECISIONS
from zoo.commands import command_line
from zoo.commands.options import required
from zoo.visualization.terminal import quiet_imports

USAGE = """Usage: python -m export COMMAND [flags]

  convert  turns run directories into versions of their modules
           python -m export convert --run=runs/my_run --modules_dir=modules
           with --format, in the format of another runtime as well, run once and compared
           python -m export convert --run=runs/my_run --format=onnx
           python -m export convert --run=runs/my_run --format=litert --precision=int8 \\
               --image_size=512,512 --images='parts/good/*.png'
  package  lays a published module out for Kaggle Models or Hugging Face, and says how to upload it
           python -m export package --module=tiny_unet/dagm2007/class_1 --hub=huggingface \\
               --owner=me --output_dir=upload
  serve    serves a folder of modules to hub.load and to browsers
           python -m export serve --modules_dir=modules --port=8500

All flags: python -m export --helpfull"""


COMMANDS = command_line.Commands("python -m export")


@COMMANDS.add(
    "convert",
    "run",
    "modules_dir",
    "format",
    "precision",
    "weights",
    "image_size",
    "images",
    "version",
)
def convert(options) -> Iterator[str]:
    runs = required(options, "run")
    if options.format == "saved_model":
        for name in ("precision", "image_size", "images"):
            if name in options.given:
                raise ValueError(
                    f"Flag --{name} is of other formats: name one, as in --format=onnx."
                )

    from export.publish import publish  # takes seconds, since it imports TensorFlow
    from export.versions import version_paths

    for run in runs:
        manifest, written = publish(
            run, options.modules_dir, version=options.version, weights=options.weights
        )
        paths = version_paths(options.modules_dir, manifest["handle"], manifest["version"])
        archive = manifest["archive"]
        yield f"{'exported' if written else 'already exported'}: {paths['module']}"
        yield f"  archive {paths['archive']}  {archive['bytes']:,} bytes"
        yield f"  sha256  {archive['sha256']}"
        yield f'  module = hub.load("{paths["module"]}")'
        if options.format != "saved_model":
            yield from _convert_to_other_format(options, run, paths["module"])


def _convert_to_other_format(options, run, stem) -> Iterator[str]:
    from export import portable

    made = portable.convert_run(
        run,
        stem,
        format=options.format,
        precision=options.precision,
        image_size=_image_size(options.image_size),
        images=options.images,
    )
    path, agreement = stem.with_name(made["file"]), made["agreement"]
    yield f"{options.format} {options.precision}: {path}  {made['bytes']:,} bytes"
    yield (
        f"  probabilities differ by up to {made['max_difference']:.2g}, predicted pixels "
        + ("there were none" if agreement is None else f"agree with an IoU of {agreement:.4f}")
        + f", on {made['compared_on']}"
    )
    yield "  {} ms an image of {}x{}".format(made["milliseconds"], *made["timed_at"])


def _image_size(words: list[str] | None) -> tuple[int, int] | None:
    if words is None:
        return None
    if len(words) != 2 or not all(side.isdecimal() for side in words):
        raise ValueError(f"Flag --image_size must be height,width. Received: {','.join(words)}")
    height, width = map(int, words)
    return height, width


@COMMANDS.add("package", "module", "modules_dir", "version", "hub", "owner", "output_dir")
def package(options) -> Iterator[str]:
    module, hub, owner, output_dir = (
        required(options, name) for name in ("module", "hub", "owner", "output_dir")
    )
    from export.hubs import lay_out

    commands = lay_out(
        options.modules_dir,
        module,
        version=options.version,
        hub=hub,
        owner=owner,
        output_dir=output_dir,
    )
    yield f"written: {output_dir}\nRead its page and licence once more, then upload it by"
    yield from (f"  {command}" for command in commands)


@COMMANDS.add("serve", "modules_dir", "host", "port")
def serve(options) -> Iterator[str]:
    from export.serve import make_server

    with make_server(options.modules_dir, options.host, options.port) as server:
        host, port = server.server_address
        yield f"Serving {options.modules_dir} on http://{host}:{port}/"
        try:
            server.serve_forever()
        except KeyboardInterrupt:
            yield "stopped"


def main(argv: list[str]) -> int:
    quiet_imports()
    logging.set_verbosity(logging.WARNING)  # TensorFlow reports every written file
    return command_line.run(argv, COMMANDS, USAGE)


def define_flags() -> None:
    flags.DEFINE_list("run", [], "Run directories to convert, with commas between.")
    flags.DEFINE_string("modules_dir", "modules", "Folder of all modules.")
    flags.DEFINE_enum(
        "format", "saved_model", FORMATS, "What to write; others stand beside the module."
    )
    flags.DEFINE_enum(
        "precision",
        "float32",
        PRECISIONS,
        "Of other formats: float16 halves the file, int8 quarters it.",
    )
    flags.DEFINE_enum(
        "weights",
        "float32",
        ("float32", "bfloat16"),
        "Of the module, not of other formats; bfloat16 halves the archive.",
    )
    flags.DEFINE_list(
        "image_size", None, "Height and width of the only images that another format shall take."
    )
    flags.DEFINE_list(
        "images", [], "PNG or JPEG files or globs, to fit int8 to and to compare formats on."
    )
    flags.DEFINE_integer(
        "version",
        None,
        "Version to write or to package; without it the next free one, or the newest.",
        lower_bound=1,
    )
    flags.DEFINE_string("module", None, "Handle of a published module.")
    flags.DEFINE_enum("hub", None, ("kaggle", "huggingface"), "Where it shall be uploaded.")
    flags.DEFINE_string("owner", None, "Your name there, or your organisation's.")
    flags.DEFINE_string("output_dir", None, "Folder to write; it must not exist.")
    flags.DEFINE_string("host", "127.0.0.1", "Address to serve on; 0.0.0.0 answers everybody.")
    flags.DEFINE_integer("port", 8500, "Port to serve on.", lower_bound=0, upper_bound=65535)


def start() -> None:
    """Parses the flags and runs the command."""
    define_flags()
    sys.modules["__main__"].__doc__ = USAGE  # what --help prints first
    app.run(main, flags_parser=lambda argv: command_line.parse(argv, COMMANDS, USAGE))


if __name__ == "__main__":
    start()
