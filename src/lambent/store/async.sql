-- What an asynchronous invocation brings along, so that its retries have it too.

ALTER TABLE queue ADD COLUMN trace_id TEXT NOT NULL DEFAULT '';
ALTER TABLE queue ADD COLUMN tenant TEXT;
