"""The answers of the `bedrock-converse` vectors, whose bytes nobody can read: run as a script, it writes them.

What is asked, sent and to be said of each stands beside its bytes, in request.json and deltas.jsonl.
"""

from __future__ import annotations

import json
from base64 import b64encode

from event_stream import event, message
from provider_vectors import VECTORS

FOLDER = VECTORS / "bedrock-converse"

START = event("messageStart", {"p": "abcde", "role": "assistant"})
USAGE = event(
    "metadata", {"metrics": {"latencyMs": 8}, "usage": {"inputTokens": 7, "outputTokens": 5, "totalTokens": 12}}
)


def delta(index: int, **fields: object) -> bytes:
    return event("contentBlockDelta", {"contentBlockIndex": index, "delta": fields, "p": "abcd"})


def text(words: str, index: int = 0) -> bytes:
    return delta(index, text=words)


def thought(words: str, index: int = 0) -> bytes:
    return delta(index, reasoningContent={"text": words})


def signed(signature: str, index: int = 0) -> bytes:
    return delta(index, reasoningContent={"signature": signature})


def redacted(data: bytes, index: int = 0) -> bytes:
    return delta(index, reasoningContent={"redactedContent": b64encode(data).decode()})


def call(index: int, call_id: str, *arguments: str) -> bytes:
    start = {"toolUse": {"toolUseId": call_id, "name": "weather"}}
    begun = event("contentBlockStart", {"contentBlockIndex": index, "start": start})
    return begun + b"".join(delta(index, toolUse={"input": piece}) for piece in arguments) + stop(index)


def stop(index: int) -> bytes:
    return event("contentBlockStop", {"contentBlockIndex": index})


def end(reason: str = "end_turn") -> bytes:
    return event("messageStop", {"stopReason": reason}) + USAGE


def usage(**counts: int) -> bytes:
    return event("messageStop", {"stopReason": "end_turn"}) + event("metadata", {"usage": counts})


def exception(name: str, words: str) -> bytes:
    return event(name, {"message": words}, "exception")


def chunk(**inner: object) -> bytes:
    return event("chunk", {"bytes": b64encode(json.dumps(inner).encode()).decode(), "p": "abc"})


def titan(words: str, **more: object) -> bytes:
    return chunk(outputText=words, index=0, **more)


def choice_call(**call: object) -> dict[str, object]:
    return {"index": 0, "delta": {"tool_calls": [{"index": 0, **call}]}}


def server_tool(kind: str, **fields: object) -> dict[str, object]:
    return {"contentBlockIndex": 0, "start": {kind: {"toolUseId": "s1", **fields}}}


