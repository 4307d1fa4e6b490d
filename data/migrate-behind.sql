-- Behind a migration from any older version: what schema.sql cannot say of rows that were there before.
DELETE FROM image;
UPDATE snapshot SET nr_parts = 0;
UPDATE answered SET at = strftime('%s', 'now');
INSERT INTO unchained SELECT id FROM lab;
UPDATE lab SET chain_since = max(parent_seq, coalesce(
    (SELECT max(op.id) & 1099511627775 FROM op WHERE op.id > lab.id << 40 AND op.id < (lab.id + 1) << 40), 0));
