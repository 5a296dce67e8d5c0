"""Update rules: from a gradient to a step.  Importing defines; nothing is compiled before it is used."""

from steepest.rules.adaptive import Adagrad, Adam, AdamW, RMSProp
from steepest.rules.momentum import SGD, Momentum, Nesterov
from steepest.rules.proximal import FTRL
from steepest.rules.registry import RULES, get_rule, narrowed, rules_of_networks, unpenalised
from steepest.rules.stepper import AdagradFull, Stepper

__all__ = [
    "FTRL",
    "RULES",
    "SGD",
    "Adagrad",
    "AdagradFull",
    "Adam",
    "AdamW",
    "Momentum",
    "Nesterov",
    "RMSProp",
    "Stepper",
    "get_rule",
    "narrowed",
    "rules_of_networks",
    "unpenalised",
]
