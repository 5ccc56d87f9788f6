"""One reasoning control for every vendor: from what was asked to the fields that say it, and what was changed.

Without a control nothing is sent that changes how much the model thinks; fields that only make its thoughts readable
(`Reasoning.shown`) go along. A plain request, the retry after a refused control, says nothing about reasoning at all.

What cannot be said exactly is said as nearly as can be, down before up, and a note tells the caller. No note is due
where only the spelling differs: "max" is the strongest word that a model has, whatever that is.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from thinkaloud_server.core.request import EFFORTS, Effort, ModelRequest, ReasoningControl
from thinkaloud_server.providers.vendors import Reasoning, Vendor

# Vendors' words for an effort, weakest first.
_RANKS = ("none", "minimal", "low", "medium", "high", "xhigh", "max")
# The effort that a budget comes nearest to, for vendors without budgets.
_BUDGETS: tuple[tuple[int, Effort], ...] = ((0, "none"), (1024, "low"), (8192, "medium"), (32768, "high"))


@dataclass(frozen=True, slots=True)
class Told:
    """The fields that tell a model how much to think, and what the caller should know of what was changed."""

    fields: dict[str, Any] = field(default_factory=dict)
    notes: tuple[str, ...] = ()


def reasoning_fields(vendor: Vendor, request: ModelRequest) -> Told:
    """The fields by which this vendor's model is told how much to think, as the row and the listing have it."""
    if request.plain:
        return Told()
    row = vendor.reasoning_of(request.model, request.info)
    control = request.reasoning
    known = request.info.reasoning if request.info is not None else ""
    if control is None:
        return Told(merge({}, row.shown) if known != "none" else {})
    if known == "none":
        asked = control.effort != "none"
        return Told(notes=("the model does not reason: the reasoning control was left out",) if asked else ())
    taken = request.info.efforts if request.info is not None else ()
    writer = _Writer(row, taken, mandatory=known == "mandatory")
    writer.write(control)
    return Told(writer.fields, tuple(writer.notes))


class _Writer:
    """Writes one control; `fields` and `notes` are its result."""

    def __init__(self, row: Reasoning, taken: Sequence[str], *, mandatory: bool) -> None:
        self.fields: dict[str, Any] = {}
        self.notes: list[str] = []
        self._row = row
        self._taken = taken
        self._mandatory = mandatory

    def write(self, control: ReasoningControl) -> None:
        row = self._row
        budget, effort = control.max_tokens, control.effort
        if effort is None and budget is not None and (not row.budget or budget == 0):
            effort, tokens, budget = nearest_effort(budget), budget, None
            if tokens and (row.effort or row.on or row.bare):
                self._note(f'the model takes no token budget: {tokens} tokens became the effort "{effort}"')
        if effort == "none" and self._mandatory:
            self._note("the model always reasons: it was asked for as little as it can")
            effort = "minimal"
        if effort == "none" and row.off is not None:
            merge(self.fields, row.off)
            return
        merge(merge(self.fields, row.shown), row.on)
        if budget is not None and effort is None:
            self._budget(budget)
        elif effort is not None:
            self._effort(effort)
        else:
            merge(self.fields, row.bare)
        if row.summary and control.summary is not None:
            put(self.fields, row.summary, control.summary)

    def _budget(self, budget: int) -> None:
        row = self._row
        bounded = max(budget, row.budget_min)
        if row.budget_max:
            bounded = min(bounded, row.budget_max)
        if bounded != budget:
            self._note(f"the model does not take a budget of {budget} tokens: it was given {bounded}")
        put(self.fields, row.budget, bounded)

    def _effort(self, effort: Effort) -> None:
        row = self._row
        if not row.effort:
            if row.on:
                self._note(f'the model knows no levels of effort: "{effort}" switched its thinking on')
            elif effort != "none":
                self._note("the provider takes no reasoning control: it was left out")
            return
        if effort not in row.words:
            return
        word = row.words[effort]
        if isinstance(word, str):
            word = self._word(effort, word)
        elif effort == "none":
            self._note(f"the model always reasons: it was given a budget of {word} tokens")
        if word:
            put(self.fields, row.effort, word)

    def _word(self, effort: Effort, word: str) -> str:
        """The word that the model takes, with a note when it says something else; "" when it takes none."""
        said = word
        if effort in self._taken:
            word = effort  # the model's own list knows better than the vendor's row
        elif self._taken and word not in self._taken:
            word = _nearest(word if word in _RANKS else effort, self._taken)
            if not word:
                self._note("the model takes no effort: it was left out")
                return ""
        if effort == "max" and word == _strongest(self._taken or [str(each) for each in self._row.words.values()]):
            return word
        if word == said and word not in EFFORTS:
            if list(self._row.words.values()).count(word) > 1:
                self._note(f'the model knows no levels of effort: "{effort}" switched its thinking on')
        elif word != effort:
            self._note(f'the model does not take the effort "{effort}": "{word}" was sent')
        return word

    def _note(self, text: str) -> None:
        self.notes.append(text)


def nearest_effort(budget: int) -> Effort:
    """The effort that a budget of so many tokens comes nearest to."""
    return next((effort for tokens, effort in _BUDGETS if budget <= tokens), EFFORTS[-1])


def _nearest(word: str, taken: Sequence[str]) -> str:
    """The word in `taken` nearest to this one: the next weaker, else the next stronger; never "none" by itself.

    "default" stands for thinking at all, where there is no other word for that.
    """
    ranked = [each for each in _RANKS if each in taken and each != "none"]
    rank = _RANKS.index(word)
    weaker = [each for each in ranked if _RANKS.index(each) <= rank]
    if weaker:
        return weaker[-1]
    if ranked:
        return ranked[0]
    return "default" if "default" in taken else ""


def _strongest(taken: Sequence[str]) -> str:
    ranked = [each for each in _RANKS if each in taken]
    return ranked[-1] if ranked else ""


def weakest_first(words: Sequence[str]) -> tuple[str, ...]:
    """Vendors' words for an effort, each once, weakest first; those that nobody knows stay behind, as they came."""
    unique = dict.fromkeys(words)
    return (*(word for word in _RANKS if word in unique), *(word for word in unique if word not in _RANKS))


def put(fields: dict[str, Any], path: str, value: object) -> None:
    """Set the field at this path ("reasoning.effort"), making the objects on the way."""
    *parents, name = path.split(".")
    for parent in parents:
        fields = fields.setdefault(parent, {})
    fields[name] = value


def merge(fields: dict[str, Any], more: Mapping[str, Any]) -> dict[str, Any]:
    """Put `more` into `fields`, object by object; the rows of the table are never changed."""
    for name, value in more.items():
        if isinstance(value, Mapping):
            merge(fields.setdefault(name, {}), value)
        else:
            fields[name] = value
    return fields
