/* form.js - the call panel without its looks: which fields an operation has, the request they make, the line of C that
 * it is, and what can be said about its size. */
import { fieldOf } from '../api.js';
import { bytes, count, hex, parseSize, plural } from '../format.js';
import { gfpExpression } from './gfp.js';
import { isKmalloc, makesMemory } from './ops.js';
import { PAGE_SIZE } from './page.js';

/** @typedef {{ op: string, values: Record<string, string>, preset: string, flags: string[], nextName: number }} Form */
/** @typedef {import('../types.js').OpInfo} OpInfo */
/** @typedef {import('../types.js').ParamInfo} ParamInfo */
/** @typedef {import('../types.js').Allocation} Allocation */

export const FIRST_OPS = ['kmalloc', 'kzalloc', 'vmalloc', 'malloc'];

/** @returns {Form} */
export const emptyForm = () => ({
  op: 'kmalloc',
  values: { size: '1000', context: 'process', cpu: '0' },
  preset: 'GFP_KERNEL',
  flags: [],
  nextName: 0,
});

/** a, b … z, a1, b1 … @param {number} n */
export function handleAt(n) {
  const letter = String.fromCharCode(97 + (n % 26));
  return n < 26 ? letter : letter + Math.floor(n / 26);
}

/** The first handle from the form's counter on that no live allocation bears. @param {Form} form @param {Allocation[]} live */
export function suggestedName(form, live) {
  const taken = new Set(live.map((a) => a.name));
  let n = form.nextName;
  while (taken.has(handleAt(n))) n++;
  return handleAt(n);
}

/** An operation's parameters in the order of the form: needed ones first. @param {OpInfo} info @param {ParamInfo[]} params */
export function fieldsOf(info, params) {
  const byName = new Map(params.map((p) => [p.name, p]));
  return [...info.needed, ...info.further]
    .map((name) => ({ param: byName.get(name), needed: info.needed.includes(name) }))
    .filter((field) => field.param !== undefined)
    .map(({ param, needed }) => ({ param: /** @type {ParamInfo} */ (param), needed }));
}

/** Live allocations that an address parameter of this operation may mean. @param {string} op @param {Allocation[]} live */
export function candidates(op, live) {
  const release = /** @type {Record<string, string[]>} */ ({
    krealloc: ['kfree'],
    ksize: ['kfree'],
    realloc: ['free'],
    malloc_usable_size: ['free'],
    mlock: ['munmap', 'free'],
    munlock: ['munmap', 'free'],
    mprotect: ['munmap', 'free'],
    madvise: ['munmap', 'free'],
    mremap: ['munmap'],
  })[op] ?? [op];
  const own = live.filter((a) => release.includes(a.release));
  return op === 'write' || op === 'read' || !own.length ? live : own;
}

/** Problems by field. A problem with `name` belongs to the field `address`, when the allocation was given by name there.
 * @param {import('../types.js').Problem | null} problem @param {string[]} names */
export function fieldErrors(problem, names) {
  const errors = new Map((problem?.errors ?? []).map((e) => [fieldOf(e), e.detail ?? 'not accepted']));
  const byName = errors.get('name');
  if (byName && !names.includes('name') && names.includes('address')) errors.set('address', byName);
  return errors;
}

/** @param {Form} form @param {OpInfo} info @param {ParamInfo[]} params @param {{ pid: number, name: string, address?: string, size?: number }} defaults address, size: of the selection */
export function requestOf(form, info, params, defaults) {
  /** @type {Record<string, unknown>} */
  const request = { op: info.op };
  for (const { param, needed } of fieldsOf(info, params)) {
    const value = (form.values[param.name] ?? '').trim();
    if (param.type === 'gfp') {
      request.gfp = gfpExpression(form.preset, form.flags);
    } else if (param.name === 'pid') {
      const pid = Number(value) || defaults.pid;
      if (pid) request.pid = pid;
    } else if (param.name === 'name' && info.makes) {
      request.name = value || defaults.name;
    } else if (param.name === 'address') {
      const meant = value || defaults.address;
      if (meant) request[meant.startsWith('0x') ? 'address' : 'name'] = meant;
    } else if (value === '' && needed && param.choices) {
      request[param.name] = param.default ?? param.choices[0]; /* what the list shows */
    } else if (value !== '' && (info.op === 'write' || !isDefault(param, value, needed))) {
      request[param.name] = isNumber(param) ? numberOf(value) : value;
    }
  }
  if (info.op === 'write' && request.hex === undefined) fillIn(request, defaults.size);
  return request;
}

