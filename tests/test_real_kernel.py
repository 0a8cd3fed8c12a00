"""Live runs and explorers in a real kernel, fed with cells as JupyterLab sends them, by hand and without a browser."""

import threading
import time
from collections.abc import Iterator

import nbformat
import pytest
from jupyter_client.manager import start_new_kernel
from nbclient import NotebookClient

pytestmark = pytest.mark.slow

SETUP = """
import gc, time
from dataclasses import dataclass
import ipywidgets, psutil, torch
from matplotlib.figure import Figure
from vizlib import widgets
from vizlib.optimize import Step
from vizlib.widgets import engine, live

@dataclass
class Knobs:
    steps: int = 100_000
    speed: float = 1.0

def start(level):
    held = torch.ones(4_000_000)  # 16 MB, which go when the run goes
    for i in range(100_000):
        time.sleep(0.01)
        yield Step(i + 1, torch.rand(1, 3, 256, 256), {"loss": 1.0 / (i + 1)})

def steps(x):
    for i in range(10_000):
        time.sleep(0.01)
        yield widgets.Progress(i, 10_000, Figure((1, 1)) if i % 20 == 0 else None)

drawn, picker, level = [], widgets.fraction("x"), widgets.fraction("level")
def draw(x):
    drawn.append(x)
    return Figure((1, 1))

def alive():
    gc.collect()
    runs = [thing for thing in gc.get_objects() if type(thing) is live.Run]
    jobs = [job for job in list(engine._jobs) if not job._closed]
    open_widgets = [t for t in gc.get_objects() if issubclass(type(t), ipywidgets.Widget) and t.comm is not None]
    return len(runs), len(jobs), len(open_widgets), psutil.Process().memory_info().rss / 1e6
"""
RUN = "run = live.run(start, Knobs(), 'alt', inputs={'level': level}, sliders={'speed': widgets.fraction('speed')})"
OBSERVERS = "print([len(c._trait_notifiers.get('value', {}).get('change', [])) for c in (level, picker)])"


class Kernel:
    """A kernel, and what its cells print."""

    def __init__(self):
        self.manager, self.client = start_new_kernel(kernel_name="python3")

    def cell(self, code: str, name: str = "") -> str:
        """Run a cell with this id, as JupyterLab asks for it; what it printed, or its error."""
        content = {"code": code, "silent": False, "store_history": True, "user_expressions": {}, "allow_stdin": True}
        message = self.client.session.msg("execute_request", content, metadata={"cellId": name} if name else {})
        self.client.shell_channel.send(message)
        texts = []
        while True:
            got = self.client.get_iopub_msg(timeout=60)
            if got["parent_header"].get("msg_id") != message["header"]["msg_id"]:
                continue
            if got["msg_type"] == "stream":
                texts.append(got["content"]["text"])
            elif got["msg_type"] == "error":
                texts.append(f"{got['content']['ename']}: {got['content']['evalue']}\n")
            elif got["msg_type"] == "status" and got["content"]["execution_state"] == "idle":
                return "".join(texts)

    def close(self) -> None:
        self.client.stop_channels()
        self.manager.shutdown_kernel(now=True)


@pytest.fixture(scope="module")
def kernel() -> Iterator[Kernel]:
    kernel = Kernel()
    assert kernel.cell(SETUP, "setup") == ""
    yield kernel
    kernel.close()


SEVERAL = """
def slowly():
    for i in range(20):
        time.sleep(0.05)
        yield Step(i + 1, torch.zeros(1), {})

from vizlib.widgets import progress
progress.default_device = lambda: torch.device("cpu")
torch.set_num_threads(THREADS)
ended = widgets.finish_all({name: slowly() for name in range(8)}, "slowly")
print([step.iteration for step in ended.values()])
"""


@pytest.mark.parametrize("threads", [1, 2])
def test_an_interrupt_ends_several_optimisations_early(kernel, threads):
    timer = threading.Timer(0.5, kernel.manager.interrupt_kernel)
    timer.start()
    counts = eval(kernel.cell(SEVERAL.replace("THREADS", str(threads))))
    timer.join()
    if threads == 1:
        assert 1 <= counts[0] < 20, "the one that was under way stays as far as it was"
    else:
        assert counts[:2] == [20, 20], "what had begun is finished"
    assert counts[-5:] == [1] * 5, "the others make one step"


def until(condition, seconds: float = 10) -> None:
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "it did not come to pass"
        time.sleep(0.1)


