-- Schema of a Pagoda store, version 1 (PRAGMA user_version). A lab is its configuration and its operations, nothing else.
--
-- Look around with the sqlite3 shell:  SELECT * FROM trace WHERE lab = 'ab12cd34' AND outcome <> 'ok';

CREATE TABLE lab (
    id INTEGER PRIMARY KEY,
    key TEXT NOT NULL UNIQUE,          -- what stands in URLs
    name TEXT NOT NULL,
    created TEXT NOT NULL,             -- RFC 3339
    parent INTEGER REFERENCES lab (id), -- a fork: operations up to parent_seq are the parent's
    parent_seq INTEGER NOT NULL DEFAULT 0,
    deleted INTEGER NOT NULL DEFAULT 0, -- hidden; kept while forks read its operations
    profile TEXT NOT NULL,
    cpus INTEGER NOT NULL,
    memory INTEGER NOT NULL,           -- bytes
    swap INTEGER NOT NULL,             -- bytes
    min_block INTEGER NOT NULL,
    min_free_kbytes INTEGER NOT NULL,
    watermark_scale_factor INTEGER NOT NULL,
    percpu_pagelist_high_fraction INTEGER NOT NULL,
    lowmem_reserve_ratio_0 INTEGER NOT NULL,
    lowmem_reserve_ratio_1 INTEGER NOT NULL,
    lowmem_reserve_ratio_2 INTEGER NOT NULL,
    slab_shuffle_seed INTEGER NOT NULL,
    init_on_alloc INTEGER NOT NULL,
    init_on_free INTEGER NOT NULL,
    seed INTEGER NOT NULL
);

-- Words that operations carry (handles, cache names, call sites), each once.
CREATE TABLE text (
    id INTEGER PRIMARY KEY,
    text TEXT NOT NULL UNIQUE
);

-- Small tables that give numbers their names; filled by pagodad from its own tables.
CREATE TABLE op_kind (id INTEGER PRIMARY KEY, name TEXT NOT NULL);
CREATE TABLE outcome (id INTEGER PRIMARY KEY, name TEXT NOT NULL);
CREATE TABLE context (id INTEGER PRIMARY KEY, name TEXT NOT NULL);
CREATE TABLE gfp (bits INTEGER PRIMARY KEY, text TEXT NOT NULL);

-- The log. One column per parameter of an operation, named as in the API; NULL: not given. Addresses are signed 64-bit.
CREATE TABLE op (
    lab INTEGER NOT NULL,
    seq INTEGER NOT NULL,
    kind INTEGER NOT NULL,
    outcome INTEGER NOT NULL,
    result_address INTEGER NOT NULL,
    allocated INTEGER NOT NULL,        -- bytes
    cost_ns INTEGER NOT NULL,
    slept_ns INTEGER NOT NULL,
    size INTEGER, n INTEGER, gfp INTEGER, "order" INTEGER, address INTEGER,
    name INTEGER, cache INTEGER, call_site INTEGER, context INTEGER, cpu INTEGER, pid INTEGER,
    align INTEGER, length INTEGER, hex BLOB, fill INTEGER, duration_ns INTEGER, touch INTEGER, text INTEGER,
    tid INTEGER, prot INTEGER, advice INTEGER, resource INTEGER, "option" INTEGER, value INTEGER, increment INTEGER, pad INTEGER,
    new_length INTEGER, tunables INTEGER,
    PRIMARY KEY (lab, seq)
) WITHOUT ROWID;

-- Idempotency-Key: which request of a lab has been answered already, and by which operation.
CREATE TABLE answered (
    lab INTEGER NOT NULL,
    key TEXT NOT NULL,
    body_hash INTEGER NOT NULL,
    seq INTEGER NOT NULL,
    PRIMARY KEY (lab, key)
) WITHOUT ROWID;

-- For people.
CREATE VIEW trace AS
SELECT lab.key AS lab, op.seq AS seq, op_kind.name AS op, op.size AS size, op.n AS n, op."order" AS "order",
       coalesce(gfp.text, CASE WHEN op.gfp IS NOT NULL THEN printf('0x%x', op.gfp) END) AS gfp,
       CASE WHEN op.address IS NOT NULL THEN printf('0x%x', op.address) END AS address,
       handle.text AS name, slab.text AS cache, site.text AS call_site, context.name AS context, op.cpu AS cpu, op.pid AS pid,
       op.align AS align, op.length AS length, op.fill AS fill, op.duration_ns AS duration_ns, remark.text AS text,
       outcome.name AS outcome,
       CASE WHEN op.result_address <> 0 THEN printf('0x%x', op.result_address) END AS result,
       op.allocated AS allocated, op.cost_ns AS cost_ns, op.slept_ns AS slept_ns
FROM op
JOIN lab ON lab.id = op.lab
JOIN op_kind ON op_kind.id = op.kind
JOIN outcome ON outcome.id = op.outcome
LEFT JOIN gfp ON gfp.bits = op.gfp
LEFT JOIN context ON context.id = op.context
LEFT JOIN text AS handle ON handle.id = op.name
LEFT JOIN text AS slab ON slab.id = op.cache
LEFT JOIN text AS site ON site.id = op.call_site
LEFT JOIN text AS remark ON remark.id = op.text
WHERE NOT lab.deleted;
