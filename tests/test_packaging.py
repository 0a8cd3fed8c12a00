"""The ways in: the wheel, the lists of dependencies, Binder's files, the Makefile, the README and the guides."""

import ast
import json
import os
import re
import shutil
import subprocess
import sys
import sysconfig
import tomllib
import venv
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

from vizlib.__main__ import downloads

ROOT = Path(__file__).resolve().parent.parent
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
ON_PATH = ("tests/browser", "tests/notebooks")  # for pytest, see pyproject.toml
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
    sources = (path for kind in ("*.py", "*.js") for path in (ROOT / "vizlib").rglob(kind))
    package = {path.relative_to(ROOT).as_posix() for path in sources}
    data = {f"vizlib/{path.relative_to(ROOT).as_posix()}" for path in (ROOT / "data").rglob("*") if path.is_file()}
    assert "vizlib/data/minivgg.safetensors" in data
    assert set(names) == package | data


@pytest.mark.slow
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
    beside = (path for name in ("", "scripts", "benchmarks", "tests", *ON_PATH) for path in (ROOT / name).glob("*.py"))
    own = {path.stem for path in [*beside, *files]} | {"vizlib", "benchmarks"}
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
    path = ROOT / "binder" / name
    lines = path.read_text().splitlines()
    assert lines[0] == "#!/bin/bash"
    assert "set -e" in lines
    assert os.access(path, os.X_OK)
    run("bash", "-n", path)


def test_binder_installs_vizlib_and_nothing_else():
    lines = (ROOT / "binder/postBuild").read_text().splitlines()
    (install,) = [line for line in lines if "pip install" in line]
    assert install.endswith("--no-deps -e .")


BINDER_TOOL = """\
#!/bin/sh
# Writes down what it is called for, and fails where its arguments match a line of `fails`.
echo "$@" >> "$CALLS/calls.txt"
if echo "$@" | grep -q -f "$CALLS/fails"; then exit 1; fi
"""


def post_build(folder: Path, fails: str = "nothing at all") -> tuple[subprocess.CompletedProcess, list[str]]:
    """How postBuild ends, and what it called Python for, with a Python and a jupyter that do nothing."""
    for tool in ("python", "jupyter"):
        script(folder / tool, BINDER_TOOL)
    (folder / "fails").write_text(f"{fails}\n")
    environment = {"PATH": f"{folder}{os.pathsep}{os.environ['PATH']}", "CALLS": str(folder)}
    command = ["bash", ROOT / "binder/postBuild"]
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True)
    return done, (folder / "calls.txt").read_text().splitlines()


def test_binder_brings_two_networks_of_imagenet_and_labelled_photos(tmp_path):
    done, made = post_build(tmp_path)
    names = [line.removeprefix("-m vizlib download ") for line in made if " download " in line]
    assert done.returncode == 0 and names == ["squeezenet1_1", "resnet18", "imagenette"]
    assert set(names) <= set(downloads()), "the command line knows them"
    assert "not in this image" not in done.stdout + done.stderr


def test_binder_goes_on_without_what_it_cannot_download_and_says_so(tmp_path):
    done, made = post_build(tmp_path, "download resnet18\ndownload imagenette")
    assert done.returncode == 0 and made[-1] == "-m vizlib download imagenette"
    assert re.findall(r"^(\w+) is not in this image", done.stdout, re.MULTILINE) == ["resnet18", "imagenette"]


@pytest.mark.parametrize("fails", ["pip install", "models.load"])
def test_binder_builds_no_image_in_which_the_course_does_not_run(fails, tmp_path):
    assert post_build(tmp_path, fails)[0].returncode != 0


