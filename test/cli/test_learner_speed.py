"""The bench of update times: its arithmetic by hand, and one real worker of ours."""

from __future__ import annotations

import pytest

from bench.learner_speed import ROWS, Workers, claims, peers_python, ratio, summary
from priorrl_core.errors import UserError


def row(learner: str, number: int, cpu: float, algorithm: str = "td3") -> dict:
    return {"algorithm": algorithm, "learner": learner, "round": number, "updates": 20, "update_ms": 2 * cpu,
            "update_cpu_ms": cpu, "sample_cpu_ms": 0.1}


def rounds() -> list[dict]:
    """Three rounds, the second on a machine three times slower: the ratios of a round stay."""
    rows = []
    for number, slow in enumerate((1.0, 3.0, 1.0)):
        for learner, cpu in (("priorrl/td3", 2.0), ("priorrl/td3/bf16", 1.5), ("d3rlpy/td3", 6.0), ("sb3/td3", 3.6),
                             ("sb3/td3/medium", 2.5), ("sbx/td3", 1.0)):
            rows.append(row(learner, number, cpu * slow))
    return rows


def test_a_ratio_is_the_median_of_the_ratios_of_one_round() -> None:
    rows = rounds()
    rows[2]["update_cpu_ms"] = 60.0  # d3rlpy disturbed in round 0
    assert ratio(rows, ("td3", "d3rlpy/td3"), ("td3", "priorrl/td3")) == pytest.approx(3.0)


def test_claims_hold_where_the_default_does_partly_where_an_option_does() -> None:
    facts = summary(rounds())
    assert [f["update_ms"] for f in facts][:2] == [4.0, 3.0]
    verdicts = {c.claim.rsplit(" ", 1)[1]: c.verdict for c in claims(facts)}
    assert verdicts == {"d3rlpy/td3": "holds", "sb3/td3": "partly", "sbx/td3": "fails"}
    assert all(c.seeds == 3 for c in claims(facts))


def test_without_the_peers_the_sentence_says_how_to_get_them(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PRIORRL_PEERS", "/nowhere")
    with pytest.raises(UserError, match="'/nowhere'.*pip install -r requirements/peers.txt"):
        peers_python()


def test_our_worker_answers_and_names_its_mistakes() -> None:
    workers = Workers()
    try:
        answer = workers.ask("priorrl/td3/bf16", "update", 2)
        assert answer["cpu_s"] > 0.0 and answer["wall_s"] > 0.0
        with pytest.raises(UserError, match="priorrl/none: KeyError"):
            workers.ask("priorrl/none", "update", 1)
    finally:
        workers.close()


def test_every_part_has_a_default_of_ours_and_a_peer_with_a_target() -> None:
    for ours, peers in ROWS.values():
        assert "bf16" not in ours[0] and any(peers.values())
