-- Activations, version 1: a file of their own, because losing their last moments is allowed.

CREATE TABLE activations (
    seq INTEGER PRIMARY KEY,                -- in the order of their ends
    activation_id TEXT NOT NULL,
    namespace TEXT NOT NULL,                -- of who invoked
    path TEXT NOT NULL,                     -- of what ran: name or pkg/name
    name TEXT NOT NULL,
    start_ms INTEGER NOT NULL,
    head BLOB NOT NULL,                     -- JSON: the record without response and logs
    response BLOB NOT NULL,                 -- JSON
    logs BLOB NOT NULL                      -- JSON list of strings
);
CREATE UNIQUE INDEX activations_id ON activations (activation_id);
CREATE INDEX activations_start ON activations (namespace, start_ms DESC);
