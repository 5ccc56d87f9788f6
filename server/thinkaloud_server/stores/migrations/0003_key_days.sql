-- What the runs of each key counted for on each day (UTC), and whose key began a run.

CREATE TABLE key_days (
    tenant    TEXT NOT NULL,
    key_id    TEXT NOT NULL,
    day       BIGINT NOT NULL,                 -- since the epoch
    tokens    BIGINT NOT NULL,
    cost_usd  DOUBLE PRECISION NOT NULL,       -- of the runs whose cost is known
    PRIMARY KEY (tenant, key_id, day)
) WITHOUT ROWID;

-- `result` stays the last column, because it is long: what stands behind it is slow to read.
ALTER TABLE runs RENAME COLUMN result TO earlier_result;
ALTER TABLE runs ADD COLUMN key_id TEXT NOT NULL DEFAULT '';  -- '' when nobody was asked for one
ALTER TABLE runs ADD COLUMN result TEXT NOT NULL DEFAULT '';
UPDATE runs SET result = earlier_result;
ALTER TABLE runs DROP COLUMN earlier_result;
