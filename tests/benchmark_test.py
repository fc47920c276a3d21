"""The benchmark measures the network it claims to."""

import pytest

from zoo import benchmark


def test_images_per_second_counts_steps(monkeypatch):
    monkeypatch.setattr(benchmark, "SECONDS", 0.0)
    calls = []
    result = benchmark.images_per_second(lambda: calls.append(0), batch=8)
    assert result["steps"] == benchmark.LEAST_STEPS == len(calls) - 1
    assert result["images_per_second"] > 8


def test_peer_has_as_many_parameters_and_the_same_shape():
    torch = pytest.importorskip("torch")
    from zoo import benchmark_torch

    model = benchmark_torch.TinyUNet()
    assert sum(weight.numel() for weight in model.parameters()) == 1_850_305
    assert model(torch.zeros(1, 1, 32, 48)).shape == (1, 1, 32, 48)
