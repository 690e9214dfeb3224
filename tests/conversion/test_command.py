"""The command line from end to end, without a browser: what it prints, how it ends, what it leaves."""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import subprocess
import sys
import zipfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import models
import numpy as np
import pytest
from ctrl_c import heed_ctrl_c

from tfjs_bundle import cli
from tfjs_bundle.convert.child import Child
from tfjs_bundle.progress import Progress

pytestmark = [pytest.mark.tensorflow, pytest.mark.filterwarnings("ignore")]


@dataclass(frozen=True)
class Run:
    """How a command ended."""

    code: int
    out: str
    err: str


class _Lent:
    """The tests' TensorFlow process in the place of one that a command would start and end."""

    def __init__(self, child: Child) -> None:
        self._child = child

    def __call__(self, progress: Progress | None = None) -> _Lent:
        self._child.progress = progress or Progress()
        return self

    def __enter__(self) -> Child:
        return self._child

    def __exit__(self, *_: object) -> None:
        self._child.progress = Progress()


@pytest.fixture
def command(child, monkeypatch, capfd, tmp_path) -> Callable[..., Run]:
    """Run ``tfjs-bundle`` with arguments, in this process and with the tests' TensorFlow process."""
    from tfjs_bundle import inspection, pipeline
    from tfjs_bundle.convert import child as module

    monkeypatch.chdir(tmp_path)
    for place in (module, inspection, pipeline):
        monkeypatch.setattr(place, "Child", _Lent(child))

    def run(*arguments: object) -> Run:
        capfd.readouterr()
        with pytest.raises(SystemExit) as ended:
            cli.main([str(argument) for argument in arguments])
        captured = capfd.readouterr()
        return Run(ended.value.code, captured.out, captured.err)

    return run


@pytest.fixture(scope="session")
def first_build(sample, child, tmp_path_factory) -> Path:
    """A bundle as a build before the test would have left it."""
    from tfjs_bundle import config, pipeline

    output = tmp_path_factory.mktemp("first") / "dist"
    pipeline.build(
        sample("two_in_two_out").path, output, config.BuildOptions(verify=False), Progress(), child
    )
    return output


@pytest.fixture
def dist(first_build, tmp_path) -> Path:
    """The output directory with a previous bundle in it."""
    shutil.copytree(first_build, tmp_path / "dist")
    return tmp_path / "dist"


def contents(directory: Path) -> dict[str, bytes]:
    return {
        str(path.relative_to(directory)): path.read_bytes()
        for path in sorted(directory.rglob("*"))
        if path.is_file()
    }


# --- a build -------------------------------------------------------------------------------------------


def test_a_build_tells_its_stages_and_ends_with_a_summary(command, sample, tmp_path):
    run = command("build", sample("dense_gelu").path, "--no-verify")
    assert run.code == 0, run.err
    assert run.out == ""
    for words in ("Built dense_gelu in dist", "weights", "with brotli", "tfjs-bundle serve dist"):
        assert words in run.err
    for noise in ("tensorflow", "cuda", "oneDNN", "absl", "WARNING"):
        assert noise not in run.err.lower().replace("tensorflow.js", "")
    assert (tmp_path / "dist" / "index.html").is_file()


def test_a_build_with_json_prints_one_object_and_nothing_else(command, sample):
    run = command("build", sample("cnn").path, "--no-verify", "--name", "Shapes", "--json")
    assert (run.code, run.err) == (0, "")
    told = json.loads(run.out)
    assert (told["directory"], told["name"], told["parity"]["status"]) == ("dist", "Shapes", "not run")
    assert told["sizes"]["first_visit_compressed"] < told["sizes"]["first_visit"] < told["sizes"]["total"]
    assert {"read", "convert", "pack", "render"} <= set(told["seconds"])
    assert any("pixels from 0 to 1 are assumed" in warning for warning in told["warnings"])


@pytest.mark.parametrize("name", ["recurrent", "transformer"])
def test_two_builds_of_one_model_are_identical(command, sample, tmp_path, name):
    for output in ("a", "b"):
        assert command("build", sample(name).path, "-o", output, "--no-verify").code == 0
    first, second = contents(tmp_path / "a"), contents(tmp_path / "b")
    for each in (first, second):
        del each["parity.json"]
    assert list(first) == list(second)
    assert [path for path in first if first[path] != second[path]] == []


