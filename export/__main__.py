"""The command line: `python -m export convert` and `python -m export serve`."""

import os
import sys

from absl import app, flags, logging

from export import FORMATS

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")  # TensorFlow reads it when first imported

RUN = flags.DEFINE_list("run", [], "Run directories to convert, with commas between.")
MODULES_DIR = flags.DEFINE_string("modules_dir", "modules", "Folder of all modules.")
FORMAT = flags.DEFINE_enum("format", "saved_model", list(FORMATS), "What to write.")
VERSION = flags.DEFINE_integer(
    "version", None, "Version to write; without it the next free one.", lower_bound=1
)
HOST = flags.DEFINE_string("host", "127.0.0.1", "Address to serve on; 0.0.0.0 answers everybody.")
PORT = flags.DEFINE_integer("port", 8500, "Port to serve on.", lower_bound=0, upper_bound=65535)


USAGE = """Usage: python -m export COMMAND [flags]

  convert  turns run directories into versions of their modules
           python -m export convert --run=runs/my_run --modules_dir=modules
  serve    serves a folder of modules to hub.load and to browsers
           python -m export serve --modules_dir=modules --port=8500

All flags: python -m export --helpfull"""


def convert() -> None:
    if not RUN.value:
        raise ValueError("Flag --run must name one run directory or more, as in --run=runs/my_run.")

    from export.publish import publish  # takes seconds, since it imports TensorFlow
    from export.versions import version_paths

    for run in RUN.value:
        manifest, written = publish(
            run, MODULES_DIR.value, format=FORMAT.value, version=VERSION.value
        )
        paths = version_paths(MODULES_DIR.value, manifest["handle"], manifest["version"])
        archive = manifest["archive"]
        print(f"{'exported' if written else 'already exported'}: {paths['module']}")
        print(f"  archive {paths['archive']}  {archive['bytes']:,} bytes")
        print(f"  sha256  {archive['sha256']}")
        print(f'  module = hub.load("{paths["module"]}")')


def serve() -> None:
    from export.serve import make_server

    with make_server(MODULES_DIR.value, HOST.value, PORT.value) as server:
        host, port = server.server_address
        print(f"Serving {MODULES_DIR.value} on http://{host}:{port}/", flush=True)
        try:
            server.serve_forever()
        except KeyboardInterrupt:
            print("stopped")


COMMANDS = {"convert": convert, "serve": serve}


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
        COMMANDS[words[0]]()
    except (ValueError, OSError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    app.run(main)
