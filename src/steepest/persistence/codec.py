"""Values of steepest as plain dictionaries, numbers, text and arrays, and back.

A file holds estimators and plain values only; certificates, records, histories, losses, penalties, schedules, rules,
orders, memories of solvers and other dataclasses of this package are written as *tagged* dictionaries with their fields
by name.  So a file does not depend on how these classes are laid out in memory, and none of them has to be trusted:
only this module makes them, from checked fields.
"""

from __future__ import annotations

import importlib
from collections.abc import Callable
from dataclasses import MISSING, fields, is_dataclass
from typing import Any

import numpy as np

from steepest import penalties
from steepest.exceptions import PersistenceError
from steepest.losses.registry import SCALAR_LOSSES, VECTOR_LOSSES, get_loss
from steepest.persistence.policy import is_own, name_of
from steepest.protocols import HISTORY_COLUMNS, Certificate, Status
from steepest.record.history import History
from steepest.record.record import FitRecord

TAG = "steepest:value"
_MEMORY = "steepest.solvers.steps.Memory"  # by name: its module loads compiled code
#: Dataclasses of networks by name, with the modules that have them and, where it is no other, the way to make them.
_PARTS = {
    **dict.fromkeys(
        ("Identity", "Sigmoid", "Tanh", "Relu", "LeakyRelu", "Elu", "Softplus", "Maxout"), "steepest.networks.units"
    ),
    **dict.fromkeys(("Zeros", "Normal", "FanIn", "Glorot", "He"), "steepest.networks.initializers"),
    "Dense": "steepest.networks.layers",
    "ProbeTable": "steepest.networks.probe_table",
    "TrainingState": "steepest.networks.training",
    "NetworkMemory": "steepest.solvers.network",
}
_RENAMED = {"Maxout": {"k": "pieces"}, "Normal": {"deviation": "std"}}  # fields as their constructors call them
_PENALTIES = {kind.__name__: kind for kind in (penalties.NoPenalty, penalties.L1, penalties.L2, penalties.ElasticNet)}
#: What belongs to a session and not to a model: a solver at work, callbacks, and the context that they are given.
_TRANSIENT = ("_process", "_skl_callbacks", "_skl_callbacks_to_teardown", "_callback_fit_ctx", "_parent_callback_ctx")


def _own_losses() -> dict[str, Any]:
    get_loss("squared")  # fills the tables
    found = {**SCALAR_LOSSES, **VECTOR_LOSSES}
    return {name: kind for name, kind in found.items() if kind.__module__.startswith("steepest.losses.")}


def _own_values() -> dict[str, dict[str, Any]]:
    """Schedules, rules, orders and constraints by name: tuples of numbers, arrays, and each other."""
    from steepest.data.orders import ORDERS
    from steepest.penalties.constraints import CONSTRAINTS
    from steepest.rules import RULES
    from steepest.solvers.schedules import SCHEDULES
    from steepest.solvers.schedules_rows import InverseRows

    return {
        "schedule": {**SCHEDULES, "inverse_rows": InverseRows},
        "rule": {**RULES},
        "order": ORDERS,
        "constraint": CONSTRAINTS,
    }


