"""What a source is: told by its content, and refused with a message that helps. No TensorFlow here."""

from __future__ import annotations

import hashlib
import io
import json
import stat
import subprocess
import sys
import zipfile
from pathlib import Path

import h5py
import pytest

from tfjs_bundle.errors import SourceError
from tfjs_bundle.source import SourceFile, identify
from tfjs_bundle.source.identify import safe_name


def hdf5_bytes(**attributes: str) -> bytes:
    buffer = io.BytesIO()
    with h5py.File(buffer, "w") as file:
        file.attrs.update(attributes)
        file["weights"] = [0.5] * 2000
    return buffer.getvalue()


def keras_entries() -> dict[str, bytes]:
    return {
        "config.json": json.dumps({"class_name": "Functional", "config": {}}).encode(),
        "metadata.json": json.dumps({"keras_version": "3.15.1"}).encode(),
        "model.weights.h5": hdf5_bytes(),
    }


def write_zip(path: Path, entries: dict[str, bytes], compression: int = zipfile.ZIP_STORED) -> Path:
    with zipfile.ZipFile(path, "w", compression) as archive:
        for name, data in entries.items():
            archive.writestr(name, data)
    return path


def write_tfjs(directory: Path, **members: object) -> Path:
    directory.mkdir(exist_ok=True)
    (directory / "group1-shard1of1.bin").write_bytes(bytes(8))
    manifest = [{"paths": ["group1-shard1of1.bin"], "weights": []}]
    (directory / "model.json").write_text(json.dumps({"weightsManifest": manifest, **members}))
    return directory / "model.json"


def refusal(path: Path) -> str:
    with pytest.raises(SourceError) as caught:
        identify(path)
    assert caught.value.exit_code == 3
    return str(caught.value)


def test_a_keras_archive_is_identified_with_its_hash_size_and_version(tmp_path):
    path = write_zip(tmp_path / "my model (v2).keras", keras_entries())
    file = identify(path)
    assert file == SourceFile(
        path,
        "keras",
        hashlib.sha256(path.read_bytes()).hexdigest(),
        path.stat().st_size,
        "my-model-v2",
        "3.15.1",
    )


def test_what_is_identified_already_is_returned_as_it_is(tmp_path):
    file = identify(write_zip(tmp_path / "m.keras", keras_entries()))
    assert identify(file) is file


def test_a_file_that_changes_while_it_is_read_is_refused(tmp_path):
    path = write_zip(tmp_path / "m.keras", keras_entries())
    file = identify(path)
    file.refuse_if_changed()
    path.write_bytes(path.read_bytes() + b"more")
    with pytest.raises(SourceError, match=r"m\.keras was changed while it was being read"):
        file.refuse_if_changed()


def test_the_content_counts_and_not_the_ending(tmp_path):
    assert identify(write_zip(tmp_path / "model.h5", keras_entries())).format == "keras"
    (tmp_path / "model.keras").write_bytes(hdf5_bytes(model_config="{}", keras_version="2.4.0"))
    file = identify(tmp_path / "model.keras")
    assert (file.format, file.keras_version) == ("h5", "2.4.0")


def test_a_missing_file_names_the_models_beside_it(tmp_path):
    write_zip(tmp_path / "digits.keras", keras_entries())
    assert refusal(tmp_path / "digit.keras") == (
        f"{tmp_path}/digit.keras does not exist.\nModels in {tmp_path}: digits.keras"
    )
    assert "does not exist either" in refusal(tmp_path / "no" / "digit.keras")


def test_an_empty_file_is_refused(tmp_path):
    (tmp_path / "m.keras").touch()
    assert "m.keras is empty." in refusal(tmp_path / "m.keras")


def test_a_git_lfs_pointer_is_refused_with_its_cure(tmp_path):
    (tmp_path / "m.keras").write_text("version https://git-lfs.example/spec/v1\noid sha256:00\nsize 1\n")
    assert refusal(tmp_path / "m.keras").endswith("Fetch the model with `git lfs pull`.")


@pytest.mark.parametrize("keep", [0.2, 0.6, 0.98])
def test_a_truncated_archive_is_refused(tmp_path, keep):
    path = write_zip(tmp_path / "m.keras", keras_entries())
    path.write_bytes(path.read_bytes()[: int(path.stat().st_size * keep)])
    message = refusal(path)
    assert "m.keras is a truncated or damaged zip file" in message
    assert "Copy or download the file again" in message


