"""A page in the browser: drop an image, see what a module marks, move its thresholds.

The network answers once for an image; the thresholds are applied to its answer again and again.
"""

import contextlib
import functools
import os
import pathlib
import tempfile
from collections.abc import Callable, Iterator

from PIL import Image

from tfds_datasets.dagm_synthetic import scene
from tfds_datasets.dagm_synthetic.dagm_synthetic_dataset_builder import DATA_SEED, defective_indices
from tfds_datasets.images import SUFFIXES
from zoo.modules import pretrained
from zoo.prediction.answers import draw, predict_file, probability_map, sentences, thresholds
from zoo.prediction.predictor import Predictor

HOST = "127.0.0.1"  # answers this machine alone
LARGE = (1024, 1024)  # height and width; what is larger is predicted by tiles of this size
EXAMPLE_CLASS = 1  # the surface of the pretrained modules
EXAMPLES = (2, 23, 27, 0)  # numbers of test images; the last is good
STEP = 0.01  # of the sliders; the number beside them takes any threshold
WELCOME = "Drop an image, or choose an example."
# Fonts of the reader's own system: others would be asked for on the network.
FONTS = {"font": ("system-ui", "sans-serif"), "font_mono": ("ui-monospace", "monospace")}
STYLE = """
.block input[type=number] { width: 11rem; } /* a threshold with all of its digits */
.picture .image-frame { margin-top: 2rem; } /* label and buttons cover no defect */
.picture .image-container > button, .picture .image-frame, .picture img { width: 100%; }
.picture img { max-height: 85vh; object-fit: contain; } /* small ones grow, tall ones fit */
"""
CACHE_VARIABLE = "GRADIO_TEMP_DIR"  # where Gradio puts the images that it is given
OFFLINE_VARIABLE = "HF_HUB_OFFLINE"  # heeded when Gradio is imported, which brings that library


def module_names(modules_dir, source: str | None = None) -> list[str]:
    """Returns the modules to choose from: `source` first, then the exported and pretrained handles.

    Args:
      modules_dir: the folder that `python -m export convert` fills.
      source: a run or a module, as `zoo.prediction.predictor.load_predictor` takes it.
    """
    folders = (modules_dir, pretrained.FOLDER)
    handles = {each["handle"] for folder in folders for each in pretrained.manifests(folder)}
    return [*([source] if source else []), *sorted(handles - {source})]


def write_examples(folder: pathlib.Path) -> list[str]:
    """Renders test images of the embedded data set; returns their paths."""
    defective = defective_indices(EXAMPLE_CLASS, "test")
    paths = []
    for index in EXAMPLES:
        rendered = scene.render(
            EXAMPLE_CLASS, index, split="test", seed=DATA_SEED, defective=index in defective
        )
        paths.append(str(folder / f"test_{index:04d}.png"))
        Image.fromarray(rendered["image"][..., 0]).save(paths[-1])
    return paths


