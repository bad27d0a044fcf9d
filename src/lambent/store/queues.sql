-- Message queues. A message that is being worked on is one whose visible_at is ahead and that was received.

CREATE TABLE message_queues (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    account TEXT NOT NULL, region TEXT NOT NULL, name TEXT NOT NULL,
    settings TEXT NOT NULL,                 -- model.queue.MessageQueue as JSON, without what has a column here
    created_at REAL NOT NULL,
    modified_at REAL NOT NULL,
    UNIQUE (account, region, name)
);

CREATE TABLE messages (
    sequence INTEGER PRIMARY KEY AUTOINCREMENT,
    queue INTEGER NOT NULL,
    message_id TEXT NOT NULL,
    body TEXT NOT NULL,
    told TEXT NOT NULL,                     -- JSON: what came with it
    group_id TEXT NOT NULL DEFAULT '',      -- '' in a standard queue: order does not matter
    sent_at REAL NOT NULL,
    visible_at REAL NOT NULL,
    receives INTEGER NOT NULL DEFAULT 0,
    first_received_at REAL NOT NULL DEFAULT 0,
    came_from TEXT NOT NULL DEFAULT ''
);
CREATE INDEX messages_visible ON messages (queue, visible_at);
CREATE INDEX messages_sent ON messages (queue, sent_at);
CREATE INDEX messages_group ON messages (queue, group_id) WHERE group_id <> '';

CREATE TABLE deduplications (               -- what a FIFO queue got within the last five minutes
    queue INTEGER NOT NULL,
    deduplication_id TEXT NOT NULL,
    message_id TEXT NOT NULL,
    sequence INTEGER NOT NULL,
    expires_at REAL NOT NULL,
    PRIMARY KEY (queue, deduplication_id)
);
CREATE INDEX deduplications_expiry ON deduplications (expires_at);
