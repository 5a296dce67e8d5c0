"""What the race is meant to show: each target as a number measured, a bar, and whether it is met."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

from benchmarks.ladder import Result, fastest, geometric_mean

CellResults = Mapping[float, Sequence[Result]]  # target -> results, fastest first
US = "steepest"
COPIES = "two, copies of the frequent columns"  # of Hogwild!
MEMORY = "memory over 1.2 X, parameters, states and a batch"  # of networks


class Verdict(NamedTuple):
    """One line of the list of targets."""

    words: str
    measured: str
    met: bool | None  # None: not measured


def ratio(results: CellResults, target: float, choose: Callable[[Result], bool] = lambda r: True) -> float:
    """How many times faster than the fastest chosen contestant; nan unless both got there."""
    ours = fastest(results.get(target, ()), US)
    theirs = min(
        (r for r in results.get(target, ()) if r.peer != US and choose(r)), key=lambda r: r.seconds, default=None
    )
    return theirs.seconds / ours.seconds if ours and theirs else math.nan


def _at_least(words: str, measured: float, bar: float) -> Verdict:
    if math.isnan(measured):
        return Verdict(words, "not measured", None)
    return Verdict(f"{words}: at least {bar:g}x", f"{measured:.2f}x", measured >= bar)


def _at_most(words: str, measured: float | None, bar: float, unit: str) -> Verdict:
    if measured is None or math.isnan(measured):
        return Verdict(words, "not measured", None)
    return Verdict(f"{words}: at most {bar:.3g}{unit}", f"{measured:.3g}{unit}", measured <= bar)


def of_scikit_learn(result: Result) -> bool:
    return result.peer == "sklearn"


def race(cells: Mapping[str, CellResults], certified: Mapping[str, CellResults] | None = None) -> list[Verdict]:
    """The targets that cells decide; ``certified`` has steepest's own proofs alone."""
    out = []
    for cell, loose, tight in (("softmax-l2/mnist", 8, 5), ("softmax-l2/20news", 4, 4)):
        for target, bar in ((1e-3, loose), (1e-6, tight)):
            measured = ratio(cells.get(cell, {}), target, of_scikit_learn)
            out.append(_at_least(f"{cell} to {target:g}, against scikit-learn's fastest solver", measured, bar))
    out += _group("L2 logistic, L1 logistic and lasso", cells, ("logistic-l2/", "logistic-l1/", "lasso/"), 1e-6, 1.7)
    for cell, precision in (("ridge/1Mx100", "float64"), ("ridge/1Mx100-float32", "float32")):
        measured = ratio(cells.get(cell, {}), 1e-6, lambda r: of_scikit_learn(r) and r.variant == "Ridge cholesky")
        out.append(_at_least(f"{cell} to 1e-06, against scikit-learn's cholesky on {precision}", measured, 1.5))
    out.append(_at_least("dense-500k to 1e-06, against the best peer", ratio(cells.get("dense-500k", {}), 1e-6), 1.7))
    for target, bar in ((1e-3, 1.5), (1e-6, 2.0)):
        out += _group("Hinge and squared hinge", cells, ("svm-hinge/", "svm-sqhinge/"), target, bar)
    for cell in (name for name in cells if name.startswith("svm-dense/")):
        out += _dense_hinge(cell, cells[cell], (certified or {}).get(cell, {}))
    return out


def _dense_hinge(cell: str, found: CellResults, certified: CellResults) -> list[Verdict]:
    """Seconds until steepest has proven 1e-3, against scikit-learn's dual; and that it proves 1e-6."""
    ours = {target: fastest(certified.get(target, ()), US) for target in (1e-3, 1e-6)}
    theirs = min((r.seconds for r in found.get(1e-3, ()) if of_scikit_learn(r)), default=None)
    words = f"{cell} to a certified 0.001, against scikit-learn's dual"
    loose = ours[1e-3]
    if loose is None:
        speed = Verdict(f"{words}: at least 3x", "not reached", False)
    elif theirs is None:
        speed = Verdict(f"{words}: at least 3x", f"{loose.seconds:.3g} s; scikit-learn did not get there", True)
    else:
        speed = _at_least(words, theirs / loose.seconds, 3.0)
    tight = ours[1e-6]
    proof = f"{tight.seconds:.3g} s" if tight else "not reached"
    return [speed, Verdict(f"{cell}: 1e-06 is certified at all", proof, tight is not None)]


