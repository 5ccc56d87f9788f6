"""What a provider's error means: one table of rules, common to all dialects.

The first rule that fits is taken. A rule looks at the status, at the codes of the body and at the innermost
message; the order is the order of certainty. What only marks a failure (a refused reasoning control, a retry hint, a
request that was not worked on) is added to it afterwards.

Two choices: a provider that has no room (503, 529, "overloaded") is UPSTREAM_RATE_LIMITED, for it refuses for now, and
OVERLOADED means this server alone. QUOTA_EXCEEDED is the provider account's own money or quota: no retry helps.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from urllib.parse import urlsplit

from thinkaloud_server.core.delta import Failure
from thinkaloud_server.core.errors import ErrorReason
from thinkaloud_server.core.request import ModelRequest
from thinkaloud_server.providers.dialect import Endpoint
from thinkaloud_server.providers.error_body import ErrorBody, presentable, read_error
from thinkaloud_server.providers.offered import offered_efforts
from thinkaloud_server.providers.reasoning import reasoning_fields
from thinkaloud_server.providers.refusal import REFUSALS, STATE, history_refused, pattern, reasoning_refused
from thinkaloud_server.providers.retry_after import retry_after_s


@dataclass(frozen=True, slots=True)
class Rule:
    """Fits when the status is one of `statuses` (empty: any) and a code or the text is one of those named (both
    empty: the status alone)."""

    reason: ErrorReason
    statuses: frozenset[int] = frozenset()
    codes: frozenset[str] = frozenset()
    text: re.Pattern[str] | None = None

    def fits(self, status: int, body: ErrorBody) -> bool:
        if self.statuses and status not in self.statuses:
            return False
        if not self.codes and self.text is None:
            return True
        if self.codes & body.codes:
            return True
        return self.text is not None and self.text.search(body.message) is not None


_CLIENT = frozenset({0, *range(400, 500), 500, 501})

RULES: tuple[Rule, ...] = (
    Rule(
        ErrorReason.QUOTA_EXCEEDED,
        _CLIENT,
        frozenset(
            {
                *("insufficient_quota", "insufficient_balance", "billing_hard_limit_reached", "payment_required"),
                *("billing_error", "exceeded_current_quota_error", "accountoverdueerror", "arrearage", "1113"),
                *("not_enough_balance", "allocationquota.freetieronly", "quotaexceeded", "spending_limit_exceeded"),
            }
        ),
        pattern(
            r"""(insufficient|not\ enough)\ (account\ )?(balance|credits?|funds|quota) | requires\ more\ credits
            | credit\ balance\ is | (out\ of|used\ all\ available|doesn't\ have\ any|no\ remaining)\ credits
            | (included|prepaid|remaining)\ credits.{0,40}(exhausted|depleted|used\ up) | exceeded\ your\ monthly
            | billing.{0,20}(limit|not\ active) | monthly\ spending\ limit | overdue\ balance | in\ good\ standing
            | specified\ API\ usage\ limits | account\ is\ (suspended|not\ active) | 余额不足 | 欠费 | 额度不足
            | free\ (tier|quota)\b.{0,40}\bexhausted | exhausted\ its\ free
            | credits?\ (is|are)\ depleted | spending\ (cap|limit) | valid\ payment\ instrument"""
        ),
    ),
    Rule(ErrorReason.QUOTA_EXCEEDED, frozenset({402})),
    # A key's words in a refusal of another status: xAI and Gemini answer a bad key with 400.
    Rule(
        ErrorReason.UPSTREAM_AUTH,
        _CLIENT - {429},
        frozenset(
            {"invalid_api_key", "authentication_error", "api_key_invalid", "unauthenticated", "permission_error"}
        ),
        pattern(
            r"""(incorrect|invalid|missing|expired|no)\ api[\ _-]?key
            | api[\ _-]?key\ (is\ )?(not\ valid|invalid|missing|expired)
            | no\ (cookie\ )?auth(entication)?\ credentials | authentication\ fail | invalid\ authentication
            | login\ fail | \A(authentication|authorization)\ error\W*\Z
            | invalid\ (subscription\ key|token\b) | (token|signature)\ (has\ )?expired
            | model\ access\ is\ denied | use\ case\ details\ have\ not\ been\ submitted"""
        ),
    ),
    Rule(
        ErrorReason.VALIDATION_FAILED,
        _CLIENT,
        frozenset(
            {
                *("content_filter", "content_policy_violation", "responsibleaipolicyviolation"),
                *("data_inspection_failed", "datainspectionfailed", "content_filter_error", "moderation", "1301"),
            }
        ),
        pattern(
            r"""content\ (management|filter\w*|policy)|flagged\ (by|for)|input\ was\ flagged|content\ exists\ risk
            | requires\ moderation | inappropriate\ content | prompt\ was\ (blocked|filtered)"""
        ),
    ),
    Rule(ErrorReason.UPSTREAM_AUTH, frozenset({401, 403})),
    Rule(ErrorReason.REASONING_STATE_INVALID, REFUSALS, frozenset({"invalid_encrypted_content"}), STATE),
    Rule(
        ErrorReason.CONTEXT_TOO_LONG,
        frozenset({0, 400, 413, 422, 429, 500}),
        frozenset(
            {
                *("context_length_exceeded", "exceed_context_size_error", "too_many_prompt_tokens"),
                *("too_many_tokens", "string_above_max_length", "model_max_prompt_tokens_exceeded"),
                *("request_too_large", "1261", "context_window_exceeded", "tokens_limit_reached"),
            }
        ),
        pattern(
            r"""maximum\ (context|prompt|model|(allowed\ )?input|sequence)\ length
            | context[_\ ](length|window|size).{0,40}(exceed|limit|long|reach|maximum|not\ enough)
            | context\ length\ (of|is)\ (only\ )?\d | context\ size\ is\ \d | context\ overflow
            | (model|prompt|input)\ token\ limit(?!.{0,20}minute) | \Atoken\ limit\ exceeded
            | range\ of\ input\ length\ should | inputs`?\ (must\ have\ less\ than|tokens\ \+).{0,60}
              (tokens|must\ be\ <=)
            | (prompt|input|total\ tokens)\b.{0,40}exceeds?\ (the\ )?max
            | max\ tokens\ of\ \d+\ exceeded | input\ (characters|length)\ limit | 超长 | 超出最大长度 | 超过最大长度
            | (prompt|input|messages?)\ (token\ )?(count|length)\b.{0,24}exceed
            | (exceed\w*|larger\ than|longer\ than|greater\ than).{0,60}context[_\ ]?(length|window|size)?\b
            | prompt\ is\ too\ long | (input|prompt|request).{0,20}too\ (long|large)\ for
            | too\ many\ (input\ )?tokens(?!.{0,20}please\ wait)
            | (input|prompt)\ tokens?.{0,40}exceed | input\ is\ too\ long | request\ too\ large
            | total\ length\ of\ all\ messages\ is\ too\ long
            | reduce\ the\ length\ of\ (the\ )?(messages|prompt|input)"""
        ),
    ),
    Rule(ErrorReason.CONTEXT_TOO_LONG, frozenset({413})),
    Rule(
        ErrorReason.UPSTREAM_RATE_LIMITED,
        codes=frozenset(
            {
                *("rate_limit_exceeded", "rate_limit_error", "ratelimitreached", "resource_exhausted", "throttled"),
                *("overloaded_error", "provider_overloaded", "throttlingexception", "engine_overloaded_error"),
            }
        ),
        text=pattern(
            r"""\brate.?limit(ed|\ exceeded|\ reached)? | too\ many\ requests | throttl | overloaded
            | (at|over|exceeded|no)\ (available\ )?capacity | server\ is\ busy | temporarily\ unavailable
            | loading\ model | model.{0,40}is\ (currently\ )?loading | (model|server)\ (is\ )?too\ busy
            | (concurrency|concurrent\ requests?)\ limit | too\ many\ (concurrent|connections)"""
        ),
    ),
    Rule(ErrorReason.UPSTREAM_RATE_LIMITED, frozenset({425, 429, 503, 529})),
    # A path that is not there speaks of the configuration, not of the request.
    Rule(
        ErrorReason.UPSTREAM_ERROR,
        frozenset({404, 405}),
        text=pattern(
            r"""\A((404\ )?((page|file|resource|path)\ )?not\ found\W*|an\ HTML\ page.*|method\ not\ allowed\W*)?\Z
            | \A(invalid|unrecognized\ request|unknown\ request)\ url | \Acannot\ (post|get)\  | \Ano\ route\ """
        ),
    ),
    Rule(
        ErrorReason.MODEL_NOT_FOUND,
        _CLIENT,
        frozenset(
            {
                *("model_not_found", "model_decommissioned", "deploymentnotfound", "invalid_model", "1500", "1211"),
                *("unknown_model", "modelnotfound", "model_not_available", "not_found_error", "modelnotopen"),
                *("model_not_supported", "resource_does_not_exist", "unavailable_model"),
                "invalidendpointormodel.notfound",
            }
        ),
        pattern(
            r"""no\ endpoints\ found\ (for|matching) | supported\ API\ model\ names\ are | invalid\ model\b
            | not\ a\ (valid\ model|chat\ model) | (unknown|no\ such)\ model | alpha\ period\ for\ this\ model
            | \bmodels?(/\S{1,80})?\ is\ not\ found | publisher\ model\b.{0,240}\b(not\ found|not\ supported)
            | model\b.{0,120}\b(not\ found|does\ not\ exist|not\ exist|deprecated|decommissioned|was\ removed|retired)
            | model\b.{0,120}\bno\ longer\ available
            | model\ (identifier|id|name)\ is\ (invalid|not\ valid) | end\ of\ its\ life
            | no\ (instances|providers?|deployments?)\ (available\ )?for\ model | not\ found\ the\ model\b
            | (\A|[.:,]\ |\bthe\ )model\ \S{1,120}\ is\ not\ (available|supported|activated)\b
            | requested\ model\ is\ not\ supported | not\ activated\ the\ model | 模型不存在
            | with\ on-demand\ throughput | marked\ by\ provider\ as\ legacy
            | reached\ (its\ )?end\ of\ life | function\ '[\w-]+':\ not\ found\ for\ account"""
        ),
    ),
    # The model called a tool that is not there, or wrongly: the provider failed, not the request.
    Rule(ErrorReason.UPSTREAM_ERROR, codes=frozenset({"tool_use_failed", "malformed_function_call"})),
    # Bedrock, 424: the model failed behind it.
    Rule(ErrorReason.UPSTREAM_ERROR, codes=frozenset({"modelerrorexception", "modelstreamerrorexception"})),
    # llama.cpp says 500 to requests that it cannot take.
    Rule(
        ErrorReason.VALIDATION_FAILED,
        frozenset({500}),
        text=pattern(
            r"""requires\ --\w+ | (image|audio)\ input\ is\ not\ supported | cannot\ use\ both
            | failed\ to\ (load|parse|decode)\ (image|audio|grammar|messages)|unsupported\ content"""
        ),
    ),
    Rule(ErrorReason.UPSTREAM_TIMEOUT, frozenset({408, 504, 522, 524})),
    Rule(ErrorReason.UPSTREAM_TIMEOUT, codes=frozenset({"timeout_error"})),
    Rule(ErrorReason.VALIDATION_FAILED, frozenset({501})),
    # 499 is Google's "cancelled": nothing was wrong with the request.
    Rule(ErrorReason.UPSTREAM_ERROR, frozenset({499, *range(500, 600)})),
    Rule(ErrorReason.VALIDATION_FAILED, frozenset(range(400, 500))),
    # Inside a stream, where there is no status: what the Responses API calls a bad request there.
    Rule(
        ErrorReason.VALIDATION_FAILED,
        frozenset({0}),
        frozenset(
            {
                *("invalid_request_error", "invalid_prompt", "invalid_image", "invalid_image_format"),
                *("invalid_base64_image", "invalid_image_url", "invalid_image_mode", "image_too_large"),
                *("image_too_small", "image_parse_error", "image_content_policy_violation", "image_file_too_large"),
                *("unsupported_image_media_type", "empty_image_file", "failed_to_download_image"),
                "image_file_not_found",
            }
        ),
    ),
    Rule(ErrorReason.UPSTREAM_ERROR),
)

_HINTED = frozenset({ErrorReason.UPSTREAM_RATE_LIMITED, ErrorReason.UPSTREAM_ERROR, ErrorReason.UPSTREAM_TIMEOUT})
# A provider's word that nothing came of the request. Gateways that gave up waiting (504, 524) cannot know.
_UNPROCESSED = frozenset({408, 425, 429, 500, 502, 503, 529})


def answer_failure(
    endpoint: Endpoint, status: int, headers: Mapping[str, str], body: bytes, *, reasoning_sent: bool
) -> Failure:
    """What an answer that is no stream means: status >= 400, a redirect, or a 2xx of a wrong content type."""
    error = read_error(body)
    if status < 400 and not error.status and not error.codes:
        reason = ErrorReason.UPSTREAM_PROTOCOL_ERROR if status < 300 else ErrorReason.UPSTREAM_ERROR
        what = error.message if error.html else "something that is not a stream"
        message = f"the provider answered with status {status} and {what}"
        return Failure(reason, _presentable(endpoint, message), status=status)
    return _classify(endpoint, status, headers, error, reasoning_sent=reasoning_sent)


def stream_failure(endpoint: Endpoint, request: ModelRequest, error: ErrorBody) -> Failure:
    """What an error inside the answer to this request means. Its status is the body's own, or 0."""
    sent = bool(reasoning_fields(endpoint.vendor, request).fields)
    return _classify(endpoint, 0, {}, error, reasoning_sent=sent)


def _classify(
    endpoint: Endpoint, status: int, headers: Mapping[str, str], error: ErrorBody, *, reasoning_sent: bool
) -> Failure:
    known = status if status >= 400 else error.status
    refused = reasoning_sent and reasoning_refused(known, error)
    if history_refused(error):
        reason, refused = ErrorReason.REASONING_STATE_INVALID, False
    else:
        reason = next(rule.reason for rule in RULES if rule.fits(known, error))
        # A refused control outranks what else its words look like, but for the refusal of a caller or a history.
        if reason in (ErrorReason.UPSTREAM_AUTH, ErrorReason.REASONING_STATE_INVALID):
            refused = False
        elif refused:
            reason = ErrorReason.VALIDATION_FAILED
    limited = reason is ErrorReason.UPSTREAM_RATE_LIMITED
    # A retry-after on a 2xx is no hint: Anthropic sends it with every answer.
    hint = retry_after_s(headers if status >= 400 else {}, error, rate_limited=limited)
    return Failure(
        reason,
        _presentable(endpoint, error.message) or _silent(known),
        status=known or status,
        retry_after_s=hint if reason in _HINTED else None,
        reasoning_refused=refused,
        unprocessed=_unprocessed(known, reason, headers),
        efforts=offered_efforts(error.message) if refused else (),
    )


def _presentable(endpoint: Endpoint, message: str) -> str:
    address = urlsplit(endpoint.base_url)
    secrets = (endpoint.api_key, *(value for _, value in endpoint.headers))
    return presentable(message, secrets, (address.netloc, address.hostname or ""))


def _unprocessed(status: int, reason: ErrorReason, headers: Mapping[str, str]) -> bool:
    if reason not in _HINTED:
        return False
    word = headers.get("x-should-retry", "")
    return word == "true" if word in ("true", "false") else status in _UNPROCESSED


def _silent(status: int) -> str:
    return f"the provider answered with status {status}" if status else "the provider reported an error"