@pytest.mark.slow
def test_what_repo2docker_renders_runs_in_a_clean_folder_as_far_as_it_does_without_docker(buildpack, tmp_path):
    """The image's last steps: the repository is copied, postBuild runs there, `start` is what a container begins with.

    Python is one of its own with the packages of this one; nothing can be downloaded, and the build goes on.
    """
    home = tmp_path / "home"
    for name in run("git", "ls-files", "-z", cwd=ROOT).split("\0"):
        if name and (ROOT / name).is_file():
            (home / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(ROOT / name, home / name)
    _, steps = buildpack.render().split("COPY --chown=1000:1000 src/ ${REPO_DIR}/")
    steps = re.findall(r"^RUN (.+)$", steps, re.MULTILINE)
    assert "./binder/postBuild" in steps
    venv.create(tmp_path / "python", with_pip=True)
    python = tmp_path / "python" / "bin" / "python"
    packages = run(python, "-c", "import sysconfig; print(sysconfig.get_path('purelib'))").strip()
    Path(packages, "zz_others.pth").write_text(sysconfig.get_path("purelib"))
    unreachable = dict.fromkeys(("HTTP_PROXY", "HTTPS_PROXY", "http_proxy", "https_proxy"), "http://127.0.0.1:9")
    environment = unreachable | {
        "PATH": os.pathsep.join([str(python.parent), sysconfig.get_path("scripts"), os.environ["PATH"]]),
        **{"HOME": str(home), "REPO_DIR": str(home), "OMP_NUM_THREADS": "1"},
        **{"PIP_NO_INDEX": "1", "PIP_NO_BUILD_ISOLATION": "0", "PIP_DISABLE_PIP_VERSION_CHECK": "1"},
    }
    said = "".join(run("bash", "-c", f"{step} 2>&1", cwd=home, env=environment) for step in steps)
    assert re.findall(r"^(\w+) is not in this image", said, re.MULTILINE) == ["squeezenet1_1", "resnet18", "imagenette"]
    report = run(home / "binder/start", "python", "-m", "vizlib", "doctor", cwd=home / "notebooks", env=environment)
    assert report.endswith("The course runs here.\n")
    find = "from importlib.util import find_spec; print(find_spec('vizlib').origin)"
    where = run(python, "-c", find, cwd=tmp_path, env=environment).strip()
    assert Path(where) == home / "vizlib" / "__init__.py", "what is installed is the copy"


def test_binder_trusts_the_notebooks():
    assert re.search(r"^jupyter trust notebooks/\*\.ipynb ", (ROOT / "binder/postBuild").read_text(), re.MULTILINE)


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

MADE_UP_PYTHON = """\
#!/bin/sh
# Writes down what it is called for instead of doing it. What it answers is in files beside it.
here=$(dirname "$0")
case "$*" in
    "-c "*) exit 0 ;;
    "-m venv "*) mkdir -p .venv/bin && cp "$0" .venv/bin/python ;;
    *"pip config get"*) cat "$here/pip-index" 2> /dev/null; exit ;;
    *"pip compile"*) cat "$here/torch-index" 2> /dev/null && exit 2 ;;
esac
echo "$@" >> calls.txt
if [ -f "$here/fails" ] && echo "$*" | grep -q -e "$(cat "$here/fails")"; then exit "$(cat "$here/status")"; fi
"""
LAB = (
    "-m jupyterlab --LabApp.default_url=/lab/tree/notebooks/00_start_here.ipynb "
    "--ServerApp.ip=127.0.0.1 --ServerApp.port=8888"
)
TRUST = "-m nbformat.sign notebooks/01_filters.ipynb notebooks/solutions/01_filters.ipynb"
UNREACHABLE = "error: Failed to fetch: `there`\n  cause: client error (Connect)\n  cause: no such host\n"


def make(folder: Path, *arguments: str, path: str | None = None, **settings: str) -> subprocess.CompletedProcess:
    kept = {n: value for n, value in os.environ.items() if not n.startswith(("MAKE", "UV_", "PIP_"))}
    environment = kept | {"PATH": path or os.environ["PATH"]} | settings
    command = [shutil.which("make"), *arguments]
    return subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True)


def script(path: Path, text: str) -> None:
    path.write_text(text)
    path.chmod(0o755)


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """A folder with what `make` needs, and a .venv that was set up elsewhere; its Python only writes down its calls."""
    folder = tmp_path / "a checkout"
    for name in (".venv/bin", "scripts", "notebooks/solutions"):
        (folder / name).mkdir(parents=True)
    for name in ("Makefile", "pyproject.toml", "scripts/set_up.sh", "scripts/stage.sh", "scripts/lowest_versions.sh"):
        shutil.copy(ROOT / name, folder / name)
    for name in ("01_filters.ipynb", "my own.ipynb", "solutions/01_filters.ipynb"):
        (folder / "notebooks" / name).write_text("{}")
    script(folder / ".venv" / "bin" / "python", MADE_UP_PYTHON)
    (folder / ".venv" / "lab.ready").write_text("/elsewhere\n")
    return folder


