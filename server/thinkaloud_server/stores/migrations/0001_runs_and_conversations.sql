-- Runs and their logs, conversations and their messages, settings, token totals.
-- Types are those that SQLite and PostgreSQL both understand; WITHOUT ROWID is SQLite's own (the primary key is
-- the table), and PostgreSQL's version of this file leaves it out. Times are seconds since the epoch, 0 for never.

CREATE TABLE conversations (
    conversation_id  TEXT PRIMARY KEY NOT NULL,
    tenant           TEXT NOT NULL,
    title            TEXT NOT NULL,
    created_at       DOUBLE PRECISION NOT NULL,
    updated_at       DOUBLE PRECISION NOT NULL,
    message_count    BIGINT NOT NULL,
    metadata         TEXT NOT NULL             -- a JSON object, text to text
);
CREATE INDEX conversations_by_use ON conversations (tenant, updated_at, conversation_id);

CREATE TABLE messages (
    message_id       TEXT PRIMARY KEY NOT NULL,
    conversation_id  TEXT NOT NULL,
    position         BIGINT NOT NULL,          -- in its conversation, from 1
    parent_id        TEXT NOT NULL,            -- '' for the first
    run_id           TEXT NOT NULL,
    document         TEXT NOT NULL             -- JSON: role, parts, reasoning, opaque state, usage, ...
);
CREATE UNIQUE INDEX messages_by_position ON messages (conversation_id, position);

CREATE TABLE runs (
    run_id             TEXT PRIMARY KEY NOT NULL,
    tenant             TEXT NOT NULL,
    kind               TEXT NOT NULL,
    state              TEXT NOT NULL,          -- running, completed, failed
    conversation_id    TEXT NOT NULL,          -- '' when the caller keeps the history
    message_id         TEXT NOT NULL,
    model              TEXT NOT NULL,
    request_id         TEXT NOT NULL,
    last_sequence      BIGINT NOT NULL,
    created_at         DOUBLE PRECISION NOT NULL,
    ended_at           DOUBLE PRECISION NOT NULL,
    finish_reason      TEXT NOT NULL,
    epoch              BIGINT NOT NULL,        -- rises when another owner takes the run: fences the earlier one
    lease_owner        TEXT NOT NULL,
    lease_until        DOUBLE PRECISION NOT NULL,
    detach_s           BIGINT NOT NULL,
    watched_until      DOUBLE PRECISION NOT NULL,
    stop_requested_at  DOUBLE PRECISION NOT NULL,
    idempotency_key    TEXT NOT NULL,          -- '' when there is none, or no longer
    request_hash       TEXT NOT NULL,
    metadata           TEXT NOT NULL,          -- a JSON object, text to text
    events_trimmed     BIGINT NOT NULL,        -- 1 when its events are gone
    result             TEXT NOT NULL           -- the terminal event's payload, '' before; last, because it is long
);
CREATE INDEX runs_by_time ON runs (tenant, created_at, run_id);
CREATE INDEX runs_of_conversation ON runs (conversation_id, created_at, run_id) WHERE conversation_id <> '';
CREATE UNIQUE INDEX runs_live_in_conversation ON runs (conversation_id)
    WHERE state = 'running' AND conversation_id <> '';
CREATE UNIQUE INDEX runs_by_key ON runs (tenant, idempotency_key) WHERE idempotency_key <> '';
CREATE INDEX runs_live ON runs (lease_owner) WHERE state = 'running';
CREATE INDEX runs_to_trim ON runs (ended_at) WHERE state <> 'running' AND events_trimmed = 0;
CREATE INDEX runs_keys_by_age ON runs (created_at) WHERE idempotency_key <> '';

CREATE TABLE run_events (
    run_id    TEXT NOT NULL,
    sequence  BIGINT NOT NULL,                 -- dense, from 1
    type      TEXT NOT NULL,
    payload   TEXT NOT NULL,                   -- JSON
    PRIMARY KEY (run_id, sequence)
) WITHOUT ROWID;

CREATE TABLE token_totals (
    tenant            TEXT NOT NULL,
    model             TEXT NOT NULL,
    runs              BIGINT NOT NULL,
    input_tokens      BIGINT NOT NULL,
    output_tokens     BIGINT NOT NULL,
    reasoning_tokens  BIGINT NOT NULL,
    cached_tokens     BIGINT NOT NULL,
    PRIMARY KEY (tenant, model)
);

CREATE TABLE last_usages (
    tenant            TEXT PRIMARY KEY NOT NULL,
    ended_at          DOUBLE PRECISION NOT NULL,
    input_tokens      BIGINT NOT NULL,
    output_tokens     BIGINT NOT NULL,
    reasoning_tokens  BIGINT NOT NULL,
    cached_tokens     BIGINT NOT NULL
);

CREATE TABLE settings (
    tenant  TEXT NOT NULL,
    name    TEXT NOT NULL,
    value   TEXT NOT NULL,
    PRIMARY KEY (tenant, name)
);
