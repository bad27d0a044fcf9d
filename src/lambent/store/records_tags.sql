-- Records, version 2: log groups have tags.

ALTER TABLE log_groups ADD COLUMN tags TEXT NOT NULL DEFAULT '{}';  -- JSON object