def calls(folder: Path) -> list[str]:
    """What the Python was called for since the last look, without the question what PyTorch's index has."""
    lines = (folder / "calls.txt").read_text().splitlines()
    (folder / "calls.txt").unlink()
    return [line for line in lines if " pip compile " not in line]


def setup(extra: str, options: str = "--torch-backend=auto") -> str:
    return f"-m uv pip install --python .venv/bin/python --editable .[{extra}] {options}".strip()


def test_make_sets_up_once_and_again_when_something_changed(checkout):
    assert make(checkout, "lab").returncode == 0
    assert calls(checkout) == [setup("lab"), TRUST, LAB]
    assert make(checkout, "lab", "PORT=9000", "ARGS=--no-browser --x='a b'").returncode == 0
    assert calls(checkout) == [LAB.replace("8888", "9000") + " --no-browser --x=a b"]

    os.utime(checkout / "pyproject.toml", (2e9, 2e9))
    assert make(checkout, "lab").returncode == 0
    assert calls(checkout)[0] == setup("lab")
    os.utime(checkout / "pyproject.toml", (1e9, 1e9))
    moved = checkout.rename(checkout.parent / "elsewhere")
    assert make(moved, "lab").returncode == 0
    assert calls(moved) == [setup("lab"), TRUST, LAB]


def test_make_trusts_a_notebook_that_changed_and_none_of_a_person(checkout):
    make(checkout, "lab")
    calls(checkout)
    os.utime(checkout / "notebooks" / "my own.ipynb", (2e9, 2e9))
    assert make(checkout, "lab").returncode == 0
    assert calls(checkout) == [LAB]
    os.utime(checkout / "notebooks" / "solutions" / "01_filters.ipynb", (2e9, 2e9))
    assert make(checkout, "lab").returncode == 0
    assert calls(checkout) == [TRUST, LAB]


@pytest.mark.parametrize("half", ["no .venv", "interrupted"])
def test_make_begins_a_venv_that_is_not_whole_again(half, checkout, tmp_path):
    script(tmp_path / "python", MADE_UP_PYTHON)
    (checkout / ".venv" / "lab.ready").unlink()
    if half == "no .venv":
        shutil.rmtree(checkout / ".venv")
    assert make(checkout, "lab", f"PYTHON={tmp_path}/python").returncode == 0
    assert calls(checkout) == ["-m venv --clear .venv", setup("lab"), TRUST, LAB]


def test_a_set_up_that_fails_is_not_taken_for_ready(checkout):
    (checkout / ".venv" / "bin" / "fails").write_text("pip install")
    (checkout / ".venv" / "bin" / "status").write_text("1")
    assert make(checkout, "lab").returncode != 0
    assert calls(checkout) == [setup("lab")]
    (checkout / ".venv" / "bin" / "fails").unlink()
    assert make(checkout, "lab").returncode == 0
    assert calls(checkout)[0] == setup("lab")


@pytest.mark.parametrize(
    ("settings", "reachable", "options", "says"),
    [
        ([], True, "--torch-backend=auto", False),
        ([], False, "", True),
        (["TORCH=cpu"], False, "--torch-backend=cpu", False),
        (["TORCH=cu128"], False, "--torch-backend=cu128", False),
        (["TORCH=index"], True, "", False),
        (["PIP_ARGS=--find-links 'my wheels'"], True, "--torch-backend=auto --find-links my wheels", False),
    ],
)
def test_make_picks_the_build_of_torch(settings, reachable, options, says, checkout):
    if not reachable:
        (checkout / ".venv" / "bin" / "torch-index").write_text(UNREACHABLE)
    done = make(checkout, "lab", *settings)
    assert done.returncode == 0
    assert calls(checkout)[0] == setup("lab", options)
    sentences = [line for line in done.stdout.splitlines() if "plain package index" in line]
    assert ["no such host" in sentence for sentence in sentences] == [True] * says


