"""How is a model card read?  As Markdown that lines up on a terminal, and as HTML in a notebook.

Both say the same in the same order: three answers in words, then the figures they rest on. All text is
escaped in HTML: names of segments come from the data.
"""

from __future__ import annotations

import html
import math
import textwrap
from collections.abc import Sequence
from typing import TYPE_CHECKING

from crm_analytics.modelling.evaluate import Metric

if TYPE_CHECKING:
    from crm_analytics.modelling.model_card import ModelCard

# Figure -> heading and meaning; those that a card has are shown, in this order.
FIGURES = {
    "auc": (
        "AUC",
        "of one who does and one who does not, how often the first has the higher one; a coin: 0.5",
    ),
    "log_loss": ("log loss", "penalty for wrong and for too sure probabilities; smaller is better"),
    "calibration_in_the_large": ("expected / came", "expected events / those that came; 1 is right"),
    "calibration_slope": ("slope", "1 is right; below 1 the probabilities are too extreme, above too timid"),
    "expected_calibration_error": ("calibration error", "mean gap of probability and rate, ten groups"),
    "capture_at_top_decile": (
        "caught in top tenth",
        "share of all events among the highest tenth; blindly: 0.1",
    ),
    "earned_by_calling_a_tenth": ("earned by calls", "see the assumption above"),
    "hit_rate": ("hit rate", ""),
    "recall": ("recall", ""),
}
# All of them would not fit a terminal: what models are compared by, and what windows and segments are.
_MODEL_FIGURES = (
    "auc",
    "log_loss",
    "calibration_in_the_large",
    "capture_at_top_decile",
    "earned_by_calling_a_tenth",
    "hit_rate",
    "recall",
)
_GROUP_FIGURES = ("auc", "calibration_in_the_large", "calibration_slope", "expected_calibration_error")
_WIDTH = 100

_COIN = Metric(0.5, 0.5, 0.5)

Table = tuple[str, list[str], list[list[str]]]


def answers(card: ModelCard) -> tuple[tuple[str, str], ...]:
    """Return the three questions that a reader of a card has, each with its answer in words."""
    return (
        ("What was predicted?", f"Probability that {card.event}. Known: what happened before {card.as_of}."),
        ("How good is it against doing nothing clever?", _comparison(card)),
        ("May I use it?", card.verdict),
    )


def markdown(card: ModelCard) -> str:
    """Return the card as Markdown whose tables line up in a font of fixed width."""
    lines = [f"# Model card: {card.name}", ""]
    for question, answer in answers(card):
        lines += [f"**{question}**", *textwrap.wrap(answer, _WIDTH), ""]
    for title, head, rows in _tables(card):
        lines += [f"**{title}**", "", *_aligned(head, rows), ""]
    for note in _notes(card):
        lines += textwrap.wrap(f"- {note}", _WIDTH, subsequent_indent="  ")
    return "\n".join(lines).rstrip() + "\n"


def page(card: ModelCard) -> str:
    """Return the card as an HTML fragment, for a notebook."""
    parts = [f"<h3>Model card: {html.escape(card.name)}</h3>"]
    for question, answer in answers(card):
        parts.append(
            f'<p style="max-width:50em;margin:.3em 0"><b>{html.escape(question)}</b><br>'
            f"{html.escape(answer)}</p>"
        )
    for title, head, rows in _tables(card):
        cells = "".join(_cell("th", text, number) for number, text in enumerate(head))
        body = "".join(
            f"<tr>{''.join(_cell('td', text, number) for number, text in enumerate(row))}</tr>"
            for row in rows
        )
        parts.append(
            f"<table><caption style='text-align:left;font-weight:bold'>{html.escape(title)}</caption>"
            f"<thead><tr>{cells}</tr></thead><tbody>{body}</tbody></table>"
        )
    items = "".join(f"<li>{html.escape(note)}</li>" for note in _notes(card))
    return "".join([*parts, f"<ul style='max-width:60em'>{items}</ul>"])


def _comparison(card: ModelCard) -> str:
    """Say in words what the chosen model catches, and what the simple ones do."""
    found = card.metrics.get(card.chosen)
    if not found:
        is_simple = card.chosen in card.baselines
        told = f" It is one of the simple ways ({_words(card.chosen)})." if is_simple else ""
        return f"Not known: no later window had enough customers to judge it on.{told}"
    caught = found.get("capture_at_top_decile")
    if caught is None or math.isnan(caught.value):
        return "See the table: the model used, beside the simple answers."
    rate = _rate_judged(card)
    if rate is None or "lift_at_top_decile" not in found:
        figure, times = "capture_at_top_decile", 1.0
        said = [f"Of all to whom it happened, {_share(caught)} were in the tenth it rated highest. "]
        said += ["Picking blindly, a tenth finds 10 %"]
    else:
        figure, times = "lift_at_top_decile", rate
        said = [f"In the tenth it rated highest, it happened to {_share(found[figure], rate)}. "]
        said += [f"Picking blindly, it is {rate:.0%}"]
    simple = {
        name: card.metrics[name][figure].value * times
        for name in card.baselines
        if name != card.chosen and figure in card.metrics.get(name, {})
    }
    if found.get("auc") == _COIN:
        said = ["It gives everybody the same probability, so it picks nobody out"]
    elif simple:
        best = max(simple, key=lambda name: (simple[name], name))
        said.append(f"; the best of the simple ways ({_words(best)}) finds {simple[best]:.0%}")
    total = found.get("calibration_in_the_large")
    if total is not None and not math.isnan(total.value):
        said.append(f". Where 100 came, it had expected {100.0 * total.value:.0f}")
    if card.chosen in card.baselines:
        said.append(". It is one of the simple ways itself")
        if _is_unbeaten(card):
            said.append(": no model that learns beat it")
    return "".join(said) + "."


