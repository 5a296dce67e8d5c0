"""
Which solver for these data?
============================

No method is the fastest on all problems. :func:`steepest.race` runs those that fit, one after the other with the same
budget of time, on code that is compiled already, and measures all of them from one lower bound of the optimum that is
proven. It ends with a sentence.
"""

import matplotlib.pyplot as plt
from sklearn.datasets import load_digits
from sklearn.preprocessing import scale

import steepest

# %%
# On data
# -------
# Handwritten digits, even or odd, by logistic regression. Without ``solvers`` all that there are would run; here are
# some of each kind, and one that does not fit. Each has half a second to prove a relative gap of :math:`10^{-6}`.

pixels, digits = load_digits(return_X_y=True)
X, y = scale(pixels), digits % 2
solvers = ["auto", "gradient_descent", "lbfgs", "newton-cg", "coordinate", "saga", "sgd", "hogwild"]
race = steepest.race(X, y, alpha=1e-3, solvers=solvers, max_time=0.5, verbose=0)
print(race)

# %%
# The table is ranked: proofs first, the fastest at the top. The seconds are those of one machine on one day, and so is
# the order of solvers that are close. The last sentence takes that into account: a difference of a fifth, or of a
# hundredth of a second, is no reason to leave ``"auto"``.
#
# The picture tells the same story. Left against passes over the data, which are the same on every machine; right
# against seconds. The names of those that did not arrive are in italics.

steepest.RaceDisplay.from_race(race)

# %%
# The models are kept, so the winner need not be trained again.

model = race.best.result
print(f"{race.best.name}: accuracy on the images that it has seen {model.score(X, y):.1%}")
print(f"the optimum lies between {race.lower:.12f} and {race.upper:.12f}")

# %%
# On a function
# -------------
# A function and a start in place of data and targets. Here passes are calls of the function and its gradient.

f = steepest.functions.get("rosenbrock")
methods = ["newton", "bfgs", "lbfgs", "newton-cg", "momentum", "adam", "gradient_descent"]
race = steepest.race(f, f.start, grad=f.grad, solvers=methods, max_time=0.3, verbose=0)
print(race)
steepest.RaceDisplay.from_race(race, x="passes")

# %%
# Of two variables the paths can be seen. All go down into the valley at once; the difference is how they follow its
# bend.

shown = {run.name: run.result.path[:400] for run in race.runs if run.name in ("newton", "bfgs", "momentum")}
steepest.TrajectoryDisplay.from_function(f, shown, minima=f.minima, colorbar=False, span=(-1.6, 1.5, -0.5, 1.7))
print({name: len(path) - 1 for name, path in shown.items()})

# %%
# A race of your own takes any options: names with options are entrants of their own.

entrants = [("gradient_descent", {"line_search": rule}) for rule in ("1/L", "armijo", "exact", "wolfe")]
race = steepest.race(X, y, alpha=1e-1, tol=1e-4, solvers=entrants, max_time=0.5, verbose=0)
for run in race.ranking:
    print(f"{run.name:<37} {run.status}, {run.passes:6.1f} passes, {run.iterations:4d} rounds")

# %%
# On the command line the same is ``steepest race data.csv``, with a page to keep: ``--out race.html``.

plt.show()
