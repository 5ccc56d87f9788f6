"""Arithmetic in a question, worked out step by step: + - * / // % ** and parentheses, exact, within bounds.

Own parser on purpose: what a stranger types is never evaluated as code, and every size is bounded before the work.
"""

from __future__ import annotations

import re
from fractions import Fraction

from thinkaloud_server.providers.demo.thought import Thought

EXPRESSION_CHARS_MAX = 200
DEPTH_MAX = 20
BITS_MAX = 2048

_WORDS = (
    (re.compile(r"\bdivided by\b|[÷∕]", re.I), "/"),
    (re.compile(r"\b(?:multiplied by|times)\b|[×·]|(?<=\d)\s*x\s*(?=\d)", re.I), "*"),
    (re.compile(r"\bplus\b", re.I), "+"),
    (re.compile(r"\bminus\b|[−–]", re.I), "-"),
    (re.compile(r"\b(?:modulo|mod)\b", re.I), "%"),
    (re.compile(r"\bto the power of\b|\^", re.I), "**"),
    (re.compile(r"\bsquared\b", re.I), "**2"),
    (re.compile(r"\bcubed\b", re.I), "**3"),
)
_THOUSANDS = re.compile(r"(?<=\d),(?=\d{3}(?!\d))")
_CANDIDATE = re.compile(r"[-+(\d][-+*/%().\d ]*")
_CUE = re.compile(
    r"\b(what(?:'s| is| are)|how much|calculate|compute|evaluate|solve|work out|result|value|sum)\b|=", re.I
)
_TOKEN = re.compile(r"\s*(\d+(?:\.\d+)?|\.\d+|\*\*|//|[-+*/%()])")


class _Unfit(Exception):
    """Not an expression, or too large; the message is for people and empty for the former."""


def solve(question: str) -> Thought | None:
    """The value of the expression in the question, or None when there is none."""
    text = question
    for words, sign in _WORDS:
        text = words.sub(sign, text)
    text = _THOUSANDS.sub("", text)
    found = max((match[0].strip() for match in _CANDIDATE.finditer(text)), key=len, default="")
    if not re.search(r"[\d)]\s*[-+*/%]", found) or not (_CUE.search(text) or len(found) * 2 >= len(text.strip())):
        return None
    written = re.sub(r"\s*(\*\*|//|[*/%])\s*", r"\1", re.sub(r"(?<=[\d)])\s*([-+])\s*", r" \1 ", found))
    try:
        work = _Work(found)
        value = work.whole()
    except _Unfit as problem:
        return _refusal(written, str(problem)) if str(problem) else None
    shown = show(value)
    answer = (
        f"{written} is {shown.removeprefix(written)[2:-1]}"
        if shown.startswith(f"{written} (")
        else f"{written} = {shown}"
    )
    return Thought((*work.steps, f"So {answer}."), f"{answer}.", _checks(written, value))


