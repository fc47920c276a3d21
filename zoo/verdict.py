"""Says in plain words how many parts are judged wrongly, and how sure that is."""

from zoo.metrics.decisions import CONFIDENCE, wilson_interval


def sentence(metrics: dict) -> str:
    """The answer in one sentence, in parts of a hundred."""
    answers = []
    if metrics["defective"]:
        passed = _per_hundred(metrics["fn"], metrics["defective"])
        answers.append(f"of 100 defective parts {passed} {_verb(passed, 'passes', 'pass')}")
    if good := metrics["images"] - metrics["defective"]:
        rejected = _per_hundred(metrics["fp"], good)
        answers.append(f"of 100 good parts {rejected} {_verb(rejected, 'is', 'are')} rejected")
    answer = ", ".join(answers)
    return answer[0].upper() + answer[1:] + "."


def counts(metrics: dict) -> list[str]:
    """What the sentence rests on: counts, and between which shares the truth behind them lies."""
    sentences = []
    good = metrics["images"] - metrics["defective"]
    for name, wrong, total, one, many in (
        ("defective", metrics["fn"], metrics["defective"], "passes", "pass"),
        ("good", metrics["fp"], good, "is rejected", "are rejected"),
    ):
        if not total:
            sentences.append(f"No {name} image was measured, so nothing is known about them.")
            continue
        low, high = (100 * bound for bound in wilson_interval(wrong, total))
        sentences.append(
            f"{wrong} of {total} {name} images {_verb(str(wrong), one, many)}; with so many "
            f"measured, the true share lies between {low:.3g}% and {high:.3g}% "
            f"({CONFIDENCE:.0%} confidence)."
        )
    return sentences


def _per_hundred(part: int, total: int) -> str:
    rounded = round(100 * part / total)
    if part and not rounded:
        return "fewer than 1"
    if part < total and rounded == 100:
        return "more than 99"
    return str(rounded)


def _verb(amount: str, one: str, many: str) -> str:
    return one if amount in ("1", "fewer than 1") else many
