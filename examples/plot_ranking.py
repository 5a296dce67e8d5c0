"""
Ranking: the order within a query
=================================

A search engine is judged by the order of its answers to each query. Rows come in queries, each row has a relevance, and
only comparisons within a query count. For a linear score :math:`z_i = w^\\top x_i` and a pair of rows of one query with
:math:`y_i > y_j`, the score should be higher by a margin of 1:

.. math:: P(w) = \\frac1Q \\sum_q \\sum_{i, j \\in q,\\, y_i > y_j} \\max(0, 1 - z_i + z_j) + \\frac\\alpha2 |w|_2^2,

with :math:`Q` pairs. This is a support vector machine on the differences :math:`x_i - x_j`, without an intercept.
"""

import matplotlib.pyplot as plt
import numpy as np

from steepest import LinearClassifier, LinearRegressor, RankSVM
from steepest.metrics import kendall_tau, mean_average_precision, ndcg_at_k, pair_accuracy

# %%
# 60 queries of 15 rows to learn from, and 40 others to judge by. Three columns tell about the relevance, two are noise.
# The level of the first column differs from query to query: a word that is rare in one query is common in another.
# Within each query the best rows have the relevance 2, the next 1, most 0.


def make(n_queries, rng, m=15):
    X = rng.standard_normal((n_queries * m, 5))
    qid = np.repeat(np.arange(n_queries), m)
    wanted = 2.0 * X[:, 0] + X[:, 1] - X[:, 2] + 1.2 * rng.standard_normal(len(X))
    X[:, 0] += 4.0 * rng.standard_normal(n_queries)[qid]
    place = np.empty(len(X), dtype=int)
    place[np.lexsort((-wanted, qid))] = np.tile(np.arange(m), n_queries)
    return X, np.select([place < 2, place < 5], [2, 1], 0), qid


rng = np.random.default_rng(0)
X, y, qid = make(60, rng)
X_test, y_test, qid_test = make(40, rng)

model = RankSVM(alpha=1e-2, tol=1e-6).fit(X, y, qid)
print(model.objective_)
print(f"{len(y)} rows, {model.n_queries_} queries, {model.n_pairs_} pairs")
print(f"proven: within {model.certificate_.relative:.1e} of the optimum")

# %%
# The same with the pairs listed
# ------------------------------
# Listing the pairs and fitting a classifier gives the same optimum.

i, j = np.nonzero((y[:, None] > y[None, :]) & (qid[:, None] == qid[None, :]))
signs = np.where(np.arange(len(i)) % 2, 1, -1)  # half of the differences turned round, for two classes
listed = LinearClassifier("hinge", alpha=1e-2, fit_intercept=False, tol=1e-6)
listed.fit((X[i] - X[j]) * signs[:, None], signs)
print(f"objective by sorted scores: {model.certificate_.primal:.7f}, by listed pairs: {listed.certificate_.primal:.7f}")
print(f"largest difference of the coefficients: {np.abs(model.coef_ - listed.coef_).max():.1e}")

# %%
# ``RankSVM`` lists no pair. In the order of the scores, the partners of a row that are inside the margin stand next to
# each other, so that sums over pairs are differences of running sums: :math:`O(m \log m)` for the :math:`m` rows of a
# query. (In queries of up to some hundred rows it looks at the pairs one by one, which is quicker, and keeps none.) The
# certificate has a dual variable for every pair, and gets their sums in the same way. One query of 20,000 rows:

many = np.random.default_rng(1)
X_long = many.standard_normal((20_000, 5))
y_long = np.digitize(X_long[:, 0] + many.standard_normal(20_000), [0.0, 1.0, 2.0])
long = RankSVM(alpha=1e-2, tol=1e-3).fit(X_long, y_long, groups=[20_000])
print(f"{long.n_pairs_:,} pairs, proven: within {long.certificate_.relative:.1e} of the optimum")
print(
    f"a list of the differences would take {long.n_pairs_ * 5 * 8 / 1e9:.1f} GB, X takes {X_long.nbytes / 1e6:.1f} MB"
)

# %%
# Against a regression on the relevance
# -------------------------------------
# A regression compares rows of different queries too. Here the level of the first column is no sign of relevance, but
# the regression cannot know which part of the column is level; differences within a query do not contain it.

regression = LinearRegressor(alpha=1e-2).fit(X, y)
print("weights of the ranking, scaled:   ", np.round(model.coef_ / np.abs(model.coef_).max(), 2))
print("weights of the regression, scaled:", np.round(regression.coef_ / np.abs(regression.coef_).max(), 2))

measures = {
    "NDCG@5": lambda *given: ndcg_at_k(*given, k=5),
    "MAP": mean_average_precision,
    "Kendall tau": kendall_tau,
    "pairs in order": pair_accuracy,
}
for name, fitted in (("ranking", model), ("regression", regression)):
    z = fitted.predict(X_test)
    print(
        f"{name:10}  " + "   ".join(f"{what} {measure(y_test, z, qid_test):.3f}" for what, measure in measures.items())
    )

# %%
# Each line below is a query of the test part, its rows from the highest score to the lowest. The dark squares, the
# relevance 2, should be on the left.


def in_order(z):
    return y_test[np.lexsort((-z, qid_test))].reshape(40, 15)


figure, axes = plt.subplots(1, 2, figsize=(8, 6.2), sharey=True, layout="constrained")
for ax, (name, fitted) in zip(axes, (("Regression", regression), ("Ranking", model)), strict=True):
    z = fitted.predict(X_test)
    picture = ax.pcolormesh(
        np.arange(16) + 0.5, np.arange(41) + 0.5, in_order(z), cmap="Blues", vmin=-0.3, vmax=2, ec="w", lw=0.8
    )
    ax.set_title(f"{name}: NDCG@5 {ndcg_at_k(y_test, z, qid_test, 5):.2f}")
    ax.set(xlabel="place", xticks=[1, 5, 10, 15])
    ax.spines[:].set_visible(False)
    ax.tick_params(length=0)
axes[0].set(ylabel="query", yticks=[1, 10, 20, 30, 40])
axes[0].invert_yaxis()
key = figure.colorbar(picture, ax=axes, ticks=[0, 1, 2], boundaries=[-0.5, 0.5, 1.5, 2.5], shrink=0.4)
key.set_label("relevance")
key.outline.set_visible(False)

# %%
# Kinds of pairs
# --------------
# A pair of relevances 2 and 0 may count more than one of 2 and 1: ``pair_weights="difference"`` weighs it by the
# difference, a dictionary by the difference of gains. ``sample_weight`` weighs whole queries.

for weights in ("equal", "difference", {0: 0, 1: 1, 2: 3}):
    other = RankSVM(alpha=1e-2, pair_weights=weights).fit(X, y, qid)
    score = other.score(X_test, y_test, qid_test, k=5)
    print(f"{weights!s:24} NDCG@5 {score:.4f}   certified: {other.certificate_.passed}")

# %%
# Files of SVM-rank and LETOR, ``2 qid:7 1:0.5 2:1.3``, are read as they are:
#
# .. code-block:: console
#
#     $ steepest fit train.txt --model rank --C 0.01 --test test.txt --report ranking.html --out ranking.skops
#     $ steepest predict ranking.skops test.txt --out scores.csv
