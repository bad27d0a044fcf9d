-- Kafka's topics that fire OpenWhisk's triggers: the feeds of /whisk.system/messaging.

CREATE TABLE whisk_subscriptions (
    namespace TEXT NOT NULL REFERENCES whisk_namespaces ON DELETE CASCADE,
    trigger_name TEXT NOT NULL,
    subject TEXT NOT NULL,                  -- who made it, and in whose name it fires
    parameters TEXT NOT NULL,               -- JSON: brokers, topic, how keys and values are shown
    active INTEGER NOT NULL,
    changed_at REAL NOT NULL,
    reason TEXT,                            -- why it is not active
    PRIMARY KEY (namespace, trigger_name)
);
