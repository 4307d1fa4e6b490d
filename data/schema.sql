-- Schema of a Pagoda store, version 5 (PRAGMA user_version). A lab is its configuration and its operations, nothing else;
-- everything but the log can be thrown away and is made again.
--
-- Look around with the sqlite3 shell:  SELECT * FROM trace WHERE lab = 'ab12cd34' AND outcome <> 'ok';

CREATE TABLE lab (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    key TEXT NOT NULL UNIQUE,           -- what stands in URLs
    name TEXT NOT NULL,
    created TEXT NOT NULL,              -- RFC 3339
    parent INTEGER REFERENCES lab (id), -- a fork: operations up to parent_seq are the parent's
    parent_seq INTEGER NOT NULL DEFAULT 0,
    deleted INTEGER NOT NULL DEFAULT 0, -- hidden; 1: kept while forks read its operations, then swept away; 2: not yet whole
    config TEXT NOT NULL,               -- JSON object: the profile and its options, as POST /labs takes them
    made INTEGER NOT NULL DEFAULT 1,    -- rules revision of the engine that made the lab
    rules INTEGER NOT NULL DEFAULT 1,   -- rules revision that its operations were recorded under or last compared with
    differs_at INTEGER,                 -- the first operation that has another result under those rules; NULL: none
    chain_since INTEGER NOT NULL DEFAULT 0, -- operations up to this one are older than the chain: it vouches for what was found then
    seal BLOB NOT NULL DEFAULT x''      -- hash of the other columns: who changes one by hand makes the lab a damaged one
);

-- Words that operations carry (cache names, call sites, remarks), each once.
CREATE TABLE text (
    id INTEGER PRIMARY KEY,
    text TEXT NOT NULL UNIQUE
);

-- Small tables that give numbers their names; filled by pagodad from its own tables.
CREATE TABLE op_kind (id INTEGER PRIMARY KEY, name TEXT NOT NULL);
CREATE TABLE outcome (id INTEGER PRIMARY KEY, name TEXT NOT NULL);
CREATE TABLE choice (param TEXT NOT NULL, number INTEGER NOT NULL, word TEXT NOT NULL, PRIMARY KEY (param, number)) WITHOUT ROWID;
CREATE TABLE gfp (bits INTEGER PRIMARY KEY, text TEXT NOT NULL);

-- Calls: what many operations have in common is written once. One column per parameter, named as in the API; NULL: not given.
CREATE TABLE call (
    id INTEGER PRIMARY KEY,
    kind INTEGER NOT NULL,
    outcome INTEGER NOT NULL,
    allocated INTEGER NOT NULL,         -- bytes
    n INTEGER, gfp INTEGER, "order" INTEGER, cache INTEGER, call_site INTEGER, context INTEGER, cpu INTEGER, pid INTEGER,
    align INTEGER, length INTEGER, hex BLOB, fill INTEGER, duration_ns INTEGER, touch INTEGER, text INTEGER,
    tid INTEGER, prot INTEGER, advice INTEGER, resource INTEGER, "option" INTEGER, value INTEGER, increment INTEGER,
    pad INTEGER, new_length INTEGER, tunables INTEGER, flags INTEGER
);

-- The log. id is lab << 40 | seq, so that the rows of a lab lie in order. Addresses are signed 64-bit.
CREATE TABLE op (
    id INTEGER PRIMARY KEY,
    call INTEGER NOT NULL,
    result INTEGER,                     -- address; NULL: the one given
    cost_ns INTEGER NOT NULL,
    slept_ns INTEGER NOT NULL,
    size INTEGER, address INTEGER, name TEXT -- parameters as in table call, which differ from operation to operation
);

-- What vouches for the log: BLAKE2b over the configuration and all operations, with their calls and words. A row for each 64
-- operations, under the id of the last of them; the newest one says how far the log has got.
CREATE TABLE chain (
    id INTEGER PRIMARY KEY,
    seq INTEGER NOT NULL,               -- the last operation that value vouches for
    value BLOB NOT NULL
);
-- Labs of an older store whose operations are still to be chained.
CREATE TABLE unchained (lab INTEGER PRIMARY KEY);