def test_uv_gets_the_index_of_pip_unless_it_has_its_own(checkout):
    python = checkout / ".venv" / "bin" / "python"
    script(python, MADE_UP_PYTHON.replace('echo "$@"', 'echo "${UV_DEFAULT_INDEX-unset}" "$@"'))
    assert make(checkout, "lab").returncode == 0
    assert calls(checkout)[0].startswith("unset -m uv pip install ")
    for settings, index in [
        ({}, "https://mirror.example/simple"),
        ({"PIP_INDEX_URL": "https://pip.example/simple"}, "https://pip.example/simple"),
        ({"UV_DEFAULT_INDEX": "https://uv.example/simple"}, "https://uv.example/simple"),
    ]:
        (checkout / ".venv" / "bin" / "pip-index").write_text("https://mirror.example/simple\n")
        (checkout / ".venv" / "lab.ready").write_text("/elsewhere\n")
        assert make(checkout, "lab", **settings).returncode == 0
        assert calls(checkout)[0].startswith(f"{index} -m uv pip install ")


STAGES_OF_THEIR_OWN = "--ignore=tests/browser --ignore=tests/site --ignore=tests/notebooks/test_solutions.py"
STAGES = {
    "ruff": "-m ruff check .",
    "unit tests": f"-m pytest tests {STAGES_OF_THEIR_OWN} -n auto",
    "lessons": "-m pytest notebooks --ignore=notebooks/solutions tests/notebooks/test_solutions.py --nbval-lax ",
    "pages": "-m pytest tests/browser tests/site -n auto",
}
PARTS = {
    "solutions": "-m pytest tests/notebooks/test_solutions.py --nbval-forked -n auto",
    "browser": "-m pytest tests/browser -n auto",
    "site-check": "-m pytest tests/site",
}


def stages(done: subprocess.CompletedProcess) -> list[str]:
    """The names of the stages that said how many seconds they took."""
    return re.findall(r"^=== (.*): \d+ s, exit status \d+$", done.stdout, re.MULTILINE)


def test_make_test_checks_everything(checkout):
    done = make(checkout, "test", "ARGS=-x -m 'not browser'", "LESSONS=-p plugin")
    assert done.returncode == 0
    assert stages(done) == list(STAGES)
    install, *made = calls(checkout)
    assert install == setup("test")
    assert [line.split(" --config")[0] for line in made[:4]] == [
        *["-m ruff check .", "-m ruff check", "-m ruff format --check .", "-m ruff format --check"]
    ]
    for line, start in zip(made[4:], list(STAGES.values())[1:], strict=True):
        assert line.startswith(start)
        assert line.endswith(" -x -m not browser")
        assert (" -p plugin " in line) == (start == STAGES["lessons"])


@pytest.mark.parametrize("part", PARTS)
def test_a_part_of_a_stage_is_a_command(part, checkout):
    done = make(checkout, part, "ARGS=-x")
    assert done.returncode == 0 and len(stages(done)) == 1
    last = calls(checkout)[-1]
    assert last.startswith(PARTS[part]) and last.endswith(" -x")


@pytest.mark.parametrize("status", ["1", "5"])
@pytest.mark.parametrize("stage", STAGES)
def test_make_test_stops_at_the_first_stage_that_fails(stage, status, checkout):
    (checkout / ".venv" / "bin" / "fails").write_text(f"^{STAGES[stage]}")
    (checkout / ".venv" / "bin" / "status").write_text(status)
    done = make(checkout, "test")
    assert done.returncode != 0
    assert stages(done) == list(STAGES)[: list(STAGES).index(stage) + 1]
    assert calls(checkout)[-1].startswith(STAGES[stage])


@pytest.mark.parametrize(("status", "passes"), [("5", True), ("1", False), ("2", False)])
def test_a_stage_may_be_empty_when_arguments_choose_among_the_tests(status, passes, checkout):
    (checkout / ".venv" / "bin" / "fails").write_text("^-m pytest tests/browser tests/site")
    (checkout / ".venv" / "bin" / "status").write_text(status)
    assert (make(checkout, "test", "ARGS=-k hooks").returncode == 0) == passes


