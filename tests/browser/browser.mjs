/* browser.mjs - what browser tests share: a daemon with a store of its own, Chromium, and pages that remember complaints.
 * Nothing waits for a length of time: a test waits for what is to be seen, or for a page that has settled. */
import { spawn } from 'node:child_process';
import { existsSync } from 'node:fs';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { dirname, join, resolve } from 'node:path';
import { after, afterEach, before } from 'node:test';
import { fileURLToPath } from 'node:url';
import { labPage } from './lab-page.mjs';

const root = resolve(dirname(fileURLToPath(import.meta.url)), '../..');
const require = createRequire(join(root, 'web/package.json'));
const { chromium } = require('playwright-core');
const AXE = await readFile(require.resolve('axe-core/axe.min.js'), 'utf8');

/** The shell without windows does half the work: the other one draws a whole browser around each page that nobody sees. */
const CHROMIUM =
  process.env.CHROMIUM ?? ['/usr/bin/chromium-headless-shell', '/usr/bin/chromium'].find((path) => existsSync(path));
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
/* Limits, not waits: far above what an idle machine needs. */
const START_MS = 60000;
const STEP_MS = Number(process.env.STEP_MS ?? 90000);

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

const startBrowser = () => chromium.launch({ executablePath: CHROMIUM, args: FLAGS });

/** The daemon and the browser of a file of tests, and what its tests do with them. What a test opened is closed at its end.
 * @param {() => Promise<void>} [prepare] what all its tests find in the daemon */
export function suite(prepare) {
  const daemon = /** @type {any} */ ({});
  const contexts = [];
  let browser;
  before(async () => {
    [browser] = await Promise.all([startBrowser(), startDaemon().then((started) => Object.assign(daemon, started))]);
    await prepare?.();
  });
  afterEach(() => Promise.all(contexts.splice(0).map((context) => context.close())));
  after(async () => {
    await browser?.close();
    await daemon.stop?.();
  });
  return { daemon, openPage: (options) => openPage(browser, contexts, options), ...labPage(daemon) };
}

/** Requests without their answers, by page; the event stream, which never ends, is none. */
const asked = new WeakMap();

function watchRequests(page) {
  const open = new Set();
  asked.set(page, open);
  page.on('request', (request) => /\/events(\?|$)/.test(request.url()) || open.add(request));
  for (const end of ['requestfinished', 'requestfailed']) page.on(end, (request) => open.delete(request));
}

/** Waits until nothing is asked for any more and the answers are drawn. */
export async function settled(page) {
  const twoFrames = () =>
    page.evaluate(() => new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(() => done(null)))));
  for (let quiet = 0; quiet < 2; quiet = asked.get(page).size ? 0 : quiet + 1) await twoFrames();
}

/** A page whose complaints (console, CSP, failed and refused requests) are collected. */
async function openPage(browser, contexts, options = {}) {
  const context = await browser.newContext({
    viewport: { width: 1440, height: 900 },
    colorScheme: 'light',
    reducedMotion: 'reduce',
    ...options,
  });
  contexts.push(context);
  context.setDefaultTimeout(STEP_MS);
  const page = await context.newPage();
  const complaints = [];
  watchRequests(page);
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

const axeRules = { runOnly: ['wcag2a', 'wcag2aa', 'wcag21a', 'wcag21aa', 'wcag22aa', 'best-practice'] };

/** Violations that axe finds, as one line each. axe is put in by the debugger, which the page's CSP does not bind. Of rules
 * that hold, axe need not list where: finding the shortest selector of each element is half of its work. */
export async function axe(page, rules = axeRules) {
  if (await page.evaluate(() => !('axe' in globalThis))) await page.evaluate(AXE);
  const result = await page.evaluate(
    (options) => globalThis.axe.run(document, { ...options, resultTypes: ['violations'] }),
    rules,
  );
  return result.violations.map(
    (v) =>
      `${v.id}: ${v.help}: ${v.nodes
        .map((n) => n.target.join(' ') + ' ' + (n.any[0]?.message ?? ''))
        .slice(0, 4)
        .join('; ')}`,
  );
}

/** Text that does not stand out enough from what is behind it. */
export const contrast = (page) => axe(page, { runOnly: ['color-contrast'] });