class Encoder:
    """Rewrites an object; what needs no change is passed on as it is, and the original is never touched.

    Objects that occur twice are rewritten once, so sharing survives.
    """

    def __init__(self) -> None:
        self._done: dict[int, Any] = {}
        self._alive: list[Any] = []  # an id is only unique while its object lives
        self._losses = {kind: name for name, kind in _own_losses().items()}
        self._values = {kind: (room, name) for room, table in _own_values().items() for name, kind in table.items()}

    def __call__(self, value: Any) -> Any:
        """The plain form of ``value``."""
        key = id(value)
        if key not in self._done:
            self._alive.append(value)
            self._done[key] = self._plain(value)
        return self._done[key]

    def _plain(self, value: Any) -> Any:
        kind = type(value)
        if kind is Certificate or kind is FitRecord:
            named = {field.name: self(getattr(value, field.name)) for field in fields(value)}
            if kind is Certificate:
                named["status"] = str(value.status)
            return {TAG: kind.__name__, "fields": named}
        if is_dataclass(kind) and is_own(name_of(kind)):
            named = {field.name: self(getattr(value, field.name)) for field in fields(value) if field.init}
            return {TAG: "dataclass", "type": name_of(kind), "fields": named}
        if _PARTS.get(kind.__name__) == kind.__module__:
            return {
                TAG: "part",
                "name": kind.__name__,
                "fields": {field.name: self(getattr(value, field.name)) for field in fields(value)},
            }
        if kind is History:
            columns = list(HISTORY_COLUMNS)
            rows = np.array([value[name] for name in columns]).T if len(value) else np.empty((0, len(columns)))
            return {TAG: "History", "columns": columns, "rows": np.ascontiguousarray(rows)}
        if kind in self._losses:
            return {TAG: "loss", "name": self._losses[kind], "fields": [self(item) for item in value]}
        if kind in self._values:
            room, name = self._values[kind]
            return {TAG: "value", "room": room, "name": name, "fields": [self(item) for item in value]}
        if name_of(kind) == _MEMORY:
            return {TAG: "memory", "fields": {field.name: self(getattr(value, field.name)) for field in fields(value)}}
        if kind in _PENALTIES.values():
            return {TAG: "penalty", "name": kind.__name__, "fields": [self(item) for item in value]}
        if isinstance(value, type) and value in self._losses:
            return {TAG: "loss_class", "name": self._losses[value]}
        if kind is Status:
            return {TAG: "status", "name": str(value)}
        if kind is dict:
            return self._dict(value)
        if kind is np.ndarray and value.dtype == object:
            items = [self(item) for item in value.flat]
            if all(a is b for a, b in zip(items, value.flat, strict=True)):
                return value
            return {TAG: "array", "shape": list(value.shape), "items": items}
        if kind is list or kind is tuple:
            made = [self(item) for item in value]
            return value if all(a is b for a, b in zip(made, value, strict=True)) else kind(made)
        if hasattr(value, "get_params") and hasattr(value, "__dict__") and not isinstance(value, type):
            return self._estimator(value)
        return value

    def _dict(self, value: dict[Any, Any]) -> dict[Any, Any]:
        if any(not isinstance(key, str) for key in value):  # JSON would make text of the keys
            return {TAG: "dict", "keys": [self(key) for key in value], "values": [self(v) for v in value.values()]}
        made = {key: self(item) for key, item in value.items()}
        return value if all(made[key] is value[key] for key in value) else made

    def _estimator(self, value: Any) -> Any:
        before = value.__dict__
        after = {key: self(item) for key, item in before.items() if key not in _TRANSIENT}
        if len(after) == len(before) and all(after[key] is before[key] for key in before):
            return value
        twin = object.__new__(type(value))
        twin.__dict__.update(after)
        return twin


