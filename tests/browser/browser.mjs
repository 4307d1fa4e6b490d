/* browser.mjs - what browser tests share: a daemon with a store of its own, Chromium, and a page that remembers complaints. */
import { spawn } from 'node:child_process';
import { mkdtemp, rm } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { dirname, join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';

const root = resolve(dirname(fileURLToPath(import.meta.url)), '../..');
const require = createRequire(join(root, 'web/package.json'));
const { chromium } = require('playwright-core');
export const AXE = require.resolve('axe-core/axe.min.js');

const CHROMIUM = process.env.CHROMIUM ?? '/usr/bin/chromium';
const FLAGS = [
  '--headless',
  '--no-sandbox',
  '--disable-gpu',
  '--disable-quic',
  '--no-first-run',
  '--disable-background-networking',
  '--disable-component-update',
  '--disable-sync',
];
const START_MS = 10000;

const freePort = () =>
  new Promise((done) => {
    const server = createServer().listen(0, '127.0.0.1', () => {
      const { port } = server.address();
      server.close(() => done(port));
    });
  });

/** Starts pagodad on a free port with an empty store, or again on another's; stop() ends it and removes the store.
 * @param {{ port: number, directory: string }} [again] */
export async function startDaemon(again) {
  const port = again?.port ?? (await freePort());
  const directory = again?.directory ?? (await mkdtemp(join(tmpdir(), 'pagoda-browser-')));
  const program = resolve(root, process.env.PAGODAD ?? 'build/pagodad');
  const web = resolve(root, process.env.WEB ?? 'build/web');
  const child = spawn(
    program,
    ['serve', '--listen', `127.0.0.1:${port}`, '--store', join(directory, 'pagoda.db'), '--web', web],
    {
      stdio: ['ignore', 'ignore', 'pipe'],
    },
  );
  let said = '';
  child.stderr.on('data', (data) => (said += data));
  const ended = new Promise((done) => child.on('exit', done));
  const url = `http://127.0.0.1:${port}`;
  const end = async () => {
    child.kill('SIGKILL');
    await ended;
  };
  const stop = async () => {
    child.kill('SIGTERM');
    await ended;
    await rm(directory, { recursive: true, force: true });
  };
  for (const start = Date.now(); Date.now() - start < START_MS; await new Promise((done) => setTimeout(done, 50))) {
    if (child.exitCode !== null) throw new Error(`${program} ended with ${child.exitCode}: ${said}`);
    if (
      await fetch(`${url}/healthz`).then(
        (r) => r.ok,
        () => false,
      )
    )
      return { url, stop, end, port, directory };
  }
  await stop();
  throw new Error(`${program} does not answer: ${said}`);
}

export const startBrowser = () => chromium.launch({ executablePath: CHROMIUM, args: FLAGS });

/** A page whose complaints (console, CSP, failed and refused requests) are collected. */
export async function openPage(browser, options = {}) {
  const context = await browser.newContext({
    viewport: { width: 1440, height: 900 },
    colorScheme: 'light',
    reducedMotion: 'reduce',
    ...options,
  });
  const page = await context.newPage();
  const complaints = [];
  page.on(
    'console',
    (message) => ['error', 'warning'].includes(message.type()) && complaints.push(`console: ${message.text()}`),
  );
  page.on('pageerror', (error) => complaints.push(`exception: ${error.message}`));
  page.on(
    'requestfailed',
    (request) =>
      request.failure()?.errorText !== 'net::ERR_ABORTED' &&
      complaints.push(`failed: ${request.url()} ${request.failure()?.errorText}`),
  );
  page.on(
    'response',
    (response) => response.status() >= 400 && complaints.push(`${response.status()}: ${response.url()}`),
  );
  await page.addInitScript(() =>
    addEventListener('securitypolicyviolation', (event) =>
      console.error(`CSP: ${event.violatedDirective} ${event.blockedURI}`),
    ),
  );
  return { page, complaints };
}

/** Violations that axe finds, as one line each. axe is put in by the debugger, which the page's CSP does not bind. */
export async function axe(page) {
  const { readFile } = await import('node:fs/promises');
  await page.evaluate(await readFile(AXE, 'utf8'));
  const result = await page.evaluate(() =>
    globalThis.axe.run(document, {
      runOnly: ['wcag2a', 'wcag2aa', 'wcag21a', 'wcag21aa', 'wcag22aa', 'best-practice'],
    }),
  );
  return result.violations.map(
    (v) =>
      `${v.id}: ${v.help}: ${v.nodes
        .map((n) => n.target.join(' ') + ' ' + (n.any[0]?.message ?? ''))
        .slice(0, 4)
        .join('; ')}`,
  );
}
