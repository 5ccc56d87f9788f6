"""Inline think tags: cuts a model's answer text into what it thought and what it said.

Owns where tags count; `tag.py` owns the tags. What a provider keeps apart by itself is the assembler's matter, and
headings such as "Thinking:" are nobody's: they are too ambiguous to parse.

Theory of operation. The splitter is in one of these states; text moves it along:

    leading   nothing but white space so far: a tag may open here            (auto, anywhere)
    native    the same, but only a stray closing tag counts                  (the provider separates by itself)
    primed    reasoning by declaration; a repeated opening tag is dropped    (inside)
    opening   a block has just opened: white space is dropped
    inside    reasoning, up to the first closing tag of the same name
    closing   a block has just closed: line ends are dropped
    text      answer text, watched for tags: blocks in anywhere, one orphan closing tag in auto
    passing   answer text, no longer read

Each state consumes `buffer` from `position`, and holds back only an end that can still become a tag that counts
there. What was held comes first in the next buffer, so that cutting the text elsewhere changes nothing but the size
of the pieces. Every step is a regular-expression search with bounded backtracking: time is linear.
"""

from __future__ import annotations

import re
from typing import Literal, NamedTuple

from thinkaloud_server.core.tag import (
    ANY_TAG,
    RUN,
    RUN_CHARS_MAX,
    TAG_CHARS_MAX,
    TOOL_CALL,
    closes,
    closing_of,
    is_empty,
    opened_by,
)

ThinkMode = Literal["auto", "inside", "off", "anywhere"]
PieceKind = Literal["text", "reasoning"]
_State = Literal["leading", "native", "primed", "opening", "inside", "closing", "text", "passing"]

_LEADING_BLANKS_MAX = 256

_MARK = re.compile(r"[<\[◁`~]")
_NON_BLANK = re.compile(r"[^ \t\r\n]")
_NOT_LINE_END = re.compile(r"[^\r\n]")
_NEW_LINE = re.compile(r"\r?\n")
_INLINE_CODE_END = re.compile(rf"\n|{RUN}")
_FENCED_CODE_END = re.compile(RUN)
_GROWING_RUN = re.compile(r"(?:`+|~+)\Z")


class Piece(NamedTuple):
    """A piece of the answer and what it is."""

    kind: PieceKind
    text: str


