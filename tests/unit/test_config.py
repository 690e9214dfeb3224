"""Options: from the configuration file and from the command line, which wins."""

from __future__ import annotations

from pathlib import Path

import pytest

from tfjs_bundle.config import BuildOptions, options, parse_size, read_labels
from tfjs_bundle.errors import UsageError


@pytest.fixture
def directory(tmp_path, monkeypatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_nothing_given_is_the_defaults(directory):
    assert options({}) == BuildOptions()


def test_the_directory_s_file_is_read(directory):
    (directory / "tfjs-bundle.toml").write_text('name = "Cats"\nshard-size = "2M"\nbackend = ["cpu"]\n')
    found = options({})
    assert (found.name, found.shard_size, found.backends) == ("Cats", 2 << 20, ("cpu",))


def test_the_project_s_table_is_read_where_there_is_no_file_of_ours(directory):
    (directory / "pyproject.toml").write_text('[tool.tfjs-bundle]\nname = "From the project"\n')
    assert options({}).name == "From the project"
    (directory / "tfjs-bundle.toml").write_text('name = "Ours"\n')
    assert options({}).name == "Ours"


def test_a_project_that_does_not_speak_of_us_says_nothing(directory):
    (directory / "pyproject.toml").write_text('[project]\nname = "x"\n')
    assert options({}) == BuildOptions()


@pytest.mark.parametrize("text", ["tool = 3\n", "[tool]\ntfjs-bundle = 3\n"])
def test_a_project_s_entry_that_is_no_table_is_refused(directory, text):
    (directory / "pyproject.toml").write_text(text)
    with pytest.raises(UsageError, match=r"\[tool\.tfjs-bundle\] of .*toml must be a table, not 3"):
        options({})


def test_a_backend_that_is_a_list_is_refused(directory):
    (directory / "tfjs-bundle.toml").write_text('backend = [["cpu"]]\n')
    with pytest.raises(UsageError, match="There is no backend"):
        options({})


def test_what_was_given_wins(directory):
    (directory / "tfjs-bundle.toml").write_text('name = "File"\ntask = "table"\n')
    found = options({"name": "Given", "task": None})
    assert (found.name, found.task) == ("Given", "table")


def test_the_directory_is_left_alone_where_nothing_is_named(directory):
    (directory / "tfjs-bundle.toml").write_text('name = "File"\n')
    assert options({}, use_directory=False).name is None


def test_paths_in_a_file_are_relative_to_it(directory):
    folder = directory / "site"
    folder.mkdir()
    (folder / "labels.txt").write_text("cat\ndog\n")
    (folder / "conf.toml").write_text(
        'labels = "labels.txt"\ndata = "cases.npz"\ntemplate = "mine"\ncustom-objects = "layers.py"\n'
    )
    found = options({}, folder / "conf.toml")
    assert found.labels == ["cat", "dog"]
    assert found.data == folder / "cases.npz"
    assert found.template == folder / "mine"
    assert found.custom_objects == str(folder / "layers.py")


def test_a_module_of_custom_objects_is_no_path(directory):
    (directory / "conf.toml").write_text('custom_objects = "package.layers"\n')
    assert options({}, directory / "conf.toml").custom_objects == "package.layers"


def test_labels_and_preprocessing_may_be_tables(directory):
    (directory / "conf.toml").write_text(
        '[labels]\nkind = ["a", "b"]\n[preprocessing]\nsize = [8, 8]\nchannels = "grayscale"\n'
    )
    found = options({}, directory / "conf.toml")
    assert found.labels == {"kind": ["a", "b"]}
    assert found.preprocessing == {"size": [8, 8], "channels": "grayscale"}


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("nmae = 1", "There is no option 'nmae'"),
        ('backend = ["gpu"]', "There is no backend 'gpu'"),
        ('backend = "gpu"', "There is no backend 'gpu'"),
        ('converter = "magic"', "There is no converter 'magic'"),
        ('task = "guess"', "There is no task 'guess'"),
        ('shard-size = "small"', "'small' is no shard size"),
        ("name = ", "is not valid TOML"),
        ("name = 3", "name"),
        ("backend = 3", "backend"),
        ("backend = [3]", "There is no backend 3"),
        ("labels = 3", "labels"),
        ("labels = [1, 2]", "labels"),
        ("preprocessing = 3", "preprocessing"),
        ('unsafe = "no"', "unsafe"),
        ('verify = "yes"', "verify"),
        ("data = 3", "data"),
        ('quantize = "auto"', "The quantization 'auto' needs data to measure on"),
        ('quantize = "auto"\ndata = "a.npz"\nbudget = -0.1', "A budget of -0.1 makes no sense"),
        ('quantize = "auto"\ndata = "a.npz"\nbudget = nan', "A budget of nan makes no sense"),
        ('quantize = "int8"\nbudget = 1.0', "A budget of 1.0 says nothing to the quantization 'int8'"),
        ("budget = 1", "A budget of 1 says nothing to the quantization 'none'"),
        ('budget = "much"', "The option 'budget' must be a number of percentage points, not 'much'"),
    ],
)
def test_a_mistake_in_the_file_is_one_clear_message(directory, text, message):
    (directory / "tfjs-bundle.toml").write_text(text)
    with pytest.raises(UsageError) as refusal:
        options({})
    assert message in refusal.value.what
    assert refusal.value.cure