export const FILL = 0xaa; /* seen at once among zeroes */
const LENGTH = 64;
const WRITE_MAX = 65536; /* bytes that one operation may write */

/** What write writes when nothing else is said: the selected block, with 0xaa. @param {number} [size] */
export const lengthToWrite = (size) => Math.min(size || LENGTH, WRITE_MAX);

/** @param {Record<string, unknown>} request @param {number} [size] of the selection */
function fillIn(request, size) {
  request.fill ??= FILL;
  request.length ??= lengthToWrite(size);
}

const isNumber = (/** @type {ParamInfo} */ param) => param.type === 'number' || param.type === 'size';

/** Unset optional parameters stay out of the request, so that the trace reads like the call. @param {ParamInfo} param @param {string} value @param {boolean} needed */
function isDefault(param, value, needed) {
  if (needed) return false;
  if (param.type === 'context') return value === 'process';
  if (param.choices) return value === param.default;
  return isNumber(param) && numberOf(value) === Number(param.default);
}

/** A number as a number. Other text is sent as it is: the daemon explains what is wrong with it. @param {string} value */
function numberOf(value) {
  const n = parseSize(value);
  if (!Number.isNaN(n)) return n;
  return value !== '' && Number.isFinite(Number(value)) ? Number(value) : value;
}

/** An operation of the log as the call that it was. @param {import('../types.js').OpRow} row @param {import('../types.js').OpInfo[]} ops */
export function callText(row, ops) {
  const { target, call, args, note } = callLine(row, makesMemory(ops, row.op));
  return `${target}${call}(${args})${note ? ` /* ${note} */` : ''}`;
}

/** The call as C. @param {Record<string, any>} request @param {boolean} makes what it returns gets the name @returns {{ target: string, call: string, args: string, note: string }} */
export function callLine(request, makes) {
  const op = String(request.op);
  const who = request.address ?? request.name ?? '?';
  const num = (/** @type {unknown} */ v) => (v === undefined || v === '' ? '?' : String(v));
  const gfp = String(request.gfp ?? 'GFP_KERNEL').replace(/\|/g, ' | ');
  const size = num(request.size);
  /** @type {Record<string, string>} */
  const args = {
    kmalloc: `${size}, ${gfp}`,
    kzalloc: `${size}, ${gfp}`,
    kcalloc: `${num(request.n)}, ${size}, ${gfp}`,
    krealloc: `${who}, ${size}, ${gfp}`,
    alloc_pages: `${gfp}, ${num(request.order)}`,
    free_pages: `${who}, ${num(request.order)}`,
    kmem_cache_create: `"${request.cache ?? '?'}", ${size}, ${request.align ?? 0}, ${String(request.flags || 0).replace(/\|/g, ' | ')}, NULL`,
    kmem_cache_alloc: `${request.cache ?? '?'}, ${gfp}`,
    kmem_cache_free: `${request.cache ? request.cache + ', ' : ''}${who}`,
    kmem_cache_destroy: `${request.cache ?? '?'}`,
    vmalloc: size,
    vzalloc: size,
    vmalloc_huge: `${size}, GFP_KERNEL`,
    vm_unmap_aliases: '',
    kmem_cache_shrink: `${request.cache ?? '?'}`,
    drain_pages: '',
    compact_memory: '',
    kvmalloc: `${size}, ${gfp}`,
    malloc: size,
    calloc: `${num(request.n)}, ${size}`,
    realloc: `${who}, ${size}`,
    aligned_alloc: `${num(request.align)}, ${size}`,
    memalign: `${num(request.align)}, ${size}`,
    posix_memalign: `&${request.name ?? 'p'}, ${num(request.align)}, ${size}`,
    valloc: size,
    pvalloc: size,
    malloc_trim: num(request.pad ?? 0),
    mallopt: `${request.option ?? 'M_MXFAST'}, ${num(request.value)}`,
    thread_exit: `thread ${num(request.tid)}`,
    sbrk: num(request.increment),
    mprotect: `${who}, ${num(request.length)}, ${protOf(request.prot)}`,
    madvise: `${who}, ${num(request.length)}, ${request.advice ?? 'MADV_DONTNEED'}`,
    mremap: `${who}, ${num(request.length)}, ${num(request.new_length)}, MREMAP_MAYMOVE`,
    munlock: `${who}, ${num(request.length)}`,
    setrlimit: `${request.resource ?? 'RLIMIT_AS'}, ${size}`,
    mmap: `NULL, ${num(request.length)}, ${protOf(request.prot)}, …`,
    munmap: `${who}, ${num(request.length)}`,
    mlock: `${who}, ${num(request.length)}`,
    write: request.hex
      ? `${who}, "${request.hex}", ${request.hex.length / 2}`
      : `${who}, ${request.fill === undefined ? '?' : hex(Number(request.fill))}, ${num(request.length)}`,
    read: `buffer, ${who}, ${num(request.length)}`,
    exit: '0',
    fork: '',
    spawn: request.name ? `"${request.name}"` : '',
    tick: `${num(request.duration_ns ?? 1000000)} ns`,
    mark: `"${request.text ?? ''}"`,
  };
  const call = op === 'write' ? (request.hex ? 'memcpy' : 'memset') : op === 'read' ? 'memcpy' : op;
  const target =
    makes && request.name && op !== 'posix_memalign'
      ? `${request.name} = `
      : op === 'krealloc' || op === 'realloc'
        ? `${who} = `
        : '';
  const notes = [];
  if (request.pid) notes.push(`pid ${request.pid}`);
  if (request.context && request.context !== 'process') notes.push(request.context);
  if (request.cpu) notes.push(`CPU ${request.cpu}`);
  return { target, call, args: args[op] ?? who, note: notes.join(', ') };
}