def make_page(names: list[str], load: Callable[[str], Predictor], examples: list[str]):
    """Builds the page, a `gradio.Blocks`.

    Args:
      names: the modules to choose from; the first is chosen, and loaded at once.
      load: loads one of them.
      examples: paths of images.

    Raises:
      ValueError: Gradio is not installed, or the first module cannot be loaded.
    """
    try:
        import gradio
    except ImportError as error:
        raise ValueError("The demo needs Gradio: pip install 'defect-zoo[demo]'") from error

    load = functools.cache(load)
    unchanged = gradio.skip()

    def look(name, path, threshold, score_threshold):
        if path is None:
            return None, None, None, WELCOME
        try:
            found = predict_file(load(name), path)
        except (ValueError, OSError) as error:
            return None, None, None, str(error)
        overlay, text = redraw(found, threshold, score_threshold)
        return found, overlay, probability_map(found), text

    def choose(name, path):
        try:
            calibrated = thresholds(load(name))
        except (ValueError, OSError) as error:
            return unchanged, unchanged, None, None, None, str(error)
        return *calibrated, *look(name, path, *calibrated)

    def redraw(found, threshold, score_threshold):
        if found is None:
            return unchanged, unchanged
        overlay, row = draw(found, threshold, score_threshold)
        return overlay, sentences(found, row, score_threshold)

    def reset(name, found):
        calibrated = thresholds(load(name))
        return *calibrated, *redraw(found, *calibrated)

    start = thresholds(load(names[0]))
    picture = {
        "interactive": False,
        "format": "png",
        "buttons": ["download", "fullscreen"],
        "elem_classes": "picture",
        "min_width": 280,
    }
    slider = {"minimum": 0, "maximum": 1, "step": STEP, "buttons": []}
    with gradio.Blocks(title="Defect Zoo", analytics_enabled=False) as page:
        gradio.Markdown(
            "# Defect Zoo\nWhat a module marks in an image, which stays on this machine."
        )
        found = gradio.State()
        with gradio.Row():
            with gradio.Column(scale=1):
                name = gradio.Dropdown(names, value=names[0], label="Module")
                file = gradio.File(file_types=list(SUFFIXES), label="Image", height=140)
                example = gradio.Dataset(
                    components=[gradio.Image(render=False)],
                    samples=[[path] for path in examples],
                    label=f"Examples of dagm_synthetic/class_{EXAMPLE_CLASS}",
                )
                pixel = gradio.Slider(
                    value=start[0],
                    label="Pixel threshold",
                    info="Pixels above it are marked.",
                    elem_id="pixel",
                    **slider,
                )
                score = gradio.Slider(
                    value=start[1],
                    label="Image threshold",
                    info="Images above it are defective.",
                    elem_id="score",
                    **slider,
                )
                back = gradio.Button("Calibrated thresholds", elem_id="reset")
            with gradio.Column(scale=2):
                text = gradio.Markdown(WELCOME, elem_id="verdict")
                with gradio.Row():
                    overlay = gradio.Image(
                        label="Marked",
                        scale=2,
                        alt_text="The image with what is marked",
                        elem_id="overlay",
                        **picture,
                    )
                    heat = gradio.Image(
                        label="Probability of a defect",
                        alt_text="The probability of a defect, from black to light yellow",
                        elem_id="heat",
                        **picture,
                    )
        results = [found, overlay, heat, text]
        # One after the other, or a slow answer would come last, and be shown for a newer question.
        turn = {"concurrency_id": "turn", "concurrency_limit": 1}
        moved = turn | {"trigger_mode": "always_last"}
        name.change(choose, [name, file], [pixel, score, *results], **turn)
        file.change(look, [name, file, pixel, score], results, **turn)
        pixel.input(redraw, [found, pixel, score], [overlay, text], **moved)
        score.input(redraw, [found, pixel, score], [overlay, text], **moved)
        back.click(reset, [name, found], [pixel, score, overlay, text], **turn)
        example.click(lambda sample: sample[0], example, file)
    return page


@contextlib.contextmanager
def serving(names: list[str], load: Callable[[str], Predictor], port: int) -> Iterator[str]:
    """Serves the page on this machine alone; images that it was given are removed at the end.

    Args:
      names: see `make_page`.
      load: see `make_page`.
      port: to listen on.

    Yields:
      The address of the page.

    Raises:
      ValueError: see `make_page`; or the port is taken.
    """
    # Gradio asks its own server whether it answers: no proxy can.
    direct = os.environ.get("no_proxy") or os.environ.get("NO_PROXY", "")
    with (
        tempfile.TemporaryDirectory(prefix="zoo_demo_") as folder,
        _environment(
            {CACHE_VARIABLE: folder, "no_proxy": f"{HOST},{direct}", OFFLINE_VARIABLE: "1"}
        ),
    ):
        page = make_page(names, load, write_examples(pathlib.Path(folder)))
        import gradio

        try:
            _, address, _ = page.launch(
                server_name=HOST,
                server_port=port,
                share=False,
                ssr_mode=False,
                run_history=False,
                footer_links=[],
                css=STYLE,
                theme=gradio.themes.Default(**FONTS),
                show_error=True,
                quiet=True,
                prevent_thread_lock=True,
            )
        except OSError as error:
            raise ValueError(f"Port {port} is taken: choose another by --port.") from error
        try:
            yield address
        finally:
            page.close(verbose=False)


@contextlib.contextmanager
def _environment(variables: dict[str, str]) -> Iterator[None]:
    """Sets variables of the environment for a while."""
    before = {name: os.environ.get(name) for name in variables}
    os.environ.update(variables)
    try:
        yield
    finally:
        for name, value in before.items():
            os.environ.pop(name)
            if value is not None:
                os.environ[name] = value
