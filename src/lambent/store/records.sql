-- Lambent's records, version 1: a file of their own beside the state. Log times are milliseconds since the
-- epoch, as CloudWatch's; the meter's are seconds (REAL), as the state's.

CREATE TABLE log_groups (
    group_id INTEGER PRIMARY KEY,
    account TEXT NOT NULL, region TEXT NOT NULL, name TEXT NOT NULL,
    created_at INTEGER NOT NULL,
    retention_days INTEGER,                 -- NULL: the node's own limit
    stored_bytes INTEGER NOT NULL DEFAULT 0,
    UNIQUE (account, region, name)
);

CREATE TABLE log_streams (
    stream_id INTEGER PRIMARY KEY,
    group_id INTEGER NOT NULL REFERENCES log_groups ON DELETE CASCADE,
    name TEXT NOT NULL,
    created_at INTEGER NOT NULL,
    first_at INTEGER, last_at INTEGER,      -- the events' own times; NULL while there is none
    ingested_at INTEGER,
    UNIQUE (group_id, name)
);

-- The events of one stream that one flush brought: a row an event would cost ten times as much.
CREATE TABLE log_chunks (
    chunk_id INTEGER PRIMARY KEY,
    group_id INTEGER NOT NULL REFERENCES log_groups ON DELETE CASCADE,
    stream_id INTEGER NOT NULL REFERENCES log_streams ON DELETE CASCADE,
    first_at INTEGER NOT NULL, last_at INTEGER NOT NULL,
    ingested_at INTEGER NOT NULL,
    size INTEGER NOT NULL,                  -- bytes of the messages
    body BLOB NOT NULL                      -- records/chunks.py
);
CREATE INDEX log_chunks_group ON log_chunks (group_id, first_at, last_at);
CREATE INDEX log_chunks_first ON log_chunks (stream_id, first_at, last_at);
CREATE INDEX log_chunks_last ON log_chunks (stream_id, last_at, first_at);

CREATE TRIGGER log_chunks_stored AFTER INSERT ON log_chunks BEGIN
    UPDATE log_groups SET stored_bytes = stored_bytes + NEW.size WHERE group_id = NEW.group_id;
END;
CREATE TRIGGER log_chunks_removed AFTER DELETE ON log_chunks BEGIN
    UPDATE log_groups SET stored_bytes = stored_bytes - OLD.size WHERE group_id = OLD.group_id;
END;

CREATE TABLE meter (                        -- one row an invocation and attempt, as they ended
    row_id INTEGER PRIMARY KEY,
    request_id TEXT NOT NULL,
    account TEXT NOT NULL, region TEXT NOT NULL, name TEXT NOT NULL, version TEXT NOT NULL,
    architecture TEXT NOT NULL,
    source TEXT NOT NULL, attempt INTEGER NOT NULL, status TEXT NOT NULL,
    memory_mb INTEGER NOT NULL, tmp_mb INTEGER NOT NULL,
    started_at REAL NOT NULL, duration_ms REAL NOT NULL, billed_ms INTEGER NOT NULL, init_ms REAL,
    memory_peak_mb INTEGER NOT NULL,
    tenant TEXT
);

CREATE INDEX meter_started ON meter (started_at);

CREATE TABLE meter_hours (                  -- the same, summed up; kept when the rows grow old
    hour INTEGER NOT NULL,                  -- hours since the epoch
    account TEXT NOT NULL, region TEXT NOT NULL, name TEXT NOT NULL,
    architecture TEXT NOT NULL, source TEXT NOT NULL,
    requests INTEGER NOT NULL, errors INTEGER NOT NULL, cold_starts INTEGER NOT NULL,
    billed_ms INTEGER NOT NULL,
    mb_ms INTEGER NOT NULL, coarse_mb_ms INTEGER NOT NULL,      -- at 1 ms and at 100 ms
    tmp_mb_ms INTEGER NOT NULL, coarse_tmp_mb_ms INTEGER NOT NULL,
    PRIMARY KEY (account, hour, region, name, architecture, source)
) WITHOUT ROWID;