def show(value: Fraction) -> str:
    """The number as people write it: exact where that is short, else a fraction with its rounding."""
    if value.denominator == 1:
        return str(value.numerator)
    twos_and_fives = value.denominator
    for prime in (2, 5):
        while twos_and_fives % prime == 0:
            twos_and_fives //= prime
    if twos_and_fives == 1 and value.denominator <= 10**9:
        places = next(n for n in range(31) if 10**n % value.denominator == 0)
        digits = str(abs(value.numerator) * 10**places // value.denominator).rjust(places + 1, "0")
        return f"{'-' if value < 0 else ''}{digits[:-places]}.{digits[-places:]}"
    return f"{value.numerator}/{value.denominator} (about {_rounded(value)})"


def _rounded(value: Fraction) -> str:
    scaled = round(abs(value) * 10**6)
    return f"{'-' if value < 0 else ''}{scaled // 10**6}.{scaled % 10**6:06d}"


def _refusal(written: str, problem: str) -> Thought:
    return Thought(
        (f"I look at {written}.", f"It has no value here: {problem}"), f"I cannot give a value for {written}: {problem}"
    )


def _checks(written: str, value: Fraction) -> tuple[str, ...]:
    product = re.fullmatch(r"(\d+)\*(\d+)", written)
    if product:
        left, right = int(product[1]), int(product[2])
        casting = f"{_nines(left)}*{_nines(right)} leaves {_nines(left * right)}"
        return (
            f"Check by casting out nines: {left} leaves {_nines(left)}, {right} leaves {_nines(right)}, and "
            f"{casting}; {show(value)} leaves {_nines(int(value))} too.",
            f"Check the other way round: {right}*{left} = {right * left}.",
        )
    size = len(str(abs(int(value))))
    return (f"Check the size: a value of {size} digit{'s' if size > 1 else ''} before the point is plausible.",)


def _nines(number: int) -> int:
    return number % 9


class _Work:
    """A recursive descent over the expression that writes down each operation as it does it."""

    def __init__(self, expression: str) -> None:
        if len(expression) > EXPRESSION_CHARS_MAX:
            raise _Unfit(f"it has more than {EXPRESSION_CHARS_MAX} characters, and I work on small things only.")
        self.steps: list[str] = []
        self._tokens = _tokens(expression)
        self._at = 0
        self._depth = 0

    def whole(self) -> Fraction:
        value = self._sum()
        if self._at != len(self._tokens):
            raise _Unfit
        return value

    def _sum(self) -> Fraction:
        value = self._product()
        while self._next() in ("+", "-"):
            value = self._apply(self._take(), value, self._product())
        return value

    def _product(self) -> Fraction:
        value = self._signed()
        while self._next() in ("*", "/", "//", "%"):
            value = self._apply(self._take(), value, self._signed())
        return value

    def _signed(self) -> Fraction:
        self._depth += 1
        if self._depth > DEPTH_MAX:
            raise _Unfit("it is nested too deeply for me.")
        if self._next() in ("+", "-"):
            value = -self._signed() if self._take() == "-" else self._signed()
        else:
            value = self._power()
        self._depth -= 1
        return value

    def _power(self) -> Fraction:
        base = self._atom()
        if self._next() != "**":
            return base
        self._take()
        return self._apply("**", base, self._signed())

    def _atom(self) -> Fraction:
        token = self._take()
        if token == "(":
            value = self._sum()
            if self._take() != ")":
                raise _Unfit
            return value
        if not token[-1:].isdigit():
            raise _Unfit
        return Fraction(token)

    def _next(self) -> str:
        return self._tokens[self._at] if self._at < len(self._tokens) else ""

    def _take(self) -> str:
        token = self._next()
        self._at += 1
        return token

    def _apply(self, sign: str, left: Fraction, right: Fraction) -> Fraction:
        if sign in ("/", "//", "%") and right == 0:
            raise _Unfit("nothing can be divided by zero.")
        value = _power(left, right) if sign == "**" else _operate(sign, left, right)
        _bounded(value)
        self.steps.append(_step(sign, left, right, value))
        return value


def _tokens(expression: str) -> list[str]:
    tokens, at = [], 0
    text = expression.rstrip(" .")
    while at < len(text):
        match = _TOKEN.match(text, at)
        if match is None:
            raise _Unfit
        tokens.append(match[1])
        at = match.end()
    return tokens


def _operate(sign: str, left: Fraction, right: Fraction) -> Fraction:
    match sign:
        case "+":
            return left + right
        case "-":
            return left - right
        case "*":
            return left * right
        case "/":
            return left / right
        case "//":
            return Fraction(left // right)
        case _:
            return left % right


def _power(base: Fraction, exponent: Fraction) -> Fraction:
    if exponent.denominator != 1:
        raise _Unfit("a power that is not a whole number has no exact value that I could write down.")
    if base == 0 and exponent < 0:
        raise _Unfit("nothing can be divided by zero.")
    bits = max(base.numerator.bit_length(), base.denominator.bit_length())
    if bits > 1 and bits * abs(exponent) > BITS_MAX:
        raise _Unfit("its value is too large for me.")
    if abs(exponent) > BITS_MAX:  # of -1, 0 or 1: only the parity of the exponent matters
        exponent = exponent % 2 + 2
    return base ** int(exponent)


def _bounded(value: Fraction) -> None:
    if max(value.numerator.bit_length(), value.denominator.bit_length()) > BITS_MAX:
        raise _Unfit("its value is too large for me.")


def _step(sign: str, left: Fraction, right: Fraction, value: Fraction) -> str:
    if sign in "+-":
        return f"{show(left)} {sign} {_operand(right)} = {show(value)}"
    plain = f"{_operand(left)}{sign}{_operand(right)} = {show(value)}"
    if left.denominator != 1 or right.denominator != 1 or left < 0 or right < 0:
        return plain
    if sign == "*" and 10 <= right < 10**6 and left < 10**6:
        return f"{_by_places(int(left), int(right))}, so {plain}"
    if sign == "**" and 2 <= right <= 6 and left < 1000:
        factors = "*".join([show(left)] * int(right))
        return f"{show(left)}**{show(right)} = {factors} = {show(value)}"
    if sign == "/" and value.denominator != 1:
        return f"{plain}: {show(right)} goes {left // right} times into {show(left)} and leaves {left % right}"
    return plain


def _operand(value: Fraction) -> str:
    return show(value) if value >= 0 else f"({show(value)})"


def _by_places(left: int, right: int) -> str:
    """17*23 as people do it: 17*20 = 340, 17*3 = 51, 340 + 51 = 391."""
    digits = str(right)
    places = [int(digit) * 10 ** (len(digits) - 1 - at) for at, digit in enumerate(digits) if digit != "0"]
    if len(places) == 1:
        lead, zeros = int(digits[0]), len(digits) - 1
        return f"{left}*{lead} = {left * lead} and {zeros} zero{'s' if zeros > 1 else ''} after it"
    parts = [left * place for place in places]
    products = ", ".join(f"{left}*{place} = {part}" for place, part in zip(places, parts, strict=True))
    return f"{products}, {' + '.join(map(str, parts))} = {sum(parts)}"
