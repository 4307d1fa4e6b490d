-- Version 4 -> 5. Runs in one transaction. The operations are chained behind it, lab by lab (store_migrate.c). Images of older
-- versions bear no mark; machines are made anew from the log. What an import that was cut short has left goes at once.
ALTER TABLE lab ADD COLUMN chain_since INTEGER NOT NULL DEFAULT 0;
ALTER TABLE lab ADD COLUMN seal BLOB NOT NULL DEFAULT x'';
CREATE TABLE chain (
    id INTEGER PRIMARY KEY,
    seq INTEGER NOT NULL,
    value BLOB NOT NULL
);
CREATE TABLE unchained (lab INTEGER PRIMARY KEY);
ALTER TABLE snapshot ADD COLUMN key INTEGER NOT NULL DEFAULT 0;
ALTER TABLE snapshot ADD COLUMN mac BLOB;
ALTER TABLE answered ADD COLUMN at INTEGER NOT NULL DEFAULT 0;
ALTER TABLE importing ADD COLUMN chain BLOB;
DELETE FROM op WHERE id IN (SELECT behind.id FROM importing JOIN op AS behind
                            ON behind.id > importing.lab << 40 | importing.seq AND behind.id < (importing.lab + 1) << 40);
DELETE FROM importing;
