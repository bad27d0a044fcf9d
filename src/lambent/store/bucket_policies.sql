-- Version 9: buckets have policies.

ALTER TABLE buckets ADD COLUMN policy TEXT; -- JSON, NULL when none
