"""
Data larger than memory
=======================

A file may be larger than memory, and a fit of it need not be. :meth:`steepest.SGDClassifier.fit_batches` takes a
function that reads the rows piece by piece, and calls it for every epoch. In memory are a piece, and some numbers a
row (its target, weight, score and slope), but never the matrix. The objective is that of all rows, and so is the
certificate.
"""

import tempfile
import tracemalloc
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np

import steepest

BLUE, ORANGE = "#0072b2", "#d55e00"

# %%
# A file and its reader
# ---------------------
# 30,000 rows of 100 features are written to a file. The reader is a generator: each call opens the file afresh and
# yields pairs of a matrix and its labels.

folder = tempfile.TemporaryDirectory()
path = Path(folder.name) / "rows.bin"
rows, d = 30_000, 100
random = np.random.default_rng(0)
truth = random.normal(size=d) / 4.0
with path.open("wb") as file:
    for _ in range(10):
        X = random.normal(size=(rows // 10, d))
        y = random.uniform(size=len(X)) < 1.0 / (1.0 + np.exp(-X @ truth))
        np.column_stack([X, y]).tofile(file)


def read(size=2000):
    with path.open("rb") as file:
        while len(piece := np.fromfile(file, count=size * (d + 1)).reshape(-1, d + 1)):
            yield piece[:, :d], piece[:, d].astype(int)


megabytes = path.stat().st_size / 2**20
print(f"a file of {megabytes:.1f} MiB")

# %%
# The same steps, the same bits
# -----------------------------
# With rows taken one by one in the order of the file, a pass over the pieces takes the same steps as an epoch in
# memory. Without a penalty and an average the coefficients are the same bits, whatever the size of the pieces. With
# them, sums are carried over from piece to piece and agree up to rounding.

everything = next(read(rows))
for name, more in {"plain steps": {"penalty": None}, "with an l2 penalty": {"alpha": 1e-3}}.items():
    options = {"order": "cyclic", "average": False, "max_iter": 3, "tol": None, **more}
    memory = steepest.SGDClassifier("log_loss", **options).fit(*everything)
    print(name)
    for size in (700, 2000, 10_000):
        stream = steepest.SGDClassifier("log_loss", **options).fit_batches(lambda size=size: read(size))
        off = np.abs(stream.coef_ - memory.coef_).max()
        same = np.array_equal(stream.coef_, memory.coef_)
        print(f"  pieces of {size:6,} rows: same bits: {same!s:<5}  largest difference {off:.1e}")
print(f"objective from memory {memory.certificate_.primal:.12f}, from pieces {stream.certificate_.primal:.12f}")

# %%
# A certificate over the stream
# -----------------------------
# With ``tol`` the fit ends when the bound is proven for all rows of the file. Each epoch is one reading, and each
# evaluation is one more, so evaluations become rarer as the run grows longer.

options = {"loss": "log_loss", "alpha": 1e-2, "tol": 1e-3, "random_state": 0}
proven = steepest.SGDClassifier(**options).fit_batches(read)
print(f"{proven.n_iter_} epochs, {proven.fit_record_.passes:.0f} readings of the file: {proven.certificate_}")

# %%
# What it costs in memory
# -----------------------
# The peak of the memory that arrays took during a fit, for pieces of several sizes and for a fit of the whole matrix.


def peak(fit):
    tracemalloc.start()
    fit()
    used = tracemalloc.get_traced_memory()[1] / 2**20
    tracemalloc.stop()
    return used


few = {"loss": "log_loss", "alpha": 1e-2, "tol": None, "max_iter": 2}
sizes = [500, 2000, 8000]
used = [peak(lambda n=n: steepest.SGDClassifier(**few).fit_batches(lambda: read(n))) for n in sizes]
used.append(peak(lambda: steepest.SGDClassifier(**few).fit(*next(read(rows)))))
names = [*(f"pieces of {n:,} rows" for n in sizes), "all rows in memory"]
for name, amount in zip(names, used, strict=True):
    print(f"{name:<21} {amount:5.1f} MiB")

figure, axes = plt.subplots(figsize=(7.5, 3.0), layout="constrained")
axes.barh(names[::-1], used[::-1], color=[ORANGE, BLUE, BLUE, BLUE], height=0.6)
axes.axvline(megabytes, color="black", linestyle=":")
axes.text(megabytes, 3.45, " the file", va="bottom")
axes.set(xlabel="peak of memory, MiB")
axes.spines[["top", "right"]].set_visible(False)

# %%
# The order of the rows in the file
# ---------------------------------
# Orders that mix rows can mix only those of one piece. A file that is sorted by its classes is therefore read badly:
# each piece says the same thing for long, and the weights go to and fro. Nothing hides this: after as many epochs the
# proven gap is larger. Write such a file in a random order.

X, y = everything
first = np.argsort(y, kind="stable")
files = {"as it is": everything, "sorted by class": (X[first], y[first])}
figure, axes = plt.subplots(figsize=(7.5, 3.8), layout="constrained")
for (name, (A, b)), colour in zip(files.items(), (BLUE, ORANGE), strict=True):
    pieces = [(A[low : low + 2000], b[low : low + 2000]) for low in range(0, rows, 2000)]
    few = {"loss": "log_loss", "alpha": 1e-2, "tol": 1e-6, "max_iter": 16, "on_unconverged": "ignore"}
    model = steepest.SGDClassifier(**few).fit_batches(pieces)
    history = model.history_
    gap = history["gap"] / history["objective"]
    axes.loglog(history["passes"], gap, "o-", color=colour, markersize=4)
    axes.text(history["passes"][-1] * 1.06, gap[-1], name, color=colour, va="center")
    print(f"{name:<16} {model.certificate_}")
axes.set(xlabel="readings of the rows", ylabel="proven gap / objective", title="the same rows in two orders")
axes.set_xlim(right=120)
axes.spines[["top", "right"]].set_visible(False)

# %%
# A generator can be read once only, and a fit reads several times: pass the function that makes it.

try:
    steepest.SGDClassifier().fit_batches(read())
except steepest.exceptions.DataError as error:
    print(error)
folder.cleanup()
plt.show()
