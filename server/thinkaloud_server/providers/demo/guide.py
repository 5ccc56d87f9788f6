"""What the demo models say about thinkaloud and about themselves: the documentation that answers back."""

from __future__ import annotations

import re
from typing import NamedTuple

from thinkaloud_server.providers.demo.thought import Thought


class _Topic(NamedTuple):
    asked: re.Pattern[str]
    subject: str
    answer: str


def _topic(asked: str, subject: str, answer: str) -> _Topic:
    return _Topic(re.compile(asked, re.I), subject, answer)


_TOPICS = (
    _topic(
        r"\b(who|what) are you\b|\blanguage model\b|\bare you (an? )?(ai|llm|human|chatgpt|real)",
        "what I am",
        "I am the demo reasoner of thinkaloud: a small script, no language model. I answer arithmetic, questions "
        "about dates, capitals of countries, and questions about thinkaloud. For everything else, configure a "
        "provider.",
    ),
    _topic(
        r"\b(demo|test) models?\b|\bwhich models\b|\bwhat models\b",
        "the demo models",
        "The demo models are reasoner (thinks, then answers), plain (answers at once), reasoning-only, tags "
        "(reasoning inside think tags), tools (calls your first tool), slow (long silences), long (many tokens), "
        "interleaved (thinks and answers by turns), truncated, error-mid, error-before, empty and rate-limited. "
        "Use them as demo/reasoner and so on. With slow, the first number in your message is the silence in "
        "seconds; with long, the number of tokens.",
    ),
    _topic(
        r"\bresum(e|ing)\b|\breconnect|\blost? (my |the )?connection\b|\bWatchRun\b",
        "resuming",
        "Every event of a run has a number. When a stream is cut, call WatchRun with the run_id of `start` and the "
        "last number that you have as after_sequence: you get everything after it, while the run lives and after. "
        "The Python client does this by itself; on the command line it is `thinkaloud chat --resume RUN_ID`.",
    ),
    _topic(
        r"\bdetach\b|\b(leave|leaving) (the|a) (stream|run)\b",
        "detach",
        "A run belongs to nobody's connection. `detach` is the number of seconds that it goes on when nobody "
        "watches: 0 stops at once, -1 runs to its end, the default is 15.",
    ),
    _topic(
        r"\bstop(ping)? (a|the|my) run\b|\bStopRun\b|\bhow (do|can) (i|you) (stop|cancel)\b",
        "stopping",
        "StopRun stops a run: the provider's connection is closed and the run completes with finish_reason "
        '"stopped". What was said until then is kept. Leaving a stream does not stop it; see `detach`.',
    ),
    _topic(
        r"\binclude_reasoning\b|\b(see|show|hide) (the |your )?(reasoning|thinking)\b|\bthink(ing)? aloud\b",
        "seeing the reasoning",
        "Set include_reasoning to true and reasoning events come before and between the tokens of the answer. "
        "Without it no reasoning reaches you, whatever the model does; it is stored all the same. How much the "
        "model thinks is another setting: reasoning.effort, from none to max.",
    ),
    _topic(
        r"\b(which|what) events\b|\bgrammar\b|\bevent types?\b",
        "the events",
        "A run is start, then any of progress, reasoning, token, tool_call, action, status, message and warning, "
        "then exactly one complete or error. Each has a sequence number, from 1. Heartbeats stand between them "
        "without a number.",
    ),
    _topic(
        r"\bidempotency\b",
        "idempotency keys",
        "The same idempotency_key with the same request is the same run again: nothing is asked twice. The same key "
        "with another request is IDEMPOTENCY_KEY_REUSED. Keys are kept for 7 days.",
    ),
    _topic(
        r"\bconfigur|\badd (a |an )?provider\b|\bapi[ _]key\b|\b(which|what) providers\b",
        "providers",
        "Providers are found from the usual variables (OPENROUTER_API_KEY, OPENAI_API_KEY, DEEPSEEK_API_KEY, "
        "GROQ_API_KEY and so on), from a local server that answers, or from [providers.NAME] in the TOML file. "
        "`thinkaloud config check` prints what is in effect.",
    ),
    _topic(
        r"\bthinkaloud\b",
        "thinkaloud",
        "thinkaloud is a gRPC-first chat service. It streams a model's reasoning and its answer as typed, numbered, "
        "durable events: a client that loses its connection asks for everything after the last event it has and "
        "loses nothing.",
    ),
    _topic(
        r"^\W*(hi|hello|hey|good (morning|day|evening)|help|what can you do)\b",
        "a greeting or a call for help",
        "Hello. I am the demo reasoner, a script and no language model. Try: What is 17*23? What day is 2026-11-20? "
        "What is the capital of Kenya? How do I resume a run?",
    ),
)


def solve(question: str) -> Thought | None:
    """What the documentation says to this, or None when it says nothing."""
    for topic in _TOPICS:
        if topic.asked.search(question):
            steps = (f"This is about {topic.subject}.", "I have a page on that and answer from it.")
            checks = ("I read the page once more: it says so.",)
            return Thought(steps, topic.answer, checks)
    return None


def no_idea() -> Thought:
    """The answer to all that a script cannot know."""
    return Thought(
        (
            "I look for arithmetic, dates, capitals and questions about thinkaloud, and find none of these.",
            "I am a script and no language model: I must not make something up.",
        ),
        "I am thinkaloud's demo reasoner, a script and no language model, so I cannot answer that. I can do "
        "arithmetic, dates and capitals, and I know my own documentation. Configure a provider to talk to a real "
        "model.",
        ("I looked twice; there is nothing that I could work out.",),
    )
