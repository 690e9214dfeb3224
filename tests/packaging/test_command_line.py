"""What the installed package promises before any work is done."""

from __future__ import annotations

import json
import re
import subprocess
import sys
import tomllib
from pathlib import Path

import hatch_build

ROOT = Path(__file__).resolve().parents[2]

#: Each takes longer to import than `--help` may take as a whole, or is needed only to show something.
HEAVY = (
    "tensorflow",
    "tf_keras",
    "keras",
    "numpy",
    "rich",
    "jinja2",
    "brotli",
    "playwright",
    "starlette",
    "uvicorn",
)


def test_help_imports_nothing_heavy() -> None:
    script = (
        "import sys\n"
        "from tfjs_bundle.cli import main\n"
        "try:\n    main(['--help'])\n"
        "finally:\n    print('LOADED', *sorted({name.partition('.')[0] for name in sys.modules}))\n"
    )
    run = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=False)
    assert run.returncode == 0, run.stderr
    shown, _, loaded = run.stdout.rpartition("LOADED")
    assert "build" in shown
    assert "click" in loaded.split(), "the list of modules is not what this test takes it for"
    assert not set(HEAVY) & set(loaded.split())


def test_the_demo_refuses_an_output_that_is_not_ours_before_any_work(tmp_path: Path) -> None:
    (tmp_path / "thesis.tex").write_text("years of work")
    command = [sys.executable, "-m", "tfjs_bundle", "demo", "--no-serve", "-o", str(tmp_path)]
    run = subprocess.run(command, capture_output=True, text=True, check=False)
    assert run.returncode == 6, run.stderr
    assert "exists and is not a bundle" in run.stderr


def test_a_usage_error_with_json_is_one_object_on_stdout() -> None:
    command = [sys.executable, "-m", "tfjs_bundle", "build", "model.keras", "--nonsense", "--json"]
    run = subprocess.run(command, capture_output=True, text=True, check=False)
    assert run.returncode == 2
    told = json.loads(run.stdout)["error"]
    assert told["exit_code"] == 2
    assert "--nonsense" in told["what"]
    assert "--nonsense" in run.stderr


def test_every_make_target_in_the_help_exists() -> None:
    text = subprocess.run(["make", "help"], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    targets = re.findall(r"^make ([a-z-]+) ", text, re.MULTILINE)
    assert {"demo", "test", "runtime", "lint", "wheel", "clean", "help"} <= set(targets)
    rules = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    assert set(targets) <= rules


def test_a_checkout_and_the_build_hook_ask_for_the_same_node() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    assert hatch_build.NODE_REQUIREMENT in project["optional-dependencies"]["dev"]


def test_the_compiled_runtime_is_stale_when_a_source_changes(tmp_path: Path) -> None:
    (tmp_path / "runtime").mkdir()
    source = tmp_path / "runtime" / "build.mjs"
    source.write_text("export {};\n")
    compiled = tmp_path / "tfjs_bundle" / "_runtime"
    assert not hatch_build.is_fresh(tmp_path)
    compiled.mkdir(parents=True)
    (compiled / hatch_build.STAMP).write_text(hatch_build.digest_of_inputs(tmp_path) + "\n")
    assert hatch_build.is_fresh(tmp_path)
    (tmp_path / "runtime" / "build.test.ts").write_text("// a test is not part of the runtime\n")
    assert hatch_build.is_fresh(tmp_path)
    source.write_text("export { };\n")
    assert not hatch_build.is_fresh(tmp_path)
