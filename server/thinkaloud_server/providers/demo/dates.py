"""Questions about dates: weekdays, distances, shifts, leap years. There is no clock here: today is not known."""

from __future__ import annotations

import re
from datetime import date, timedelta

from thinkaloud_server.providers.demo.thought import Thought

_WEEKDAYS = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")
_MONTHS = (
    *("January", "February", "March", "April", "May", "June"),
    *("July", "August", "September", "October", "November", "December"),
)
_MONTH = "|".join(f"{name}|{name[:3]}" for name in _MONTHS)
_ISO = r"(?P<iso>\d{4}-\d{1,2}-\d{1,2})(?!\d)"
_DAY_FIRST = rf"(?P<d1>\d{{1,2}})(?:st|nd|rd|th)?(?: of)? (?P<m1>{_MONTH})\b\.?,? (?P<y1>\d{{4}})"
_MONTH_FIRST = rf"(?P<m2>{_MONTH})\b\.? (?P<d2>\d{{1,2}})(?:st|nd|rd|th)?,? (?P<y2>\d{{4}})"
_DATE = re.compile(rf"(?<![\d-])(?:{_ISO}|{_DAY_FIRST}|{_MONTH_FIRST})", re.I)
_SHIFT = re.compile(r"(\d{1,6})\s+(day|week)s?\s+(after|before|from|since)", re.I)
_LEAP = re.compile(r"\bleap\b", re.I)
_YEAR = re.compile(r"\b(\d{1,4})\b")
_TODAY = re.compile(
    r"\b(today|tomorrow|yesterday|what (?:is the )?(?:time|date)|current (?:time|date|year)|what year)\b", re.I
)


def solve(question: str) -> Thought | None:
    """The answer to a question about dates, or None when it is about none."""
    written = list(_DATE.finditer(question))
    if not written:
        if _LEAP.search(question) and (year := _YEAR.search(question)):
            return _leap(int(year[1]))
        return _no_clock() if _TODAY.search(question) else None
    dates = []
    for match in written[:2]:
        try:
            dates.append(_parsed(match))
        except ValueError:
            return _no_such_date(match[0])
    shift = _SHIFT.search(question)
    if shift:
        return _shifted(dates[0], int(shift[1]), shift[2].lower(), back=shift[3].lower() == "before")
    if len(dates) == 2:
        return _between(min(dates), max(dates))
    return _leap(dates[0].year) if _LEAP.search(question) else _weekday(dates[0])


def _parsed(match: re.Match[str]) -> date:
    if match["iso"]:
        year, month, day = map(int, match["iso"].split("-"))
        return date(year, month, day)
    name = (match["m1"] or match["m2"])[:3].title()
    month = 1 + next(at for at, month in enumerate(_MONTHS) if month.startswith(name))
    return date(int(match["y1"] or match["y2"]), month, int(match["d1"] or match["d2"]))


def _weekday(day: date) -> Thought:
    first = date(day.year, 1, 1)
    passed = (day - first).days
    name = _WEEKDAYS[day.weekday()]
    anchor = (day - date(2000, 1, 1)).days
    return Thought(
        (
            f"1 January {day.year} was a {_WEEKDAYS[first.weekday()]}.",
            f"{_spoken(day)} is day {passed + 1} of {day.year}: {passed} days later.",
            f"{passed} mod 7 = {passed % 7}, so the weekday moves on by {passed % 7}: {name}.",
        ),
        f"{_spoken(day)} is a {name}.",
        (
            f"Check from 1 January 2000, a Saturday: {anchor} days, {anchor} mod 7 = {anchor % 7}, and Saturday "
            f"plus {anchor % 7} is {name}.",
        ),
    )


def _between(first: date, last: date) -> Thought:
    days = (last - first).days
    steps = [f"From {_spoken(first)} to {_spoken(last)}."]
    if first.year == last.year:
        steps.append(f"They are days {_ordinal(first)} and {_ordinal(last)} of {first.year}.")
        steps.append(f"{_ordinal(last)} - {_ordinal(first)} = {days}.")
    else:
        rest = (date(first.year, 12, 31) - first).days
        whole = (date(last.year, 1, 1) - date(first.year, 12, 31)).days - 1
        steps.append(f"{rest} days are left in {first.year}, {whole} lie in the whole years between.")
        steps.append(f"{_spoken(last)} is day {_ordinal(last)} of {last.year}.")
        steps.append(f"{rest} + {whole} + {_ordinal(last)} = {days}.")
    weeks = f"{days} = {days // 7}*7 + {days % 7}: {days // 7} weeks and {days % 7} days."
    answer = f"There {'is 1 day' if days == 1 else f'are {days} days'} from {_spoken(first)} to {_spoken(last)}."
    return Thought(tuple(steps), answer, (weeks,))


def _shifted(start: date, count: int, unit: str, *, back: bool) -> Thought:
    days = count * (7 if unit == "week" else 1)
    try:
        day = start + timedelta(days=-days if back else days)
    except OverflowError:
        return _no_such_date(f"{count} {unit}s {'before' if back else 'after'} {_spoken(start)}")
    name = _WEEKDAYS[day.weekday()]
    steps = [f"I start at {_spoken(start)}, a {_WEEKDAYS[start.weekday()]}."]
    if unit == "week":
        steps.append(f"{count} weeks are {count}*7 = {days} days.")
    steps.append(f"{days} days {'back' if back else 'on'} is {_spoken(day)}, a {name}.")
    where = f"{count} {unit}{'' if count == 1 else 's'} {'before' if back else 'after'} {_spoken(start)}"
    return Thought(tuple(steps), f"{where} is {_spoken(day)}, a {name}.", (f"{days} mod 7 = {days % 7}.",))


def _leap(year: int) -> Thought:
    leap = year % 4 == 0 and (year % 100 != 0 or year % 400 == 0)
    steps = [f"{year} mod 4 = {year % 4}."]
    if year % 4 == 0:
        steps.append(f"{year} mod 100 = {year % 100}.")
    if year % 100 == 0:
        steps.append(f"{year} mod 400 = {year % 400}.")
    verdict = "is a leap year" if leap else "is not a leap year"
    return Thought((*steps, f"By the Gregorian rule, {year} {verdict}."), f"{year} {verdict}.")


def _no_such_date(written: str) -> Thought:
    return Thought((f"I look for {written} in the calendar.", "It is not there."), f"There is no date {written}.")


def _no_clock() -> Thought:
    return Thought(
        ("The question is about today.", "I am a script without a clock, and nobody told me the date."),
        "I have no clock, so I do not know what day it is today. Give me a date, as 2026-11-20, and I can tell you "
        "its weekday.",
    )


def _ordinal(day: date) -> int:
    return (day - date(day.year, 1, 1)).days + 1


def _spoken(day: date) -> str:
    return f"{day.day} {_MONTHS[day.month - 1]} {day.year}"
