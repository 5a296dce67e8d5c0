"""
Entropy, cross-entropy, divergence
==================================

How far is a predicted distribution :math:`q` from the true one :math:`p`?

.. math::

    H(p) = -\\sum_j p_j \\log p_j, \\qquad H(p, q) = -\\sum_j p_j \\log q_j, \\qquad
    \\mathrm{KL}(p \\,|\\, q) = \\sum_j p_j \\log \\frac{p_j}{q_j} = H(p, q) - H(p)

The cross-entropy is the loss of logistic and softmax regression. The part of it that the model can influence is the
divergence, which is never negative and zero only for :math:`q = p`. It is not symmetric.
"""

import matplotlib.pyplot as plt
import numpy as np

from steepest import cross_entropy, entropy, kl_divergence

p, q = [0.25, 0.75], [0.5, 0.5]
print(f"H(p)      = {entropy(p):.6f} nats = {entropy(p, base=2):.6f} bits")
print(f"H(p, q)   = {cross_entropy(p, q):.6f}")
print(f"KL(p | q) = {kl_divergence(p, q):.6f} = H(p, q) - H(p) = {cross_entropy(p, q) - entropy(p):.6f}")
print(f"KL(q | p) = {kl_divergence(q, p):.6f}: the other way round it is another number")

# %%
# A distribution that gives no probability to what happens cannot be forgiven; one that gives probability to what never
# happens only wastes it.

print(f"H([1/2, 1/2], [1, 0])  = {cross_entropy([0.5, 0.5], [1.0, 0.0])}")
print(f"KL([1/2, 1/2] | [1, 0]) = {kl_divergence([0.5, 0.5], [1.0, 0.0])}")
print(f"KL([1, 0] | [1/2, 1/2]) = {kl_divergence([1.0, 0.0], [0.5, 0.5]):.6f}")

# %%
# Over two outcomes
# -----------------
# Left: for p = (1/4, 3/4), the entropy is the floor of the cross-entropy, and the divergence is what lies above it.
# Right: the two directions of the divergence.

share = np.linspace(0.001, 0.999, 999)
q = np.stack([share, 1.0 - share], axis=1)

figure, (left, right) = plt.subplots(1, 2, figsize=(11, 4), layout="constrained")
left.plot(share, cross_entropy(p, q), label="$H(p, q)$")
left.axhline(entropy(p), color="black", linestyle=":", label="$H(p)$")
left.fill_between(share, entropy(p), cross_entropy(p, q), alpha=0.2, label=r"$\mathrm{KL}(p\,|\,q)$")
left.set(xlabel="$q_1$", ylim=(0.0, 2.5), title="cross-entropy = entropy + divergence")
right.plot(share, kl_divergence(p, q), label=r"$\mathrm{KL}(p\,|\,q)$")
right.plot(share, kl_divergence(q, p), label=r"$\mathrm{KL}(q\,|\,p)$")
right.set(xlabel="$q_1$", ylim=(0.0, 1.5), title="not symmetric")
for axes in (left, right):
    axes.axvline(p[0], color="0.7", linewidth=0.8)
    axes.legend(frameon=False)

# %%
# Never negative, also in floating point
# --------------------------------------
# Close distributions are where a difference of two entropies would lose its digits. The divergence is summed from terms
# that are not negative by themselves. Here :math:`q = p` but for :math:`\varepsilon`, and
# :math:`\mathrm{KL} \approx \varepsilon^2 \sum_j 1 / (2 p_j)`.

p = np.array([0.25, 0.75])
print(f"{'epsilon':>8} {'divergence':>14} {'H(p, q) - H(p)':>16} {'expected':>14}")
for epsilon in (1e-3, 1e-6, 1e-9):
    q = p + np.array([epsilon, -epsilon])
    expected = epsilon**2 * (0.5 / p).sum()
    print(f"{epsilon:8.0e} {kl_divergence(p, q):14.6e} {cross_entropy(p, q) - entropy(p):16.6e} {expected:14.6e}")

rng = np.random.default_rng(0)
p, q = rng.dirichlet(np.ones(4), 100_000), rng.dirichlet(np.ones(4), 100_000)
print(f"smallest of 100000 random divergences: {kl_divergence(p, q).min():.2e}")
