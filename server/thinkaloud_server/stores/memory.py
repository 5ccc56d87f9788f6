"""The store that keeps nothing: the same meaning as SQLite's, in plain dicts, gone with the process.

It holds runs with `store: false`, and is the whole store of `memory://`. Bounded by `runs_max`: beyond it the runs
that ended first are forgotten, with their events and keys; conversations stay, as they are the user's.
Nothing here waits, so each method is one transaction by itself.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace

from thinkaloud_server.core.event import Event, Logged, Reasoning, Terminal, Token
from thinkaloud_server.core.run import (
    Append,
    AppendResult,
    Busy,
    Closing,
    Conversation,
    Created,
    Existing,
    NewRun,
    Page,
    Renewal,
    Run,
    RunState,
    StoredMessage,
    TokenTotals,
    day_of,
)
from thinkaloud_server.core.tool_results import check_results
from thinkaloud_server.core.usage import Spent, Usage
from thinkaloud_server.stores.codec import encode_json
from thinkaloud_server.stores.errors import already_exists, conversation_not_found, key_reused, unavailable
from thinkaloud_server.stores.memory_uploads import MemoryUploadRows
from thinkaloud_server.stores.page import TimeKey, position_of, position_token, time_key, time_token

RUNS_MAX = 10_000


@dataclass(slots=True)
class _Log:
    """A run and its events, which are all gone once they are trimmed."""

    run: Run
    events: list[Event]
    result: Terminal | None = None


@dataclass(slots=True)
class _Thread:
    """A conversation, its messages, oldest first, and the run that it has now."""

    conversation: Conversation
    messages: list[StoredMessage] = field(default_factory=list)
    live_run_id: str = ""

    def value(self) -> Conversation:
        return replace(self.conversation, message_count=len(self.messages), live_run_id=self.live_run_id)

    def add(self, stored: StoredMessage, used_at: float) -> None:
        parent_id = self.messages[-1].message_id if self.messages else ""
        self.messages.append(replace(stored, conversation_id=self.conversation.conversation_id, parent_id=parent_id))
        self.use(used_at)

    def use(self, at: float) -> None:
        self.conversation = replace(self.conversation, updated_at=max(self.conversation.updated_at, at))


class MemoryStore:
    """A `Store` (engine/ports.py) in this process's memory."""

    kind = "memory"

    def __init__(self, runs_max: int = RUNS_MAX) -> None:
        self._runs_max = runs_max
        self._logs: dict[str, _Log] = {}
        self._ended: dict[str, None] = {}  # in the order of their end
        self._keys: dict[tuple[str, str], str] = {}
        self._threads: dict[str, _Thread] = {}
        self._settings: dict[tuple[str, str], str] = {}
        self._totals: dict[str, dict[str, TokenTotals]] = {}
        self._last_usage: dict[str, tuple[float, Usage]] = {}
        self._spent: dict[tuple[str, str, int], Spent] = {}
        self._closed = False
        self.uploads = MemoryUploadRows(self._check_open)

    async def close(self) -> None:
        self._closed = True

    async def create_run(self, tenant: str, new: NewRun) -> Created | Existing | Busy:
        self._check_open()
        run = new.run
        assert run.tenant == tenant
        if found := self._by_key(tenant, run.idempotency_key):
            if found.run.request_hash != run.request_hash:
                raise key_reused()
            return Existing(found.run)
        thread = None
        if new.new_conversation is None and run.conversation_id:
            thread = self._thread(tenant, run.conversation_id)
            if thread is None:
                raise conversation_not_found()
            if thread.live_run_id:
                return Busy(self._logs[thread.live_run_id].run)
            if new.user_message is not None and new.user_message.message.role == "tool":
                newest_first = (stored.message for stored in reversed(thread.messages))
                check_results(newest_first, new.user_message.message)
        if run.run_id in self._logs:
            raise already_exists()
        if new.new_conversation is not None:
            thread = self._add_thread(new.new_conversation)
        history: tuple[StoredMessage, ...] = ()
        if thread is not None:
            history = tuple(thread.messages)
            thread.live_run_id = run.run_id
            if new.user_message is not None:
                thread.add(new.user_message, new.user_message.created_at)
        self._logs[run.run_id] = _Log(replace(run, state="running", last_sequence=1), [new.start])
        if run.idempotency_key:
            self._keys[tenant, run.idempotency_key] = run.run_id
        return Created(history)

    async def append(self, batch: Sequence[Append]) -> Sequence[AppendResult]:
        self._check_open()
        assert all(append.events for append in batch)
        return [self._append(append) for append in batch]

    async def read_events(self, tenant: str, run_id: str, after_sequence: int, bytes_max: int) -> Sequence[Logged]:
        self._check_open()
        log = self._log(tenant, run_id)
        if log is None:
            return []
        page: list[Logged] = []
        size = 0
        for sequence in range(after_sequence + 1, len(log.events) + 1):
            if page and size >= bytes_max:
                break
            page.append(Logged(sequence, log.events[sequence - 1]))
            size += _size(log.events[sequence - 1])
        return page

    async def get_run(self, tenant: str, run_id: str) -> Run | None:
        self._check_open()
        log = self._log(tenant, run_id)
        return log.run if log else None

    async def get_result(self, tenant: str, run_id: str) -> Terminal | None:
        self._check_open()
        log = self._log(tenant, run_id)
        return log.result if log else None

    async def find_key(self, tenant: str, idempotency_key: str) -> Run | None:
        self._check_open()
        log = self._by_key(tenant, idempotency_key)
        return log.run if log else None

    async def list_runs(
        self, tenant: str, *, conversation_id: str, state: RunState | None, page_size: int, page_token: str
    ) -> Page[Run]:
        self._check_open()
        after = time_key("runs", page_token)
        runs = (
            log.run
            for log in self._logs.values()
            if log.run.tenant == tenant
            and conversation_id in ("", log.run.conversation_id)
            and state in (None, log.run.state)
        )
        keyed = {TimeKey(run.created_at, run.run_id): run for run in runs}
        keys, token = _page_of_keys("runs", keyed, after, page_size)
        return Page(tuple(keyed[key] for key in keys), token)

    async def request_stop(self, tenant: str, run_id: str, at: float) -> None:
        self._check_open()
        log = self._log(tenant, run_id)
        if log and log.run.state == "running" and not log.run.stop_requested_at:
            log.run = replace(log.run, stop_requested_at=at)

    async def mark_watched(self, tenant: str, run_id: str, until: float) -> None:
        self._check_open()
        log = self._log(tenant, run_id)
        if log and log.run.state == "running":
            log.run = replace(log.run, watched_until=max(log.run.watched_until, until))

    async def renew(self, owner: str, run_ids: Sequence[str], now: float) -> Renewal:
        self._check_open()
        ours = {
            run_id: self._logs[run_id].run
            for run_id in run_ids
            if run_id in self._logs and self._logs[run_id].run.lease_owner == owner
        }
        return Renewal(
            stop=tuple(run_id for run_id, run in ours.items() if run.state == "running" and run.stop_requested_at),
            lost=tuple(run_id for run_id in run_ids if run_id not in ours),
        )

    async def take_orphans(self, owner: str, now: float) -> Sequence[Run]:
        self._check_open()
        taken = []
        for log in self._logs.values():
            if log.run.state == "running" and log.run.lease_owner != owner:
                log.run = replace(log.run, epoch=log.run.epoch + 1, lease_owner=owner)
                taken.append(log.run)
        return taken

    def listen(self, notify: Callable[[str], None]) -> None:
        """No other process sees this memory."""

    async def create_conversation(self, tenant: str, conversation: Conversation) -> None:
        self._check_open()
        assert conversation.tenant == tenant
        self._add_thread(conversation)

    async def get_conversation(self, tenant: str, conversation_id: str) -> Conversation | None:
        self._check_open()
        thread = self._thread(tenant, conversation_id)
        return thread.value() if thread else None

    async def list_conversations(self, tenant: str, *, page_size: int, page_token: str) -> Page[Conversation]:
        self._check_open()
        after = time_key("conversations", page_token)
        keyed = {
            TimeKey(thread.conversation.updated_at, thread.conversation.conversation_id): thread
            for thread in self._threads.values()
            if thread.conversation.tenant == tenant
        }
        keys, token = _page_of_keys("conversations", keyed, after, page_size)
        return Page(tuple(keyed[key].value() for key in keys), token)

    async def update_conversation(
        self, tenant: str, conversation_id: str, *, title: str | None, metadata: Mapping[str, str] | None
    ) -> Conversation | None:
        self._check_open()
        thread = self._thread(tenant, conversation_id)
        if thread is None:
            return None
        if title is not None:
            thread.conversation = replace(thread.conversation, title=title)
        if metadata is not None:
            thread.conversation = replace(thread.conversation, metadata=dict(metadata))
        return thread.value()

    async def delete_conversation(self, tenant: str, conversation_id: str) -> bool:
        self._check_open()
        if self._thread(tenant, conversation_id) is None:
            return False
        del self._threads[conversation_id]
        for run_id in [run_id for run_id, log in self._logs.items() if log.run.conversation_id == conversation_id]:
            self._forget(run_id)
        return True

    async def history(
        self, tenant: str, conversation_id: str, *, page_size: int, page_token: str
    ) -> Page[StoredMessage]:
        self._check_open()
        after = position_of("history", page_token)
        thread = self._thread(tenant, conversation_id)
        messages = thread.messages if thread else []
        end = after + page_size
        token = position_token("history", end) if end < len(messages) else ""
        return Page(tuple(messages[after:end]), token)

    async def get_setting(self, tenant: str, name: str) -> str | None:
        self._check_open()
        return self._settings.get((tenant, name))

    async def put_setting(self, tenant: str, name: str, value: str) -> None:
        self._check_open()
        self._settings[tenant, name] = value

    async def token_totals(self, tenant: str) -> Mapping[str, TokenTotals]:
        self._check_open()
        return dict(self._totals.get(tenant, {}))

    async def last_usage(self, tenant: str) -> Usage | None:
        self._check_open()
        ended_at_and_usage = self._last_usage.get(tenant)
        return ended_at_and_usage[1] if ended_at_and_usage else None

    async def spent(self, tenant: str, key_id: str, day: int) -> Spent:
        self._check_open()
        return self._spent.get((tenant, key_id, day), Spent())

    async def trim(self, *, events_before: float, keys_before: float) -> int:
        self._check_open()
        rows = 0
        for log in self._logs.values():
            if log.result is not None and log.run.ended_at < events_before:
                rows += len(log.events)
                log.events = []
            if log.run.idempotency_key and log.run.created_at < keys_before:
                rows += 1
                self._drop_key(log)
        for old in [each for each in self._spent if each[2] < day_of(keys_before)]:
            rows += 1
            del self._spent[old]
        return rows

    def _append(self, append: Append) -> AppendResult:
        log = self._log(append.tenant, append.run_id)
        if (
            log is None
            or log.run.state != "running"
            or log.run.epoch != append.epoch
            or log.run.last_sequence != append.first_sequence - 1
        ):
            return "fenced"
        log.events.extend(append.events)
        log.run = replace(log.run, last_sequence=log.run.last_sequence + len(append.events))
        if append.closing is not None:
            self._end(log, append.closing)
        return "committed"

    def _end(self, log: _Log, closing: Closing) -> None:
        log.result = closing.terminal
        log.run = replace(log.run, state=closing.state, finish_reason=closing.finish_reason, ended_at=closing.ended_at)
        tenant = log.run.tenant
        if thread := self._thread(tenant, log.run.conversation_id):
            thread.live_run_id = ""
            thread.use(closing.ended_at)
            if closing.message is not None:
                thread.add(closing.message, closing.ended_at)
        totals = self._totals.setdefault(tenant, {})
        before = totals.get(closing.model, TokenTotals())
        totals[closing.model] = TokenTotals(before.runs + 1, before.usage + closing.usage)
        if log.run.key_id:
            day = tenant, log.run.key_id, day_of(closing.ended_at)
            self._spent[day] = self._spent.get(day, Spent()) + closing.spent
        last = self._last_usage.get(tenant)
        if last is None or closing.ended_at >= last[0]:
            self._last_usage[tenant] = (closing.ended_at, closing.usage)
        self._ended[log.run.run_id] = None
        while len(self._logs) > self._runs_max and self._ended:
            self._forget(next(iter(self._ended)))

    def _forget(self, run_id: str) -> None:
        self._drop_key(self._logs.pop(run_id))
        self._ended.pop(run_id, None)

    def _drop_key(self, log: _Log) -> None:
        self._keys.pop((log.run.tenant, log.run.idempotency_key), None)
        log.run = replace(log.run, idempotency_key="")

    def _add_thread(self, conversation: Conversation) -> _Thread:
        if conversation.conversation_id in self._threads:
            raise already_exists()
        thread = _Thread(conversation)
        self._threads[conversation.conversation_id] = thread
        return thread

    def _log(self, tenant: str, run_id: str) -> _Log | None:
        log = self._logs.get(run_id)
        return log if log is not None and log.run.tenant == tenant else None

    def _by_key(self, tenant: str, key: str) -> _Log | None:
        run_id = self._keys.get((tenant, key))
        return None if run_id is None else self._logs[run_id]

    def _thread(self, tenant: str, conversation_id: str) -> _Thread | None:
        thread = self._threads.get(conversation_id)
        return thread if thread is not None and thread.conversation.tenant == tenant else None

    def _check_open(self) -> None:
        if self._closed:
            raise unavailable("the store is closed")


def _page_of_keys(kind: str, keys: Iterable[TimeKey], after: TimeKey, page_size: int) -> tuple[list[TimeKey], str]:
    """The next keys downwards, and the token of the page after them."""
    below = sorted((key for key in keys if key < after), reverse=True)
    found = below[:page_size]
    return found, time_token(kind, found[-1]) if len(below) > page_size else ""


def _size(event: Event) -> int:
    match event:
        case Token() | Reasoning():
            return len(event.token) + 24
        case _:
            return len(encode_json(event))