def test_one_flipped_byte_of_the_weights_is_noticed(tmp_path):
    path = write_zip(tmp_path / "m.keras", keras_entries())
    data = bytearray(path.read_bytes())
    data[data.index(b"\x89HDF") + 5000] ^= 1
    path.write_bytes(data)
    assert "m.keras is damaged: the checksum of model.weights.h5 in it is wrong." in refusal(path)


def test_a_compressed_archive_that_is_damaged_inside_is_refused(tmp_path):
    path = write_zip(tmp_path / "m.keras", keras_entries(), zipfile.ZIP_DEFLATED)
    with zipfile.ZipFile(path) as archive:
        weights = archive.getinfo("model.weights.h5")
    data = bytearray(path.read_bytes())
    start = weights.header_offset + 60
    data[start : start + 40] = bytes(40)
    path.write_bytes(data)
    assert "damaged" in refusal(path)


def test_a_zip_that_is_no_keras_archive_is_refused(tmp_path):
    path = write_zip(tmp_path / "m.keras", {"readme.txt": b"hello"})
    assert (
        "m.keras is a zip file but not a Keras archive: it has no config.json and no metadata.json "
        "and no model.weights.h5." in refusal(path)
    )


@pytest.mark.parametrize(
    ("entries", "cure"),
    [
        (
            {f"model/{name}": data for name, data in keras_entries().items()},
            "Its files lie in the folder 'model'",
        ),
        ({"m/saved_model.pb": b"1"}, "It holds a SavedModel: unzip it"),
        ({"model.json": b"{}"}, "It holds a TF.js model: unzip it"),
        ({"archive/data.pkl": b"1"}, "It is a PyTorch file"),
        ({"inner.keras": b"1"}, "Unzip it and give the model in it: inner.keras"),
    ],
)
def test_a_zip_of_something_else_says_what_it_holds(tmp_path, entries, cure):
    assert cure in refusal(write_zip(tmp_path / "m.zip", entries))


def test_an_archive_without_weights_is_refused(tmp_path):
    entries = keras_entries()
    del entries["model.weights.h5"]
    assert "it has no model.weights.h5" in refusal(write_zip(tmp_path / "m.keras", entries))


@pytest.mark.parametrize("config", [b"{", b"[1]", b"\xff\xfe"])
def test_an_archive_whose_config_is_no_json_object_is_refused(tmp_path, config):
    path = write_zip(tmp_path / "m.keras", {**keras_entries(), "config.json": config})
    assert "is damaged: config.json is not" in refusal(path)


@pytest.mark.parametrize("name", ["../evil.py", "/etc/evil", "assets/../../evil", "..\\evil.py", "C:evil.py"])
def test_entries_that_leave_the_directory_are_refused(tmp_path, name):
    path = write_zip(tmp_path / "m.keras", {**keras_entries(), name: b"x"})
    message = refusal(path)
    assert "has an entry that leaves its directory" in message
    assert "Do not use this file" in message


def test_an_entry_that_is_a_symbolic_link_is_refused(tmp_path):
    path = write_zip(tmp_path / "m.keras", keras_entries())
    link = zipfile.ZipInfo("assets/link")
    link.external_attr = (stat.S_IFLNK | 0o777) << 16
    with zipfile.ZipFile(path, "a") as archive:
        archive.writestr(link, "/etc/passwd")
    assert "has an entry that is a symbolic link: 'assets/link'" in refusal(path)


def test_a_decompression_bomb_is_refused_without_being_unpacked(tmp_path):
    path = tmp_path / "m.keras"
    write_zip(path, keras_entries())
    with (
        zipfile.ZipFile(path, "a", zipfile.ZIP_DEFLATED, compresslevel=1) as archive,
        archive.open("assets/bomb", "w") as bomb,
    ):
        for _ in range(258):
            bomb.write(bytes(2**20))
    assert "has an entry that would grow from" in refusal(path)


def test_an_entry_that_is_there_twice_is_refused(tmp_path):
    path = write_zip(tmp_path / "m.keras", keras_entries())
    with pytest.warns(UserWarning, match="Duplicate"), zipfile.ZipFile(path, "a") as archive:
        archive.writestr("config.json", b'{"class_name": "Other"}')
    assert "has the entry 'config.json' twice" in refusal(path)