ANTHROPIC = [
    chunk(
        type="message_start",
        message={"id": "msg_1", "model": "claude-x", "usage": {"input_tokens": 9, "output_tokens": 1}},
    ),
    chunk(type="content_block_start", index=0, content_block={"type": "thinking", "thinking": ""}),
    chunk(type="content_block_delta", index=0, delta={"type": "thinking_delta", "thinking": "Hm"}),
    chunk(type="content_block_delta", index=0, delta={"type": "signature_delta", "signature": "c2ln"}),
    chunk(type="content_block_stop", index=0),
    chunk(type="content_block_start", index=1, content_block={"type": "redacted_thinking", "data": "cmVk"}),
    chunk(type="ping"),
    chunk(type="content_block_start", index=2, content_block={"type": "text", "text": ""}),
    chunk(type="content_block_delta", index=2, delta={"type": "text_delta", "text": "Olá!"}),
    chunk(
        type="content_block_start",
        index=3,
        content_block={"type": "tool_use", "id": "t1", "name": "weather", "input": {}},
    ),
    chunk(type="content_block_delta", index=3, delta={"type": "input_json_delta", "partial_json": '{"city":'}),
    chunk(type="content_block_delta", index=3, delta={"type": "input_json_delta", "partial_json": '"Rome"}'}),
    chunk(
        type="message_delta",
        delta={"stop_reason": "tool_use"},
        usage={"output_tokens": 7, "cache_read_input_tokens": 3},
    ),
]
WHOLE = {
    "output": {
        "message": {
            "role": "assistant",
            "content": [
                {"reasoningContent": {"reasoningText": {"text": "Hm", "signature": "c2ln"}}},
                {"text": "Let me see."},
                {"toolUse": {"toolUseId": "t1", "name": "weather", "input": {"city": "Rome"}}},
            ],
        }
    },
    "stopReason": "tool_use",
    "usage": {"inputTokens": 7, "outputTokens": 5, "totalTokens": 12},
}
CITED = {
    "output": {
        "message": {
            "content": [
                {"text": "As it says, "},
                {"citationsContent": {"citations": [{"title": "a page"}], "content": [{"text": "Rome is old"}]}},
                {"text": "."},
                {"toolUse": {"toolUseId": "s1", "name": "browser", "input": {}, "type": "server_tool_use"}},
            ]
        }
    },
    "stopReason": "end_turn",
    "usage": {"inputTokens": 7, "outputTokens": 5, "totalTokens": 12},
}
METRICS = {"amazon-bedrock-invocationMetrics": {"inputTokenCount": 9, "outputTokenCount": 7}}
NOT_JSON = message({":event-type": "contentBlockDelta", ":message-type": "event"}, b"nonsense")
WEIRD = b'{"contentBlockIndex":0,"delta":{"text":"a\\ud83d","x":NaN}}'
WRONG_TYPES = b'{"contentBlockIndex":"0","delta":{"text":5,"reasoningContent":[],"toolUse":{"input":{}}}}'

