"""Lays a published module out as Kaggle Models or Hugging Face want it, ready to upload.

    <output_dir>/model-metadata.json                              Kaggle: the model, a variation
    <output_dir>/tensorFlow2/<class>/model-instance-metadata.json of it, and its files
    <output_dir>/tfLite/<class>/...                               the same of its LiteRT files

    <output_dir>/README.md saved_model.pb variables/ assets/      Hugging Face: page and files

Nothing is uploaded here: `lay_out` returns the commands of each hub that do it.
"""

import pathlib
import shlex
import shutil
import tarfile

from builders.runs.atomic import replacing, write_json
from export import licences
from export.card import templates
from export.versions import other_formats, published_versions, read_manifest, version_paths


def lay_out(
    modules_dir, handle: str, *, version: int | None = None, hub: str, owner: str, output_dir
) -> list[str]:
    """Writes the folder that a hub takes, whole or not at all.

    Args:
      modules_dir: the folder of published modules.
      handle: of the module.
      version: of the module; None means the newest one.
      hub: a key of `HUBS`: "kaggle" or "huggingface".
      owner: the user or organisation on that hub.
      output_dir: the folder to write; it must not exist.

    Returns:
      The command lines that upload it.

    Raises:
      ValueError: the hub is unknown, the version is not published, the folder exists, or the
        module's images have no clear licence.
    """
    if hub not in HUBS:
        raise ValueError(f"Argument `hub` must be one of {', '.join(HUBS)}. Received: {hub!r}")
    published = published_versions(modules_dir, handle)
    version = version or max(published, default=None)
    if version not in published:
        raise ValueError(f"{handle} has the versions {published} in {modules_dir}, not {version}.")
    paths = version_paths(modules_dir, handle, version)
    manifest = read_manifest(modules_dir, handle, version)
    known = manifest["learnt_from"]
    licence = licences.of_weights(known)
    if licence is None:
        raise ValueError(
            f"{handle} learnt from {', '.join(known)}: {licences.of_images(known)}. Its "
            "weights may not be published. Publish recipe and results, and let others train it."
        )
    output_dir = pathlib.Path(output_dir)
    if output_dir.exists():
        raise ValueError(f"Argument `output_dir` must not exist yet. Received: {output_dir}")
    output_dir.parent.mkdir(parents=True, exist_ok=True)
    others = other_formats(modules_dir, handle, version)
    with replacing(output_dir) as folder:
        return HUBS[hub](manifest, paths, others, licence, owner, folder, output_dir)


def _kaggle(manifest, paths, others, licence, owner, folder, output_dir):
    family, _, name = manifest["handle"].rpartition("/")
    model, variation, known = _slug(family), _slug(name), manifest["learnt_from"]
    page = paths["card"].read_text(encoding="utf-8")
    folder.mkdir()
    write_json(
        folder / "model-metadata.json",
        {
            "ownerSlug": owner,
            "title": family,
            "slug": model,
            "subtitle": "Finds surface defects, pixel by pixel",
            "isPrivate": True,
            "description": page,
            "publishTime": "",
            "provenanceSources": ", ".join(known),
        },
    )
    frameworks = {"tensorFlow2": []}
    if lite := [file for file in others if ".tflite" in file.suffixes]:
        frameworks["tfLite"] = lite
    commands = [shlex.join(["kaggle", "models", "create", "-p", str(output_dir)])]
    for framework, files in frameworks.items():
        place = folder / framework / variation
        if framework == "tensorFlow2":
            _unpack(paths["archive"], place)
        else:
            _copy(files, place)
        write_json(
            place / "model-instance-metadata.json",
            {
                "ownerSlug": owner,
                "modelSlug": model,
                "instanceSlug": variation,
                "framework": framework,
                "overview": f"Learnt from {', '.join(known)}, {licences.of_images(known)}",
                "usage": page,
                "licenseName": licence[0],
                "fineTunable": framework == "tensorFlow2",
                "trainingData": known,
                "modelInstanceType": "Unspecified",
                "baseModelInstance": "",
                "externalBaseModelUrl": "",
            },
        )
        path = str(output_dir / framework / variation)
        commands.append(
            shlex.join(["kaggle", "models", "variations", "create", "-p", path, "-r", "tar"])
        )
    return commands


def _hugging_face(manifest, paths, others, licence, owner, folder, output_dir):
    _unpack(paths["archive"], folder)
    _copy(others, folder)
    template = templates().get_template("huggingface.md.j2")
    page = template.render(
        manifest=manifest,
        figures={name: value for name, value in manifest["figures"].items() if value is not None},
        licence=licence[1],
        page=paths["card"].read_text(encoding="utf-8"),
    )
    (folder / "README.md").write_text(page, encoding="utf-8")
    repository = f"{owner}/{_slug(manifest['handle'])}"
    return [shlex.join(["hf", "upload", repository, str(output_dir)])]


def _slug(name: str) -> str:
    """Letters, digits and hyphens, as hubs want names in addresses."""
    return name.replace("_", "-").replace("/", "-")


def _unpack(archive, folder):
    with tarfile.open(archive) as members:
        members.extractall(folder, filter="data")  # nothing outside of the folder


def _copy(files, folder):
    folder.mkdir(parents=True, exist_ok=True)
    for file in files:
        shutil.copy(file, folder)


# hub -> writer(manifest, paths, other formats, licence, owner, folder to write, its later name)
HUBS = {"kaggle": _kaggle, "huggingface": _hugging_face}