def test_two_processes_build_identically(command, sample, tmp_path):
    assert command("build", sample("recurrent").path, "-o", "a", "--no-verify").code == 0
    run = spawn("build", sample("recurrent").path, "-o", tmp_path / "b", "--no-verify")
    assert run.returncode == 0, run.stderr
    first, second = contents(tmp_path / "a"), contents(tmp_path / "b")
    del first["parity.json"], second["parity.json"]
    assert [path for path in first | second if first.get(path) != second.get(path)] == []


def test_a_configuration_file_in_the_directory_is_used(command, sample, tmp_path):
    (tmp_path / "tfjs-bundle.toml").write_text('name = "From the file"\nverify = false\n')
    run = command("build", sample("dense_gelu").path, "--json")
    assert json.loads(run.out)["name"] == "From the file"


def test_random_models_are_built_when_asked_for(command, sample):
    model = sample("random_sampling")
    run = command(
        "build", model.path, "--custom-objects", model.custom_objects, "--allow-random", "--no-verify"
    )
    assert run.code == 0, run.err


# --- inspect -------------------------------------------------------------------------------------------


def test_inspect_tells_what_a_model_is(command, sample, tmp_path):
    run = command("inspect", sample("cnn").path)
    assert run.code == 0, run.err
    for words in ("image", "(?, 12, 12, 3)", "probabilities", "depthwise_conv2d", "DepthwiseConv2D"):
        assert words in run.out
    for words in ("DepthwiseConv2dNative 1", "wasm      runs", "to the first prediction", "MB at the peak"):
        assert words in run.out
    assert list(tmp_path.iterdir()) == [], "inspecting writes nothing"


def test_inspect_with_json_prints_one_object_and_nothing_else(command, sample):
    run = command("inspect", sample("transformer").path, "--json")
    assert (run.code, run.err) == (0, "")
    told = json.loads(run.out)
    assert told["inputs"] == [{"name": "tokens", "shape": [None, None], "dtype": "int32"}]
    assert told["refusal"] is None
    assert set(told["backends"]) == {"webgpu", "webgl", "wasm", "cpu"}
    assert all(entry["supported"] for entry in told["backends"].values())
    assert told["parameters"] == sum(weight.size for weight in sample("transformer").weights)
    assert told["peak_bytes"] > told["weight_bytes"] > 0


def test_inspect_reads_a_bundle_too(command, dist):
    run = command("inspect", dist, "--json")
    assert (run.code, run.err) == (0, "")
    told = json.loads(run.out)
    assert (told["format"], told["name"]) == ("bundle", "two_in_two_out")
    assert [spec["name"] for spec in told["outputs"]] == ["difference", "sum"]


def test_inspect_tells_what_cannot_run_and_ends_with_its_code(command, tmp_path):
    keras = models.keras()
    x = keras.Input((3,), name="x")
    path = models.save(keras.Model(x, keras.ops.erfinv(x)), tmp_path)
    run = command("inspect", path, "--json")
    assert run.code == 4
    told = json.loads(run.out)
    assert "TensorFlow.js does not have Erfinv (in " in told["refusal"]
    assert told["download_bytes"] == 0
    assert "Erfinv" in run.err


def test_inspect_says_where_the_op_is_that_a_backend_lacks(command, tmp_path):
    keras = models.keras()
    x = keras.Input((3,), name="x")
    path = models.save(keras.Model(x, keras.ops.unique(x)), tmp_path)
    run = command("inspect", path)
    assert run.code == 0
    assert re.search(r"webgpu +cannot run: lacks Unique \(in node '[^']*Unique'\)", run.out)


# --- refusals ------------------------------------------------------------------------------------------


def keras_file(tmp_path: Path, layer=None) -> Path:
    """Save a small model, with ``layer`` in it."""
    keras = models.keras()
    x = keras.Input((3,), name="x")
    y = x if layer is None else layer(x)
    return models.save(keras.Model(x, keras.layers.Dense(2, name="last")(y)), tmp_path)


def truncated(tmp_path):
    path = keras_file(tmp_path)
    path.write_bytes(path.read_bytes()[:-200])
    return path


def corrupt(tmp_path):
    path = keras_file(tmp_path)
    data = bytearray(path.read_bytes())
    with zipfile.ZipFile(path) as archive:
        start = archive.getinfo("model.weights.h5").header_offset + 200
    data[start : start + 64] = bytes(64)
    path.write_bytes(data)
    return path


def another_zip(tmp_path):
    path = tmp_path / "pictures.keras"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("holiday.jpg", b"not a model")
    return path


def climbing_zip(tmp_path):
    path = keras_file(tmp_path)
    with zipfile.ZipFile(path, "a") as archive:
        archive.writestr("../../../evil.txt", b"out of the directory")
    return path


