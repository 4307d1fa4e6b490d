/* The reference: every path of the daemon's description under a subject, with the shapes that go in and come out. */
import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import { test } from 'node:test';
import { shapeOf, subjectsOf } from '../../web/src/model/reference.js';

const api = JSON.parse(await readFile(new URL('../../data/openapi.json', import.meta.url), 'utf8'));

test('every request is listed once, under its subject', () => {
  const groups = subjectsOf(api);
  const ids = groups.flatMap((group) => group.requests.map((request) => `${request.method} ${request.path}`));
  const there = Object.entries(api.paths).flatMap(([path, methods]) =>
    Object.keys(methods)
      .filter((m) => /^(get|post|put|patch|delete)$/.test(m))
      .map((m) => `${m.toUpperCase()} ${path}`),
  );
  assert.deepEqual([...ids].sort(), there.sort());
  assert.equal(
    new Set(groups.flatMap((group) => group.requests.map((request) => request.id))).size,
    ids.length,
    'each has an anchor of its own',
  );
  assert.ok(
    groups.find((group) => group.title === 'Memory')?.requests.some((request) => request.path.endsWith('/zones')),
  );
});

test('a request tells its parameters and what comes back', () => {
  const diff = subjectsOf(api)
    .flatMap((group) => group.requests)
    .find((request) => request.path.endsWith('/diff'));
  assert.deepEqual(
    diff?.parameters.find((p) => p.name === 'a'),
    { name: 'a', place: 'query', type: 'integer', isNeeded: true, doc: 'a moment of this lab' },
  );
  assert.match(diff?.answers.find((answer) => answer.status === '200')?.contents[0].shape ?? '', /nr_frames: integer/);
});

test('shapes: what may be missing, lists, hex, references, and an end to depth', () => {
  const small = {
    components: { schemas: { Run: { type: 'object', properties: { pfn: { type: 'integer' } }, required: ['pfn'] } } },
  };
  const run = { $ref: '#/components/schemas/Run' };
  assert.equal(
    shapeOf(small, {
      type: 'object',
      properties: { at: { type: 'string', pattern: '^0x[0-9a-f]+$' }, runs: { type: 'array', items: run } },
      required: ['runs'],
    }),
    '{\n  at?: hex,\n  runs: [{\n    pfn: integer\n  }, …]\n}',
  );
  assert.equal(shapeOf(small, { anyOf: [{ type: 'string' }, { type: 'null' }] }), 'string | null');
  assert.equal(shapeOf(small, { type: 'array' }), '[…]');
  const circle = {
    components: { schemas: { Node: { type: 'object', properties: { next: { $ref: '#/components/schemas/Node' } } } } },
  };
  assert.ok(shapeOf(circle, { $ref: '#/components/schemas/Node' }).includes('{…}'));
});
