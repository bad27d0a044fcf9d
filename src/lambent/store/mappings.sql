-- Event source mappings; they survive the function that they name.

CREATE TABLE mappings (
    uuid TEXT PRIMARY KEY,
    account TEXT NOT NULL, region TEXT NOT NULL,
    document TEXT NOT NULL                  -- model.mapping.EventSourceMapping as JSON
);