def _group(
    words: str, cells: Mapping[str, CellResults], starts: tuple[str, ...], target: float, bar: float
) -> list[Verdict]:
    measured = {name: ratio(results, target) for name, results in cells.items() if name.startswith(starts)}
    known = {name: value for name, value in measured.items() if not math.isnan(value)}
    title = f"{words} to {target:g}, geometric mean over {len(known)} cells"
    mean = _at_least(title, geometric_mean(list(known.values())), bar)
    if not known:
        return [mean]
    worst = min(known, key=lambda name: known[name])
    missing = sorted(name for name in set(measured) - set(known) if not fastest(cells[name].get(target, ()), US))
    verdict = _at_least(f"in no cell slower than the best peer to {target:g} (worst: {worst})", known[worst], 1.0)
    if missing:
        verdict = Verdict(verdict.words, f"{verdict.measured}; not reached: {', '.join(missing)}", False)
    return [mean, verdict]


def startup(found: Mapping[str, float]) -> list[Verdict]:
    """The targets that `benchmarks.startup` decides."""
    get = found.get
    return [
        _at_most("process start to a first tiny fit, over scikit-learn's", get("ratio"), 1.25, "x"),
        _at_most("first fit ever on a machine, beyond a later start", get("first_ever_extra"), 3.0, " s"),
        _at_most("`import steepest` beyond what it imports from scikit-learn", get("import_extra"), 0.15, " s"),
    ]


def gradient(found: Mapping[str, float]) -> list[Verdict]:
    """The target that `benchmarks.gradient_pass` decides."""
    words = "one gradient pass of dense float32, over a plain read of X"
    return [_at_most(words, found.get("ratio"), 1.5, "x")]


def reading(found: Mapping[str, float]) -> list[Verdict]:
    """The targets that `benchmarks.read_csv` decides."""
    size = f"a CSV file of {found.get('megabytes', 1000.0) / 1000.0:.2g} GB to a matrix"
    return [
        _at_most(f"{size}, over pyarrow's read and scikit-learn's encoding", found.get("ratio"), 1.3, "x"),
        _at_most(f"{size}: memory over that of the matrix", found.get("ours_memory"), 2.5, "x"),
    ]


def paths(found: Sequence[Mapping[str, Any]]) -> list[Verdict]:
    """The targets that `benchmarks.paths` decides, each by its worst cell."""
    share = max((row["share of separate fits"] for row in found), default=None)
    verdicts = [_at_most("100 certified strengths along a path, over 100 fits (worst cell)", share, 1 / 3, "x")]
    for words, ours in (("scikit-learn's path", "path"), ("scikit-learn's CV estimator", "cv")):
        ratios = [row["seconds"][f"sklearn {ours}"] / row["seconds"][ours] for row in found if row["scikit-learn"]]
        verdicts.append(_at_least(f"{words} at equal suboptimality (worst cell)", min(ratios, default=math.nan), 1.0))
    return verdicts


def stochastic(found: Sequence[Mapping[str, Any]]) -> list[Verdict]:
    """The targets that `benchmarks.sgd` decides: what one epoch of single-sample logistic steps adds to a fit."""
    verdicts = []
    for row in found:
        seconds = row["seconds"]
        plain, words = seconds["steepest of fit"], f"an epoch of stochastic steps, {row['cell']}"
        bar = 4.0 if row["cell"] == "a9a-x30" else 1.0
        verdicts.append(_at_least(f"{words}, against scikit-learn", seconds["scikit-learn of fit"] / plain, bar))
        if seconds["vowpal wabbit"] is not None:
            verdicts.append(_at_least(f"{words}, against Vowpal Wabbit", seconds["vowpal wabbit"] / plain, 1.0))
        slowest = max(seconds[rule] / seconds["steepest"] for rule in ("adagrad", "rmsprop", "adam"))
        verdicts.append(
            _at_most(f"{words}: the dearest of Adagrad, RMSProp and Adam over plain steps", slowest, 3.0, "x")
        )
    return verdicts


def variance(found: Mapping[str, Any]) -> list[Verdict]:
    """The targets that `benchmarks.variance` decides, each by its worst cell."""
    out = []
    for name in ("svrg", "saga"):
        ratios = [value for key, value in found.items() if key.endswith(f"scikit-learn over {name}")]
        words = f"{name} to a certified 1e-06, against scikit-learn's saga (worst of {len(ratios)} cells)"
        out.append(_at_least(words, min(ratios, default=math.nan), 2.0))
    return out


