"""
Data augmentation
=================

A digit that is bent a little, or has a speck on it, is the same digit. *Augmentation* tells a network so: in every
epoch it meets another random version :math:`T(x_i)` of each image, with the same label, and what is minimised is

.. math::

    \\frac 1 n \\sum_i \\mathbb E_T\\, \\ell\\big(f_w(T(x_i)), y_i\\big).

What may vary has to be chosen. A change helps if rows to predict could look like its results; if they could not, the
network learns what nobody asks.
"""

import matplotlib.pyplot as plt
import numpy as np
from scipy.ndimage import zoom
from sklearn.datasets import load_digits

import steepest
from steepest import Augmenter

BLUE, ORANGE = "#0072b2", "#d55e00"
X, y = load_digits(return_X_y=True)

# %%
# What an image can become
# ------------------------
# One digit, enlarged to 30 x 30 pixels, and four versions for each option. Most sizes are limits: ``rotate=25`` draws
# an angle between -25 and 25 degrees, ``shift=6`` whole pixels between -6 and 6, ``cut_rows=8`` a band of 0 to 8 rows.
# Those of ``elastic`` and ``noise`` are standard deviations. Pixels that are cut out, or come from outside, get the
# value ``fill``. Here bands and rectangles are filled with grey, so that they can be seen on the background as well.
# Not all options suit digits: most of them, when flipped, are digits no more.

digit = zoom(np.pad(X[9].reshape(8, 8), 1), 3.0, order=1).reshape(1, -1)
options = [
    {"flip": "both"},
    {"rotate": 25},
    {"shift": 6},
    {"zoom": 0.4},
    {"shear": 0.5},
    {"crop": 0.5},
    {"cut_rows": 8, "fill": 7.0},
    {"cut_columns": 8, "fill": 7.0},
    {"erase": 0.2, "fill": 7.0},
    {"elastic": 1.5},
    {"noise": 2.0},
]
figure, panels = plt.subplots(4, 3, figsize=(9.6, 4.4), layout="constrained")
for axes, option in zip(panels.flat, [{}, *options], strict=True):
    versions = Augmenter(**option, random_state=199).fit(digit).sample(digit, copies=4 if option else 1)
    strip = np.full((30, 4 * 33 - 3), np.nan)
    for k, version in enumerate(versions):
        strip[:, 33 * k : 33 * k + 30] = version.reshape(30, 30)
    axes.imshow(strip, cmap="gray_r", vmin=-2.0, vmax=16.0)
    name, size = next(iter(option.items()), ("", ""))
    axes.set_title(f"{name}={size!r}" if option else "as it is", loc="left", fontsize=10)
    axes.set_axis_off()

# %%
# Seed, epoch and row decide
# --------------------------
# A version depends on the seed, the epoch and the number of the row in the data, and on nothing else: not on the batch
# that the row is in, nor on what was drawn before. So a run can be repeated, in any order.

augmenter = Augmenter(elastic=0.4, noise=1.0)
ready = augmenter.prepared(64)


def version(rows, epoch, seed):
    batch = X[rows]
    ready.apply(batch, np.array(rows), epoch, seed)
    return batch


every = version(list(range(1000)), epoch=3, seed=0)
print("in a batch of two as among a thousand:", np.array_equal(version([700, 20], epoch=3, seed=0), every[[700, 20]]))
print("the same in another epoch:            ", np.array_equal(version([700, 20], epoch=4, seed=0), every[[700, 20]]))
print("the same with another seed:           ", np.array_equal(version([700, 20], epoch=3, seed=1), every[[700, 20]]))
twins = X[[20, 20]]
ready.apply(twins, np.array([20, 21]), epoch=3, seed=0)
print("one image in two rows, one version:   ", np.array_equal(twins[0], twins[1]))

