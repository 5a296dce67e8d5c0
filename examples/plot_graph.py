"""
A computational graph, forward and backward
===========================================

A formula is a graph: each operation is a node, and its operands lead to it. *Forward* computes the nodes from left to
right and keeps their values. *Backward* goes from right to left. It starts with 1, the derivative of the output in
itself, and gives to every operand :math:`u` of a node :math:`v` its part by the chain rule,

.. math::

    \\frac{\\partial f}{\\partial u} \\;=\\; \\sum_{v \\text{ made of } u} \\frac{\\partial f}{\\partial v}\\,
    \\frac{\\partial v}{\\partial u}.

Branches that meet again are summed. One pass gives the derivatives in *all* inputs and parameters, at two to three
times the price of the value.
"""

from decimal import Decimal, getcontext

import matplotlib.pyplot as plt
import numpy as np

import steepest
from steepest import networks as nw

BLUE, ORANGE = "#0072b2", "#d55e00"

# %%
# (x + y) z
# ---------
# The sum passes its derivative on to both of its operands. The product gives each operand the other one.

x, y, z = (nw.Input((), name) for name in "xyz")
graph = nw.Graph((x + y) * z)
print(graph.forward(x=-2.0, y=5.0, z=-4.0))
print({name: float(slope) for name, slope in graph.backward().items()})

# %%
# :meth:`~steepest.networks.Graph.show` draws it: in each box the value, and below it the derivative of the output.

graph.show()

# %%
# A sigmoid neuron
# ----------------
# :math:`p = \sigma(w^\top x + b)`. With :math:`\sigma' = p (1 - p)` the derivative in :math:`w_j` is
# :math:`p (1 - p) x_j`. Here the score is 1, so that :math:`p = 0.731` and :math:`p (1 - p) = 0.197`.

w, b, x = nw.Parameter([2.0, -3.0], "w"), nw.Parameter(-3.0, "b"), nw.Input((2,), "x")
neuron = nw.Graph(nw.sigmoid(nw.dot(w, x) + b).named("p"))
print(neuron.show(x=[-1.0, -2.0]))

# %%
neuron.show()

# %%
# Branches
# --------
# In :math:`f = \dfrac{x + \sigma(y)}{\sigma(x) + (x + y)^2}` both x and y are used several times. Their derivatives are
# sums over all ways to the output.

x, y = nw.Parameter(3.0, "x"), nw.Parameter(-4.0, "y")
branched = nw.Graph((x + nw.sigmoid(y)) / (nw.sigmoid(x) + (x + y) ** 2))
shown = branched.show()
print(shown)

# %%
shown

# %%
# Not differences
# ---------------
# Central differences need two values for each variable, and a step: a long one bends, a short one rounds. Between the
# two about eleven digits are left. The derivative of a graph is exact but for the rounding of its own operations. The
# reference is the formula written out by hand, in twice the digits.

at = branched.start
exact = branched.grad(at)
getcontext().prec = 50


def by_hand(a, b):
    s, t = 1 / (1 + (-a).exp()), 1 / (1 + (-b).exp())
    top, low = a + t, s + (a + b) ** 2
    return (1 / low - top / low**2 * (s * (1 - s) + 2 * (a + b)), t * (1 - t) / low - top / low**2 * 2 * (a + b))


true = by_hand(Decimal(3), Decimal(-4))
steps = np.logspace(-13, -0.5, 60)
missed = []
for h in steps:
    ahead, behind = at + [h, 0.0], at - [h, 0.0]
    quotient = (branched(ahead) - branched(behind)) / (ahead[0] - behind[0])
    missed.append(abs(float((Decimal(quotient) - true[0]) / true[0])))
own = float(abs((Decimal(float(exact[0])) - true[0]) / true[0]))
print(f"relative error of the graph's derivative in x: {own:.1e}; of the best difference: {min(missed):.1e}")