def hogwild(found: Mapping[str, Any]) -> list[Verdict]:
    """The targets that `benchmarks.hogwild` decides."""
    out = []
    for words, key in (
        ("an epoch of Hogwild! on newsgroups, two threads over one", f"epoch: {COPIES}, over one thread"),
        ("Hogwild! to a certified 0.001, two threads over one", "certified 0.001, hogwild: two threads over one"),
    ):
        measured = found.get(key, math.nan)
        out.append(_at_least(words, measured, 1.5))
    return out


def ranking(found: Mapping[str, Any]) -> list[Verdict]:
    """The targets that `benchmarks.ranking` decides: the worst cell, and how time grows from 10,000 rows of a query."""
    ratios = [value for key, value in found.items() if key.endswith("best peer over steepest")]
    words = f"RankSVM on MQ2008 to a certified 0.001, against the best on listed pairs (worst of {len(ratios)} cells)"
    rates = [value for key, value in found.items() if key.endswith("over m log2 m: nanoseconds")]
    growth = max(rates[1:]) / rates[1] if len(rates) > 2 else None
    return [
        _at_least(words, min(ratios, default=math.nan), 3.0),
        _at_most("ranking: time of an evaluation over m log m, the most rows over 10,000", growth, 2.0, "x"),
    ]


def multiclass(found: Mapping[str, Any]) -> list[Verdict]:
    """The targets that `benchmarks.multiclass_svm` decides: Crammer-Singer against the quicker peer."""
    out = []
    for name, target, bar in (("20news", "0.001", 2.0), ("20news", "1e-06", 2.0), ("mnist", "0.001", 2.0)):
        words = f"Crammer-Singer on {name} to {target} (certified), against LIBLINEAR -s 4 and scikit-learn"
        out.append(_at_least(words, found.get(f"{name}, to {target}, best peer over steepest", math.nan), bar))
    return out


def networks(found: Mapping[str, Any]) -> list[Verdict]:
    """The targets that `benchmarks.networks` decides, each of its own cell; memory by its worst kind of X."""
    out = []
    narrow, wide, regularised = "784-256-128-10", "784-1024-1024-10", "784-256-128-10, batch norm, dropout"
    for cell, bar in ((narrow, 1.2), (wide, 1.1)):
        measured = found.get(f"{cell}: steepest over products")
        out.append(_at_most(f"an epoch of {cell}, over its bare matrix products", measured, bar, "x"))
    for cell, who, bar in (
        (narrow, "jax", 1.0),
        (narrow, "best torch", 2.0),
        (narrow, "scikit-learn", 2.0),
        (regularised, "best torch", 1.7),
    ):
        words = f"an epoch of {cell}, against {who}"
        out.append(_at_least(words, found.get(f"{cell}: {who} over steepest", math.nan), bar))
    measured = found.get(f"{narrow}: start to first epoch, steepest over jax")
    out.append(_at_most(f"process start to the end of the first epoch of {narrow}, over JAX's", measured, 0.5, "x"))
    for kind, bar in (("plain", 0.984), ("augmented", 0.992)):
        share, spent = found.get(f"accuracy, {kind}: test accuracy"), found.get(f"accuracy, {kind}: seconds", math.nan)
        words = f"MNIST, {kind}: test accuracy at least {bar:.1%} within 10 minutes"
        if share is None:
            out.append(Verdict(words, "not measured", None))
        else:
            out.append(Verdict(words, f"{share:.2%} in {spent:.0f} s", share >= bar and spent <= 600.0))
    worst = max((value for key, value in found.items() if key.endswith(MEMORY)), default=None)
    out.append(_at_most("memory of a network's fit, over 1.2 X and what a step needs (worst)", worst, 1.0, "x"))
    return out


def nist(found: Sequence[Mapping[str, Any]]) -> list[Verdict]:
    """The targets that `benchmarks.nist` decides."""
    rows = {row["method"]: row for row in found}
    ours = rows.get("steepest.minimize")
    if ours is None:
        return [Verdict("NIST's nonlinear problems", "not measured", None)]
    others = [row for name, row in rows.items() if name.startswith("scipy minimize")]
    best = max((row["right"] for row in others if row["runs"] == ours["runs"]), default=0)
    right, false = ours["right"], ours["false claims"]
    return [
        Verdict(
            "NIST's nonlinear problems to six digits: at least 50 of 54", f"{right} of {ours['runs']}", right >= 50
        ),
        Verdict("... with a status that is not true: none", str(false), false == 0),
        Verdict(
            "... not fewer than the best of scipy's methods for any function that took all runs",
            f"{right} against {best}",
            right >= best,
        ),
    ]
