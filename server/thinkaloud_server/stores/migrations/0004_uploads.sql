-- What callers uploaded; the bytes of each are a file that is named by its id.
CREATE TABLE uploads (
    upload_id        TEXT PRIMARY KEY NOT NULL,
    tenant           TEXT NOT NULL,
    filename         TEXT NOT NULL,
    content_type     TEXT NOT NULL,
    size_bytes       BIGINT NOT NULL,
    sha256           TEXT NOT NULL,
    created_at       DOUBLE PRECISION NOT NULL,
    idempotency_key  TEXT NOT NULL             -- '' when there is none
);
CREATE UNIQUE INDEX uploads_by_key ON uploads (tenant, idempotency_key) WHERE idempotency_key <> '';
CREATE INDEX uploads_by_time ON uploads (tenant, created_at, upload_id);
CREATE INDEX uploads_by_age ON uploads (created_at);
