"""The hash of a network: what changes it, and what does not."""

import subprocess
import sys
from functools import partial
from types import MethodType

import pytest
import torch
from torch import nn

from vizlib.analysis.fingerprint import fingerprint

SHIFT = 0.5


def helper(x):
    return x.relu() + SHIFT


class Setting:
    def __init__(self, power):
        self.power = power

    def __call__(self, x):
        return x**self.power


class Base(nn.Module):
    def forward(self, x):
        return self.last(self.between(self.first(x)).flatten(1))


class Net(Base):
    def __init__(self):
        super().__init__()
        torch.manual_seed(0)
        self.first, self.last, self.act, self.scale = nn.Conv2d(3, 4, 1), nn.Linear(4, 2), torch.relu, 2.0
        self.setting, self.calls = Setting(2), 0

    def forward(self, x):
        return super().forward(self.setting(self.act(x)))

    def between(self, x):
        return helper(x) * self.scale * self.factor

    @property
    def factor(self):
        return 3

    def never_called(self):
        return 1


def edited(**changes):
    net = Net()
    vars(net).update(changes)
    return net


EDITS = {
    "a function that forward calls": lambda patch: patch.setitem(globals(), "helper", lambda x: x.tanh()),
    "a global number": lambda patch: patch.setitem(globals(), "SHIFT", 0.25),
    "the forward of a base class": lambda patch: patch.setattr(Base, "forward", lambda self, x: self.last(x)),
    "a method that forward calls": lambda patch: patch.setattr(Net, "between", lambda self, x: x),
    "a constant in a property": lambda patch: patch.setattr(Net, "factor", property(lambda self: 4)),
    "the code of an object that it keeps": lambda patch: patch.setattr(Setting, "__call__", lambda self, x: x),
}


@pytest.mark.parametrize("edit", EDITS)
def test_it_depends_on_code(edit, monkeypatch):
    before = fingerprint(Net())
    EDITS[edit](monkeypatch)
    assert fingerprint(Net()) != before
    monkeypatch.undo()
    assert fingerprint(Net()) == before


def test_it_depends_on_attributes_and_weights_and_submodules():
    strided, hidden = Net(), Net()
    strided.first.stride = (2, 2)
    hidden.register_buffer("table", torch.zeros(3), persistent=False)
    nets = [
        Net(),
        edited(scale=3.0),
        edited(act=torch.tanh),
        edited(act=lambda x: x + 1),
        edited(act=lambda x: x + 2),
        edited(act=partial(torch.clamp, min=0)),
        edited(act=partial(torch.clamp, min=1)),
        edited(setting=Setting(3)),
        strided,
        hidden,
    ]
    assigned = Net()
    assigned.forward = MethodType(lambda self, x: self.last(x), assigned)
    one_number = Net()
    one_number.first.weight.data[0, 0] += 1e-6
    half = Net().half()
    prints = [fingerprint(net) for net in [*nets, assigned, one_number, half]]
    assert len(set(prints)) == len(prints)


def test_it_does_not_depend_on_what_changes_nothing():
    class Again(nn.Module):
        def forward(self, x):
            return x.relu()

    first = fingerprint(Again())

    class Again(nn.Module):
        def forward(self, x):

            # the same on other lines
            return x.relu()

    assert fingerprint(Again()) == first
    net = Net()
    before = fingerprint(net)
    net.eval()
    net.calls += 1
    net.to(memory_format=torch.channels_last)
    for parameter in net.parameters():
        parameter.requires_grad_(False)
    handle = net.register_forward_hook(lambda *_: None)
    assert fingerprint(net) == before
    handle.remove()


def test_without_weights_only_their_shapes_count():
    net = Net()
    before = fingerprint(net, weights=False)
    net.first.weight.data += 1
    assert fingerprint(net, weights=False) == before
    net.first = nn.Conv2d(3, 4, 3)
    assert fingerprint(net, weights=False) != before


@pytest.mark.filterwarnings("ignore::FutureWarning")
def test_traced_and_scripted_modules_have_code_too():
    relu, tanh = (nn.Sequential(nn.Flatten(), layer) for layer in (nn.ReLU(), nn.Tanh()))
    example = torch.rand(1, 2)
    makers = [lambda net: torch.jit.trace(net, example), torch.jit.script, torch.fx.symbolic_trace]
    for make in makers:
        assert fingerprint(make(relu)) != fingerprint(make(tanh))
        assert fingerprint(make(relu)) == fingerprint(make(relu))


def test_every_process_finds_the_same(capsys):
    code = (
        "import torch; from vizlib import models; from vizlib.analysis.fingerprint import fingerprint\n"
        "class Net(torch.nn.Module):\n"
        "    def forward(self, x): return x if x in {'a', 'b', 'c', 'd'} else {x: 1}\n"
        "print(fingerprint(models.load('minivgg').module, Net()))"
    )
    there = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True).stdout
    exec(code, {"__name__": "__main__"})
    assert capsys.readouterr().out == there
