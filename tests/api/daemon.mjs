// tests/api/daemon.mjs - a pagodad of one's own on a free port with a store in a temporary directory, and ways to talk to it.
import { spawn, spawnSync } from 'node:child_process';
import { existsSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import http from 'node:http';
import net from 'node:net';
import { after } from 'node:test';

export const PAGODAD = process.env.PAGODAD ?? 'build/pagodad';
export const IS_TSAN = PAGODAD.endsWith('-tsan'); // it keeps mappings of its own beside those of others
// Preloaded, it makes a disk slow or full on command (tests/lib/slow_disk.c).
export const SLOW_DISK = fileURLToPath(new URL('../../build/slow_disk.so', import.meta.url));
export const run = (args, options = {}) => spawnSync(PAGODAD, args, { encoding: 'utf8', ...options });

// Those that run. A test that fails leaves its daemon behind, and node would wait for it for ever.
const running = new Set();
after(async () => {
  for (const daemon of running) {
    daemon.process.kill('SIGKILL');
    await daemon.exited;
    rmSync(daemon.directory, { recursive: true, force: true });
  }
});

export class Daemon {
  static async start(options = {}) {
    const daemon = new Daemon();
    daemon.directory = options.directory ?? mkdtempSync(join(tmpdir(), 'pagoda-'));
    daemon.store = options.store ?? join(daemon.directory, 'pagoda.db');
    daemon.arguments = options.arguments ?? [];
    daemon.program = options.program ?? PAGODAD;
    daemon.environment = { ...options.environment };
    daemon.wrapper = options.wrapper ?? []; // a command that runs it, such as prlimit
    if (options.slow_disk) daemon.preload_slow_disk();
    await daemon.resume();
    return daemon;
  }

  async resume() {
    const begun = performance.now();
    const command = [...this.wrapper, this.program, 'serve', '--listen', '127.0.0.1:0', '--store', this.store];
    this.process = spawn(command[0], [...command.slice(1), ...this.arguments], {
      stdio: ['ignore', 'pipe', 'pipe'],
      env: { ...process.env, ...this.environment },
    });
    this.errors = ''; // what it says on stderr
    this.process.stderr.on('data', (part) => {
      this.errors += part;
      process.stderr.write(part);
    });
    running.add(this);
    this.exited = new Promise((resolve) =>
      this.process.on('exit', (code, signal) => {
        running.delete(this);
        resolve({ code, signal });
      }),
    );
    const line = await new Promise((resolve, reject) => {
      let text = '';
      this.process.stdout.on('data', (part) => {
        text += part;
        if (text.includes('\n')) resolve(text);
      });
      this.process.on('error', reject);
      this.exited.then(({ code }) => reject(new Error(`pagodad ended with ${code}`)));
    });
    this.started_ms = performance.now() - begun;
    this.port = Number(/:(\d+)\s*$/.exec(line.trim())[1]);
    this.base = `http://127.0.0.1:${this.port}/api/v1`;
  }

  // With the option slow_disk.
  preload_slow_disk() {
    if (!existsSync(SLOW_DISK)) throw new Error(`there is no ${SLOW_DISK}: make build/slow_disk.so`);
    this.environment = {
      ...this.environment,
      LD_PRELOAD: SLOW_DISK,
      SLOW_DISK: join(this.directory, 'slow-disk'),
      ASAN_OPTIONS: `${process.env.ASAN_OPTIONS ?? ''}:verify_asan_link_order=0`,
    };
  }

  // Milliseconds that each sync of the disk takes, 'full', or '': as usual.
  set_disk(command) {
    writeFileSync(this.environment.SLOW_DISK, `${command}`);
  }

  async signal(name) {
    this.process.kill(name);
    return this.exited;
  }

  // Of a store that a test has changed by hand while nobody served it: it passes for one of before the hash chain.
  async rechain() {
    spawnSync('sqlite3', [this.store, 'DELETE FROM chain; INSERT INTO unchained SELECT id FROM lab']);
    await this.resume();
    await this.signal('SIGTERM');
  }

  async end() {
    await this.signal('SIGTERM');
    rmSync(this.directory, { recursive: true, force: true });
  }

  // One request. body: an object becomes JSON; a string or Buffer goes as it is.
  async ask(method, path, { body, headers = {}, raw } = {}) {
    const plain = body === undefined || typeof body === 'string' || body instanceof Uint8Array;
    const payload = plain ? body : JSON.stringify(body);
    const url = path.startsWith('/') ? `http://127.0.0.1:${this.port}${path}` : `${this.base}/${path}`;
    const reply = await fetch(url, {
      method,
      body: payload,
      headers: { ...(payload !== undefined ? { 'content-type': 'application/json' } : {}), ...headers },
      redirect: 'manual',
    });
    if (raw) return { status: reply.status, headers: reply.headers, body: Buffer.from(await reply.arrayBuffer()) };
    const text = await reply.text();
    const is_json = /[/+]json$/.test((reply.headers.get('content-type') ?? '').split(';')[0]);
    return { status: reply.status, headers: reply.headers, text, body: is_json && text ? JSON.parse(text) : text };
  }

  get(path, options) {
    return this.ask('GET', path, options);
  }
  post(path, body, options = {}) {
    return this.ask('POST', path, { ...options, body });
  }

  async lab(fields = {}) {
    const made = await this.post('labs', { profile: 'linux-6.1', memory: '64M', ...fields });
    if (made.status !== 201) throw new Error(`no lab: ${made.text}`);
    return made.body;
  }

  async op(lab, op, query = '') {
    const done = await this.post(`labs/${lab.id}/ops${query}`, op);
    if (done.status !== 201 && done.status !== 200) throw new Error(`${JSON.stringify(op)}: ${done.text}`);
    return done.body;
  }

  // A socket on which a test says what it likes: all that came is in socket.answer, socket.ended resolves with it.
  connect(text = '') {
    const socket = net.connect(this.port, '127.0.0.1');
    socket.answer = '';
    socket.on('data', (part) => (socket.answer += part));
    socket.on('error', () => undefined);
    socket.ended = new Promise((resolve) => socket.on('close', () => resolve(socket.answer)));
    socket.ready = new Promise((resolve) => socket.on('connect', resolve));
    if (text) socket.write(text);
    return socket;
  }

  // The bytes of a request as they stand, and the bytes of the answer.
  exchange(text) {
    return new Promise((resolve, reject) => {
      const socket = net.connect(this.port, '127.0.0.1');
      let answer = '';
      socket.on('data', (part) => {
        answer += part;
      });
      socket.on('end', () => resolve(answer));
      socket.on('error', (error) => (answer ? resolve(answer) : reject(error)));
      socket.write(text);
    });
  }

  // Server-Sent Events: calls each(event) until it returns true; resolves with all that came.
  events(lab, last_id, each) {
    return new Promise((resolve, reject) => {
      const headers = last_id === undefined ? {} : { 'Last-Event-ID': String(last_id) };
      const request = http.get(`${this.base}/labs/${lab.id}/events`, { headers }, (reply) => {
        let text = '';
        const seen = [];
        reply.on('data', (part) => {
          text += part;
          for (let end; (end = text.indexOf('\n\n')) >= 0; text = text.slice(end + 2)) {
            const fields = Object.fromEntries(
              text
                .slice(0, end)
                .split('\n')
                .filter((line) => line && !line.startsWith(':'))
                .map((line) => line.split(/: (.*)/s)),
            );
            if (!fields.data) continue;
            seen.push({ id: Number(fields.id), event: fields.event, data: JSON.parse(fields.data) });
            if (each(seen.at(-1))) {
              request.destroy();
              resolve(seen);
            }
          }
        });
        reply.on('error', () => resolve(seen));
        reply.on('end', () => resolve(seen));
      });
      request.on('error', (error) => (error.code === 'ECONNRESET' ? undefined : reject(error)));
    });
  }
}