class ThinkSplitter:
    """Splits the text of one answer.

    * auto: a block may only open as the first thing of the answer but white space; later tags are text.
    * inside: the answer begins as reasoning (the prompt's template opened the tag); any closing tag ends it.
    * anywhere: blocks may open anywhere but in code (fenced, or inline on one line).
    * off: everything is text.

    White space at the start of a block and line ends after it belong to the tags and are dropped (the latter only
    where the text stands at the start of a line), so an empty block gives no reasoning. Blocks do not nest: the
    first closing tag of the same name ends one, since models mention tags but do not nest them. Reasoning that is
    never closed stays reasoning. A `<tool_call>` that begins a line ends a block; it is text.

    A closing tag without a block ("orphan") means that the model's template opened the tag and `inside` was not
    configured. What was streamed cannot be recalled; but a literal tag in an ordinary answer must survive. So an
    orphan is dropped, and `orphan_close` set, only when it comes first, or at the start of a line, or at the end
    of one; only once; and in auto only before any fenced code, any opening tag and any block. Other closing tags
    are text.
    """

    def __init__(self, mode: ThinkMode = "auto") -> None:
        self._anywhere = mode == "anywhere"
        self._state: _State = "passing" if mode == "off" else "primed" if mode == "inside" else "leading"
        self._end = closing_of("")
        self._held = ""
        # The last piece of each kind, to know whether what follows begins a line.
        self._last: dict[PieceKind, str] = {"text": "", "reasoning": ""}
        # The backticks or tildes that code was opened with, or ""; and an emitted run of them that may yet grow.
        self._code = ""
        self._run = ""
        self._orphan_close = False

    @property
    def orphan_close(self) -> bool:
        """True when a closing tag without a block was dropped: text before it was probably reasoning."""
        return self._orphan_close

    def pass_through(self, text: str) -> bool:
        """True when this text, not empty, is answer text as it stands; it is then fed, and `feed` is not to be called.

        The short way for nearly every piece of text.
        """
        if self._state == "passing":
            return True
        if self._state != "text" or self._held or self._code or self._run or _MARK.search(text):
            return False
        self._last["text"] = text
        return True

    def feed(self, text: str) -> list[Piece]:
        """The pieces that are certain now; none is empty."""
        if not text:
            return []
        if self.pass_through(text):
            return [Piece("text", text)]
        if self._state == "inside" and not self._held and _MARK.search(text) is None:
            self._last["reasoning"] = text
            return [Piece("reasoning", text)]
        return self._advance(text, final=False)

    def end(self) -> list[Piece]:
        """What was held back."""
        return self._advance("", final=True)

    def implicit_close(self) -> list[Piece]:
        """A tool call came beside the text: it ends an open block. What was held is released before it."""
        pieces = self._advance("", final=True)
        if self._state in ("primed", "opening", "inside"):
            self._state = self._state_outside
        return pieces

    def native_reasoning(self) -> list[Piece]:
        """The provider keeps reasoning apart: from now on tags are text, except for one stray leading close."""
        self._anywhere = False
        if self._state in ("native", "closing", "passing"):
            return []
        if self._state in ("leading", "primed"):
            self._state = "native"
            return []
        pieces = self._advance("", final=True)
        self._state = "passing" if self._state == "text" else "native"
        return pieces

    @property
    def _state_outside(self) -> _State:
        return "text" if self._anywhere else "passing"

    def _advance(self, text: str, *, final: bool) -> list[Piece]:
        """Move through what was held and this text; with `final`, nothing is held back again."""
        buffer = self._run + self._held + text
        position = len(self._run)
        self._held = ""
        pieces: list[Piece] = []
        while position < len(buffer):
            match self._state:
                case "leading" | "native" | "primed":
                    position = self._begin(pieces, buffer, position, final)
                case "opening":
                    position = self._skip_blanks(buffer, position)
                case "inside":
                    position = self._read_reasoning(pieces, buffer, position, final)
                case "closing":
                    position = self._skip_line_ends(buffer, position)
                case "text":
                    position = self._read_text(pieces, buffer, position, final)
                case "passing":
                    position = self._emit(pieces, "text", buffer, position, len(buffer))
        return pieces

    def _begin(self, pieces: list[Piece], buffer: str, position: int, final: bool) -> int:
        state = self._state
        found = _NON_BLANK.search(buffer, position)
        first = found.start() if found else len(buffer)
        if state == "primed":
            position = first
        elif first - position > _LEADING_BLANKS_MAX:
            self._state = "text" if state == "leading" else "passing"
            return position
        if found is None:
            return self._hold_or_emit(pieces, "text", buffer, position, final)
        tag = ANY_TAG.whole.match(buffer, first)
        if tag is None and not final and ANY_TAG.beginning.match(buffer, first):
            return self._hold(buffer, position)
        if tag is not None and state != "native" and opened_by(tag):
            return self._open(tag)
        if tag is not None and closes(tag):
            self._orphan_close = state == "leading"
            self._state = "closing"
            return tag.end()
        self._state = "text" if state == "leading" else "opening" if state == "primed" else "passing"
        return position

    def _open(self, tag: re.Match[str]) -> int:
        self._end = closing_of(opened_by(tag))
        self._state = "closing" if is_empty(tag) else "opening"
        self._last["reasoning"] = ""
        return tag.end()

    def _skip_blanks(self, buffer: str, position: int) -> int:
        found = _NON_BLANK.search(buffer, position)
        if found is None:
            return len(buffer)
        self._state = "inside"
        return found.start()

    def _skip_line_ends(self, buffer: str, position: int) -> int:
        if self._begins_line("text", buffer, position, position):
            found = _NOT_LINE_END.search(buffer, position)
            if found is None:
                return len(buffer)
            position = found.start()
        self._state = self._state_outside
        return position

    def _read_reasoning(self, pieces: list[Piece], buffer: str, position: int, final: bool) -> int:
        scan = position
        while found := self._end.whole.search(buffer, scan):
            if found[0] != TOOL_CALL:
                self._state = "closing"
                self._emit(pieces, "reasoning", buffer, position, found.start())
                return found.end()
            if self._begins_line("reasoning", buffer, position, found.start()):
                self._state = self._state_outside
                return self._emit(pieces, "reasoning", buffer, position, found.start())
            scan = found.end()
        if not final and (found := self._end.beginning.search(buffer, max(scan, len(buffer) - TAG_CHARS_MAX))):
            self._emit(pieces, "reasoning", buffer, position, found.start())
            return self._hold(buffer, found.start())
        return self._emit(pieces, "reasoning", buffer, position, len(buffer))

    def _read_text(self, pieces: list[Piece], buffer: str, position: int, final: bool) -> int:
        scan = self._scan_code(buffer, position - len(self._run))
        self._run = ""
        while not self._code and (found := ANY_TAG.whole.search(buffer, scan)):
            start, scan = found.span()
            if found[0][0] in "`~":
                if len(found[0]) >= 3 and not self._anywhere:
                    self._state = "passing"
                    return position
                self._code = found[0]
                scan = self._scan_code(buffer, scan)
            elif opened_by(found):
                if not self._anywhere:
                    self._state = "passing"
                    return position
                self._emit(pieces, "text", buffer, position, start)
                return self._open(found)
            elif not self._orphan_close:
                alone = self._stands_alone(buffer, position, found, final)
                if alone is None:
                    self._emit(pieces, "text", buffer, position, start)
                    return self._hold(buffer, start)
                if alone:
                    self._orphan_close = True
                    self._state = self._state_outside
                    self._emit(pieces, "text", buffer, position, start)
                    return scan
        window = max(scan, len(buffer) - TAG_CHARS_MAX)
        if not (final or self._code) and (found := ANY_TAG.beginning.search(buffer, window)):
            self._emit(pieces, "text", buffer, position, found.start())
            return self._hold(buffer, found.start())
        if found := _GROWING_RUN.search(buffer, max(scan, len(buffer) - RUN_CHARS_MAX)):
            self._run = found[0]
        return self._emit(pieces, "text", buffer, position, len(buffer))

    def _scan_code(self, buffer: str, scan: int) -> int:
        """Where the code that is open ends, or where to look on; inline code ends with its line at the latest."""
        opened = self._code
        inline = len(opened) < 3
        while self._code and (found := (_INLINE_CODE_END if inline else _FENCED_CODE_END).search(buffer, scan)):
            scan = found.end()
            run = found[0]
            if run == "\n" or (run == opened if inline else run.startswith(opened)):
                self._code = ""
        return scan

    def _stands_alone(self, buffer: str, position: int, tag: re.Match[str], final: bool) -> bool | None:
        """Whether this closing tag begins or ends a line; None when that is not known yet."""
        if self._begins_line("text", buffer, position, tag.start()):
            return True
        stop = tag.end()
        if not final and (stop == len(buffer) or (stop == len(buffer) - 1 and buffer[stop] == "\r")):
            return None
        return _NEW_LINE.match(buffer, stop) is not None

    def _begins_line(self, kind: PieceKind, buffer: str, position: int, start: int) -> bool:
        """Whether `start` begins a line of its kind; from `position` on nothing of the buffer is emitted yet."""
        before = buffer[start - 1] if start > position else self._last[kind][-1:]
        return before in ("", "\n")

    def _hold_or_emit(self, pieces: list[Piece], kind: PieceKind, buffer: str, position: int, final: bool) -> int:
        if final:
            return self._emit(pieces, kind, buffer, position, len(buffer))
        return self._hold(buffer, position)

    def _hold(self, buffer: str, start: int) -> int:
        self._held = buffer[start:]
        return len(buffer)

    def _emit(self, pieces: list[Piece], kind: PieceKind, buffer: str, start: int, stop: int) -> int:
        if stop > start:
            text = buffer[start:stop]
            pieces.append(Piece(kind, text))
            self._last[kind] = text
        return stop
