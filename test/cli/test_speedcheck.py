"""``priorrl speedcheck``: a real quick run, and the choice of a setting by hand."""

from __future__ import annotations

import json
import time

import pytest
import torch

from priorrl_core.cli.main import main
from priorrl_core.cli.speedcheck import LEARNERS, best_setting, words


def row(learner: str, rate: float, threads: int = 1, bf16: bool = False, compiled: bool = False) -> dict:
    return {"learner": learner, "threads": threads, "bf16": bf16, "compile": compiled, "device": "cpu",
            "cuda_graphs": False, "rate": rate}


def test_the_best_must_be_worth_it_and_float32_is_named_apart() -> None:
    rows = [row("iql", 100.0), row("iql", 104.0, threads=2), row("iql", 150.0, bf16=True),
            row("sac", 100.0), row("sac", 160.0, threads=2), row("sac", 170.0, 2, bf16=True)]
    best = best_setting(rows)
    assert best["iql"]["default"] == 100.0
    assert words(best["iql"]["float32"]) == "1 thread" and words(best["iql"]["any"]) == "1 thread, bf16"
    assert words(best["sac"]["float32"]) == "2 threads" and words(best["sac"]["any"]) == "2 threads, bf16"
    assert words({**row("sac", 900.0), "device": "cuda", "cuda_graphs": True}) == "cuda, cuda graphs"


def test_a_quick_run_measures_every_learner_and_leaves_one_thread(capsys: pytest.CaptureFixture[str]) -> None:
    before, cpu = torch.get_float32_matmul_precision(), time.process_time()
    try:
        assert main(["speedcheck", "--quick", "--json"]) == 0
        assert torch.get_num_threads() == 1
    finally:
        torch.set_float32_matmul_precision(before)
    out = capsys.readouterr().out.strip().splitlines()
    result = json.loads(out[-1])
    assert set(result["gflops"]) == {"float32 MKL", "float32 oneDNN", "bfloat16"}
    assert min(result["gflops"].values()) > 0.0
    assert {u["learner"] for u in result["updates_per_s"]} == set(LEARNERS) == set(result["best"])
    assert all(u["rate"] > 0.0 and not u["compile"] for u in result["updates_per_s"])
    assert any("priorrl learn --threads N" in line for line in out) and time.process_time() - cpu < 20.0
