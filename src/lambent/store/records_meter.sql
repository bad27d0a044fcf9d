-- Records, version 3: the meter's rows lie in chunks, as the events of a log do.

-- The rows of one account that one flush brought: a row of a table for each cost ten times as much.
CREATE TABLE meter_chunks (
    last_row INTEGER PRIMARY KEY,           -- the number of its last row, of all that were ever written
    account TEXT NOT NULL,
    first_at REAL NOT NULL, last_at REAL NOT NULL,      -- the first start and the last end
    body BLOB NOT NULL                      -- records/rows.py
);
CREATE INDEX meter_chunks_last ON meter_chunks (account, last_at);

INSERT INTO meter_chunks (last_row, account, first_at, last_at, body)
    SELECT MAX(row_id), account, MIN(started_at), MAX(started_at + duration_ms / 1000.0),
        CAST(json_group_array(json_array(
            request_id, account, region, name, version, architecture, source, attempt, status, memory_mb,
            tmp_mb, started_at, duration_ms, billed_ms, init_ms, memory_peak_mb, tenant)) AS BLOB)
    FROM (SELECT * FROM meter ORDER BY row_id) GROUP BY account, row_id / 1000;
DROP TABLE meter;