def test_a_named_file_that_is_missing_is_refused(directory):
    with pytest.raises(UsageError, match=r"absent\.toml cannot be read: No such file"):
        options({}, Path("absent.toml"))


def test_python_may_give_paths_as_texts(directory):
    (directory / "labels.txt").write_text("cat\ndog\n")
    found = options(
        {"labels": "labels.txt", "data": "cases.npz", "custom_objects": Path("layers.py")},
        use_directory=False,
    )
    assert found.labels == ["cat", "dog"]
    assert found.data == Path("cases.npz")
    assert found.custom_objects == "layers.py"


def test_one_backend_may_be_named_twice(directory):
    assert options({"backends": ("cpu", "wasm", "cpu")}).backends == ("cpu", "wasm")


@pytest.mark.parametrize(
    ("text", "size"),
    [
        ("4096", 4096),
        (4096, 4096),
        ("4K", 4096),
        ("4k", 4096),
        ("4KiB", 4096),
        ("1 MB", 1 << 20),
        ("1G", 1 << 30),
    ],
)
def test_sizes(text, size):
    assert parse_size(text) == size


@pytest.mark.parametrize("text", ["", "M", "1.5M", "-4K", "4T", "1023", "0", "4 K M"])
def test_what_is_no_size_is_refused(text):
    with pytest.raises(UsageError, match="is no shard size"):
        parse_size(text)


def test_labels_are_one_a_line_without_a_byte_order_mark(tmp_path):
    path = tmp_path / "labels.txt"
    path.write_bytes("\ufeffcat\r\n  dog \r\n\r\nnaïve\n\n\n".encode())
    assert read_labels(path) == ["cat", "dog", "", "naïve"]


@pytest.mark.parametrize(
    ("content", "message"), [(b"", "is empty"), (b"\n \n", "is empty"), (b"\xff\xfe\x00", "cannot be read")]
)
def test_labels_that_cannot_be_used_are_refused(tmp_path, content, message):
    path = tmp_path / "labels.txt"
    path.write_bytes(content)
    with pytest.raises(UsageError, match=message):
        read_labels(path)


def test_labels_that_are_missing_are_refused(tmp_path):
    with pytest.raises(UsageError, match="cannot be read"):
        read_labels(tmp_path / "absent.txt")


@pytest.mark.parametrize("value", [1, 1.5, -0.1, True, float("nan")])
def test_a_share_to_prune_is_from_nothing_to_less_than_all(value):
    with pytest.raises(UsageError, match=r"The option 'prune' must be from 0 to below 1"):
        options({"prune": value}, use_directory=False)


def test_a_quantization_that_does_not_exist_is_refused_by_name():
    with pytest.raises(UsageError, match=r"There is no quantization 'int4'\.") as refusal:
        options({"quantize": "int4"}, use_directory=False)
    assert "float16, uint16, uint8, int8" in str(refusal.value)
