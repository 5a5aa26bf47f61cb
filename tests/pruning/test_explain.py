"""Every column of ``explain()``, computed another way."""

import numpy as np
import pytest
from sklearn.ensemble import RandomForestClassifier
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


def fitted(P, y, sample_weight=None, cls=SOCPEnsemblePruner, **params):
    members = told(P) if np.ndim(y) == 1 else told_numbers(P)
    if np.ndim(y) == 1:
        params = {"voting": "soft"} | params
    return cls(members, **params).fit(as_rows(P), y, sample_weight)


def classes(cls=SOCPEnsemblePruner, **params):
    """A pruner, predictions, true classes as probabilities, and the program."""
    P, y = pool(M, seed=7)
    return fitted(P, y, cls=cls, **(KEPT | params)), P, np.eye(3)[y], quadratic(P, y, 0.8)


def numbers():
    P, y = targets(M, T=2, seed=7)
    pruner = fitted(P, y, cls=SOCPEnsemblePrunerRegressor, **KEPT)
    center, scale = y.mean(axis=0), y.std(axis=0)
    return pruner, (P - center) / scale, (y - center) / scale, quadratic_of_targets(P, y, 0.8)


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
    def test_entry_lam_is_where_bisection_finds_the_first_weight(self, case):
        pruner, _, _, (Q, c) = case
        table = pruner.explain()
        np.testing.assert_allclose(table.entry_lam, [enters(Q, c, i) for i in range(M)], atol=1e-7)
        np.testing.assert_array_equal(table.kept, pruner.support_)
        np.testing.assert_allclose(table.weight, pruner.weights_)
        assert 1 < table.kept.sum() < M  # or the tests below would say little

    def test_with_costs_too(self):
        pruner, _, _, (Q, c) = classes(costs=COSTS, penalize_costs=True)
        expected = [enters(Q, c, i, COSTS) for i in range(M)]
        np.testing.assert_allclose(pruner.explain().entry_lam, expected, atol=1e-7)
        np.testing.assert_array_equal(pruner.explain().cost, COSTS)
        for each, has in ((pruner, True), (classes()[0], False)):
            assert ("cost" in str(each.explain()).splitlines()[0].split()) == has

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
        table = pruner.explain()
        errors = (P - Y).reshape(M, -1)
        errors /= np.linalg.norm(errors, axis=1)[:, None]
        likeness = np.where(pruner.support_, errors @ errors.T, -2) - 4 * np.eye(M)
        np.testing.assert_array_equal(table.most_similar_member, likeness.argmax(axis=1))
        np.testing.assert_allclose(table.error_correlation, likeness.max(axis=1))

    def test_score_and_diversity_are_those_of_the_member_alone(self):
        pruner, P, Y, _ = classes()
        accuracy = [(p.argmax(axis=1) == Y.argmax(axis=1)).mean() for p in P]
        np.testing.assert_allclose(pruner.explain().score, accuracy)
        kl = (P * np.log(P / P.mean(axis=0))).sum(axis=2).mean(axis=1)
        np.testing.assert_allclose(pruner.explain().diversity, kl)
        pruner, P, Y, _ = numbers()
        np.testing.assert_allclose(pruner.explain().score, [r2_score(Y, p) for p in P])
        distance = np.square(P - P.mean(axis=0)).mean(axis=(1, 2))
        np.testing.assert_allclose(pruner.explain().diversity, distance)

    def test_sample_weights_count(self):
        P, y = pool(M, seed=7)
        weight = np.random.default_rng(0).integers(0, 3, size=len(y))
        again = np.repeat(np.arange(len(y)), weight)
        one, other = fitted(P, y, weight, **KEPT), fitted(P[:, again], y[again], **KEPT)
        for name, values in vars(one.explain()).items():
            if name not in ("names", "cost", "n_shown"):
                found = getattr(other.explain(), name)
                np.testing.assert_allclose(values, found, atol=1e-9, err_msg=name)


