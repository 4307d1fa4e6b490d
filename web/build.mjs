/* build.mjs [OUT] - bundles the pages into OUT (default ../build/web): hashed, minified, pre-compressed, and the HTML files
 * that name them. Nothing inline, so that `default-src 'self'` suffices. */
import { build } from 'esbuild';
import { mkdir, readFile, rm, writeFile } from 'node:fs/promises';
import { basename, dirname, join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { gzipSync } from 'node:zlib';

const here = dirname(fileURLToPath(import.meta.url));
const out = resolve(process.argv[2] ?? join(here, '../build/web'));
const FIRST_LOAD_MAX = 150 * 1024;

await rm(join(out, 'assets'), { recursive: true, force: true });
await mkdir(out, { recursive: true });
const result = await build({
  absWorkingDir: here,
  entryPoints: ['src/main.js', 'src/theme-first.js', 'src/style.css', 'src/pagoda.svg'],
  outdir: join(out, 'assets'),
  entryNames: '[name]-[hash]',
  chunkNames: '[name]-[hash]',
  assetNames: '[name]-[hash]',
  bundle: true,
  splitting: true,
  format: 'esm',
  target: 'es2022',
  minify: true,
  legalComments: 'none',
  loader: { '.svg': 'copy', '.md': 'text' },
  metafile: true,
  logLevel: 'warning',
});

/** Entry point -> its hashed file. */
const files = new Map();
for (const [path, info] of Object.entries(result.metafile.outputs)) {
  if (info.entryPoint) files.set(basename(info.entryPoint), basename(path));
}
const template = await readFile(join(here, 'src/page.html'), 'utf8');
const html = template.replace(/\{\{([\w.-]+)\}\}/g, (_, name) => '/assets/' + files.get(name));
const { outputs } = result.metafile;
const outputOf = (source) => Object.keys(outputs).find((path) => outputs[path].entryPoint === source);
/** An output and whatever it imports before it can run. */
function withImports(source) {
  const found = new Set([outputOf(source)].filter(Boolean));
  for (const path of found)
    for (const { path: next, kind } of outputs[path].imports) if (kind === 'import-statement') found.add(next);
  return [...found];
}
/** What a page needs is asked for at once, not script after script: its own part, and whatever that imports. */
const preloads = (part) =>
  withImports(part)
    .map((path) => `<link rel="modulepreload" href="/assets/${basename(path)}">`)
    .join('');
const PARTS = {
  index: 'src/view/pages/home.js',
  lab: 'src/view/pages/lab.js',
  docs: 'src/view/pages/docs.js',
  compare: 'src/view/pages/compare.js',
};
for (const [page, part] of Object.entries(PARTS))
  await writeFile(join(out, `${page}.html`), html.replace('</head>', preloads(part) + '</head>'));

/** Bytes of each output, as they are sent. @type {Map<string, number>} */
const sent = new Map();
for (const path of Object.keys(outputs)) {
  const full = resolve(here, path);
  const bytes = await readFile(full);
  const packed = gzipSync(bytes, { level: 9 });
  if (packed.length < bytes.length) await writeFile(full + '.gz', packed);
  sent.set(path, packed.length);
}
/** What every page loads beside its own part. */
const COMMON = ['src/main.js', 'src/theme-first.js', 'src/style.css', 'src/pagoda.svg'];
const loads = Object.entries(PARTS).map(([page, part]) => {
  const paths = new Set([...COMMON, part].flatMap(withImports));
  return { page, bytes: [...paths].reduce((sum, path) => sum + (sent.get(path) ?? 0), 0) };
});
const kib = (bytes) => `${(bytes / 1024).toFixed(1)} KiB`;
console.log(`web: ${out}: first load, gzip: ${loads.map(({ page, bytes }) => `${page} ${kib(bytes)}`).join(', ')}`);
const heavy = loads.filter(({ bytes }) => bytes > FIRST_LOAD_MAX);
if (heavy.length) {
  console.error(`web: more than ${kib(FIRST_LOAD_MAX)} on first load: ${heavy.map(({ page }) => page).join(', ')}`);
  process.exit(1);
}