-- States on the way, so that no moment is far from one. id as in op. A hash is compared whenever a replay comes by; old
-- images are dropped once others are near. An image is zstd, cut into parts so that no one waits long for a writer.
CREATE TABLE snapshot (
    id INTEGER PRIMARY KEY,
    engine INTEGER NOT NULL,            -- identity of the engine that made it; others do not read it
    hash INTEGER NOT NULL,              -- of the machine
    cost INTEGER NOT NULL,              -- of the way here from operation 0, in nanoseconds of replay, roughly
    nr_parts INTEGER NOT NULL,          -- 0: dropped
    key INTEGER NOT NULL DEFAULT 0,     -- number of the key that the image was marked with; under another it is not read
    mac BLOB                            -- of the image, the other columns and the log's chain up to here
);
CREATE TABLE image (
    id INTEGER NOT NULL,                -- of the snapshot, which is written after its last part
    part INTEGER NOT NULL,
    bytes BLOB NOT NULL,
    PRIMARY KEY (id, part)
);

-- Idempotency-Key: which request on a lab (0: on none) has been answered already, and how.
CREATE TABLE answered (
    lab INTEGER NOT NULL,
    key TEXT NOT NULL,
    body_hash INTEGER NOT NULL,         -- of the request
    seq INTEGER NOT NULL,               -- the lab's last operation then: of a single one it is the answer
    made INTEGER NOT NULL DEFAULT 0,    -- lab
    answer TEXT,                        -- what no operation can give again; NULL in an import: it was cut short
    at INTEGER NOT NULL DEFAULT 0,      -- when it was asked, in seconds since 1970; it is forgotten a day later
    PRIMARY KEY (lab, key)
) WITHOUT ROWID;

-- Imports that are all or nothing and not yet all. While a lab stands here its log ends at seq: what lies behind it goes when
-- the lab is next opened.
CREATE TABLE importing (
    lab INTEGER PRIMARY KEY REFERENCES lab (id),
    seq INTEGER NOT NULL,
    chain BLOB                          -- value of the block that seq lies in; NULL: seq ends one
);

-- For people.
CREATE VIEW trace AS
SELECT lab.key AS lab, op.id & 1099511627775 AS seq, op_kind.name AS op, op.size AS size, call.n AS n, call."order" AS "order",
       coalesce(gfp.text, CASE WHEN call.gfp IS NOT NULL THEN printf('0x%x', call.gfp) END) AS gfp,
       CASE WHEN op.address IS NOT NULL THEN printf('0x%x', op.address) END AS address,
       op.name AS name, slab.text AS cache, site.text AS call_site, context.word AS context, call.cpu AS cpu,
       call.pid AS pid, call.tid AS tid, call.align AS align, call.length AS length, call.new_length AS new_length,
       CASE WHEN call.hex IS NOT NULL THEN lower(hex(call.hex)) END AS hex, call.fill AS fill, call.duration_ns AS duration_ns, touch.word AS touch, prot.word AS prot,
       advice.word AS advice, resource.word AS resource, option.word AS "option", call.value AS value,
       call.increment AS increment, call.pad AS pad, tunables.text AS tunables, (SELECT group_concat(word, '|') FROM choice WHERE param = 'flags' AND number & call.flags) AS flags, remark.text AS text,
       outcome.name AS outcome,
       CASE WHEN coalesce(op.result, op.address, 0) <> 0 THEN printf('0x%x', coalesce(op.result, op.address)) END AS result,
       call.allocated AS allocated, op.cost_ns AS cost_ns, op.slept_ns AS slept_ns
FROM lab
CROSS JOIN op ON op.id > lab.id << 40 AND op.id < (lab.id + 1) << 40
JOIN call ON call.id = op.call
JOIN op_kind ON op_kind.id = call.kind
JOIN outcome ON outcome.id = call.outcome
LEFT JOIN gfp ON gfp.bits = call.gfp
LEFT JOIN text AS slab ON slab.id = call.cache
LEFT JOIN text AS site ON site.id = call.call_site
LEFT JOIN text AS remark ON remark.id = call.text
LEFT JOIN text AS tunables ON tunables.id = call.tunables
LEFT JOIN choice AS context ON context.param = 'context' AND context.number = call.context
LEFT JOIN choice AS touch ON touch.param = 'touch' AND touch.number = call.touch
LEFT JOIN choice AS prot ON prot.param = 'prot' AND prot.number = call.prot
LEFT JOIN choice AS advice ON advice.param = 'advice' AND advice.number = call.advice
LEFT JOIN choice AS resource ON resource.param = 'resource' AND resource.number = call.resource
LEFT JOIN choice AS option ON option.param = 'option' AND option.number = call."option"
WHERE NOT lab.deleted;
