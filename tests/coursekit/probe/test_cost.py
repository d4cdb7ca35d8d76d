"""Seconds and bytes of a call."""

import time

import pytest
import torch
from torch import nn

from coursekit import probe


def test_latency_is_that_of_the_call():
    timing = probe.latency(time.sleep, 0.02, repeats=5, warmup=1)
    assert 0.02 <= timing.median < 0.04
    assert 0 <= timing.spread < 0.02


def test_latency_calls_warmup_and_repeats_times():
    calls: list[int] = []
    probe.latency(calls.append, 1, repeats=4, warmup=2)
    assert len(calls) == 6


def test_slow_first_calls_are_not_timed():
    pauses = iter([0.2, 0.2, 0.001, 0.001, 0.001])
    assert probe.latency(lambda: time.sleep(next(pauses)), repeats=3, warmup=2).median < 0.1


def test_latency_runs_a_module_without_gradients_and_a_function_with_them():
    seen = []

    class Net(nn.Module):
        def forward(self, x):
            seen.append(torch.is_grad_enabled())
            return x

    net = Net()
    probe.latency(net, torch.ones(1), repeats=1, warmup=0)
    probe.latency(lambda: net(torch.ones(1)), repeats=1, warmup=0)
    assert seen == [False, True]


def test_no_repeats_are_refused():
    with pytest.raises(ValueError, match="repeats is 0"):
        probe.latency(time.time, repeats=0)


def test_a_timing_reads_in_milliseconds():
    assert str(probe.Timing(0.0123, 0.002)) == "12.3 ms ± 1 ms"


def megabytes(function, *args) -> float:
    return probe.memory(function, *args) / 1e6


def test_memory_counts_what_lives_at_the_same_time():
    def chain():
        a = torch.ones(250_000)  # 1 MB
        b = a + 1
        del a
        return b + 1

    assert megabytes(chain) == 2


def test_memory_does_not_count_views_or_arguments():
    x = torch.ones(250_000)
    assert megabytes(lambda: x.view(500, 500).T[:100]) == 0
    assert megabytes(lambda x: x * 2, x) == 1


def test_memory_of_a_network_is_its_activations():
    network = nn.Sequential(nn.Conv2d(1, 8, 3, padding=1), nn.ReLU(inplace=True), nn.Flatten())
    assert probe.memory(network, torch.zeros(1, 1, 50, 50)) == 8 * 50 * 50 * 4


def test_a_training_step_keeps_what_backward_needs():
    network = nn.Sequential(*(nn.Linear(500, 500) for _ in range(4)))
    x = torch.rand(500, 500)
    forward = probe.memory(network, x)
    step = probe.memory(lambda: network(x).sum().backward())
    assert forward <= 2.1e6
    assert step > 4e6