def _is_unbeaten(card: ModelCard) -> bool:
    """Return whether models that learn were judged, and none had a lower log-loss than the one used."""
    losses = {name: found["log_loss"].value for name, found in card.metrics.items() if "log_loss" in found}
    learned = [loss for name, loss in losses.items() if name not in card.baselines]
    return bool(learned) and card.chosen in losses and min(learned) >= losses[card.chosen]


def _tables(card: ModelCard) -> list[Table]:
    tables: list[Table] = []
    names = [name for name in _MODEL_FIGURES if any(name in found for found in card.metrics.values())]
    if names:
        ranked = sorted(card.metrics, key=lambda model: (model != card.chosen, model in card.baselines))
        rows = [
            [_words(model) + _role(card, model), *(_figure(card.metrics[model].get(name)) for name in names)]
            for model in ranked
        ]
        tables.append(("All ways of predicting, on later windows", _heads("model", names), rows))
    for title, first, groups in (
        ("The model used, window by window", "from", card.by_cutoff),
        ("The model used, by segment", "segment", card.by_segment),
    ):
        if groups:
            rows = [
                [_words(group), *(_figure(found.get(name)) for name in _GROUP_FIGURES)]
                for group, found in groups.items()
            ]
            tables.append((title, _heads(first, _GROUP_FIGURES), rows))
    if card.cutoffs:
        rows = [
            [cutoff.as_of.isoformat(), cutoff.role, f"{cutoff.row_count:,}", f"{cutoff.event_rate:.1%}"]
            for cutoff in card.cutoffs
        ]
        days = ["day", "served to", "customers", "it happened to"]
        tables.append(("Days it learned from and was judged on", days, rows))
    return tables


def _notes(card: ModelCard) -> list[str]:
    shown = {*_MODEL_FIGURES, *(_GROUP_FIGURES if card.by_cutoff or card.by_segment else ())}
    known = [
        name for name in FIGURES if name in shown and any(name in found for found in card.metrics.values())
    ]
    words = [f"{FIGURES[name][0]}: {FIGURES[name][1]}" for name in known if FIGURES[name][1]]
    limits = (
        ["In brackets: where a figure lies 19 times in 20, had other customers been drawn"] if known else []
    )
    return [*card.notes, *limits, *words]


def _heads(first: str, names: Sequence[str]) -> list[str]:
    return [first, *(FIGURES[name][0] for name in names)]


def _role(card: ModelCard, model: str) -> str:
    used = " (used)" if model == card.chosen else ""
    return f" (simple){used}" if model in card.baselines else used


def _words(name: str) -> str:
    return name.replace("_", " ")


def _rate_judged(card: ModelCard) -> float | None:
    """Return the share of customers to whom it happened on the days that models were judged on."""
    judged = [one for one in card.cutoffs if one.role == "hold-out" and not math.isnan(one.event_rate)]
    rows = sum(one.row_count for one in judged)
    return sum(one.row_count * one.event_rate for one in judged) / rows if rows else None


def _share(metric: Metric, times: float = 1.0) -> str:
    value, low, high = (min(100.0, 100 * times * one) for one in (metric.value, metric.low, metric.high))
    return f"{value:.0f}%" + ("" if math.isnan(metric.low) else f" ({low:.0f} to {high:.0f})")


def _figure(metric: Metric | None) -> str:
    if metric is None:
        return ""
    if math.isnan(metric.value):
        return "not defined"
    limits = "" if math.isnan(metric.low) else f" ({_short(metric.low)}-{_short(metric.high)})"
    return f"{metric.value:.3f}{limits}" if abs(metric.value) < 100 else f"{metric.value:,.0f}{limits}"


def _short(value: float) -> str:
    if abs(value) >= 100:
        return f"{value:,.0f}"
    text = f"{value:.2f}"
    return text.removeprefix("0") if 0.0 <= value < 1.0 and text.startswith("0") else text


def _aligned(head: list[str], rows: list[list[str]]) -> list[str]:
    """Return a Markdown table padded to the widest cell of each column."""
    widths = [max(3, len(head[n]), *(len(row[n]) for row in rows)) for n in range(len(head))]

    def line(cells: list[str]) -> str:
        padded = (
            cell.rjust(width) if number else cell.ljust(width)
            for number, (cell, width) in enumerate(zip(cells, widths, strict=True))
        )
        return "| " + " | ".join(padded) + " |"

    marks = ["-" * width if not number else "-" * (width - 1) + ":" for number, width in enumerate(widths)]
    return [line(head), "| " + " | ".join(marks) + " |", *(line(row) for row in rows)]


def _cell(tag: str, text: str, number: int) -> str:
    side = "left" if number == 0 else "right"
    return f'<{tag} style="text-align:{side};padding:.15em .7em">{html.escape(text)}</{tag}>'