# %%
# Few digits
# ----------
# Digits of 8 x 8 pixels, as they are. Versions are bent by about 0.4 pixels and have noise of deviation 1 (pixels are 0
# to 16). Every network sees 24,000 images. With versions or without, it knows nearly all of its own rows.
# On 1000 others it is better with them, for each of three draws of the rows, and the gain is largest with the fewest.


def accuracy(images, rows, seed, augment):
    """On rows to learn from, and on 1000 others."""
    order = np.random.default_rng(seed).permutation(len(y))
    few, test = order[:rows], order[-1000:]
    model = steepest.MLPClassifier(
        (100,),
        augment=augment,
        scale="range",
        batch_size=50,
        learning_rate_init=8e-3,
        max_iter=24000 // rows,
        tol=None,
        probes=False,
        curvature=False,
        random_state=seed,
        on_unconverged="ignore",
    ).fit(images[few], y[few])
    return model, model.score(images[few], y[few]), model.score(images[test], y[test])


sizes, seeds = (75, 150, 300), range(3)
found = {}
print("rows   versions   own rows   others: mean, and each draw")
for rows in sizes:
    for augment in (None, augmenter):
        models, own, others = zip(*(accuracy(X, rows, seed, augment) for seed in seeds), strict=True)
        found[rows, augment is not None] = others
        each = "  ".join(f"{value:.1%}" for value in others)
        print(f"{rows:4}   {'yes' if augment else 'no':8}   {np.mean(own):8.1%}   {np.mean(others):.1%}    {each}")

figure, axes = plt.subplots(figsize=(7.0, 4.0), layout="constrained")
for with_versions, colour, label in ((False, ORANGE, "rows as they are"), (True, BLUE, "a new version each epoch")):
    values = 100.0 * np.array([found[rows, with_versions] for rows in sizes])
    axes.plot(sizes, values.mean(1), color=colour, linewidth=2)
    axes.plot(sizes, values, "o", color=colour, alpha=0.45, markersize=5, markeredgewidth=0)
    axes.text(312, values[-1].mean(), label, color=colour, va="center")
axes.set(xscale="log", xlabel="training rows", ylabel="accuracy on other rows, %", xlim=(68, 620), ylim=(83.5, 99))
axes.set_xticks(sizes, [str(rows) for rows in sizes])
axes.minorticks_off()
axes.spines[["top", "right"]].set_visible(False)

# %%
# The right change for the rows
# -----------------------------
# These digits are centred and fill their frame. A shift cuts strokes off that rows to predict never lack, and gains
# nothing here. Put the same digits anywhere on 12 x 12 pixels, and a network that sees few of them knows little about
# other places. Now the shift is what the rows do, and it more than doubles the share that is right.

random = np.random.default_rng(9)
placed = np.zeros((len(X), 12, 12))
for image, row, (top, left) in zip(placed, X, random.integers(0, 5, (len(X), 2)), strict=True):
    image[top : top + 8, left : left + 8] = row.reshape(8, 8)
placed = placed.reshape(len(X), 144)

for name, images, pixels in (("centred", X, 1), ("anywhere", placed, 2)):
    for augment in (None, Augmenter(shift=pixels)):
        if name == "centred" and augment is None:
            others = found[150, False]
        else:
            others = [accuracy(images, 150, seed, augment)[2] for seed in seeds]
        print(f"{name:8}  {f'shift={pixels}' if augment else 'as they are'!s:11}  {np.mean(others):.1%} of 150 rows")

# %%
# Predictions
# -----------
# What is predicted is never changed: versions belong to training. A model gives the same probabilities each time, and
# those of the same network without an augmenter. An augmenter in a pipeline passes rows on as they are; arrays of
# versions, for models of any kind, come from ``augment`` and ``sample``.

model = models[0]
probabilities = model.predict_proba(X)
print("same probabilities twice:      ", np.array_equal(probabilities, model.predict_proba(X)))
model.set_params(augment=None)
print("same without the augmenter:    ", np.array_equal(probabilities, model.predict_proba(X)))
print("transform passes rows as they are:", np.array_equal(augmenter.fit(X).transform(X), X))
