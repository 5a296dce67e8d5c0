"""
Stochastic gradient descent on several threads
==============================================

Every step needs the weights that the step before left, so stochastic gradient descent looks like work for one thread.
Two ways around that:

- *Hogwild!* lets all threads read and write the same weights, without locks. Where rows are sparse, two of them seldom
  meet on a weight. Which one comes first is left to the machine, so the last digits may differ from run to run.
- *Synchronous* steps: the rows are dealt out to shards, each steps by itself from the same weights, then they are
  averaged, in order. The bits of the result do not depend on the number of threads.

Both are judged like every other solver: the certificate is computed afterwards, on one vector that no longer changes.
"""

import time

import matplotlib.pyplot as plt
import numpy as np
from scipy.sparse import csr_array

import steepest

# %%
# The same optimum
# ----------------
# Rows of 20 words out of 5,000, and two classes. The words are drawn evenly; a later section looks at what happens when
# some are in nearly every row.

random = np.random.default_rng(0)
ROWS, WORDS, LENGTH, ALPHA = 10_000, 5_000, 20, 2e-3


def documents(words):
    """Sparse rows for an array of word numbers, one line a document."""
    first = np.arange(0, words.size + 1, LENGTH)
    rows = csr_array((np.ones(words.size), words.ravel(), first), shape=(ROWS, WORDS))
    rows.sum_duplicates()
    return rows


even = random.integers(0, WORDS, (ROWS, LENGTH))
X = documents(even)
y = X @ random.normal(size=WORDS) + random.normal(size=ROWS) > 0.0


def train(solver, threads, tol=1e-3, max_iter=10_000):
    return steepest.LinearClassifier(
        "logistic", alpha=ALPHA, solver=solver, tol=tol, max_iter=max_iter, n_jobs=threads, on_unconverged="ignore"
    ).fit(X, y)


lowest = train("auto", 1, tol=1e-10).certificate_.dual
print(f"lower bound of the optimum, proven: {lowest:.8f}")
print(f"{'solver':<14}{'threads':>8}{'objective':>12}{'gap proven':>12}{'above bound':>13}{'epochs':>8}")
found = {}
for solver in ("hogwild", "parallel_sgd"):
    for threads in (1, 2, 4):
        model = found[solver, threads] = train(solver, threads)
        proof = model.certificate_
        above = proof.primal / lowest - 1.0
        print(
            f"{solver:<14}{threads:>8}{proof.primal:>12.6f}{proof.relative:>12.1e}{above:>13.1e}{model.n_iter_[0]:>8}"
        )

# %%
# Epoch by epoch: two threads on the same weights do nearly what one does. Shards that are averaged advance as one shard
# does, which has a quarter of the rows; so an epoch makes less way.

figure, axes = plt.subplots(figsize=(7.5, 4.4), layout="constrained")
for solver, threads, look, colour in (
    ("hogwild", 1, "o-", "#d55e00"),
    ("hogwild", 2, "s--", "#e69f00"),
    ("parallel_sgd", 2, "D-", "#0072b2"),
):
    history = train(solver, threads, tol=1e-12, max_iter=32).history_
    above = history["objective"] / lowest - 1.0
    seen = np.isfinite(above) & (history["iteration"] > 0)
    name = f"{solver}, {threads} thread{'s' * (threads > 1)}"
    axes.loglog(history["iteration"][seen], above[seen], look, color=colour, label=name)
axes.set_xticks([1, 2, 4, 8, 16, 32], labels=["1", "2", "4", "8", "16", "32"])
axes.set(xlabel="epochs", ylabel="objective above the proven bound, relative")
axes.minorticks_off()
axes.legend(frameon=False)
axes.spines[["top", "right"]].set_visible(False)

# %%
# The same bits, or not
# ---------------------
# Weights as they are, bit for bit, beside those of one thread; and beside a second run. The record of a fit says
# whether it can be repeated for sure; short runs of Hogwild! may agree by chance.

print(f"{'solver':<14}{'threads':>8}{'as one thread':>16}{'as run again':>15}{'record: deterministic':>24}")
for (solver, threads), model in found.items():
    one, again = found[solver, 1], train(solver, threads)
    same = ["yes" if np.array_equal(model.coef_, other.coef_) else "no" for other in (one, again)]
    print(f"{solver:<14}{threads:>8}{same[0]:>16}{same[1]:>15}{model.fit_record_.deterministic!s:>24}")

# %%
# Collisions
# ----------
# Two threads collide when their rows share a word. For rows of :math:`m` words drawn evenly out of :math:`d` that
# happens with a probability of about :math:`1 - (1 - m/d)^m`. Language is not even: a few words are in most texts. The
# share of pairs of rows that have a word in common, for words drawn with probabilities
# :math:`\propto 1 / \text{rank}^s`:


def overlap(rows, pairs=4000):
    a, b = random.integers(0, ROWS, (2, pairs))
    return np.mean(rows[a].multiply(rows[b]).sum(axis=1) > 0)


print(f"predicted for even words: {1.0 - (1.0 - LENGTH / WORDS) ** LENGTH:.3f}, counted: {overlap(X):.3f}")
powers = np.array([0.0, 0.25, 0.5, 0.75, 1.0])
shares, gaps = [], []
for power in powers:
    chance = 1.0 / np.arange(1, WORDS + 1) ** power
    X = documents(random.choice(WORDS, (ROWS, LENGTH), p=chance / chance.sum()))
    y = X @ random.normal(size=WORDS) + random.normal(size=ROWS) > 0.0
    model = train("hogwild", 2)
    shares.append(overlap(X))
    gaps.append(model.certificate_.relative)
    print(f"s = {power:4.2f}: {shares[-1]:6.1%} of pairs share a word; gap proven with 2 threads {gaps[-1]:.1e}")

figure, axes = plt.subplots(figsize=(7, 4.2), layout="constrained")
axes.plot(powers, shares, "o-", color="#0072b2")
axes.set(xlabel="unevenness $s$ of the words", ylabel="pairs of rows that share a word", ylim=(0, 1.05))
axes.yaxis.set_major_formatter("{x:.0%}")
axes.spines[["top", "right"]].set_visible(False)

# %%
# What is lost in a collision is a part of one step, small beside the noise of the rows: :math:`10^{-3}` was proven in
# all cases. What collisions do cost is time, because cores pass the shared weights back and forth.
#
# Time
# ----
# Seconds of this run, on the machine that made this page. Five epochs are much too short a job to say what threads are
# worth, and the machine may have been busy; run it on your own data.

X = documents(even)
y = X @ random.normal(size=WORDS) + random.normal(size=ROWS) > 0.0
for solver in ("hogwild", "parallel_sgd"):
    for threads in (1, 2):
        seconds = []
        for _ in range(3):
            began = time.perf_counter()
            train(solver, threads, tol=1e-12, max_iter=5)
            seconds.append(time.perf_counter() - began)
        print(f"{solver:<14}{threads} thread{'s' if threads > 1 else ' '}: {min(seconds):.3f} s, best of three")

plt.show()