def test_after_ten_runs_of_a_cell_one_run_is_alive_and_memory_does_not_grow(kernel):
    counts = []
    for _ in range(10):
        assert kernel.cell(RUN, "run") == ""
        time.sleep(0.8)  # some frames
        counts.append(eval(kernel.cell("print(alive())")))
    runs, jobs, open_widgets, memory = zip(*counts, strict=True)
    assert set(runs) == {1} and set(jobs) == {1}
    assert set(open_widgets[1:]) == {open_widgets[1]}, "a closed panel leaves no widget behind"
    growth = (min(memory[-3:]) - min(memory[1:4])) / 6  # the least of three: it rises and falls with what torch caches
    assert growth < 4, f"MB in use after each run, which holds 16 of its own: {memory}"
    assert kernel.cell(OBSERVERS) == "[1, 0]\n", "one observer"
    kernel.cell("pass", "run")
    kernel.cell("del run")
    until(lambda: kernel.cell("print(alive()[:2])") == "(0, 0)\n")  # its thread ends after the step under way


def test_after_six_runs_of_an_explorer_one_change_draws_once(kernel):
    """jupyter-widgets/ipywidgets#3882: the picker stands in an earlier cell, and old explorers still heard it."""
    for _ in range(6):
        kernel.cell("explorer = widgets.explore(draw, 'alt', x=picker)", "explorer")
    assert kernel.cell("drawn.clear(); picker.value = 0.7; print(len(drawn))", "change") == "1\n"
    for _ in range(6):
        kernel.cell("explorer = widgets.explore(draw, 'alt', x=picker)")  # a page that sends no cell ids
    kernel.cell("explorer.close()", "explorer")
    assert kernel.cell("drawn.clear(); picker.value = 0.2; print(len(drawn))", "change") == "0\n"


def test_a_cell_that_is_run_again_leaves_the_pickers_of_other_cells_alone(kernel):
    kernel.cell(RUN, "run")
    kernel.cell("run.close()", "other")
    kernel.cell(RUN, "run")
    assert kernel.cell("print(level.comm is not None, run.panel.widget.comm is not None)") == "True True\n"
    kernel.cell("pass", "run")


def test_interrupt_stops_runs_and_explorers_of_an_idle_kernel(kernel):
    kernel.cell(RUN, "run")
    kernel.cell("explorer = widgets.explore(steps, 'alt', x=picker)", "explorer")
    until(lambda: kernel.cell("print(explorer._drawn is not None and run.taken > 0)") == "True\n")
    kernel.manager.interrupt_kernel()
    until(lambda: kernel.cell("print(run.state, explorer._job.state)") == "stopped stopped\n")
    kernel.cell("pass", "run"), kernel.cell("pass", "explorer")


def test_a_slider_of_an_explorer_goes_before_a_long_run(kernel):
    kernel.cell(RUN, "run")
    kernel.cell("explorer = widgets.explore(steps, 'alt', x=picker)", "explorer")
    kernel.cell("picker.value = 0.55")
    until(lambda: kernel.cell("print(explorer._job.state, run.state)") == "running waiting\n", 2)
    kernel.cell("pass", "explorer")
    until(lambda: kernel.cell("print(run.state)") == "running\n", 2)
    kernel.cell("widgets.stop_all()")
    until(lambda: kernel.cell("print(run.state)") == "stopped\n", 2)
    kernel.cell("pass", "run")


def test_a_missing_name_says_what_to_run_first(kernel):
    said = kernel.cell("from vizlib.widgets import panels\nrun = panels.gradient_ascent(network)", "panel")
    assert "NameError: name 'network' is not defined" in said
    assert "'network' is made in a cell further up that has not run" in said and "Run All Above" in said


def test_a_cell_waits_for_steps_and_an_interrupt_ends_the_wait(kernel):
    kernel.cell(RUN, "run")
    assert int(kernel.cell("print((await run.reach(20)).iteration)", "wait")) >= 20
    kernel.cell("pass", "run")


@pytest.mark.parametrize(("variable", "controls"), [("VOILA_REQUEST_URL", True), ("NOTHING", False)])
def test_a_server_that_runs_notebooks_for_a_person_gets_controls_and_others_a_still(monkeypatch, variable, controls):
    """voila-dashboards/voila#15, #588: Voilà runs notebooks with nbclient, and names itself in the environment."""
    monkeypatch.setenv(variable, "http://localhost:8866/voila/render/a.ipynb")
    code = (
        "from vizlib import plot, widgets\n"
        "explorer = widgets.explore(lambda image: plot.pictures(image), 'alt', image=widgets.ImagePicker())"
    )
    book = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(code)])
    NotebookClient(book, kernel_name="python3", timeout=120).execute()
    kinds = {kind for output in book.cells[0].outputs for kind in output.get("data", {})}
    assert ("application/vnd.jupyter.widget-view+json" in kinds) == controls
    text = " ".join(str(output.get("data", {}).get("text/html", "")) for output in book.cells[0].outputs)
    assert ("VIZLIB_LIVE=1" in text) != controls, "under a still it says how to get the controls"
