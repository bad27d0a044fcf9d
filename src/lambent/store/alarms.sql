-- Alarms of OpenWhisk's triggers: the feeds of /whisk.system/alarms.

CREATE TABLE whisk_alarms (
    namespace TEXT NOT NULL REFERENCES whisk_namespaces ON DELETE CASCADE,
    trigger_name TEXT NOT NULL,
    subject TEXT NOT NULL,                  -- who made it, and in whose name it fires
    feed TEXT NOT NULL,                     -- alarm, interval or once
    parameters TEXT NOT NULL,               -- JSON, as given
    due_at REAL,                            -- NULL when it will not fire again
    PRIMARY KEY (namespace, trigger_name)
);
