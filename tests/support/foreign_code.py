"""Code of a user's: a loss and a transformer that a model may hold, in a module that can be imported."""

from __future__ import annotations

from typing import NamedTuple

from sklearn.base import BaseEstimator, TransformerMixin

from steepest import scalar_loss


@scalar_loss(name="tilted_square")
class TiltedSquare(NamedTuple):
    weight: float = 2.0
    convex = True

    def value(self, z, y):
        r = z - y
        return (self.weight if r > 0.0 else 1.0) * 0.5 * r * r

    def slope(self, z, y):
        r = z - y
        return (self.weight if r > 0.0 else 1.0) * r


class Doubled(TransformerMixin, BaseEstimator):
    def fit(self, X, y=None):
        self.n_features_in_ = X.shape[1]
        return self

    def transform(self, X):
        return 2.0 * X
