"""Maps and features that lie on an Apple GPU, which has no float64: a stand-in that refuses it shows who needs it."""

import pytest
import torch
from torch import Tensor

from vizlib.analysis import embedding, segmentation


class NoFloat64(Tensor):
    """A tensor that cannot become float64 until it was brought to the CPU, as on Apple's MPS."""

    @classmethod
    def __torch_function__(cls, function, types, args=(), kwargs=None):
        kwargs = kwargs or {}
        if function is Tensor.double or any(value is torch.float64 for value in (*args, *kwargs.values())):
            raise TypeError("this device has no float64")
        with torch._C.DisableTorchFunctionSubclass():
            result = function(*args, **kwargs)
        if not isinstance(result, Tensor):
            return result
        return result.as_subclass(Tensor).clone() if function is Tensor.cpu else result.as_subclass(cls)


@pytest.fixture
def map_on_device() -> Tensor:
    return torch.rand(32, 32, generator=torch.Generator().manual_seed(0)).as_subclass(NoFloat64)


def test_the_stand_in_refuses_float64_until_it_is_on_the_cpu(map_on_device):
    for ask in (lambda x: x.double(), lambda x: (2 * x).to(torch.float64), lambda x: x.to(dtype=torch.float64)):
        with pytest.raises(TypeError, match="float64"):
            ask(map_on_device)
    assert map_on_device.cpu().double().dtype == torch.float64


def test_seeds_of_a_map_on_such_a_device(map_on_device):
    assert torch.equal(segmentation.seeds(map_on_device), segmentation.seeds(map_on_device.cpu()))


def test_principal_components_of_features_on_such_a_device(map_on_device):
    ours, on_cpu = embedding.pca(map_on_device), embedding.pca(map_on_device.cpu())
    assert torch.equal(ours.points, on_cpu.points) and torch.equal(ours.explained, on_cpu.explained)


def test_tsne_of_features_on_such_a_device(map_on_device):
    plane = embedding.tsne(map_on_device, 5, cached=False)
    assert torch.equal(plane, embedding.tsne(map_on_device.cpu(), 5, cached=False))
