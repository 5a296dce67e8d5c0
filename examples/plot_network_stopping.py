r"""
How the training of a network ends
==================================

The objective of a network is not convex: a small gradient is no proof of a minimum, and no minimum that is found is
known to be the lowest. So a training ends for a reason (a gradient, a loss that does not fall, epochs, seconds,
validation rows), and the certificate says two things apart: how the run ended, and what is true of the point where it
did.
"""

import matplotlib.pyplot as plt
import numpy as np
from sklearn.datasets import make_moons
from sklearn.model_selection import train_test_split

from steepest import MLPClassifier

X, y = make_moons(400, noise=0.25, random_state=0)
X, X_val, y, y_val = train_test_split(X, y, test_size=200, random_state=0)


def network(sizes=(20,), **options):
    """A small network that says nothing where it is cut short."""
    chosen = {"activation": "tanh", "batch_size": 20, "random_state": 0, "on_unconverged": "ignore", **options}
    return MLPClassifier(sizes, **chosen)


def show(name, model):
    certificate = model.certificate_
    found = certificate.evidence.get("verdict", "not examined")
    print(f"{name:<30} {certificate.status!s:<14} {found:<24} passed={certificate.passed}")


# %%
# Five ends
# ---------
#
# Newton's method and L-BFGS see all rows at each step, and end where no entry of the gradient exceeds ``tol``. Epochs
# of small steps have no such moment: their gradients are those of batches, and never rest. They end where the training
# loss has not fallen by ``tol`` for ten epochs, as scikit-learn's do, or at a number of epochs, or after some seconds.

ends = {
    "Newton, tol=1e-8": network((5,), solver="newton", alpha=1.0, tol=1e-8, batch_size="auto").fit(X, y),
    "L-BFGS, tol=1e-8": network((5,), solver="lbfgs", alpha=1.0, tol=1e-8, batch_size="auto").fit(X, y),
    "Adam, loss at rest": network(learning_rate_init=0.01, tol=1e-3, max_iter=500, curvature=True).fit(X, y),
    "Adam, 30 epochs": network(tol=None, max_iter=30, curvature=True).fit(X, y),
    "Adam, max_time=0.2": network(tol=None, max_iter=10**6, max_time=0.2, curvature=True).fit(X, y),
}
for name, model in ends.items():
    show(name, model)

# %%
# The first two stand at a minimum to second order: no gradient, and no direction of negative curvature. The others do
# not, and say so. That the loss of the batches has come to rest is a fact about the run; the first sentence keeps it
# apart from what is known about the point:

for sentence in ends["Adam, loss at rest"].certificate_.reason.split(". "):
    print(sentence.rstrip(".") + ".")

# %%
# None of the five has ``passed``: what is asked of a certificate is a bound on the distance to the lowest value, and
# for a network there is none.
#
# Validation rows
# ---------------
#
# A larger network goes on to fit the noise of its 200 rows. Watched on rows that it does not train on, it ends after
# ``patience=30`` epochs without a new best, and the parameters that were best there are returned, not the last ones.

model = network(
    (200, 200), activation="relu", learning_rate_init=0.003, tol=None, max_iter=400, patience=30, curvature=False
)
model.fit(X, y, X_val=X_val, y_val=y_val)
show("patience=30", model)
watched = np.array(model.history_["validation_loss"])
best = int(np.nanargmin(watched))
own = -np.log(model.predict_proba(X_val)[np.arange(len(y_val)), y_val]).mean()
print(f"least on the validation rows: {watched[best]:.4f} after epoch {best}; of the model that is returned: {own:.4f}")
print(f"after the last epoch, {len(watched) - 1}: {watched[-1]:.4f}")

# %%
# The training loss falls nearly to the end; it could not have said when to stop.

training = np.array(model.history_["objective"])
epochs = np.arange(len(watched))
fig, axes = plt.subplots(figsize=(7.0, 3.8), layout="constrained")
axes.plot(epochs, training, color="#0072b2")
axes.plot(epochs, watched, color="#d55e00")
axes.plot(best, watched[best], "o", color="#d55e00", markersize=8)
axes.annotate(
    f"returned: epoch {best}",
    (best, watched[best]),
    xytext=(0, 28),
    textcoords="offset points",
    ha="center",
    arrowprops={"arrowstyle": "-", "color": "0.4"},
)
axes.text(epochs[-1] + 1, watched[-1], "validation", color="#d55e00", va="center")
axes.text(epochs[-1] + 1, training[-1], "training", color="#0072b2", va="center")
axes.set(xlabel="epoch", ylabel="mean loss", xlim=(0, 1.17 * epochs[-1]), ylim=(0, None))
axes.spines[["top", "right"]].set_visible(False)
plt.show()

# %%
# A model that was ended by validation rows has the status ``stopped_early``: it did what was asked. One that was cut
# short by epochs or seconds has ``budget``, and warns unless ``tol=None`` asked for just that.