def absent(tmp_path):
    return tmp_path / "absent.keras"


def unknown_layer(tmp_path):
    keras = models.keras()

    class Mystery(keras.layers.Layer):
        def call(self, x):
            return x

    return keras_file(tmp_path, Mystery())


def lambda_layer(tmp_path):
    return keras_file(tmp_path, models.keras().layers.Lambda(lambda x: x * 2, name="twice"))


def weights_only(tmp_path):
    keras = models.keras()
    model = keras.Sequential([keras.Input((3,)), keras.layers.Dense(2)])
    path = tmp_path / "only.weights.h5"
    model.save_weights(path)
    return path


def nan_weights(tmp_path):
    keras = models.keras()
    x = keras.Input((3,))
    model = keras.Model(x, keras.layers.Dense(2, name="diverged")(x))
    model.set_weights([np.full((3, 2), np.nan, np.float32), np.zeros(2, np.float32)])
    return models.save(model, tmp_path)


def ragged_output(tmp_path):
    keras = models.keras()
    text = keras.Input((), dtype="string", name="text")
    words = keras.layers.TextVectorization(vocabulary=["a"], ragged=True, name="words")
    return models.save(keras.Model(text, words(text)), tmp_path)


def strange_op(tmp_path):
    keras = models.keras()
    x = keras.Input((3, 3), name="x")
    return models.save(keras.Model(x, keras.ops.cholesky(x)), tmp_path)


#: source, exit code, words of the message (what, where), words of the cure
REFUSED = [
    (truncated, 3, ("model.keras", "truncated"), "again"),
    (corrupt, 3, ("model.keras", "model.weights.h5"), "again"),
    (another_zip, 3, ("pictures.keras", "Keras"), "keras"),
    (climbing_zip, 3, ("evil.txt",), ""),
    (absent, 3, ("absent.keras",), ""),
    (unknown_layer, 3, ("Mystery",), "--custom-objects"),
    (lambda_layer, 3, ("Lambda",), "--unsafe"),
    (weights_only, 3, ("weights",), "model.save"),
    (nan_weights, 3, ("diverged", "NaN"), "train again"),
    (ragged_output, 4, ("'words'", "RaggedTensor"), "ragged=False"),
    (strange_op, 4, ("Cholesky", "functional"), "has no linear algebra"),
]


@pytest.mark.parametrize(
    ("source", "code", "words", "cure"), REFUSED, ids=[source.__name__ for source, *_ in REFUSED]
)
def test_a_source_that_cannot_be_built_is_one_clear_message(
    command, dist, tmp_path, source, code, words, cure
):
    path = source(tmp_path)
    before, beside = contents(dist), sorted(tmp_path.iterdir())
    run = command("build", path, "-o", dist)
    assert run.code == code, run.err
    assert run.out == ""
    message = run.err[run.err.index("Error: ") :]
    for each in words:
        assert each in message
    assert cure in message
    assert "Traceback" not in run.err
    assert len(message.strip().splitlines()) <= 6, message
    assert contents(dist) == before
    assert sorted(tmp_path.iterdir()) == beside, "something was left behind"
    assert not (tmp_path.parents[1] / "evil.txt").exists()


def test_open_sizes_are_tried_until_the_model_takes_them(command, tmp_path):
    keras = models.keras()
    x = keras.Input((None, 3), name="x")
    path = models.save(keras.Model(x, keras.layers.Conv1D(2, 100)(x)), tmp_path)
    assert command("build", path, "-o", "dist", "--no-verify").code == 0
    golden = json.loads((tmp_path / "dist" / "model" / "golden.json").read_text())
    assert golden["cases"][0]["inputs"]["x"]["shape"] == [1, 128, 3]


def test_randomness_at_inference_is_refused(command, sample, dist):
    model, before = sample("random_sampling"), contents(dist)
    run = command("build", model.path, "-o", dist, "--custom-objects", model.custom_objects)
    assert run.code == 4
    assert "Error: The model draws random numbers at inference: StatelessRandomNormalV2" in run.err
    assert "--allow-random" in run.err
    assert contents(dist) == before


def test_a_lambda_is_built_when_it_is_trusted(command, tmp_path):
    assert command("build", lambda_layer(tmp_path), "--unsafe", "--no-verify").code == 0


