"""A path template of google.api.http, compiled: literals, `*`, `**`, `{field}`, `{field=pattern/*}` and `:verb`.

The grammar is that of google/api/http.proto. Paths are matched as they were sent, percent-encoded, so that an encoded
slash never makes two segments of one.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from urllib.parse import unquote_to_bytes

from thinkaloud_server.web.error import HttpError

_TOKEN = re.compile(
    r"\{(?P<name>[A-Za-z_][\w.]*)(?:=(?P<pattern>[^{}]+))?\}|(?P<deep>\*\*)|(?P<one>\*)|(?P<text>[^{}*]+)"
)
# An empty segment is an empty id: the service says what is wrong with it (INVALID_ID), a 404 would not.
_ONE = "[^/]*"
_DEEP = ".*"
_LITERAL_RANK, _ONE_RANK, _DEEP_RANK = 0, 1, 2


@dataclass(frozen=True, slots=True)
class Template:
    """`rank` puts the more particular template first: literals before `*` before `**`, with a verb before without."""

    text: str
    variables: tuple[str, ...]
    rank: tuple[int, ...]
    _regex: re.Pattern[str]
    _deep: frozenset[str]

    @classmethod
    def of(cls, text: str) -> Template:
        """Compile. Raises ValueError for what is no template."""
        path, _, verb = text.rpartition(":") if ":" in text.rpartition("/")[2].rpartition("}")[2] else (text, "", "")
        if not path.startswith("/") or path.endswith("/"):
            raise ValueError(f"{text!r} is no path template: it must begin with / and not end with it")
        variables: list[str] = []
        deep: set[str] = set()
        regex, at = [], 0
        while at < len(path):
            token = _TOKEN.match(path, at)
            if token is None:
                raise ValueError(f"{text!r} is no path template: what is {path[at:]!r}?")
            at = token.end()
            if name := token["name"]:
                pattern = token["pattern"] or "*"
                if name in variables:
                    raise ValueError(f"{text!r} has {name} twice")
                variables.append(name)
                if pattern != "*":
                    deep.add(name)
                regex.append(f"({_pattern(pattern, text)})")
            else:
                regex.append(_pattern(token[0], text))
        if "**" in path and not re.search(r"\*\*\}?$", path):
            raise ValueError(f"{text!r}: ** must be the last segment")
        suffix = re.escape(f":{verb}") if verb else ""
        return cls(text, tuple(variables), _rank(path, verb), re.compile("".join(regex) + suffix), frozenset(deep))

    def match(self, path: str) -> dict[str, str] | None:
        """The variables, decoded; None where the path is another. Raises HttpError for what is no UTF-8."""
        found = self._regex.fullmatch(path)
        if found is None:
            return None
        values = zip(self.variables, found.groups(), strict=True)
        return {name: _decoded(value, name in self._deep) for name, value in values}


def _pattern(pattern: str, text: str) -> str:
    parts = re.split(r"(\*\*|\*)", pattern)
    if "***" in pattern:
        raise ValueError(f"{text!r} is no path template")
    return "".join(_DEEP if part == "**" else _ONE if part == "*" else re.escape(part) for part in parts)


def _rank(path: str, verb: str) -> tuple[int, ...]:
    plain = re.sub(r"\{[\w.]+=([^{}]+)\}", r"\1", path)
    ranks = []
    for segment in plain[1:].split("/"):
        kind = _DEEP_RANK if segment == "**" else _ONE_RANK if segment == "*" or segment[0] == "{" else _LITERAL_RANK
        ranks.append(kind)
    return (*ranks, _LITERAL_RANK if verb else _DEEP_RANK + 1)


def _decoded(value: str, deep: bool) -> str:
    """Percent-decoded. Where slashes separate segments, an encoded one stays encoded, or it would be one of them."""
    if "%" not in value:
        return value
    if deep:
        value = re.sub("%2[fF]", "%252F", value)
    try:
        return unquote_to_bytes(value).decode()
    except UnicodeDecodeError:
        raise HttpError("MALFORMED_REQUEST", "the path is not UTF-8") from None