class TestTable:
    def test_print_has_one_line_a_member_the_weightiest_first(self):
        pruner = classes()[0]
        lines = str(pruner.explain()).splitlines()
        assert lines[0].split()[:3] == ["member", "kept", "weight"]
        rows = [line.split() for line in lines[2:]]
        assert sorted(row[0] for row in rows) == [f"m{i}" for i in range(M)]
        k = pruner.n_members_
        assert [row[1] for row in rows] == ["yes"] * k + ["no"] * (M - k)
        weights = [float(row[2]) for row in rows]
        assert weights == sorted(weights, reverse=True)
        assert len({len(line) for line in lines}) == 1

    def test_names(self, data):
        forest = RandomForestClassifier(6, max_depth=3, random_state=0)
        table = SOCPEnsemblePruner(forest, random_state=0).fit(*data).explain()
        assert table.names == ("0", "1", "2", "3", "4", "5")
        P, y = pool(3)
        members = [(f"{name} of some length", m) for name, m in told(P)]
        lines = str(SOCPEnsemblePruner(members).fit(as_rows(P), y).explain()).splitlines()
        assert len({len(line) for line in lines}) == 1
        assert "m1 of some length" in lines[3] + lines[4]

    def test_to_frame_has_the_same_rows(self):
        pytest.importorskip("pandas")
        table = classes()[0].explain()
        frame = table.to_frame()
        assert frame.index.name == "member"
        assert (np.diff(frame["weight"]) <= 0).all()
        order = [int(name[1:]) for name in frame.index]
        for name in ("kept", "weight", "score", "diversity", "entry_lam", "leave_one_out_increase"):
            np.testing.assert_array_equal(frame[name], getattr(table, name)[order])
        twins = [f"m{twin}" for twin in table.most_similar_member[order]]
        assert list(frame["most_similar_member"]) == twins
        assert frame["kept"].dtype == bool

    def test_one_member_has_no_twin_and_a_single_kept_one_is_that_of_all_others(self):
        table = fitted(*pool(1)).explain()
        assert table.most_similar_member[0] == -1
        assert np.isnan(table.error_correlation[0])
        assert str(table).splitlines()[2].split()[-2:] == ["-", "-"]
        pruner = fitted(*pool(5), max_members=1)
        kept = int(np.flatnonzero(pruner.support_)[0])
        expected = np.where(np.arange(5) == kept, -1, kept)
        np.testing.assert_array_equal(pruner.explain().most_similar_member, expected)

    def test_a_member_that_is_always_right_and_sure(self):
        P, y = pool(4)
        P[1] = np.eye(3)[y]
        table = fitted(P, y).explain()
        assert table.score[1] == pytest.approx(1)
        assert np.isfinite(table.diversity).all()
        assert len(str(table).splitlines()) == 6


class TestTheMembersThatMatterMost:
    @pytest.fixture(params=["relaxed", "equal"])
    def pruner(self, request):
        return fitted(*pool(M, seed=5), reweight=request.param, **KEPT)

    def test_are_the_largest_weights_then_the_largest_increases_then_the_best_scores(self, pruner):
        table = pruner.explain()
        keys = zip(abs(table.weight), table.leave_one_out_increase, table.score, strict=True)
        ranked = sorted(zip(keys, table.names, strict=True), reverse=True)
        names = [name for _, name in ranked]
        assert [line.split()[0] for line in str(table).splitlines()[2:]] == names
        if pruner.reweight == "equal":  # or nothing would be seen of what decides between equals
            assert len(set(table.weight[table.kept])) == 1
            by_score = sorted(names[: pruner.n_members_], key=lambda m: -table.score[int(m[1:])])
            assert by_score != names[: pruner.n_members_]
        for n in (1, 3, np.int64(5)):
            lines = str(pruner.explain(n)).splitlines()
            assert [line.split()[0] for line in lines[2:-1]] == names[:n]
            assert lines[-1] == f"{n} of {M} members shown; {pruner.n_members_} kept."

    def test_every_form_shows_them(self, pruner):
        pytest.importorskip("pandas")
        table, whole = pruner.explain(3), pruner.explain()
        assert list(table.to_frame().index) == list(whole.to_frame().index[:3])
        said = f"3 of {M} members shown; {pruner.n_members_} kept."
        html, markdown = table._repr_html_(), table.to_markdown()
        assert markdown.splitlines()[:5] == whole.to_markdown().splitlines()[:5]
        assert markdown.splitlines()[5:] == ["", said]
        assert html.count("<tr") == 4 + 1  # two of names
        assert said in html
        assert "shown" not in whole._repr_html_()

    def test_the_arrays_are_those_of_all(self, pruner):
        table, whole = pruner.explain(2), pruner.explain()
        for name, values in vars(whole).items():
            if name != "n_shown":
                assert getattr(table, name) is values
        assert (table.n_shown, whole.n_shown) == (2, None)
        assert len(str(pruner.explain()).splitlines()) == M + 2

    @pytest.mark.parametrize("n", [M, 1000])
    def test_as_many_as_there_are_or_more_is_all(self, pruner, n):
        assert str(pruner.explain(n)) == str(pruner.explain())

    @pytest.mark.parametrize("n", [0, -1, 2.0, True, "3"])
    def test_anything_else_is_refused(self, pruner, n):
        with pytest.raises(ValueError, match=r"'n' parameter of explain must be .* int") as told:
            pruner.explain(n)
        assert f"Got {n!r} instead" in str(told.value)


def test_after_the_search_the_table_is_of_what_was_chosen():
    params = {"alphas": [0.8], "lams": [0.1, 0.3], "random_state": 0}
    P, y = pool(M, seed=7)
    pruner = fitted(P, y, cls=SOCPEnsemblePrunerCV, **params)
    np.testing.assert_array_equal(pruner.explain().weight, pruner.weights_)
    expected = [enters(*quadratic(P, y, 0.8), i) for i in range(M)]
    np.testing.assert_allclose(pruner.explain().entry_lam, expected, atol=1e-7)
    P, y = targets(M, seed=7)
    pruner = fitted(P, y, cls=SOCPEnsemblePrunerRegressorCV, **params)
    np.testing.assert_array_equal(pruner.explain().weight, pruner.weights_)
    np.testing.assert_allclose(pruner.explain().score, [r2_score(y, p) for p in P])
