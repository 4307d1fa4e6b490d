-- Version 2 -> 3. Runs in one transaction; the view trace is made again from schema.sql behind it.
DROP VIEW trace;
ALTER TABLE call ADD COLUMN flags INTEGER; -- of kmem_cache_create
ALTER TABLE answered ADD COLUMN answer TEXT;
CREATE TABLE importing (
    lab INTEGER PRIMARY KEY REFERENCES lab (id),
    seq INTEGER NOT NULL
);
