"""Half of a batch is positive in every connector, whatever the data; families are left out whole."""

import numpy as np
import pytest

from priorrl_core.errors import DataError
from priorrl_core.rewards.sampling import BalancedSampler, balanced_subset, family_folds


def skewed():
    """Three connectors with 900, 90 and 20 images of which 5 %, 50 % and 90 % are positive."""
    rng = np.random.default_rng(0)
    sizes, shares = (900, 90, 20), (0.05, 0.5, 0.9)
    domains = np.repeat([0, 1, 2], sizes)
    labels = np.concatenate([(np.arange(n) < s * n) for n, s in zip(sizes, shares, strict=True)])
    order = rng.permutation(domains.size)
    return labels[order].astype(np.uint8), domains[order]


def test_10_10_training_batches_are_half_positive_in_every_connector():
    labels, domains = skewed()
    sampler = BalancedSampler(labels, domains, np.random.default_rng(1), hard_share=0.5)
    drawn = np.concatenate([sampler.batch(128) for _ in range(200)])
    assert labels[drawn].mean() == 0.5
    for d in range(3):
        inside = drawn[domains[drawn] == d]
        assert inside.size / drawn.size == pytest.approx(1 / 3, abs=0.02)
        assert labels[inside].mean() == pytest.approx(0.5, abs=0.02)


def test_10_10_evaluation_subset_is_half_positive_in_every_connector():
    labels, domains = skewed()
    chosen = balanced_subset(labels, domains, 30, np.random.default_rng(0))
    assert np.unique(chosen).size == chosen.size
    for d, n in ((0, 30), (1, 30), (2, 2)):
        assert (domains[chosen] == d).sum() == 2 * n
        assert labels[chosen[domains[chosen] == d]].mean() == 0.5


def test_hard_negatives_are_seen_more_often_and_positives_are_not_touched():
    labels, domains = np.repeat([0, 1], 500).astype(np.uint8), np.zeros(1000, np.int64)
    sampler = BalancedSampler(labels, domains, np.random.default_rng(0), hard_share=1.0)
    sampler.hardness[:50] = 1.0  # a tenth of the negatives
    drawn = np.concatenate([sampler.batch(128) for _ in range(100)])
    negatives = drawn[labels[drawn] == 0]
    assert (negatives < 50).mean() == pytest.approx(1 - 0.9**4, abs=0.03)
    assert labels[drawn].mean() == 0.5


def test_connectors_without_both_labels_are_left_out_and_none_is_an_error():
    labels, domains = np.array([1, 0, 1, 1], np.uint8), np.array([0, 0, 1, 1])
    drawn = BalancedSampler(labels, domains, np.random.default_rng(0)).batch(64)
    assert set(domains[drawn]) == {0}
    with pytest.raises(DataError, match="both successful and failed"):
        BalancedSampler(np.ones(4, np.uint8), domains, np.random.default_rng(0))


@pytest.mark.parametrize("n_folds", [1, 2, 3, 50])
def test_folds_are_whole_families_and_disjoint(n_folds):
    families = ["a"] * 8 + ["b"] * 5 + ["c"] * 4 + ["d"] * 2 + ["e"]
    folds = family_folds(families, n_folds, np.random.default_rng(0))
    assert len(folds) == min(n_folds, 5)
    assert sum(len(f) for f in folds) == len(set().union(*folds))
    assert all(0 < len(f) < 5 for f in folds)
    if n_folds > 1:
        assert set().union(*folds) == set("abcde")


def test_one_family_cannot_be_validated():
    with pytest.raises(DataError, match="two connector families"):
        family_folds(["a", "a"], 2, np.random.default_rng(0))
