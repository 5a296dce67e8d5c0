"""
Tables with categories and gaps
===============================

Data arrive as a file with numbers, words and holes. `steepest.readers.read_table` reads CSV and Parquet into typed
columns and says what it found; `steepest.TableEncoder` makes them a matrix: numbers are standardised, a missing number
becomes the median, each level of a category gets a column of zeros and ones (*one-hot*), and a missing category is a
level of its own. The encoder travels with the model, so a file with new rows is all that a prediction needs.
"""

import tempfile
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
from sklearn.pipeline import make_pipeline

import steepest
from steepest.readers import read_table

rng = np.random.default_rng(0)
n = 800
age = rng.integers(18, 80, n)
job = rng.choice(["cook", "smith", "clerk", "?"], n, p=[0.4, 0.3, 0.25, 0.05])
size = np.where(rng.random(n) < 0.1, "", np.round(rng.normal(170, 10, n), 1).astype(str))
rich = age + 18.0 * (job == "clerk") + rng.normal(0, 12, n) > 58

folder = Path(tempfile.mkdtemp())
lines = ["age,job,height,class"]
lines += [f"{a},{j},{s},{'rich' if r else 'poor'}" for a, j, s, r in zip(age, job, size, rich, strict=True)]
(folder / "people.csv").write_text("\n".join(lines) + "\n")
print("\n".join(lines[:5]))

# %%
# Reading says what it found
# --------------------------

table = read_table(folder / "people.csv")
print(table.describe())
for note in table.notes:
    print("-", note)

# %%
# Encoding names what it makes
# ----------------------------

encoder = steepest.TableEncoder().fit(table)
print(encoder.get_feature_names_out().tolist())
for note in encoder.notes_:
    print("-", note)
print(encoder.transform(table)[:3].round(2))

# %%
# A pipeline that takes tables
# ----------------------------
# Labels are words, and stay words.

model = make_pipeline(steepest.TableEncoder(), steepest.LogisticRegression()).fit(table, table.y())
print(model[-1].certificate_)
print("right:", f"{np.mean(model.predict(table) == table.y()):.3f}", "classes:", model.classes_.tolist())
steepest.CoefficientDisplay.from_estimator(model)
plt.title("rich against poor")

# %%
# New rows, in another order of columns, with a level that the fit has not seen
# -----------------------------------------------------------------------------

import warnings

import pandas as pd

new = pd.DataFrame({"job": ["clerk", "pilot"], "height": [None, 180.0], "age": [61, 30]})
with warnings.catch_warnings(record=True) as said:
    warnings.simplefilter("always")
    print(model.predict(new).tolist())
print(said[0].message)

# %%
# The same on the command line:
#
# .. code-block:: console
#
#     $ steepest fit people.csv --model logistic --test 0.25 --out model.skops --report report.html
#     $ steepest predict model.skops new.csv --proba
