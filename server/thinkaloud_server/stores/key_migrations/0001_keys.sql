-- API keys and socket tokens that were used. Times are seconds since the epoch, 0 for never.

CREATE TABLE keys (
    key_id        TEXT PRIMARY KEY NOT NULL,   -- what the key begins with; public
    hash          BLOB NOT NULL,               -- HMAC-SHA256 of the whole key with the server's pepper
    pepper        TEXT NOT NULL,               -- which pepper that was, and nothing of it
    tenant        TEXT NOT NULL,
    name          TEXT NOT NULL,
    scopes        TEXT NOT NULL,               -- a JSON list of words
    models        TEXT NOT NULL,               -- a JSON list of patterns; empty for all
    allowance     TEXT NOT NULL,               -- a JSON object; what is not there is the server's own limit
    created_at    DOUBLE PRECISION NOT NULL,
    expires_at    DOUBLE PRECISION NOT NULL,
    revoked_at    DOUBLE PRECISION NOT NULL,
    last_used_at  DOUBLE PRECISION NOT NULL    -- to the minute
);

CREATE TABLE used_nonces (
    nonce       TEXT PRIMARY KEY NOT NULL,
    expires_at  DOUBLE PRECISION NOT NULL      -- of its token, which nobody takes afterwards anyway
);
