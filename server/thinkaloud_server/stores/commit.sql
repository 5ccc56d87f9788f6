-- What the writer's connection runs once when it opens: three procedures, in the only form that SQLite has for them.
--
-- Every step of a statement gives up Python's interpreter lock and must take it back, which a busy event loop in
-- the same process delays by up to the interpreter's switch interval. So the events of many runs must go down in
-- one step. A row inserted into `appends` is one event: the trigger moves the run's last_sequence, which is the
-- fence (tenant, epoch, still running, dense numbers), and writes the event, or aborts the whole statement with
-- 'fenced'. A row inserted into `closings` is the end of a run and all that is true from then on, one inserted into
-- `openings` its beginning: what stands against it was looked for before.
--
-- They are temporary, the connection's own, so that the schema stays plain tables.

CREATE TEMP VIEW appends AS
    SELECT '' AS tenant, '' AS run_id, 0 AS epoch, 0 AS sequence, '' AS type, '' AS payload;

CREATE TEMP TRIGGER append_event INSTEAD OF INSERT ON appends BEGIN
    UPDATE runs SET last_sequence = new.sequence
        WHERE run_id = new.run_id AND tenant = new.tenant AND epoch = new.epoch AND state = 'running'
            AND last_sequence = new.sequence - 1;
    SELECT raise(ABORT, 'fenced') WHERE changes() = 0;
    INSERT INTO run_events (run_id, sequence, type, payload)
        VALUES (new.run_id, new.sequence, new.type, new.payload);
END;

CREATE TEMP VIEW closings AS
    SELECT '' AS tenant, '' AS run_id, 0 AS epoch, '' AS state, '' AS finish_reason, 0.0 AS ended_at,
        '' AS result, '' AS model, 0 AS input_tokens, 0 AS output_tokens, 0 AS reasoning_tokens,
        0 AS cached_tokens, 0.0 AS cost_usd, 0 AS day, 0 AS spent_tokens, 0.0 AS spent_usd, '' AS message_id, '' AS document;

CREATE TEMP TRIGGER close_run INSTEAD OF INSERT ON closings BEGIN
    -- First, because the run's row is short until it has its result; if the run is fenced, this is undone with the rest.
    INSERT INTO key_days (tenant, key_id, day, tokens, cost_usd)
        SELECT new.tenant, r.key_id, new.day, new.spent_tokens, new.spent_usd FROM runs r
        WHERE r.run_id = new.run_id AND r.key_id <> ''
        ON CONFLICT (tenant, key_id, day) DO UPDATE SET
            tokens = tokens + excluded.tokens,
            cost_usd = cost_usd + excluded.cost_usd;
    UPDATE runs
        SET state = new.state, finish_reason = new.finish_reason, ended_at = new.ended_at, result = new.result
        WHERE run_id = new.run_id AND tenant = new.tenant AND epoch = new.epoch AND state = 'running';
    SELECT raise(ABORT, 'fenced') WHERE changes() = 0;

    INSERT INTO messages (message_id, conversation_id, position, parent_id, run_id, document)
        SELECT new.message_id, c.conversation_id,
            coalesce((SELECT max(m.position) FROM messages m WHERE m.conversation_id = c.conversation_id), 0) + 1,
            coalesce((SELECT m.message_id FROM messages m WHERE m.conversation_id = c.conversation_id
                      ORDER BY m.position DESC LIMIT 1), ''),
            new.run_id, new.document
        FROM runs r JOIN conversations c ON c.conversation_id = r.conversation_id AND c.tenant = r.tenant
        WHERE r.run_id = new.run_id AND new.message_id <> '';
    UPDATE conversations
        SET updated_at = max(updated_at, new.ended_at), message_count = message_count + (new.message_id <> '')
        WHERE tenant = new.tenant
            AND conversation_id = (SELECT r.conversation_id FROM runs r WHERE r.run_id = new.run_id);

    INSERT INTO token_totals (tenant, model, runs, input_tokens, output_tokens, reasoning_tokens, cached_tokens,
                              cost_usd)
        VALUES (new.tenant, new.model, 1, new.input_tokens, new.output_tokens, new.reasoning_tokens,
                new.cached_tokens, new.cost_usd)
        ON CONFLICT (tenant, model) DO UPDATE SET
            runs = runs + 1,
            input_tokens = input_tokens + excluded.input_tokens,
            output_tokens = output_tokens + excluded.output_tokens,
            reasoning_tokens = reasoning_tokens + excluded.reasoning_tokens,
            cached_tokens = cached_tokens + excluded.cached_tokens,
            -- A run whose cost is not known adds nothing to those of which it is.
            cost_usd = coalesce(cost_usd + excluded.cost_usd, cost_usd, excluded.cost_usd);
    INSERT INTO last_usages (tenant, ended_at, input_tokens, output_tokens, reasoning_tokens, cached_tokens,
                             cost_usd)
        VALUES (new.tenant, new.ended_at, new.input_tokens, new.output_tokens, new.reasoning_tokens,
                new.cached_tokens, new.cost_usd)
        ON CONFLICT (tenant) DO UPDATE SET
            ended_at = excluded.ended_at,
            input_tokens = excluded.input_tokens,
            output_tokens = excluded.output_tokens,
            reasoning_tokens = excluded.reasoning_tokens,
            cached_tokens = excluded.cached_tokens,
            cost_usd = excluded.cost_usd
        WHERE excluded.ended_at >= last_usages.ended_at;
