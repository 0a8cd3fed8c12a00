"""The ways in: the wheel, the lists of dependencies, Binder's files, the Makefile, and the README's example."""

import ast
import os
import re
import shutil
import subprocess
import sys
import tomllib
import zipfile
from collections.abc import Iterator
from importlib.metadata import packages_distributions
from pathlib import Path

import pytest
import yaml
from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet
from repo2docker.app import Repo2Docker
from repo2docker.buildpacks import BuildPack, CondaBuildPack

ROOT = Path(__file__).resolve().parent.parent
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
PIP_NAMES = {
    "pytorch": "torch",
    "pytorch-cpu": "torch",
    "matplotlib-base": "matplotlib",
    "py-opencv": "opencv-python-headless",
}


def run(*command: str | Path, **options: object) -> str:
    """A command's standard output; when it fails, the test does, with all that it said."""
    done = subprocess.run(command, capture_output=True, text=True, stdin=subprocess.DEVNULL, **options)
    assert done.returncode == 0, f"{command}\n{done.stdout}\n{done.stderr}"
    return done.stdout


# --- the wheel ------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("wheel")
    run(sys.executable, "-m", "pip", "wheel", "--no-deps", "--no-build-isolation", "--wheel-dir", folder, ROOT)
    (wheel,) = folder.iterdir()
    return wheel


def test_the_wheel_carries_the_package_and_its_data_only(wheel):
    names = [name for name in zipfile.ZipFile(wheel).namelist() if ".dist-info/" not in name]
    package = {path.relative_to(ROOT).as_posix() for path in (ROOT / "vizlib").rglob("*.py")}
    data = {f"vizlib/{path.relative_to(ROOT).as_posix()}" for path in (ROOT / "data").rglob("*") if path.is_file()}
    assert "vizlib/data/minivgg.safetensors" in data
    assert set(names) == package | data


def test_the_wheel_works_with_no_checkout_near(wheel, tmp_path):
    site = tmp_path / "site"
    run(sys.executable, "-m", "pip", "install", "--no-deps", "--no-index", "--target", site, wheel)
    script = """
import torch
import vizlib
from vizlib import assets, models
net = models.load("minivgg", device="cpu")
print(vizlib.__file__, assets.data_path("minivgg.safetensors"), *net(torch.rand(1, 3, 64, 64)).shape, sep="\\n")
"""
    environment = os.environ | {"PYTHONPATH": str(site)}
    package, weights, images, classes = run(sys.executable, "-c", script, cwd=tmp_path, env=environment).split("\n")[:4]
    assert Path(package) == site / "vizlib" / "__init__.py"
    assert Path(weights) == site / "vizlib" / "data" / "minivgg.safetensors"
    assert (images, classes) == ("1", "200")


# --- dependencies ---------------------------------------------------------------------------------------------------


def pip_list(*lists: list[str]) -> dict[str, SpecifierSet]:
    return {r.name: r.specifier for r in map(Requirement, sum(lists, []))}


def conda_list(path: str) -> dict[str, SpecifierSet]:
    """The packages of a conda environment under pip's names, without Python and pip."""
    packages = [p for p in yaml.safe_load((ROOT / path).read_text())["dependencies"] if isinstance(p, str)]
    pairs = [re.fullmatch(r"([\w-]+) ?([=<>].*)?", package).groups(default="") for package in packages]
    return {PIP_NAMES.get(name, name): SpecifierSet(spec) for name, spec in pairs if name not in ("python", "pip")}


@pytest.mark.parametrize("path", ["environment.yml", "binder/environment.yml"])
def test_conda_and_pip_install_the_same(path):
    wanted = pip_list(PROJECT["dependencies"], PROJECT["optional-dependencies"]["lab"])
    assert wanted
    assert conda_list(path) == wanted


def test_conda_takes_a_python_that_the_package_takes():
    python = SpecifierSet(PROJECT["requires-python"])
    local, binder = [yaml.safe_load((ROOT / p).read_text()) for p in ("environment.yml", "binder/environment.yml")]
    assert local["dependencies"][0] == f"python {python}"
    assert binder["dependencies"][0].removeprefix("python=") in python
    assert local["dependencies"][-1] == {"pip": ["--editable ."]}
    assert local["channels"] == binder["channels"] == ["conda-forge", "nodefaults"]