def test_make_quick_runs_no_notebook_and_no_browser(checkout):
    done = make(checkout, "quick")
    assert done.returncode == 0
    assert stages(done) == ["ruff", "quick tests"]
    assert calls(checkout)[-1] == f"{STAGES['unit tests']} -m not slow"


def test_make_present_and_make_panel_say_what_is_to_be_shown(checkout):
    script = "scripts/present.py"
    assert make(checkout, "present", "NOTEBOOK=09").returncode == 0
    assert calls(checkout) == [setup("present"), setup("lab"), TRUST, f"{script} slides 09 --port 8888 --"]
    assert make(checkout, "panel", "NOTEBOOK=12", "PANEL=guided_dream", "ARGS=--no-browser").returncode == 0
    assert calls(checkout) == [f"{script} panel 12 --panel guided_dream --port 8888 -- --no-browser"]
    assert make(checkout, "slides", "NOTEBOOK=09").returncode == 0
    assert calls(checkout) == [f"{script} static 09 --"]


def test_make_lowest_takes_the_lowest_of_everything(checkout, tmp_path):
    uv = '#!/bin/sh\necho uv "$@" >> calls.txt\ncase "$1" in venv) for last; do :; done; mkdir -p "$last/bin"; '
    python = '#!/bin/sh\\necho \\"\\$@\\" >> calls.txt\\n'
    script(
        checkout / ".venv" / "bin" / "uv",
        f'{uv}printf "{python}" > "$last/bin/python"; chmod +x "$last/bin/python" ;; esac\n',
    )
    done = make(checkout, "lowest", "ARGS=-x", TMPDIR=str(tmp_path))
    assert done.returncode == 0, done.stderr
    _, venv, install, _, tests = calls(checkout)
    assert f" --python {PROJECT['requires-python'].removeprefix('>=')} " in venv
    assert install.endswith(" --resolution lowest-direct --editable .[test]")
    assert tests.startswith("-m pytest tests --ignore=tests/browser --ignore=tests/notebooks ")
    assert tests.endswith(" -m not slow -x")
    assert not list(tmp_path.glob("tmp.*"))  # the environment is gone


def test_make_help_names_every_command():
    makefile = (ROOT / "Makefile").read_text()
    commands = " ".join(re.findall(r"^\.PHONY: ([a-z -]+)$", makefile, re.MULTILINE)).split()
    assert {"lab", "test", "site", "networks"} <= {*commands}
    said = make(ROOT, "help").stdout
    assert [command for command in commands if not re.search(rf"\b{command}\b", said) and command != "help"] == []


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
        script(tools / "python3", f"#!/bin/sh\n{python}\n")
    done = make(checkout, "lab", path=str(tools))
    assert done.returncode != 0
    assert words in done.stderr
    assert len(done.stderr.splitlines()) == 2  # this sentence, and make's own that it stops
    assert not (checkout / ".venv").exists()


@pytest.mark.parametrize(("cores", "gigabytes", "expected"), [(2, 8, 2), (2, 3, 1), (2, 0.5, 1), (8, 7, 4), (1, 64, 1)])
def test_as_many_processes_as_cores_and_memory_allow(cores, gigabytes, expected):
    code = f"import conftest; print(conftest.processes({cores}, {gigabytes * 1e9}))"
    assert run(sys.executable, "-c", code, cwd=ROOT).strip() == str(expected)


def test_ci_runs_the_readme_test_command():
    path = ROOT / ".ci" / "run"
    assert os.access(path, os.X_OK)
    run("bash", "-n", path)
    test, *_, after = [line for line in path.read_text().splitlines() if "make " in line and "< /dev/null" in line]
    assert test == "make test < /dev/null", "with set -e, a failure ends it here"
    assert after.startswith("exec make try-run-all ") and "VIZLIB_NOTEBOOKS=09,12,14,15" in after
    assert "make test\n" in (ROOT / "README.md").read_text()