ANSWERS: dict[str, bytes] = {
    "plain": START + text("Hel") + text("lo — 你好 🦜") + stop(0) + end(),
    "reasoning-signed": START
    + thought("Let")
    + thought(" me")
    + signed("c2ln")
    + stop(0)
    + text("Hi", 1)
    + stop(1)
    + end(),
    "reasoning-unsigned": START + thought("Hm") + stop(0) + text("Hi", 1) + end(),
    "reasoning-redacted": START + redacted(b"one") + stop(0) + redacted(b"two", 1) + text("Hi", 2) + end(),
    "reasoning-redacted-in-pieces": START + redacted(b"on") + redacted(b"e") + text("Hi", 1) + end(),
    "reasoning-signature-only": START + signed("c2ln") + stop(0) + text("Hi", 1) + end(),
    "reasoning-between-calls": START
    + thought("First.")
    + signed("czE=")
    + text("A.", 1)
    + call(2, "t1", "{}")
    + thought("Then.", 3)
    + signed("czI=", 3)
    + call(4, "t2", "{}")
    + end("tool_use"),
    "reasoning-and-text-in-one-delta": START + delta(0, text="Hi", reasoningContent={"text": "Hm"}) + end(),
    "reasoning-only-until-the-limit": START + thought("Hm") + end("max_tokens"),
    "inline-tags-stay-in-text": START + text("<thinking") + text("> Hm </") + text("thinking") + text(">\nHi") + end(),
    "tool-call": START + text("Well") + stop(0) + call(1, "t1", '{"city"', ': "Rome"}') + end("tool_use"),
    "tool-call-without-arguments": START + call(0, "t1") + end("tool_use"),
    "tool-calls": START + call(0, "t1", '{"city":"Rome"}') + call(1, "t2", '{"city":"Ōsaka"}') + end("tool_use"),
    "tool-input-without-a-call": START + delta(5, toolUse={"input": "{}"}) + text("Hi") + end(),
    "finish-max-tokens": START + text("Hi") + end("max_tokens"),
    "finish-stop-sequence": START + text("Hi") + end("stop_sequence"),
    "finish-context-window": START + text("Hi") + end("model_context_window_exceeded"),
    "finish-guardrail": START + text("No.") + end("guardrail_intervened"),
    "finish-content-filtered": START + end("content_filtered"),
    "finish-malformed-tool-use": START + text("Hi") + end("malformed_tool_use"),
    "finish-nobody-knows": START + text("Hi") + end("something_new"),
    "finish-without-metadata": START + text("Hi") + event("messageStop", {"stopReason": "end_turn"}),
    "metadata-before-the-finish": START + text("Hi") + USAGE + event("messageStop", {"stopReason": "end_turn"}),
    "usage-with-a-cache": START
    + text("Hi")
    + usage(inputTokens=4, outputTokens=5, totalTokens=29, cacheReadInputTokens=15, cacheWriteInputTokens=5),
    "usage-that-holds-its-cache": START
    + text("Hi")
    + usage(inputTokens=24, outputTokens=5, totalTokens=29, cacheReadInputTokens=15),
    "events-after-the-last": START + text("Hi") + end() + text("more"),
    "events-nobody-knows": START + event("somethingNew", {"a": 1}) + delta(0, citation={}) + text("Hi") + end(),
    "error-throttling": exception("throttlingException", "Too many tokens, please wait before trying again."),
    "error-validation": exception("validationException", "extraneous key [thinking] is not permitted"),
    "error-unavailable": exception("serviceUnavailableException", "Bedrock is unable to process your request."),
    "error-internal": exception("internalServerException", "The system encountered an unexpected error."),
    "error-model-after-text": START + text("Hi") + exception("modelStreamErrorException", "The model failed."),
    "error-validation-after-text": START
    + text("Hi")
    + exception("validationException", "The model returned an error."),
    "error-without-words": event("modelTimeoutException", b"", "exception"),
    "error-message": message({":message-type": "error", ":error-code": "InternalError", ":error-message": "It broke."}),
    "cut-between-messages": START + text("Hi") + text(" there"),
    "cut-inside-a-message": (START + text("Hi") + text(" there"))[:-9],
    "cut-inside-the-last-message": (START + text("Hi") + event("messageStop", {"stopReason": "end_turn"}))[:-1],
    "checksum-wrong": START + text("Hi")[:-1] + b"\x00" + end(),
    "length-absurd": START + text("Hi") + b"\x7f" * 12,
    "payload-is-not-json": START + NOT_JSON,
    "not-a-number-and-half-a-character": START + event("contentBlockDelta", WEIRD) + end(),
    "leaves-of-wrong-types": START + event("contentBlockDelta", WRONG_TYPES) + text("Hi") + end(),
    "answer-is-empty": b"",
    "answer-is-a-page": b"<html><title>502 Bad Gateway</title></html>",
    "answer-is-not-streamed": json.dumps(WHOLE).encode(),
    "answer-is-json-cut": json.dumps(WHOLE).encode()[:-20],
    "answer-is-an-error-object": b'{"message":"The provided model identifier is invalid."}',
    "invoke-anthropic": b"".join(ANTHROPIC)
    + chunk(type="message_stop", **{"amazon-bedrock-invocationMetrics": {"inputTokenCount": 9, "outputTokenCount": 7}}),
    "invoke-anthropic-cut": b"".join(ANTHROPIC[:-1]),
    "invoke-anthropic-error": ANTHROPIC[0]
    + chunk(type="error", error={"type": "overloaded_error", "message": "Overloaded"}),
    "invoke-titan": titan("He")
    + titan("llo", completionReason="LENGTH", inputTextTokenCount=3, totalOutputTextTokenCount=4),
    "invoke-titan-blocked": titan("No.", **{"amazon-bedrock-guardrailAction": "INTERVENED", "inputTextTokenCount": 6}),
    "invoke-titan-cut": titan("He") + titan("llo"),
    "invoke-of-another-model": chunk(somethingNew="Hi", stop_reason="stop"),
    "invoke-llama": chunk(generation="He", prompt_token_count=3, generation_token_count=1, stop_reason=None)
    + chunk(generation="llo", prompt_token_count=None, generation_token_count=2, stop_reason="length", **METRICS),
    "invoke-llama-cut": chunk(generation="He", prompt_token_count=3, generation_token_count=1, stop_reason=None),
    "invoke-mistral": chunk(outputs=[{"text": "Hi", "stop_reason": None}])
    + chunk(outputs=[{"text": "", "stop_reason": "stop"}], **METRICS),
    "invoke-cohere": chunk(is_finished=False, index=0, text="Hi")
    + chunk(is_finished=True, finish_reason="MAX_TOKENS", **METRICS),
    "invoke-command-r": chunk(event_type="stream-start", is_finished=False, generation_id="g")
    + chunk(event_type="text-generation", is_finished=False, text="Hi")
    + chunk(event_type="stream-end", is_finished=True, finish_reason="COMPLETE", response={"text": "Hi"}, **METRICS),
    "invoke-claude-2": chunk(type="completion", completion=" Hi", stop_reason=None, stop=None)
    + chunk(type="completion", completion="", stop_reason="stop_sequence", stop="Human:", **METRICS),
    "invoke-nova": chunk(messageStart={"role": "assistant"})
    + chunk(contentBlockDelta={"delta": {"text": "Hi"}, "contentBlockIndex": 0})
    + chunk(contentBlockStop={"contentBlockIndex": 0})
    + chunk(contentBlockStart={"start": {"toolUse": {"toolUseId": "t1", "name": "weather"}}, "contentBlockIndex": 1})
    + chunk(contentBlockDelta={"delta": {"toolUse": {"input": '{"city":"Rome"}'}}, "contentBlockIndex": 1})
    + chunk(messageStop={"stopReason": "tool_use"})
    + chunk(metadata={"usage": {"inputTokens": 9, "outputTokens": 7}}, **METRICS),
    "invoke-choices": chunk(choices=[{"index": 0, "delta": {"role": "assistant", "reasoning": "Hm"}}])
    + chunk(choices=[{"index": 0, "delta": {"content": "Hi"}, "finish_reason": None}])
    + chunk(choices=[choice_call(id="t1", function={"name": "weather", "arguments": ""})])
    + chunk(choices=[choice_call(function={"arguments": '{"city":"Rome"}'})])
    + chunk(choices=[{"index": 0, "delta": {}, "finish_reason": "tool_calls"}], **METRICS),
    "invoke-choices-of-text": chunk(choices=[{"text": "Hi", "stop_reason": None}])
    + chunk(choices=[{"text": "!", "stop_reason": "length"}], **METRICS),
    "server-tool": START
    + event("contentBlockStart", server_tool("toolUse", type="server_tool_use", name="nova_code_interpreter"))
    + delta(0, toolUse={"input": '{"snippet":"6*7"}'})
    + stop(0)
    + event("contentBlockStart", server_tool("toolResult", type="nova_code_interpreter_result", status="success"))
    + delta(0, toolResult=[{"json": {"stdOut": "42"}}])
    + stop(0)
    + text("It is 42.", 1)
    + end(),
    "tool-calls-in-blocks-of-one-number": START
    + call(0, "t1", "{}")
    + call(0, "t2", "{}")
    + call(1, "t3", "{}")
    + end("tool_use"),
    "empty-texts-between-blocks": START
    + text("")
    + stop(0)
    + thought("Hm", 1)
    + stop(1)
    + text("", 2)
    + stop(2)
    + call(3, "functions.weather:0", '{"city":"Rome"}')
    + text("", 4)
    + end("tool_use"),
    "citations-are-not-told": START
    + text("As it says, ")
    + stop(0)
    + delta(1, citation={"title": "a page", "sourceContent": [{"text": "Rome is old."}]})
    + text("Rome is old", 1)
    + stop(1)
    + text(".", 2)
    + end(),
    "usage-with-a-guardrails-trace": START
    + text("{ADDRESS} is old.")
    + event("messageStop", {"stopReason": "guardrail_intervened"})
    + event("metadata", {"trace": {"guardrail": {"modelOutput": ["Rome"]}}, "usage": {"inputTokens": 7}}),
    "answer-is-not-streamed-and-cites": json.dumps(CITED).encode(),
    "invoke-is-not-base64": event("chunk", {"bytes": "?"}),
}


if __name__ == "__main__":
    for name, answer in ANSWERS.items():
        folder = FOLDER / name
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "response.bin").write_bytes(answer)
