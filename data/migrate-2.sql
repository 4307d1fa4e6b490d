-- Version 1 -> 2. Runs in one transaction with the new schema: the old tables step aside, schema.sql makes the new ones
-- (the line that says so is replaced by it), and the rows move over.
DROP VIEW trace;
ALTER TABLE lab RENAME TO old_lab;
ALTER TABLE text RENAME TO old_text;
ALTER TABLE op RENAME TO old_op;
ALTER TABLE answered RENAME TO old_answered;
ALTER TABLE gfp RENAME TO old_gfp;
DROP TABLE op_kind;
DROP TABLE outcome;
DROP TABLE context;

-- SCHEMA

INSERT INTO text SELECT id, text FROM old_text;
INSERT INTO gfp SELECT bits, text FROM old_gfp;
INSERT INTO answered (lab, key, body_hash, seq) SELECT lab, key, body_hash, seq FROM old_answered;

-- Version 1 wrote every option's default beside every profile; only those that a profile has go on.
INSERT INTO lab (id, key, name, created, parent, parent_seq, deleted, config)
SELECT id, key, name, created, parent, parent_seq, deleted,
       CASE WHEN profile = 'classic'
            THEN json_object('profile', profile, 'memory', memory, 'cpus', cpus, 'swap', swap, 'min_block', min_block,
                             'min_free_kbytes', min_free_kbytes, 'seed', seed)
            ELSE json_object('profile', profile, 'memory', memory, 'cpus', cpus, 'swap', swap,
                             'min_free_kbytes', min_free_kbytes, 'watermark_scale_factor', watermark_scale_factor,
                             'percpu_pagelist_high_fraction', percpu_pagelist_high_fraction,
                             'lowmem_reserve_ratio',
                             json_array(lowmem_reserve_ratio_0, lowmem_reserve_ratio_1, lowmem_reserve_ratio_2),
                             'slab_shuffle_seed', slab_shuffle_seed, 'init_on_alloc', init_on_alloc,
                             'init_on_free', init_on_free, 'seed', seed)
       END
FROM old_lab;

CREATE TEMP TABLE same (id INTEGER PRIMARY KEY, words TEXT NOT NULL UNIQUE);
CREATE TEMP VIEW worded AS
SELECT *, json_array(kind, outcome, allocated, n, gfp, "order", cache, call_site, context, cpu, pid, align, length, quote(hex),
                     fill, duration_ns, touch, text) AS words
FROM old_op;
INSERT OR IGNORE INTO same (words) SELECT words FROM worded;
INSERT INTO call (id, kind, outcome, allocated, n, gfp, "order", cache, call_site, context, cpu, pid, align, length, hex, fill,
                  duration_ns, touch, text)
SELECT same.id, kind, outcome, allocated, n, gfp, "order", cache, call_site, context, cpu, pid, align, length, hex, fill,
       duration_ns, touch, text
FROM worded JOIN same USING (words) GROUP BY same.id;
INSERT INTO op (id, call, result, cost_ns, slept_ns, size, address, name)
SELECT worded.lab << 40 | worded.seq, same.id, nullif(result_address, coalesce(address, result_address + 1)), cost_ns, slept_ns, size,
       address, (SELECT old_text.text FROM old_text WHERE old_text.id = worded.name)
FROM worded JOIN same USING (words) ORDER BY lab, seq;

DROP VIEW worded;
DROP TABLE same;
DROP TABLE old_lab;
DROP TABLE old_text;
DROP TABLE old_op;
DROP TABLE old_answered;
DROP TABLE old_gfp;
