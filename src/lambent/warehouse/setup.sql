-- What every account's database gets so that Redshift's SQL finds its functions and system tables.
-- Runs as the superuser in one transaction, again after every change of this file: each statement can be repeated.
-- They lie in pg_catalog, as in Redshift, so that no search_path hides them.
SET LOCAL allow_system_table_mods = on;
SET LOCAL client_min_messages = warning;

CREATE SCHEMA IF NOT EXISTS lambent;
REVOKE ALL ON SCHEMA lambent FROM PUBLIC;

CREATE TABLE IF NOT EXISTS lambent.load_errors (
    userid integer NOT NULL,
    slice integer NOT NULL DEFAULT 0,
    tbl integer NOT NULL,
    starttime timestamp NOT NULL DEFAULT (now() AT TIME ZONE 'UTC'),
    session integer NOT NULL,
    query integer NOT NULL,
    filename char(256) NOT NULL,
    line_number bigint NOT NULL,
    colname char(127) NOT NULL,
    type char(10) NOT NULL,
    col_length char(10) NOT NULL,
    position integer NOT NULL DEFAULT 0,
    raw_line char(1024) NOT NULL,
    raw_field_value char(1024) NOT NULL,
    err_code integer NOT NULL,
    err_reason char(100) NOT NULL,
    is_partial integer NOT NULL DEFAULT 0,
    start_offset bigint NOT NULL DEFAULT 0
);
CREATE SEQUENCE IF NOT EXISTS lambent.load_query AS integer CYCLE;

CREATE OR REPLACE VIEW pg_catalog.stl_load_errors AS SELECT * FROM lambent.load_errors;
GRANT SELECT ON pg_catalog.stl_load_errors TO PUBLIC;

CREATE OR REPLACE FUNCTION pg_catalog.getdate() RETURNS timestamp
    LANGUAGE sql STABLE AS $$ SELECT (statement_timestamp() AT TIME ZONE 'UTC')::timestamp(0) $$;

-- The dialect writes SYSDATE, which is a word without parentheses, as this call.
CREATE OR REPLACE FUNCTION pg_catalog.sysdate() RETURNS timestamp
    LANGUAGE sql STABLE AS $$ SELECT now() AT TIME ZONE 'UTC' $$;

CREATE OR REPLACE FUNCTION pg_catalog.pg_last_copy_count() RETURNS bigint
    LANGUAGE sql STABLE AS
    $$ SELECT coalesce(nullif(current_setting('lambent.last_copy_count', true), ''), '0')::bigint $$;

CREATE OR REPLACE FUNCTION pg_catalog.len(text) RETURNS integer
    LANGUAGE sql IMMUTABLE STRICT AS $$ SELECT char_length($1) $$;

CREATE OR REPLACE FUNCTION pg_catalog.nvl2(anyelement, anycompatible, anycompatible) RETURNS anycompatible
    LANGUAGE sql IMMUTABLE AS $$ SELECT CASE WHEN $1 IS NOT NULL THEN $2 ELSE $3 END $$;

CREATE OR REPLACE FUNCTION pg_catalog.convert_timezone(text, timestamp) RETURNS timestamp
    LANGUAGE sql STABLE STRICT AS $$ SELECT ($2 AT TIME ZONE 'UTC') AT TIME ZONE $1 $$;

CREATE OR REPLACE FUNCTION pg_catalog.convert_timezone(text, text, timestamp) RETURNS timestamp
    LANGUAGE sql STABLE STRICT AS $$ SELECT ($3 AT TIME ZONE $1) AT TIME ZONE $2 $$;

CREATE OR REPLACE FUNCTION pg_catalog.last_day(timestamp) RETURNS date
    LANGUAGE sql IMMUTABLE STRICT AS
    $$ SELECT (date_trunc('month', $1) + interval '1 month' - interval '1 day')::date $$;

CREATE OR REPLACE FUNCTION pg_catalog.add_months(timestamp, integer) RETURNS timestamp
    LANGUAGE sql IMMUTABLE STRICT AS
    $$ SELECT CASE WHEN $1::date = pg_catalog.last_day($1)
        THEN pg_catalog.last_day($1 + make_interval(months => $2)) + $1::time
        ELSE $1 + make_interval(months => $2) END $$;

CREATE OR REPLACE FUNCTION pg_catalog.trunc(timestamp) RETURNS date
    LANGUAGE sql IMMUTABLE STRICT AS $$ SELECT $1::date $$;

-- The dialect writes the unit, which is a bare word in Redshift, as a string.
CREATE OR REPLACE FUNCTION pg_catalog.dateadd(unit text, amount bigint, value timestamp) RETURNS timestamp
    LANGUAGE sql IMMUTABLE STRICT AS
    $$ SELECT value + amount * CASE
        WHEN unit IN ('quarter', 'quarters', 'qtr', 'qtrs') THEN interval '3 months'
        ELSE ('1 ' || unit)::interval END $$;

-- Redshift counts the borders between two moments, not the time between them.
CREATE OR REPLACE FUNCTION pg_catalog.datediff(unit text, first timestamp, last timestamp) RETURNS bigint
    LANGUAGE sql IMMUTABLE STRICT AS
    $$ SELECT CASE
        WHEN unit IN ('year', 'years', 'y', 'yr', 'yrs', 'yy', 'yyyy') THEN months / 12
        WHEN unit IN ('quarter', 'quarters', 'qtr', 'qtrs') THEN months / 3
        WHEN unit IN ('month', 'months', 'mon', 'mons') THEN months
        ELSE trunc(extract(epoch FROM date_trunc(long_unit, last) - date_trunc(long_unit, first))
            / extract(epoch FROM ('1 ' || long_unit)::interval)) END::bigint
    FROM (SELECT
        CASE unit
            WHEN 'w' THEN 'week' WHEN 'd' THEN 'day' WHEN 'h' THEN 'hour' WHEN 'hr' THEN 'hour'
            WHEN 'm' THEN 'minute' WHEN 'mi' THEN 'minute' WHEN 'n' THEN 'minute' WHEN 's' THEN 'second'
            WHEN 'ms' THEN 'millisecond' WHEN 'us' THEN 'microsecond' ELSE rtrim(unit, 's') END AS long_unit,
        (extract(year FROM last) - extract(year FROM first)) * 12
            + extract(month FROM last) - extract(month FROM first) AS months) AS units $$;