END;

CREATE TEMP VIEW openings AS
    SELECT '' AS tenant, '' AS run_id, '' AS kind, '' AS conversation_id, '' AS message_id, '' AS model,
        '' AS request_id, 0.0 AS created_at, 0 AS epoch, '' AS lease_owner, 0.0 AS lease_until, 0 AS detach_s,
        0.0 AS watched_until, '' AS idempotency_key, '' AS request_hash, '' AS key_id, '' AS metadata, '' AS start,
        '' AS question_id, '' AS question, '' AS title, '' AS conversation_metadata;

-- `title` is NULL for a conversation that is there; `question_id` is '' where nothing is asked of a stored one.
CREATE TEMP TRIGGER open_run INSTEAD OF INSERT ON openings BEGIN
    INSERT INTO conversations (conversation_id, tenant, title, created_at, updated_at, message_count, metadata)
        SELECT new.conversation_id, new.tenant, new.title, new.created_at, new.created_at, new.question_id <> '',
            new.conversation_metadata
        WHERE new.title IS NOT NULL;
    INSERT INTO messages (message_id, conversation_id, position, parent_id, run_id, document)
        SELECT new.question_id, new.conversation_id, coalesce(max(m.position), 0) + 1,
            coalesce((SELECT p.message_id FROM messages p WHERE p.conversation_id = new.conversation_id
                      ORDER BY p.position DESC LIMIT 1), ''),
            new.run_id, new.question
        FROM messages m WHERE m.conversation_id = new.conversation_id
        HAVING new.question_id <> '';
    UPDATE conversations SET updated_at = max(updated_at, new.created_at), message_count = message_count + 1
        WHERE conversation_id = new.conversation_id AND new.question_id <> '' AND new.title IS NULL;
    INSERT INTO runs (run_id, tenant, kind, state, conversation_id, message_id, model, request_id, last_sequence,
                      created_at, ended_at, finish_reason, epoch, lease_owner, lease_until, detach_s, watched_until,
                      stop_requested_at, idempotency_key, request_hash, key_id, metadata, events_trimmed, result)
        VALUES (new.run_id, new.tenant, new.kind, 'running', new.conversation_id, new.message_id, new.model,
                new.request_id, 1, new.created_at, 0.0, '', new.epoch, new.lease_owner, new.lease_until, new.detach_s,
                new.watched_until, 0.0, new.idempotency_key, new.request_hash, new.key_id, new.metadata, 0, '');
    INSERT INTO run_events (run_id, sequence, type, payload) VALUES (new.run_id, 1, 'start', new.start);
END;
