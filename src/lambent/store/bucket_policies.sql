-- Version 9: buckets have policies.

ALTER TABLE buckets ADD COLUMN policy TEXT; -- JSON, NULL when none
-- And a notification's rules name queues, too.
UPDATE buckets SET notification = replace(notification, '"function":', '"destination":');
UPDATE intents SET event = replace(event, '"function":', '"destination":');