figure, axes = plt.subplots(figsize=(7.5, 4.2), layout="constrained")
axes.loglog(steps, np.maximum(missed, 1e-17), color=ORANGE)
axes.axhline(max(own, 1e-17), color=BLUE)
axes.text(2e-13, max(own, 1e-17) * 1.6, "the graph", color=BLUE)
axes.text(1e-12, 3e-4, "rounding", color=ORANGE)
axes.text(6e-4, 3e-5, "bending", color=ORANGE, ha="right")
axes.set(xlabel="step of the difference", ylabel="relative error", title="the derivative in x")
axes.spines[["top", "right"]].set_visible(False)

# %%
# A network, row by row
# ---------------------
# Everything that is made of such nodes has such derivatives. This is a network with one hidden layer for two classes,
# one of which surrounds the other. :func:`steepest.minimize` takes the graph as a function of all its parameters, with
# its gradient and its Hessian-vector products. A unit that is not needed is brought to zero by the penalty; its bias is
# free then, which is the flat direction of the verdict.

random = np.random.default_rng(0)
angle, n = random.uniform(0.0, 2.0 * np.pi, 120), 120
radius = np.where(np.arange(n) < 60, 1.0, 2.4) + 0.28 * random.standard_normal(n)
places = np.column_stack([radius * np.cos(angle), radius * np.sin(angle)])
sign = np.where(np.arange(n) < 60, 1.0, -1.0)

X, t = nw.Input((n, 2), "X"), nw.Input((n,), "t")
V, a = nw.Parameter(random.standard_normal((2, 6)), "V"), nw.Parameter(np.zeros(6), "a")
u, c = nw.Parameter(0.5 * random.standard_normal(6), "u"), nw.Parameter(0.0, "c")
scores = nw.tanh(X @ V + a) @ u + c
rows = nw.loss("logistic", scores, t)
penalty = 0.005 * (nw.sum(nw.square(V)) + nw.sum(nw.square(u)))
network = nw.Graph(nw.mean(rows) + penalty, keep=scores)
network.give(X=places, t=sign)


def shares():
    """The length of every row's own gradient."""
    each = network.per_sample_gradients(of=rows)
    return np.sqrt(sum(np.square(g.reshape(n, -1)).sum(1) for g in each.values()))


network.forward()
before = shares()
found = steepest.minimize(network)
network.forward()
after = shares()
print(f"{found.method}, {found.nit} rounds: {found.message}")
print(f"sizes of the outgoing weights: {np.sort(np.abs(u.value)).round(3)}")
print(f"correct: {np.sum(network.value(scores) * sign > 0)} of {n}")

# %%
# :meth:`~steepest.networks.Graph.per_sample_gradients` splits the gradient into the shares of the rows. At the start
# every row pulls. At the end those near the boundary, or beyond it, do most of the pulling, and hold each other in
# balance, together with the penalty.

grid = np.linspace(-3.4, 3.4, 81)
plane = np.stack(np.meshgrid(grid, grid), -1).reshape(-1, 2)
Z = nw.Input(plane.shape, "Z")
picture = nw.Graph(nw.tanh(Z @ V + a) @ u + c)  # the same parameters in another graph
heights = picture.forward(Z=plane).reshape(81, 81)
figure, panels = plt.subplots(1, 2, figsize=(9, 4.6), sharex=True, sharey=True, layout="constrained")
for axes, share, title in zip(panels, (before, after), ("at the start", "at the end"), strict=True):
    for kind, colour in ((1.0, BLUE), (-1.0, ORANGE)):
        of_kind = sign == kind
        axes.scatter(*places[of_kind].T, s=400 * share[of_kind] / before.max(), color=colour, alpha=0.6, linewidths=0)
    axes.set(aspect="equal", title=title, xticks=[], yticks=[])
panels[1].contour(grid, grid, heights, levels=[0.0], colors="0.2", linewidths=1.5)
figure.suptitle("area: the size of a row's own gradient")
for when, share in (("start", before), ("end", after)):
    print(f"at the {when} a tenth of the rows has {np.sort(share)[-n // 10 :].sum() / share.sum():.0%} of all lengths")