def test_the_workflow_runs_ci_and_publishes_the_site_without_a_secret():
    text = (ROOT / ".github" / "workflows" / "site.yml").read_text()
    check, publish = yaml.safe_load(text)["jobs"].values()
    runs = [step["run"] for step in check["steps"] if "run" in step]
    assert runs == [".ci/run", "make site"]
    used = [step["uses"] for job in (check, publish) for step in job["steps"] if "uses" in step]
    assert all(re.fullmatch(r"actions/[\w-]+@v\d+\.\d+\.\d+", action) for action in used)
    assert publish["needs"] == "check"
    assert "secret" not in text.lower() and "token:" not in text.replace("id-token:", "")


# --- the texts ------------------------------------------------------------------------------------------------------

TEXTS = ["README.md", "CONTRIBUTING.md", *sorted(f"docs/{path.name}" for path in (ROOT / "docs").glob("*.md"))]


@pytest.mark.parametrize("name", TEXTS)
def test_their_python_compiles(name):
    for block in re.findall(r"```python\n(.*?)```", (ROOT / name).read_text(encoding="utf-8"), re.DOTALL):
        compile(block, name, "exec")


def test_the_example_script_runs(tmp_path):
    text = (ROOT / "docs" / "library.md").read_text(encoding="utf-8")
    blocks = re.findall(r"```python\n(.*?)```", text, re.DOTALL)
    example = next(block for block in blocks if "conv1.png" in block)
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    said = run(sys.executable, "-c", example, cwd=tmp_path, env=environment)
    assert "cat" in said
    assert (tmp_path / "conv1.png").stat().st_size > 1000


def test_the_readme_maps_every_notebook():
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    linked = set(re.findall(r"\]\(notebooks/(\d\d_\w+\.ipynb)\)", readme))
    assert linked == {path.name for path in (ROOT / "notebooks").glob("*.ipynb")}
    assert set(re.findall(r"^\| (\d\d) ", readme, re.MULTILINE)) == {f"{i:02}" for i in range(16)}


def test_the_readme_is_short_and_leads_to_every_guide():
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    assert len(re.sub(r"\]\([^)]*\)|^\|.*", "", readme, flags=re.MULTILINE).split()) < 600, "two screens"
    assert {name for name in TEXTS if name.startswith("docs/") and f"]({name}" not in readme} == set()


LESSONS = re.compile(r"^## (0[0-8]|09|1[0-5]) .*?(?=^## )", re.MULTILINE | re.DOTALL)


def test_the_guide_names_sections_by_their_headings():
    """*1. One backward pass* in the guide's part on notebook 07 is a heading of that notebook."""
    guide = (ROOT / "docs" / "teaching.md").read_text(encoding="utf-8")
    parts = list(LESSONS.finditer(guide))
    assert len(parts) == 16
    for part in parts:
        (path,) = (ROOT / "notebooks").glob(f"{part[1]}_*.ipynb")
        cells = json.loads(path.read_text(encoding="utf-8"))["cells"]
        text = "\n".join("".join(cell["source"]) for cell in cells if cell["cell_type"] == "markdown")
        for name in re.findall(r"\*(\d\. [^*]+|Extra: [^*]+)\*", part[0]):
            assert re.search(rf"^## {re.escape(name)}", text, re.MULTILINE), f"{path.name} has no section {name!r}"


def anchors(text: str) -> set[str]:
    """The anchors that GitHub gives to a Markdown text's headings."""
    headings = re.findall(r"^#+ (.*)$", re.sub(r"```.*?```", "", text, flags=re.DOTALL), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


@pytest.mark.parametrize("name", TEXTS)
def test_relative_links_lead_somewhere(name):
    text = (ROOT / name).read_text(encoding="utf-8")
    targets = re.findall(r"\]\(([^)\s]+)", text) + re.findall(r'src="([^"]+)"', text)
    for target in [target for target in targets if "://" not in target]:
        path, _, anchor = target.partition("#")
        file = (ROOT / name).parent / path if path else ROOT / name
        assert file.exists(), target
        if anchor and file.suffix == ".md":
            assert anchor in anchors(file.read_text(encoding="utf-8")), target