/** @param {string} [prot] as in /proc/PID/maps */
function protOf(prot = 'rw-') {
  const words = ['PROT_READ', 'PROT_WRITE', 'PROT_EXEC'].filter((_, i) => prot[i] && prot[i] !== '-');
  return words.length ? words.join(' | ') : 'PROT_NONE';
}

/** What a call of this size will get. The daemon's dry run is the authority; before it answers, the profile's limits speak.
 * @param {OpInfo | null} info @param {number} size @param {import('../types.js').Profile | null} profile @param {import('../types.js').Result | null} preview
 * @returns {{ text: string, strong: string, bad: boolean }} */
export function remark(info, size, profile, preview) {
  if (!info?.makes || !Number.isFinite(size)) return { text: '', strong: '', bad: false };
  const { op } = info;
  if (preview && preview.outcome !== 'ok') {
    const limit =
      isKmalloc(op) && profile && size > profile.kmalloc_max
        ? ` · kmalloc's limit is ${count(profile.kmalloc_max)}`
        : '';
    const what = preview.outcome === 'null' ? 'would return NULL' : 'would be a bug';
    return { text: (preview.message ? shorten(preview.message) : '') + limit, strong: what, bad: true };
  }
  const limit =
    profile && op.startsWith('v') && size > profile.kmalloc_max
      ? `kmalloc could not: limit ${count(profile.kmalloc_max)}`
      : '';
  if (preview && preview.allocated) return { ...granted(preview, size), ...(limit ? { strong: limit } : {}) };
  if (isKmalloc(op) && profile && size > profile.kmalloc_max)
    return { text: 'would return NULL', strong: `limit ${count(profile.kmalloc_max)}`, bad: true };
  return { text: size >= 1024 ? bytes(size) : '', strong: limit, bad: false };
}

const shorten = (/** @type {string} */ message) => {
  const text = message.split('\n').find((line) => line && !line.startsWith('----')) ?? message;
  return text.length > 90 ? text.slice(0, 88) + '…' : text;
};

/** @param {import('../types.js').Result} preview @param {number} size */
function granted(preview, size) {
  const lost = preview.allocated - size;
  const listed = preview.frames.reduce((sum, run) => sum + run.count, 0);
  const frames =
    preview.nr_frame_runs > preview.frames.length
      ? Math.ceil(preview.allocated / PAGE_SIZE)
      : listed; /* a long list is cut */
  const where = preview.cache ?? (frames ? plural(frames, 'frame') : 'no frame until it is touched');
  return {
    text: `${count(size)} → ${count(preview.allocated)} · ${where}`,
    strong: lost > 0 ? `${count(lost)} B lost` : '',
    bad: false,
  };
}