def test_an_output_that_is_not_ours_is_refused_before_any_work(command, sample, tmp_path):
    mine = tmp_path / "mine"
    mine.mkdir()
    (mine / "thesis.tex").write_text("years of work")
    run = command("build", sample("dense_gelu").path, "-o", mine)
    assert run.code == 6
    assert "exists and is not a bundle" in run.err
    assert "Reading" not in run.err
    assert contents(mine) == {"thesis.tex": b"years of work"}


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--backend", "gpu"], "'gpu'"),
        (["--labels", "absent.txt"], "absent.txt cannot be read"),
        (["--config", "absent.toml"], "absent.toml cannot be read"),
        (["--shard-size", "tiny"], "'tiny' is no shard size"),
        (["--task", "magic"], "There is no task 'magic'"),
        (["--nonsense"], "--nonsense"),
        (["--signature", "serve"], "--signature"),
        (["--data", "absent.npz"], "absent.npz"),
        (["--template", "absent"], "absent"),
        (["--custom-objects", "absent.py"], "absent.py"),
        (["--custom-objects", "no_such_module"], "no_such_module"),
    ],
    ids=lambda value: value[0] + "=" + value[-1] if isinstance(value, list) else "",
)
def test_an_option_that_makes_no_sense_is_a_usage_error(command, sample, dist, arguments, words):
    before = contents(dist)
    run = command("build", sample("two_in_two_out").path, "-o", dist, "--no-verify", *arguments)
    assert run.code == 2, run.err
    assert words in run.err
    assert "Traceback" not in run.err
    assert contents(dist) == before


def test_a_refusal_with_json_is_one_object_on_stdout_and_the_message_on_stderr(command, tmp_path):
    run = command("build", another_zip(tmp_path), "--json")
    assert run.code == 3
    told = json.loads(run.out)
    assert list(told) == ["error"]
    assert told["error"]["exit_code"] == 3
    assert "pictures.keras" in told["error"]["what"]
    assert told["error"]["what"] in run.err


def test_the_error_s_two_parts_and_its_class_reach_python(child, sample, tmp_path):
    import tfjs_bundle
    from tfjs_bundle.errors import SourceError

    with pytest.raises(SourceError) as refusal:
        tfjs_bundle.build(another_zip(tmp_path), tmp_path / "dist")
    assert refusal.value.exit_code == 3
    assert refusal.value.what
    assert refusal.value.cure


# --- real processes ------------------------------------------------------------------------------------


def spawn(*arguments: object, **options) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "tfjs_bundle", *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, check=False, **options)


@pytest.mark.parametrize(
    "interrupt",
    [
        # a terminal sends Ctrl-C to the command and to the TensorFlow process alike
        pytest.param(lambda pid: os.killpg(pid, signal.SIGINT), id="Ctrl-C"),
        pytest.param(lambda pid: os.kill(pid, signal.SIGTERM), id="SIGTERM"),
    ],
)
def test_an_interrupted_build_says_so_and_leaves_nothing_behind(sample, dist, tmp_path, interrupt):
    before = contents(dist)
    fifo, temporary = tmp_path / "fifo", tmp_path / "temporary"
    os.mkfifo(fifo)
    temporary.mkdir()
    waiting = tmp_path / "waiting.py"  # runs in the TensorFlow process, in the middle of the build
    waiting.write_text(
        f"import os, signal\nwith open({str(fifo)!r}, 'w') as pipe:\n    pipe.write(str(os.getpid()))\n"
        "signal.pause()\n"
    )
    beside = sorted(tmp_path.iterdir())
    process = subprocess.Popen(
        [
            *(sys.executable, "-m", "tfjs_bundle", "build", str(sample("dense_gelu").path)),
            *("-o", str(dist), "--custom-objects", str(waiting)),
        ],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "TMPDIR": str(temporary)},
        start_new_session=True,
        preexec_fn=heed_ctrl_c,
    )
    try:
        worker = int(fifo.read_text())  # waits until the module runs
        interrupt(process.pid)
        out, err = process.communicate(timeout=60)
    finally:
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)
    assert process.returncode == 130, err
    assert out == ""
    assert "Interrupted; the output is as it was." in err
    assert "Traceback" not in err
    assert contents(dist) == before
    assert sorted(tmp_path.iterdir()) == beside
    assert list(temporary.iterdir()) == []
    with pytest.raises(ProcessLookupError):
        os.kill(worker, 0)


def test_the_module_runs_as_the_command(tmp_path):
    run = spawn("build", tmp_path / "absent.keras", cwd=tmp_path)
    assert (run.returncode, run.stdout) == (3, "")
    assert run.stderr.startswith("Error: ")
