"""What a refusal says of reasoning: a control of it was refused, or a history that lacks it. Common to all dialects.

Both are told apart from everything else by the fields that a body names and by its words. The words are those of
vendors' documentation, of recorded bodies and of reports; a control is named in every one of them, so that a refusal of
another field is not taken for one.
"""

from __future__ import annotations

import re

from thinkaloud_server.providers.error_body import ErrorBody


def pattern(text: str) -> re.Pattern[str]:
    """A pattern in the verbose form, of any case."""
    return re.compile(text, re.IGNORECASE | re.VERBOSE)


# The statuses of a refusal; 0 is an error inside a stream that names none.
REFUSALS = frozenset({0, 400, 404, 422, 501})

# A history that lacks the reasoning state, or has somebody else's.
STATE = pattern(
    r"""(reasoning_content|thinking).{0,60}must\ be\ passed\ back | reasoning_content\ is\ missing
    | (missing|include)\ [`'"]?reasoning_content
    | (missing\ a?|corrupted)\ ?[`'"]?thought[_\ ]?signature | verify\ thought[_\ ]?signature
    | thought[_\ ]?signature.{0,40}(missing|invalid|not\ valid)
    | expected\ [`'"]thinking | invalid.{0,20}signature.{0,20}thinking | thinking.{0,60}signature
    | thinking[`'"]?.{0,40}blocks?.{0,80}cannot\ be\ modified
    | invalid.{0,20}redacted_thinking | final\ block\ in\ an\ assistant\ message\ cannot\ be\ [`'"]?thinking
    | messages\.\d+\.content\.\d+\.(redacted_)?thinking\b
    | \breasoning_(content|details)\b.{0,24}(unsupported|not\ (supported|permitted|allowed))
    | supplied:\ (messages|input)[.\[]\d+\]?\.reasoning
    | of\ type\ 'reasoning'\ was\ provided\ without | without\ its\ required\ 'reasoning'\ item
    | encrypted\ content.{0,60}(verified|decrypted|decode) | encrypted\ content\ is\ not\ supported\W*\Z
    | item\ with\ id\ '?rs_.{0,80}not\ found
    | (reasoningContent\b|reasoning\ content).{0,80}(field|try\ again|satisfy\ constraint)"""
)

