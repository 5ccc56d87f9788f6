"""The efforts that a refusal says it would take, for a retry that thinks as nearly as can be as it was asked to.

This model does not support effort level 'xhigh'. Supported levels: high, low, max, medium.
Unsupported value: 'minimal'. Supported values are: 'low', 'medium', and 'high'.
`reasoning_effort` must be one of `none` or `default`
unknown variant `minimal`, expected one of `low`, `high`, `max`
"""

from __future__ import annotations

import re

# Every word that vendors have for an effort.
_EFFORTS = frozenset({"none", "minimal", "low", "medium", "high", "xhigh", "max", "default"})
# What may stand between them, or beside them in a list: Ollama's takes booleans too.
_GLUE = frozenset({"are", "is", "be", "or", "and", "either", "one", "of", "the", "following", "true", "false", "null"})
# What stands before a list.
_BEFORE = re.compile(
    r"""(?ix) \bone\ of\b | \b(?:should|must)\ be\b | \bexpected\b
    | \b(?:supported|allowed|valid|available|permitted|accepted)\ (?:\w+\ )?(?:levels|values|options|efforts)\b"""
)
_WORD = re.compile(r"[\w-]+")
_BETWEEN = re.compile(r"""[\s,|/()\[\]{}:'"`<>]*\Z""")
_LIST_CHARACTERS_MAX = 200


def offered_efforts(message: str) -> tuple[str, ...]:
    """The words of the list in this refusal of an effort, in its order; () when it names none."""
    for found in _BEFORE.finditer(message):
        if words := _listed(message[found.end() : found.end() + _LIST_CHARACTERS_MAX]):
            return words
    return ()


def _listed(text: str) -> tuple[str, ...]:
    """The efforts at the beginning of the text, until something else comes."""
    words: dict[str, None] = {}
    end = 0
    for found in _WORD.finditer(text):
        word = found[0].lower()
        if not _BETWEEN.match(text[end : found.start()]) or word not in _EFFORTS | _GLUE:
            break
        if word in _EFFORTS:
            words[word] = None
        end = found.end()
    return tuple(words)