def imports(path: Path) -> Iterator[str]:
    """The top-level packages that a Python file imports."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name.split(".")[0] for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and not node.level:
            yield node.module.split(".")[0]


@pytest.mark.parametrize(
    ("folder", "extra"), [("vizlib", None), ("scripts", "test"), ("benchmarks", "test"), ("tests", "test")]
)
def test_what_is_imported_is_declared(folder, extra):
    files = list((ROOT / folder).rglob("*.py"))
    assert files
    own = {path.stem for path in ROOT.rglob("*.py") if ".venv" not in path.parts} | {"vizlib", "benchmarks"}
    imported = {name for file in files for name in imports(file)} - sys.stdlib_module_names - own
    providers = packages_distributions()
    declared = set(pip_list(PROJECT["dependencies"], PROJECT["optional-dependencies"].get(extra, [])))
    undeclared = {name for name in imported if not {p.lower() for p in providers.get(name, [name])} & declared}
    assert undeclared == set()


# --- Binder ---------------------------------------------------------------------------------------------------------


@pytest.fixture
def buildpack(monkeypatch: pytest.MonkeyPatch) -> BuildPack:
    """The way that repo2docker, and so mybinder.org, chooses to build this repository."""
    monkeypatch.chdir(ROOT)
    app = Repo2Docker()
    packs = (kind(base_image=app.base_image) for kind in app.buildpacks)
    chosen = next(pack for pack in packs if pack.detect())
    chosen.platform = "linux/amd64"
    return chosen


def test_binder_builds_from_the_conda_environment(buildpack):
    assert type(buildpack) is CondaBuildPack
    dockerfile = buildpack.render()
    python = re.search(r"python=([\d.]+)", (ROOT / "binder/environment.yml").read_text())[1]
    assert buildpack.python_version == python
    assert '--file "binder/environment.yml"' in dockerfile
    assert "RUN ./binder/postBuild" in dockerfile
    assert 'ENV R2D_ENTRYPOINT="${REPO_DIR}/binder/start"' in dockerfile
    assert dockerfile.index("binder/environment.yml") < dockerfile.index("COPY --chown=1000:1000 src/ ")  # cached


@pytest.mark.parametrize("name", ["postBuild", "start"])
def test_binder_scripts_run_and_stop_at_a_failure(name):
    script = ROOT / "binder" / name
    lines = script.read_text().splitlines()
    assert lines[0] == "#!/bin/bash"
    assert "set -e" in lines
    assert os.access(script, os.X_OK)
    run("bash", "-n", script)


def test_binder_installs_vizlib_and_nothing_else():
    lines = (ROOT / "binder/postBuild").read_text().splitlines()
    (install,) = [line for line in lines if "pip install" in line]
    assert install.endswith("--no-deps -e .")


@pytest.mark.parametrize(
    ("files", "limit", "threads"),
    [
        ({"cpu.max": "100000 100000"}, "", 1),
        ({"cpu.max": "50000 100000"}, "", 1),
        ({"cpu.max": "250000 100000"}, "", 2),
        ({"cpu.max": "max 100000"}, "", 3),
        ({"cpu.max": "max 100000"}, "2.0", 2),
        ({"cpu.max": "max 100000"}, "0.5", 1),
        ({"cpu/cpu.cfs_quota_us": "200000", "cpu/cpu.cfs_period_us": "100000"}, "", 2),
        ({"cpu/cpu.cfs_quota_us": "-1", "cpu/cpu.cfs_period_us": "100000"}, "", 3),
        ({}, "", 3),
        ({}, "64", 3),
    ],
)
def test_binder_starts_with_as_many_threads_as_it_may_use(files, limit, threads, tmp_path):
    for name, text in files.items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(f"{text}\n")
    (tmp_path / "nproc").write_text("#!/bin/sh\necho 3\n")
    (tmp_path / "nproc").chmod(0o755)
    path = f"{tmp_path}{os.pathsep}{os.environ['PATH']}"
    environment = {"PATH": path, "CGROUP_ROOT": str(tmp_path), "CPU_LIMIT": limit}
    said = run(ROOT / "binder/start", "env", env=environment).splitlines()
    for variable in ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS"):
        assert f"{variable}={threads}" in said
    assert "OMP_WAIT_POLICY=PASSIVE" in said


def test_binder_starts_what_it_is_given_word_for_word():
    assert run(ROOT / "binder/start", "printf", "%s|", "a b", "*") == "a b|*|"


# --- make -----------------------------------------------------------------------------------------------------------


def make(folder: Path, *arguments: str, path: str | None = None) -> subprocess.CompletedProcess:
    environment = {name: value for name, value in os.environ.items() if not name.startswith("MAKE")}
    environment |= {"PATH": path or os.environ["PATH"]}
    command = [shutil.which("make"), *arguments]
    return subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True)


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """A folder with the Makefile, and a .venv whose Python writes down what it is called with instead of doing it."""
    folder = tmp_path / "a checkout"
    (folder / ".venv" / "bin").mkdir(parents=True)
    for name in ("Makefile", "pyproject.toml"):
        shutil.copy(ROOT / name, folder)
    python = folder / ".venv" / "bin" / "python"
    python.write_text('#!/bin/sh\necho "$@" >> calls.txt\n')
    python.chmod(0o755)
    return folder


def calls(folder: Path) -> list[str]:
    """What the Python was called for since the last look, without the question whether it has pip."""
    lines = (folder / "calls.txt").read_text().splitlines()
    (folder / "calls.txt").unlink()
    return [line for line in lines if line != "-c import pip"]


def test_make_sets_up_once_and_again_when_something_changed(checkout):
    setup = "-m pip install --editable .[lab]"
    lab = "-m jupyterlab notebooks/00_start_here.ipynb --ServerApp.ip=127.0.0.1 --ServerApp.port=8888"
    assert make(checkout, "lab").returncode == 0
    assert calls(checkout) == [setup, lab]
    assert make(checkout, "lab", "PORT=9000", "ARGS=--no-browser").returncode == 0
    assert calls(checkout) == [lab.replace("8888", "9000") + " --no-browser"]

    os.utime(checkout / "pyproject.toml", (2e9, 2e9))
    assert make(checkout, "lab").returncode == 0
    assert calls(checkout)[0] == setup
    os.utime(checkout / "pyproject.toml", (1e9, 1e9))
    moved = checkout.rename(checkout.parent / "elsewhere")
    assert make(moved, "lab").returncode == 0
    assert calls(moved) == [setup, lab]


def test_make_test_checks_everything_and_stops_at_the_first_failure(checkout):
    assert make(checkout, "test").returncode == 0
    setup, lint, layout, tests = calls(checkout)
    assert setup == "-m pip install --editable .[test]"
    assert (lint, layout) == ("-m ruff check .", "-m ruff format --check .")
    assert tests.startswith("-m pytest tests notebooks --nbval-lax --nbval-current-env ")

    python = checkout / ".venv" / "bin" / "python"
    python.write_text('#!/bin/sh\necho "$@" >> calls.txt\ncase "$2" in pytest) exit 5 ;; esac\n')
    assert make(checkout, "test").returncode != 0
    python.write_text('#!/bin/sh\necho "$@" >> calls.txt\ncase "$2" in ruff) exit 1 ;; esac\n')
    calls(checkout)
    assert make(checkout, "test").returncode != 0
    assert calls(checkout) == ["-m ruff check ."]


@pytest.mark.parametrize(
    ("python", "words"),
    [
        (None, "vizlib needs Python 3.11 or newer: install it, or name it with PYTHON="),
        ("exit 1", "vizlib needs Python 3.11 or newer: install it, or name it with PYTHON="),
        ('case "$2" in *ensurepip*) exit 1 ;; esac', "run 'apt install python3-venv' as root and try again."),
    ],
)
def test_make_says_what_is_missing_in_one_sentence(python, words, checkout, tmp_path):
    shutil.rmtree(checkout / ".venv")
    tools = tmp_path / "tools"
    tools.mkdir()
    for tool in ("sh", "cat"):
        (tools / tool).symlink_to(shutil.which(tool))
    if python:
        (tools / "python3").write_text(f"#!/bin/sh\n{python}\n")
        (tools / "python3").chmod(0o755)
    done = make(checkout, "lab", path=str(tools))
    assert done.returncode != 0
    assert words in done.stderr
    assert len(done.stderr.splitlines()) == 2  # this sentence, and make's own that it stops
    assert not (checkout / ".venv").exists()


def test_ci_runs_the_readme_test_command():
    script = ROOT / ".ci" / "run"
    assert os.access(script, os.X_OK)
    run("bash", "-n", script)
    assert script.read_text().splitlines()[-1] == "exec make test < /dev/null"
    assert "make test\n" in (ROOT / "README.md").read_text()


# --- README ---------------------------------------------------------------------------------------------------------


def test_the_readme_example_runs(tmp_path):
    (example,) = re.findall(r"```python\n(.*?)```", (ROOT / "README.md").read_text(encoding="utf-8"), re.DOTALL)
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    said = run(sys.executable, "-c", example, cwd=tmp_path, env=environment)
    assert "cat" in said
    assert (tmp_path / "conv1.png").stat().st_size > 1000


def test_the_readme_maps_every_notebook():
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    linked = set(re.findall(r"\]\(notebooks/(\d\d_\w+\.ipynb)\)", readme))
    assert linked == {path.name for path in (ROOT / "notebooks").glob("*.ipynb")}
    assert set(re.findall(r"^\| (\d\d) ", readme, re.MULTILINE)) == {f"{i:02}" for i in range(16)}


@pytest.mark.parametrize("name", ["README.md", "CONTRIBUTING.md"])
def test_relative_links_lead_somewhere(name):
    text = (ROOT / name).read_text(encoding="utf-8")
    targets = re.findall(r"\]\(([^)\s#]+)", text) + re.findall(r'src="([^"]+)"', text)
    missing = [target for target in targets if "://" not in target and not (ROOT / target).exists()]
    assert targets
    assert missing == []
