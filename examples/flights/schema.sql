-- What the loader needs. It runs this itself when it first connects, with the tables' names put in.

CREATE TABLE IF NOT EXISTS {table} (
    year SMALLINT, month SMALLINT, day SMALLINT,
    dep_time SMALLINT, sched_dep_time SMALLINT, dep_delay SMALLINT,
    arr_time SMALLINT, sched_arr_time SMALLINT, arr_delay SMALLINT,
    carrier VARCHAR(2), flight INTEGER, tailnum VARCHAR(6), origin CHAR(3), dest CHAR(3),
    air_time SMALLINT, distance SMALLINT, hour SMALLINT, minute SMALLINT,
    time_hour TIMESTAMPTZ,
    source_key VARCHAR(1024)              -- the file that a row came from
)
DISTSTYLE KEY DISTKEY (origin) COMPOUND SORTKEY (time_hour);

-- One row for each file whose rows are in the table: which version of it, and how many rows.
CREATE TABLE IF NOT EXISTS {table}_ledger (
    bucket VARCHAR(63), object_key VARCHAR(1024), etag VARCHAR(64), sequencer VARCHAR(64),
    row_count INTEGER, request_id VARCHAR(36), loaded_at TIMESTAMPTZ
)
DISTSTYLE ALL SORTKEY (object_key);
