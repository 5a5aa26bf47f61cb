"""Every column of ``explain()``, computed another way."""

import numpy as np
import pytest
from sklearn.ensemble import RandomForestClassifier
from sklearn.frozen import FrozenEstimator
from sklearn.metrics import r2_score

from skprune import (
    SOCPEnsemblePruner,
    SOCPEnsemblePrunerCV,
    SOCPEnsemblePrunerRegressor,
    SOCPEnsemblePrunerRegressorCV,
)

from .by_hand import (
    as_rows,
    minimum,
    objective,
    penalised,
    pool,
    quadratic,
    quadratic_of_targets,
    targets,
    told,
    told_numbers,
)

M = 9
KEPT = {"alpha": 0.8, "lam": 0.15}
COSTS = np.array([1.0, 2.0, 0.5, 3.0, 1.0, 0.7, 2.0, 1.5, 0.8])


def classes():
    P, y = pool(M, seed=7)
    pruner = SOCPEnsemblePruner(told(P), **KEPT).fit(as_rows(P), y)
    return pruner, P, np.eye(3)[y], quadratic(P, y, 0.8)


def numbers():
    P, y = targets(M, T=2, seed=7)
    pruner = SOCPEnsemblePrunerRegressor(told_numbers(P), **KEPT).fit(as_rows(P), y)
    return (
        pruner,
        (P - y.mean(axis=0)) / y.std(axis=0),
        (y - y.mean(axis=0)) / y.std(axis=0),
        quadratic_of_targets(P, y, 0.8),
    )


@pytest.fixture(params=[classes, numbers], ids=["classes", "targets"])
def case(request):
    return request.param()


def enters(Q, c, i, costs=None):
    """The largest lam below which member i has a weight: a scan, then bisection."""
    lams = np.linspace(0.999, 0, 300)
    has = [penalised(Q, c, lam, costs)[i] > 0 for lam in lams]
    if not any(has):
        return np.nan
    first = int(np.argmax(has))
    low, high = lams[first], 1.0 if first == 0 else lams[first - 1]
    for _ in range(35):
        middle = (low + high) / 2
        low, high = (middle, high) if penalised(Q, c, middle, costs)[i] > 0 else (low, middle)
    return low


class TestColumns:
    def test_kept_and_weight_are_those_of_the_pruner(self, case):
        pruner, *_ = case
        table = pruner.explain()
        np.testing.assert_array_equal(table.kept, pruner.support_)
        np.testing.assert_allclose(table.weight, pruner.weights_)
        assert 1 < table.kept.sum() < M  # or the tests below would say little

    def test_entry_lam_is_where_bisection_finds_the_first_weight(self, case):
        pruner, _, _, (Q, c) = case
        expected = [enters(Q, c, i) for i in range(M)]
        np.testing.assert_allclose(pruner.explain().entry_lam, expected, atol=1e-7)

    def test_with_costs_too(self):
        P, y = pool(M, seed=7)
        pruner = SOCPEnsemblePruner(told(P), costs=COSTS, **KEPT).fit(as_rows(P), y)
        expected = [enters(*quadratic(P, y, 0.8), i, COSTS) for i in range(M)]
        np.testing.assert_allclose(pruner.explain().entry_lam, expected, atol=1e-7)
        np.testing.assert_array_equal(pruner.explain().cost, COSTS)

    def test_leave_one_out_increase_is_what_solving_again_without_it_costs(self, case):
        pruner, _, _, (Q, c) = case
        least = objective(Q, c, minimum(Q, c, pruner.support_))
        expected = np.zeros(M)
        for i in np.flatnonzero(pruner.support_):
            rest = pruner.support_ & (np.arange(M) != i)
            expected[i] = objective(Q, c, minimum(Q, c, rest)) - least
        np.testing.assert_allclose(pruner.explain().leave_one_out_increase, expected, atol=1e-12)
        assert (expected[pruner.support_] > 0).any()

    def test_the_twin_has_the_most_correlated_errors(self, case):
        pruner, P, Y, _ = case
        table, kept = pruner.explain(), np.flatnonzero(pruner.support_)
        errors = (P - Y).reshape(M, -1)
        for i in range(M):
            likeness = {
                k: errors[i] @ errors[k] / np.linalg.norm(errors[i]) / np.linalg.norm(errors[k])
                for k in kept
                if k != i
            }
            assert table.most_similar_member[i] == max(likeness, key=likeness.get)
            assert table.error_correlation[i] == pytest.approx(max(likeness.values()))

    def test_score_is_that_of_the_member_alone(self):
        pruner, P, Y, _ = classes()
        accuracy = [(p.argmax(axis=1) == Y.argmax(axis=1)).mean() for p in P]
        np.testing.assert_allclose(pruner.explain().score, accuracy)

    def test_score_of_a_regressor_is_r2(self):
        P, y = targets(M, T=2, seed=7)
        pruner = numbers()[0]
        expected = [r2_score(y, p) for p in P]
        np.testing.assert_allclose(pruner.explain().score, expected)

    def test_diversity_is_the_divergence_from_the_mean_of_all(self):
        pruner, P, _, _ = classes()
        kl = (P * np.log(P / P.mean(axis=0))).sum(axis=2).mean(axis=1)
        np.testing.assert_allclose(pruner.explain().diversity, kl)

    def test_diversity_of_a_regressor_is_its_distance_from_the_mean_of_all(self):
        pruner, P, _, _ = numbers()
        np.testing.assert_allclose(
            pruner.explain().diversity, np.square(P - P.mean(axis=0)).mean(axis=(1, 2))
        )

    def test_sample_weights_count(self):
        P, y = pool(M, seed=7)
        weight = np.random.default_rng(0).integers(0, 3, size=len(y))
        weighted = SOCPEnsemblePruner(told(P), **KEPT).fit(as_rows(P), y, weight).explain()
        again = np.repeat(np.arange(len(y)), weight)
        repeated = SOCPEnsemblePruner(told(P), **KEPT).fit(as_rows(P)[again], y[again]).explain()
        for name in (
            "weight",
            "score",
            "diversity",
            "entry_lam",
            "leave_one_out_increase",
            "most_similar_member",
        ):
            np.testing.assert_allclose(
                getattr(weighted, name), getattr(repeated, name), atol=1e-9, err_msg=name
            )


