"""Names the rules that choose a threshold from validation scores, such as conformal:0.05."""

import math
from fractions import Fraction
from typing import NamedTuple

# What a rule may be, by the field of the recipe that names it.
RULES = {
    "pixel_rule": ("best_f1", "best_f1_1se", "false_alarms:SHARE"),
    "image_rule": (
        "best_f1",
        "best_f1_1se",
        "false_alarms:SHARE",
        "conformal:ALPHA",
        "normal:ALPHA",
    ),
}
_OF_DEFECTS = ("best_f1", "best_f1_1se")
_OF_PROBABILITIES = ("best_f1_1se", "normal")


class Rule(NamedTuple):
    """A rule that was read from text.

    Attributes:
      name: best_f1, the threshold of the best F1; best_f1_1se, the one nearest to an even chance of
        those that are as good within one standard error; false_alarms, the lowest one that at most
        a share of the good validation pixels or images exceeds; conformal, the lowest one that a
        new good image exceeds with a probability of at most alpha; normal, the one that it exceeds
        with that probability if the logits of scores are normally distributed.
      share: SHARE or ALPHA, exactly as written, since 0.29 * 100 is less than 29 in floats.
    """

    name: str
    share: Fraction | None = None

    @property
    def needs_defects(self) -> bool:
        """Whether good images alone do not choose the threshold."""
        return self.name in _OF_DEFECTS

    @property
    def needs_probabilities(self) -> bool:
        """Whether scores outside [0, 1], which have no logits, choose no threshold."""
        return self.name in _OF_PROBABILITIES


def parse_rule(field: str, text: str) -> Rule:
    """Reads a rule.

    Args:
      field: key of `RULES`.
      text: one of its values, with a number in place of the word in capitals.

    Raises:
      ValueError: the text is no such rule, or SHARE is not in [0, 1) or ALPHA not in (0, 1).
    """
    name, _, number = text.partition(":")
    try:
        if not number and text in RULES[field]:
            return Rule(name)
        share = Fraction(number)
        known = name in [rule.partition(":")[0] for rule in RULES[field] if ":" in rule]
        if known and 0 <= share < 1 and (share or name == "false_alarms"):
            return Rule(name, share)
    except (ValueError, ZeroDivisionError):
        pass  # no number: said below
    raise ValueError(
        f"Argument `{field}` must be {' or '.join(RULES[field])}, with SHARE in [0, 1) and ALPHA "
        f"in (0, 1), such as 0.01. Received: {text!r}"
    )


def require_images(rule: Rule, *, good: int, defective: int) -> None:
    """Raises ValueError where a rule needs more validation images than there are."""
    if rule.needs_defects:
        if not defective:
            raise ValueError(
                f"Rule {rule.name} needs a defective validation image. Received none. Choose other "
                "validation folds, or a rule of good images alone, such as false_alarms:0.01"
            )
        return
    needed = 1
    if rule.name == "conformal":  # its rank is at most `good` then
        needed = math.ceil(1 / rule.share - 1)
    elif rule.name == "normal":  # one score has no standard deviation
        needed = 2
    if good < needed:
        raise ValueError(
            f"Rule {rule.name} with {float(rule.share):g} needs {needed} good validation images or "
            f"more. Received: {good}. Choose more images to validate on"
            + (", a larger ALPHA, or the rule normal" if rule.name == "conformal" else "")
        )
