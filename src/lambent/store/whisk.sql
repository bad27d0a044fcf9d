-- What the OpenWhisk face keeps. A namespace is global and belongs to one account and region.

CREATE TABLE whisk_namespaces (
    namespace TEXT PRIMARY KEY,
    account TEXT NOT NULL, region TEXT NOT NULL,
    limits TEXT NOT NULL DEFAULT '{}'       -- JSON: what differs from the defaults
);

CREATE TABLE whisk_keys (                   -- who may act for a namespace, and with which key
    subject TEXT NOT NULL, namespace TEXT NOT NULL REFERENCES whisk_namespaces ON DELETE CASCADE,
    uuid TEXT NOT NULL, secret TEXT NOT NULL,
    blocked INTEGER NOT NULL DEFAULT 0,
    PRIMARY KEY (subject, namespace)
);
CREATE UNIQUE INDEX whisk_keys_uuid ON whisk_keys (uuid);

CREATE TABLE whisk_entities (               -- of every kind in one space of names, as OpenWhisk has it
    namespace TEXT NOT NULL REFERENCES whisk_namespaces ON DELETE CASCADE,
    name TEXT NOT NULL,                     -- with its package: pkg/name
    collection TEXT NOT NULL,               -- actions, packages, triggers, rules
    document TEXT NOT NULL,                 -- whisk.entities as JSON
    PRIMARY KEY (namespace, name)
);
