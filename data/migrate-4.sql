-- Version 3 -> 4. Runs in one transaction. All that was recorded before was recorded under rules revision 1.
ALTER TABLE lab ADD COLUMN made INTEGER NOT NULL DEFAULT 1;
ALTER TABLE lab ADD COLUMN rules INTEGER NOT NULL DEFAULT 1;
ALTER TABLE lab ADD COLUMN differs_at INTEGER;
