// The log of one operation only: GET /labs/{lab}/ops?op=NAME, page by page, also over a long log of others.
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { Daemon } from './daemon.mjs';

let daemon;
before(async () => (daemon = await Daemon.start()));
after(() => daemon.end());

const ask = async (path, init) => {
  const answer = await fetch(daemon.base + path, init);
  return { status: answer.status, link: answer.headers.get('link'), body: await answer.json() };
};

test('only the operations of that name, in order, in pages that go on', async () => {
  const { body: lab } = await ask('/labs', {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: '{"name":"marks","profile":"classic"}',
  });
  const lines = Array.from({ length: 130000 }, (_, i) =>
    i % 50000 === 7 ? `{"op":"mark","text":"at ${i + 1}"}` : '{"op":"ksize","address":"0x0"}',
  );
  const sent = await fetch(`${daemon.base}/labs/${lab.id}/ops?results=summary`, {
    method: 'POST',
    headers: { 'content-type': 'application/x-ndjson' },
    body: lines.join('\n'),
  });
  await sent.text();
  const found = [];
  let pages = 0;
  for (let from = 1; from; pages++) {
    const { status, body, link } = await ask(`/labs/${lab.id}/ops?op=mark&from=${from}&limit=2`);
    assert.equal(status, 200);
    found.push(...body.ops);
    if (body.next) assert.match(link, /[?&]op=mark[&>].*; rel="next"/);
    from = body.next ? Number(body.next) : 0;
  }
  assert.deepEqual(
    found.map(({ seq, op, text }) => [seq, op, text]),
    [8, 50008, 100008].map((seq) => [seq, 'mark', `at ${seq}`]),
  );
  assert.ok(pages <= 4, `${pages} pages`);
  const { body } = await ask(`/labs/${lab.id}/ops?op=vmalloc`);
  assert.deepEqual(body.ops, []);
});

test('an operation that there is not is a wrong parameter', async () => {
  const { body: lab } = await ask('/labs', {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: '{"name":"x","profile":"classic"}',
  });
  const { status, body } = await ask(`/labs/${lab.id}/ops?op=nonsense`);
  assert.equal(status, 422);
  assert.equal(body.errors[0].pointer, '/op');
});

test('a page that begins behind the last operation is empty', async () => {
  const lab = await daemon.lab();
  for (const nr of [0, 1, 64]) {
    while ((await daemon.get(`labs/${lab.id}`)).body.seq < nr) await daemon.op(lab, { op: 'mark', text: 'a' });
    for (const from of [nr + 1, 65, 66, 129, 100000, 2 ** 40]) {
      const reply = await daemon.get(`labs/${lab.id}/ops?from=${from}`);
      assert.deepEqual([reply.status, reply.body.ops, reply.body.next], [200, [], null], `from ${from} of ${nr}`);
    }
  }
  assert.doesNotMatch(daemon.errors, /damaged/);
});