class TestTable:
    @pytest.fixture
    def pruner(self):
        return classes()[0]

    def test_print_has_one_line_a_member_the_weightiest_first(self, pruner):
        lines = str(pruner.explain()).splitlines()
        assert lines[0].split()[:3] == ["member", "kept", "weight"]
        rows = [line.split() for line in lines[2:]]
        assert sorted(row[0] for row in rows) == [f"m{i}" for i in range(M)]
        assert [row[1] for row in rows] == ["yes"] * pruner.n_members_ + ["no"] * (
            M - pruner.n_members_
        )
        weights = [float(row[2]) for row in rows]
        assert weights == sorted(weights, reverse=True)
        assert len({len(line) for line in lines}) == 1

    def test_costs_have_a_column_where_they_were_asked_for(self, pruner):
        assert "cost" not in str(pruner.explain())
        pruner.set_params(costs=COSTS).fit(as_rows(pool(M, seed=7)[0]), pool(M, seed=7)[1])
        assert "cost" in str(pruner.explain()).splitlines()[0].split()

    def test_members_of_an_ensemble_go_by_their_positions(self, data):
        X, y = data
        forest = RandomForestClassifier(6, max_depth=3, random_state=0)
        table = SOCPEnsemblePruner(forest, random_state=0).fit(X, y).explain()
        assert table.names == ("0", "1", "2", "3", "4", "5")

    def test_long_names_keep_the_columns_apart(self):
        P, y = pool(3)
        members = [(f"{name} of some length", m) for name, m in told(P)]
        pruner = SOCPEnsemblePruner(members).fit(as_rows(P), y)
        lines = str(pruner.explain()).splitlines()
        assert len({len(line) for line in lines}) == 1
        assert "m1 of some length" in lines[3] + lines[4]

    def test_to_frame_has_the_same_rows(self, pruner):
        pytest.importorskip("pandas")
        table = pruner.explain()
        frame = table.to_frame()
        assert len(frame) == M
        assert frame.index.name == "member"
        assert (np.diff(frame["weight"]) <= 0).all()
        order = [int(name[1:]) for name in frame.index]
        for name in ("kept", "weight", "score", "diversity", "entry_lam", "leave_one_out_increase"):
            np.testing.assert_array_equal(frame[name], getattr(table, name)[order])
        assert list(frame["most_similar_member"]) == [
            f"m{table.most_similar_member[i]}" for i in order
        ]
        assert frame["kept"].dtype == bool

    def test_one_member_has_no_twin(self):
        P, y = pool(1)
        table = SOCPEnsemblePruner(told(P)).fit(as_rows(P), y).explain()
        assert table.most_similar_member[0] == -1
        assert np.isnan(table.error_correlation[0])
        assert str(table).splitlines()[2].split()[-2:] == ["-", "-"]

    def test_a_single_kept_member_is_the_twin_of_all_others(self):
        P, y = pool(5)
        pruner = SOCPEnsemblePruner(told(P), max_members=1).fit(as_rows(P), y)
        kept = int(np.flatnonzero(pruner.support_)[0])
        twin = pruner.explain().most_similar_member
        assert twin[kept] == -1
        assert (np.delete(twin, kept) == kept).all()

    def test_a_member_that_is_always_right_and_sure(self):
        P, y = pool(4)
        P[1] = np.eye(3)[y]
        table = SOCPEnsemblePruner(told(P)).fit(as_rows(P), y).explain()
        assert table.score[1] == pytest.approx(1)
        assert np.isfinite(table.diversity).all()
        assert len(str(table).splitlines()) == 6


def test_after_the_search_the_table_is_of_what_was_chosen():
    P, y = pool(M, seed=7)
    pruner = SOCPEnsemblePrunerCV(told(P), alphas=[0.8], lams=[0.1, 0.3], random_state=0)
    table = pruner.fit(as_rows(P), y).explain()
    np.testing.assert_array_equal(table.weight, pruner.weights_)
    Q, c = quadratic(P, y, 0.8)
    np.testing.assert_allclose(table.entry_lam, [enters(Q, c, i) for i in range(M)], atol=1e-7)


def test_after_the_search_among_regressors():
    P, y = targets(M, seed=7)
    pruner = SOCPEnsemblePrunerRegressorCV(told_numbers(P), alphas=[0.8], random_state=0)
    table = pruner.fit(as_rows(P), y).explain()
    np.testing.assert_array_equal(table.weight, pruner.weights_)
    np.testing.assert_allclose(table.score, [r2_score(y, p) for p in P])


def test_a_frozen_ensemble(data):
    X, y = data
    forest = RandomForestClassifier(8, max_depth=4, random_state=0).fit(X[:200], y[:200])
    table = SOCPEnsemblePruner(FrozenEstimator(forest)).fit(X[200:], y[200:]).explain()
    own = [(t.predict(X[200:]) == y[200:]).mean() for t in forest.estimators_]
    np.testing.assert_allclose(table.score, own)
