// The shipped OpenAPI document against the running daemon: the same routes, the same words, and answers that fit.
import test, { before, after } from 'node:test';
import assert from 'node:assert/strict';
import { Daemon, run } from './daemon.mjs';

let daemon, document;
before(async () => {
  daemon = await Daemon.start();
  document = (await daemon.get('openapi.json')).body;
});
after(() => daemon.end());

// As much of JSON Schema as the document uses. Returns the first complaint, or undefined.
function complaint(schema, value, where = '$') {
  if (schema.$ref)
    return complaint(
      schema.$ref
        .split('/')
        .slice(1)
        .reduce((at, key) => at[key], document),
      value,
      where,
    );
  for (const each of schema.allOf ?? []) {
    const found = complaint(each, value, where);
    if (found) return found;
  }
  const choices = schema.anyOf ?? schema.oneOf;
  if (choices && choices.every((each) => complaint(each, value, where))) return `${where}: fits no choice`;
  const type =
    value === null ? 'null' : Array.isArray(value) ? 'array' : Number.isInteger(value) ? 'integer' : typeof value;
  if (schema.type && schema.type !== type && !(schema.type === 'number' && type === 'integer'))
    return `${where}: ${type} instead of ${schema.type}`;
  if (schema.enum && !schema.enum.includes(value)) return `${where}: ${value} is not in the list`;
  if (schema.minimum !== undefined && value < schema.minimum) return `${where}: ${value} is too small`;
  if (schema.pattern && !new RegExp(schema.pattern).test(value)) return `${where}: ${value} does not match`;
  if (type === 'array' && schema.items)
    for (const [i, each] of value.entries()) {
      const found = complaint(schema.items, each, `${where}[${i}]`);
      if (found) return found;
    }
  if (type !== 'object') return undefined;
  for (const name of schema.required ?? []) if (!(name in value)) return `${where}.${name} is missing`;
  for (const [name, each] of Object.entries(value)) {
    const rule = schema.properties?.[name] ?? schema.additionalProperties;
    if (rule === false) return `${where}.${name} is not described`;
    const found = rule && rule !== true && complaint(rule, each, `${where}.${name}`);
    if (found) return found;
  }
  return undefined;
}

test('every route is described, and nothing else is', () => {
  const routes = run(['routes']).stdout.trim().split('\n').sort();
  const described = Object.entries(document.paths)
    .flatMap(([path, methods]) => Object.keys(methods).map((method) => `${method.toUpperCase()} ${path}`))
    .sort();
  assert.deepEqual(described, routes);
});

test("operations and parameters bear the engine's names", async () => {
  const table = (await daemon.get('ops')).body;
  const { properties } = document.components.schemas.Operation;
  assert.deepEqual(
    properties.op.enum,
    table.ops.map((op) => op.op),
  );
  assert.deepEqual(
    Object.keys(properties).filter((name) => name !== 'op'),
    table.params.map((param) => param.name),
  );
  for (const param of table.params)
    if (properties[param.name].maximum !== undefined)
      assert.equal(properties[param.name].maximum, param.max, param.name);
});

test('answers fit their schemas', async () => {
  const lab = await daemon.lab();
  const object = await daemon.op(lab, { op: 'kmalloc', size: 100, name: 'a' });
  await daemon.op(lab, { op: 'vmalloc', size: 9000 });
  const { pid } = await daemon.op(lab, { op: 'spawn', name: 'sh' });
  await daemon.op(lab, { op: 'malloc', pid, size: 100 });
  const values = {
    lab: lab.id,
    seq: 1,
    pfn: object.frames[0].pfn,
    name: 'kmalloc-128',
    pid,
    address: object.address,
    a: 0,
  };
  for (const [path, methods] of Object.entries(document.paths)) {
    const operation = methods.get;
    const schema = operation?.responses['200'].content?.['application/json']?.schema;
    if (!schema) continue;
    const needed = (operation.parameters ?? [])
      .filter((param) => param.in === 'query' && param.required)
      .map((param) => `${param.name}=${values[param.name]}`);
    const url = path.replace(/\{(\w+)\}/g, (_, name) => values[name]) + (needed.length ? `?${needed.join('&')}` : '');
    const reply = await daemon.get(url);
    assert.equal(reply.status, 200, `${url}: ${reply.text}`);
    assert.equal(complaint(schema, reply.body), undefined, url);
  }
  const post = document.paths['/api/v1/labs/{lab}/ops'].post.responses['201'].content['application/json'].schema;
  assert.equal(complaint(post, object), undefined);
  for (const [query, path] of [
    ['cache', `caches/kmalloc-128?objects=true`],
    ['frames', 'frames?lod=5'],
    ['stats', 'stats?points=2'],
  ])
    assert.equal((await daemon.get(`labs/${lab.id}/${path}`)).status, 200, query);
  const problem = await daemon.get('labs/none');
  assert.equal(complaint(document.components.schemas.Problem, problem.body), undefined);
});