# Formats §2: the fields by which a request controls reasoning, as a provider names them in a refusal.
_CONTROLS = frozenset(
    {
        *("reasoning", "reasoning_effort", "reasoningeffort", "reasoning_format", "include_reasoning", "thinking"),
        *("think", "effort", "output_config", "thinkingconfig", "thinking_config", "prompt_mode", "thinking_budget"),
        *("chat_template_kwargs", "enable_thinking", "disable_reasoning", "thinking_token_budget"),
        *("reasoning_split", "venice_parameters", "reasoning_config", "reasoningconfig", "include"),
    }
)
_HISTORY = frozenset({"messages", "input", "contents"})
_STATE_FIELDS = frozenset(
    {"reasoning_content", "reasoning_details", "reasoning", "thought_signature", "thoughtsignature"}
)
# Other fields of a request, in which a word for reasoning means something else, and that reasoning models refuse.
_OTHERS = frozenset(
    {
        *("tools", "functions", "response_format", "temperature", "top_p", "top_k", "stop", "seed", "n", "verbosity"),
        *("logprobs", "top_logprobs", "logit_bias", "presence_penalty", "frequency_penalty", "parallel_tool_calls"),
        *("max_tokens", "max_completion_tokens", "max_output_tokens", "stream", "stream_options"),
    }
)
# A control where a sentence names it, in the vendors' spellings: `reasoning_effort`, reasoningEffort, enable_thinking.
_NAMED = r"(?<![a-z_])(?:(?:enable|include|disable)_)?(?:reasoning|thinking|effort)(?:[_\ ]?[a-z]+)?"
_REFUSED = pattern(
    rf"""(does\ not|doesn't|not)\ support\ (the\ )?(parameters?:?\ )?[\[`'"]*{_NAMED}
    | (unsupported|unknown|unrecognized|unexpected\ (field|keyword|parameter)|extraneous|extra\ inputs?).{{0,60}}
      (reasoning(?!\ models)|thinking|\beffort\b|\bthink\b)
    | {_NAMED}['"`.:=\w\ ]{{0,40}}(is\ |are\ )?
      (not\ (supported|enabled|permitted|allowed|available|(?:a\ )?valid)|unsupported
      |must\ be\ (one\ of|set|a\ positive)|extra\ inputs\ are\ not
      |only\ (supported|available|allowed|valid)|can\ only\ be\ one\ of|restricted\ to
      |cannot\ be\ (disabled|turned\ off)|out\ of\ range)
    | invalid\ (combination\ of\ |value\ for\ )?[`'"]?{_NAMED}
    | argument\ not\ supported.{{0,30}}:\ ?[`'"]?{_NAMED}
    | thinking.?type.{{0,12}}(enabled|adaptive).{{0,12}}not\ supported | adaptive\ thinking\ is\ not\ supported
    | thinking(_config)?\.?include_thoughts\ is\ only\ enabled | thinking\ is\ not\ enabled\ for
    | thinking.?(level|budget).{{0,24}}\ is\ (not\ supported|invalid|not\ valid) | one\ of\ thinking.?(level|budget)
    | thinking\ (may\ not\ be\ enabled|can'?t\ be\ disabled|is\ not\ configurable)
    | invalid\ think\ value | invalid\ value\ at\ '[\w.]*thinking | ChatRequest\.think\b | \#/(thinking|reasoning)
    | must\ be\ unset\ when\ reasoning | reasoning.?config\ value\ is\ invalid | thinking.?token_budget\ must
    | think\ value\b.{{1,30}}\ is\ not\ supported | reasoning_?effort.{{0,60}}(input\ should\ be|expected\ one\ of)
    | level\ .{{1,20}}\ not\ supported,\ valid\ levels
    | (?<![\w.])((thinking|reasoning)\.[\w.]+|output_config\.effort):
    | reasoning\ prompt\ mode\ is\ not\ enabled
    | thinking\ mode\ does\ not\ support\ this\ tool_choice
    | tool.?choice.{{0,120}}(in\ thinking\ mode|thinking\ (is\ )?enabled)
    | (?<![\w.])(thinking|output_config):\ (input|extra)
    | encrypted\ content\ is\ not\ supported\ with
    | (reasoning|thinking)\ is\ mandatory | only\ works\ in\ thinking\ mode
    | no\ endpoints\ found\ that\ support\ (?!tool|image|audio|the\ provided)
    | no\ endpoints\ found\ that\ can\ handle\ the\ requested\ parameters
    | 不支持.{{0,12}}(思考|推理|thinking|reasoning) | (思考|推理)模式.{{0,12}}不支持"""
)


def reasoning_refused(status: int, body: ErrorBody) -> bool:
    """True when the refusal is of a reasoning control, so that the same request without any may pass.

    For requests that had one and of which nothing has come. "Mandatory" belongs here too: a request that says
    nothing about reasoning is right where one that turns it off is wrong.
    """
    if status not in REFUSALS:
        return False
    for name in body.fields:
        steps = _steps(name)
        if steps & _OTHERS and not steps & _HISTORY:
            return False
        if steps & _CONTROLS and not steps & _HISTORY:
            return True
    return _REFUSED.search(body.message) is not None


def history_refused(body: ErrorBody) -> bool:
    """A field of a message's reasoning was refused, as Mistral refuses `reasoning_content`."""
    for name in body.fields:
        steps = _steps(name)
        if steps & _HISTORY and steps & _STATE_FIELDS:
            return True
    return False


def _steps(name: str) -> set[str]:
    return set(re.split(r"[.\[\]/]+", name))