@pytest.mark.parametrize(
    ("name", "what"),
    [
        ("m.keras", "is not a Keras archive: it is no zip file"),
        ("m.h5", "is not an HDF5 file"),
        ("m.hdf5", "is not an HDF5 file"),
        ("model.json", "is not a TF.js model.json: it is not JSON"),
        ("m.onnx", "looks like an ONNX model"),
        ("m.pth", "looks like a PyTorch file"),
        ("saved_model.pb", "is one file of a SavedModel"),
        ("m.bin", "is not a model that tfjs-bundle reads"),
    ],
)
def test_other_files_are_refused_by_what_they_seem_to_be(tmp_path, name, what):
    (tmp_path / name).write_bytes(b"certainly not a model")
    assert what in refusal(tmp_path / name)


def test_a_truncated_hdf5_file_is_refused(tmp_path):
    data = hdf5_bytes(model_config="{}")
    (tmp_path / "m.h5").write_bytes(data[: len(data) // 2])
    assert "m.h5 is a truncated HDF5 file: its end is missing." in refusal(tmp_path / "m.h5")


def test_a_damaged_hdf5_file_is_refused(tmp_path):
    data = bytearray(hdf5_bytes(model_config="{}"))
    data[8:80] = bytes([255] * 72)
    (tmp_path / "m.h5").write_bytes(data)
    assert "m.h5 is a damaged HDF5 file" in refusal(tmp_path / "m.h5")


@pytest.mark.parametrize(("name", "attribute"), [("m.h5", {"layer_names": "a"}), ("m.weights.h5", {})])
def test_weights_alone_are_refused_with_the_way_to_save_the_model(tmp_path, name, attribute):
    (tmp_path / name).write_bytes(hdf5_bytes(**attribute))
    message = refusal(tmp_path / name)
    assert f"{name} holds weights only: there is no model config in it." in message
    assert "`model.save('model.keras')`" in message


def test_an_hdf5_file_of_something_else_is_refused(tmp_path):
    (tmp_path / "data.h5").write_bytes(hdf5_bytes())
    assert "data.h5 is an HDF5 file without a Keras model" in refusal(tmp_path / "data.h5")


def test_a_saved_model_is_hashed_over_its_files_and_their_names(tmp_path):
    hashes = set()
    for name, shard in (("a", b"1"), ("b", b"1"), ("c", b"2")):
        variables = tmp_path / name / "variables"
        variables.mkdir(parents=True)
        (tmp_path / name / "saved_model.pb").write_bytes(b"graph")
        (variables / "variables.index").write_bytes(b"index")
        (variables / "variables.data-00000-of-00001").write_bytes(shard)
        file = identify(tmp_path / name)
        assert (file.format, file.size, file.name) == ("savedmodel", 11, name)
        hashes.add(file.sha256)
    assert len(hashes) == 2


@pytest.mark.parametrize("missing", ["variables.index", "variables.data-00001-of-00002"])
def test_a_saved_model_that_is_not_whole_is_refused(tmp_path, missing):
    (tmp_path / "variables").mkdir()
    (tmp_path / "saved_model.pb").write_bytes(b"graph")
    for name in ("variables.index", "variables.data-00000-of-00002", "variables.data-00001-of-00002"):
        if name != missing:
            (tmp_path / "variables" / name).write_bytes(b"x")
    assert "is not whole" in refusal(tmp_path)


def test_a_version_directory_takes_the_name_of_the_model(tmp_path):
    (tmp_path / "half plus two" / "1").mkdir(parents=True)
    (tmp_path / "half plus two" / "1" / "saved_model.pb").write_bytes(b"graph")
    assert identify(tmp_path / "half plus two" / "1").name == "half-plus-two"
    assert str(tmp_path / "half plus two" / "1") in refusal(tmp_path / "half plus two")


def test_a_directory_without_a_model_is_refused(tmp_path):
    assert "is a directory without a SavedModel" in refusal(tmp_path)


def test_a_directory_of_two_kinds_asks_which(tmp_path):
    write_tfjs(tmp_path, format="graph-model")
    (tmp_path / "saved_model.pb").write_bytes(b"graph")
    assert "holds a SavedModel and a TF.js model.json" in refusal(tmp_path)


@pytest.mark.parametrize(
    ("members", "kind"),
    [
        ({"format": "graph-model"}, "tfjs-graph"),
        ({"format": "layers-model"}, "tfjs-layers"),
        ({"modelTopology": {"node": []}}, "tfjs-graph"),
        ({"modelTopology": {"model_config": {}}}, "tfjs-layers"),
    ],
)
def test_graph_models_and_layers_models_are_told_apart(tmp_path, members, kind):
    path = write_tfjs(tmp_path / "face mesh", **members)
    file = identify(path)
    assert (file.format, file.name, file.path) == (kind, "face-mesh", path)
    assert identify(path.parent) == file
    before = file.sha256
    (path.parent / "group1-shard1of1.bin").write_bytes(bytes([1] * 8))
    assert identify(path).sha256 != before


def test_a_tfjs_model_without_one_of_its_shards_is_refused(tmp_path):
    path = write_tfjs(tmp_path, format="graph-model")
    (tmp_path / "group1-shard1of1.bin").unlink()
    assert "group1-shard1of1.bin is missing" in refusal(path)


def test_a_tfjs_model_whose_shards_lie_elsewhere_is_refused(tmp_path):
    path = write_tfjs(tmp_path / "m", format="graph-model", weightsManifest=[{"paths": ["../secret"]}])
    (tmp_path / "secret").write_bytes(b"x")
    assert "names a weights file outside its directory: '../secret'" in refusal(path)


def test_json_that_is_no_model_is_refused(tmp_path):
    (tmp_path / "package.json").write_text('{"name": "x"}')
    assert "is JSON but not a TF.js model.json" in refusal(tmp_path / "package.json")
    (tmp_path / "bundle.json").write_text('{"schema_version": 1, "digest": "", "files": []}')
    assert "is a bundle's manifest, not a model" in refusal(tmp_path / "bundle.json")
    (tmp_path / "package.json").unlink()
    assert "It is a bundle already" in refusal(tmp_path)


@pytest.mark.parametrize(
    ("text", "name"),
    [("résumé v1", "r-sum-v1"), ("...", "model"), ("-rf", "rf"), ("a" * 99, "a" * 64), ("ok_1.2", "ok_1.2")],
)
def test_names_are_safe_for_paths_and_addresses(text, name):
    assert safe_name(text) == name


def test_identifying_imports_neither_tensorflow_nor_keras(tmp_path):
    write_zip(tmp_path / "m.keras", keras_entries())
    code = (
        "import sys; from tfjs_bundle.source import identify; identify(sys.argv[1]); "
        "print(sorted({'tensorflow', 'keras', 'tf_keras'} & set(sys.modules)))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, str(tmp_path / "m.keras")], capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == "[]"


def external_link(file: h5py.File, other: Path) -> None:
    file["layers/dense"] = h5py.ExternalLink(str(other), "/secret")


def external_storage(file: h5py.File, other: Path) -> None:
    file.create_dataset("layers/dense", (4,), "u1", external=[(str(other), 0, 4)])


def virtual_dataset(file: h5py.File, other: Path) -> None:
    layout = h5py.VirtualLayout((4,), "u1")
    layout[:] = h5py.VirtualSource(str(other), "secret", (4,))
    file.create_virtual_dataset("layers/dense", layout)


def made_of_nothing(file: h5py.File, other: Path) -> None:
    file.create_dataset("layers/dense", (2**30,), "f4", chunks=(2**20,))


@pytest.mark.parametrize(
    ("plant", "what"),
    [
        (external_link, "links to another file: /layers/dense"),
        (external_storage, "takes numbers from another file: /layers/dense"),
        (virtual_dataset, "takes numbers from another file: /layers/dense"),
        (made_of_nothing, "would grow from 1 to 4294967296 bytes: /layers/dense"),
    ],
)
@pytest.mark.parametrize("compression", [None, zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED])
def test_weights_that_come_from_elsewhere_are_refused(tmp_path, plant, what, compression):
    with h5py.File(tmp_path / "other.h5", "w") as other:
        other["secret"] = [1, 2, 3, 4]
    with h5py.File(tmp_path / "m.h5", "w") as file:
        file.attrs["model_config"] = "{}"
        file.create_group("layers")["self"] = h5py.SoftLink("/layers")
        file["layers/again"] = file["layers"]  # a group that contains itself
        plant(file, tmp_path / "other.h5")
    path = tmp_path / "m.h5"
    if compression is not None:
        entries = {**keras_entries(), "model.weights.h5": path.read_bytes()}
        path = write_zip(tmp_path / "m.keras", entries, compression)
    message = refusal(path)
    assert what in message
    assert "Do not use this file" in message


def test_an_archive_whose_weights_are_no_hdf5_file_is_refused(tmp_path):
    path = write_zip(tmp_path / "m.keras", {**keras_entries(), "model.weights.h5": b"not hdf5" * 100})
    assert "is damaged: model.weights.h5 in it is not whole" in refusal(path)