class Decoder:
    """Turns tagged dictionaries back into values, in place in the estimators that hold them."""

    def __init__(self) -> None:
        self._done: dict[int, Any] = {}
        self._alive: list[Any] = []
        self._makers: dict[str, Callable[[dict[str, Any]], Any]] = {
            "Certificate": self._certificate,
            "FitRecord": self._record,
            "History": self._history,
            "dataclass": self._dataclass,
            "loss": self._loss,
            "loss_class": lambda item: _own_losses()[item["name"]],
            "value": lambda item: _own_values()[item["room"]][item["name"]](*map(self, item["fields"])),
            "memory": self._memory,
            "part": self._part,
            "penalty": lambda item: _PENALTIES[item["name"]](*map(self, item["fields"])),
            "array": self._array,
            "status": lambda item: Status(item["name"]),
            "dict": lambda item: dict(zip(map(self, item["keys"]), map(self, item["values"]), strict=True)),
        }

    def __call__(self, value: Any) -> Any:
        """The value that a plain form stands for."""
        key = id(value)
        if key not in self._done:
            self._alive.append(value)
            self._done[key] = value  # an object that holds itself is passed on
            self._done[key] = self._value(value)
        return self._done[key]

    def _value(self, value: Any) -> Any:
        kind = type(value)
        if kind is dict:
            if TAG in value:
                return self._tagged(value)
            made = {key: self(item) for key, item in value.items()}
            return value if all(made[key] is value[key] for key in value) else made
        if kind is list or kind is tuple:
            items = [self(item) for item in value]
            return value if all(a is b for a, b in zip(items, value, strict=True)) else kind(items)
        if hasattr(value, "get_params") and hasattr(value, "__dict__") and not isinstance(value, type):
            for key, item in list(value.__dict__.items()):
                made = self(item)
                if made is not item:
                    value.__dict__[key] = made
        return value

    def _tagged(self, value: dict[str, Any]) -> Any:
        tag = value[TAG]
        if not isinstance(tag, str) or tag not in self._makers:
            raise PersistenceError(f"it holds a value of an unknown kind {tag!r}, known are {sorted(self._makers)}")
        try:
            return self._makers[tag](value)
        except PersistenceError:
            raise
        except Exception as error:
            raise PersistenceError(f"a value of kind '{tag}' in it is damaged ({error!r})") from error

    def _fields(self, kind: type, item: dict[str, Any]) -> dict[str, Any]:
        """Fields by name: those of a later version are left out, those of an earlier one take their defaults."""
        given = item["fields"]
        out = {}
        for field in fields(kind):
            if not field.init:
                continue
            if field.name in given:
                out[field.name] = self(given[field.name])
            elif field.default is MISSING and field.default_factory is MISSING:
                raise PersistenceError(f"the field '{field.name}' of its {kind.__name__} is missing")
        return out

    def _certificate(self, item: dict[str, Any]) -> Certificate:
        named = self._fields(Certificate, item)
        named["status"] = Status(named["status"])
        return Certificate(**named)

    def _record(self, item: dict[str, Any]) -> FitRecord:
        return FitRecord(**self._fields(FitRecord, item))

    def _memory(self, item: dict[str, Any]) -> Any:
        from steepest.solvers.steps import Memory

        return Memory(**self._fields(Memory, item))

    def _dataclass(self, item: dict[str, Any]) -> Any:
        module, _, name = str(item["type"]).rpartition(".")
        kind = getattr(importlib.import_module(module), name) if is_own(str(item["type"])) else None
        if not (isinstance(kind, type) and is_dataclass(kind)):
            raise PersistenceError(f"it holds a value of the unknown kind {item['type']!r}; upgrade steepest")
        return kind(**self._fields(kind, item))

    def _part(self, item: dict[str, Any]) -> Any:
        name = str(item["name"])
        if name not in _PARTS:
            raise PersistenceError(f"it holds a part of a network of the unknown kind '{name}'; upgrade steepest")
        kind = getattr(importlib.import_module(_PARTS[name]), name)
        renamed = _RENAMED.get(name, {})
        return kind(**{renamed.get(key, key): value for key, value in self._fields(kind, item).items()})

    def _array(self, item: dict[str, Any]) -> Any:
        flat = np.empty(len(item["items"]), dtype=object)
        for place, value in enumerate(item["items"]):
            flat[place] = self(value)
        return flat.reshape(item["shape"])

    def _history(self, item: dict[str, Any]) -> History:
        rows = np.asarray(item["rows"], dtype=np.float64)
        columns = list(item["columns"])
        if rows.ndim != 2 or rows.shape[1] != len(columns):
            raise PersistenceError(f"its history has {rows.shape} numbers for {len(columns)} columns")
        history = History()
        known = [(i, name) for i, name in enumerate(columns) if name in HISTORY_COLUMNS]
        for row in rows.tolist():
            history.append(**{name: row[i] for i, name in known})
        return history

    def _loss(self, item: dict[str, Any]) -> Any:
        losses = _own_losses()
        if item["name"] not in losses:
            raise PersistenceError(f"it needs the loss '{item['name']}', which this version does not have")
        return losses[item["name"]](*map(self, item["fields"]))
