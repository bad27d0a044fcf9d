-- Lambent's state, version 1. Times are seconds since the epoch (REAL), JSON is TEXT, flags are 0 or 1.
-- Everything is keyed by (account, region, name); buckets are global and have an owner.

CREATE TABLE functions (
    account TEXT NOT NULL, region TEXT NOT NULL, name TEXT NOT NULL,
    next_version INTEGER NOT NULL DEFAULT 1,
    tags TEXT NOT NULL DEFAULT '{}',        -- JSON object
    created_at REAL NOT NULL,
    PRIMARY KEY (account, region, name)
);

CREATE TABLE versions (
    account TEXT NOT NULL, region TEXT NOT NULL, name TEXT NOT NULL, version TEXT NOT NULL,
    configuration TEXT NOT NULL,            -- model.function.Version as JSON
    PRIMARY KEY (account, region, name, version)
);

CREATE TABLE policies (                     -- a resource policy, its statements in the order they came
    account TEXT NOT NULL, region TEXT NOT NULL, name TEXT NOT NULL,
    qualifier TEXT NOT NULL DEFAULT '',     -- '' for the unqualified function
    permissions TEXT NOT NULL,              -- JSON list of model.permission.Permission
    PRIMARY KEY (account, region, name, qualifier)
);

CREATE TABLE roles (
    account TEXT NOT NULL, name TEXT NOT NULL,
    role TEXT NOT NULL,                     -- model.role.Role as JSON
    PRIMARY KEY (account, name)
);

CREATE TABLE queue (                        -- accepted asynchronous invocations that have not ended
    request_id TEXT PRIMARY KEY,
    account TEXT NOT NULL, region TEXT NOT NULL, name TEXT NOT NULL, qualifier TEXT,
    payload BLOB NOT NULL,
    source TEXT NOT NULL,
    event_key TEXT,                         -- the same for the same event, however often it is put in
    attempt INTEGER NOT NULL,
    accepted_at REAL NOT NULL,
    due_at REAL NOT NULL
);
CREATE INDEX queue_due ON queue (due_at);
CREATE UNIQUE INDEX queue_event ON queue (event_key) WHERE event_key IS NOT NULL;

CREATE TABLE buckets (
    name TEXT PRIMARY KEY,
    account TEXT NOT NULL, region TEXT NOT NULL,
    created_at REAL NOT NULL,
    notification TEXT                       -- JSON, NULL when none
);

CREATE TABLE intents (                      -- writes to watched keys that are not settled yet
    intent_id TEXT PRIMARY KEY,
    bucket TEXT NOT NULL, object_key TEXT NOT NULL,
    event TEXT NOT NULL,                    -- JSON: what is needed to fire it
    sequencer INTEGER NOT NULL,
    created_at REAL NOT NULL
);
CREATE TABLE sequencers (
    name TEXT PRIMARY KEY,
    value INTEGER NOT NULL
);
