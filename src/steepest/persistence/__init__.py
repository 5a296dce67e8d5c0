"""Models on disk: written with skops, read without pickle, and only from types on a list.

A model file is a zip archive of ``schema.json`` (the objects, as skops writes them), their arrays, and
``steepest.json`` (the *manifest*: format version, versions of the packages, what the model is and what data it
expects, and a digest of every other member).

- ``codec``: records, certificates, histories, losses and penalties as plain values, and back.
- ``archive``: the container, checked before anything in it is believed.
- ``policy``: which types a file may hold.
- ``migrations``: older formats.
- ``manifest``: what a model says about itself.
- ``store``: `save`, `load`, `describe`.
"""

from steepest.persistence.store import describe, load, save

__all__ = ["describe", "load", "save"]
