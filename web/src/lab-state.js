/* lab-state.js - the state of a lab page and every way in which it changes. Pure: no DOM, no network. */
import { emptyForm } from './model/form.js';
import { failureOf } from './model/failure.js';
import { withCalls } from './model/ops.js';

/** @typedef {import('./types.js').LabInfo} LabInfo */
/** @typedef {import('./types.js').Selection} Selection */
/** @typedef {import('./lab-actions.js').Action} Action */
/** @typedef {import('./tabs.js').Tab} Tab */
/** @typedef {'buddy' | 'linear'} Layout */
/** @typedef {'call' | 'map' | 'facts'} Column */
/** @typedef {{ seq: number, text: string }} Mark */
/** @typedef {{ seq: number, cells: import('./types.js').Cells, allocations: import('./types.js').Allocation[], more: boolean, nr_live: number, sought: import('./types.js').Sought | null, vmalloc: import('./types.js').VmallocView, zones: import('./types.js').Zone[], processes: import('./types.js').Process[], maps: import('./types.js').UserMap[], pid: number, counts: Record<string, number>, op: import('./types.js').Result | null }} Views */

/**
 * @typedef {object} LabState
 * @property {string} id
 * @property {LabInfo | null} lab
 * @property {import('./types.js').Profile | null} profile
 * @property {import('./types.js').OpTable | null} table
 * @property {import('./types.js').Problem | null} failure the page cannot be shown
 * @property {import('./types.js').Problem | null} problem the last request was refused
 * @property {'connecting' | 'live' | 'lost'} connection
 * @property {number} reconnects how often a lost connection came back: then everything is asked again
 * @property {number} head
 * @property {number} now_ns
 * @property {number} imports how many imports have ended while the page was open
 * @property {number | null} at past moment shown; null: the head
 * @property {boolean} playing
 * @property {number} speed operations a second
 * @property {Tab} tab
 * @property {Column} column what a narrow window shows
 * @property {Layout} layout
 * @property {number} pid the process shown; 0: none
 * @property {Selection | null} selection
 * @property {import('./types.js').Result | null} explained the operation that made the selection
 * @property {string} colour what the physical map's colours tell
 * @property {string | null} focus legend entry that is not faded
 * @property {string | null} cache the cache that the Slabs tab shows; null: the selection's
 * @property {{ address: string, pid: number } | null} bytesAt where the Bytes tab was told to look; null: at the selection
 * @property {string | null} chunk the chunk that the Heap tab shows; null: the selection's
 * @property {string | null} walk the address that the Page tables tab was told to walk to; null: the selection's
 * @property {string[] | null} path where the Virtual tab stands, from the whole space down: ids of space.js; null: at the selection, or where something is
 * @property {number | null} since the moment that the Changes tab compares with; null: the one before
 * @property {string} against the lab of that moment; '': this one
 * @property {Mark[]} marks remarks of the log
 * @property {number | null} step event of the operation shown at which the Buddy tab stands; null: after all of them
 * @property {'search' | 'commands' | null} palette
 * @property {{ done: number, total: number } | null} progress how much of a long history is read
 * @property {string} notice what was just done: shown for a while, and spoken
 * @property {number} notices how many there were
 * @property {Views | null} views
 * @property {import('./types.js').Point[]} points
 * @property {import('./types.js').OpRow[]} ops
 * @property {boolean} tour the marks are walked as steps of a tour
 * @property {number} passed the operation whose failure was read; 0: none
 * @property {import('./model/form.js').Form} form
 * @property {import('./types.js').Result | null} preview what the form's call would do
 * @property {boolean} sending
 * @property {boolean} help
 */

/** @param {string} id @param {Partial<LabState>} [from] @returns {LabState} */
export function initialState(id, from = {}) {
  return {
    id,
    lab: null,
    profile: null,
    table: null,
    failure: null,
    problem: null,
    connection: 'connecting',
    reconnects: 0,
    head: 0,
    now_ns: 0,
    imports: 0,
    at: null,
    playing: false,
    speed: 4,
    tab: 'map',
    column: 'map',
    layout: 'buddy',
    pid: 0,
    selection: null,
    explained: null,
    colour: 'state',
    focus: null,
    cache: null,
    bytesAt: null,
    chunk: null,
    walk: null,
    path: null,
    since: null,
    against: '',
    marks: [],
    step: null,
    palette: null,
    progress: null,
    notice: '',
    notices: 0,
    views: null,
    points: [],
    ops: [],
    tour: false,
    passed: 0,
    form: emptyForm(),
    preview: null,
    sending: false,
    help: false,
    ...from,
  };
}

/** The first operation that has another result under today's rules than was recorded; null: there is none. @param {LabState} state */
export const differsAt = (state) => state.lab?.engine?.differs_at ?? null;
/** The last moment that can be shown: the head, or the one before results differ. @param {LabState} state */
export const lastSeq = (state) => Math.min(state.head, (differsAt(state) ?? Infinity) - 1);
/** @param {LabState} state */
export const shownSeq = (state) => state.at ?? lastSeq(state);
/** @param {LabState} state */
export const isPast = (state) => state.at !== null && state.at < lastSeq(state);
/** Whether no operation can be sent from here. @param {LabState} state */
export const isReadOnly = (state) => isPast(state) || differsAt(state) !== null;

/** @param {LabState} state @param {number} seq */
function seek(state, seq) {
  const last = lastSeq(state);
  const at = Math.max(0, Math.min(last, Math.round(seq)));
  return { ...state, at: at === last && !state.playing ? null : at };
}

/** A state at the last moment follows the lab: `at` becomes null. @param {LabState} state @returns {LabState} */
const following = (state) => (state.at !== null && state.at >= lastSeq(state) ? { ...state, at: null } : state);

/** @param {Selection | null} a @param {Selection | null} b */
const isSame = (a, b) =>
  a?.kind === 'allocation' && b?.kind === 'allocation' && a.address === b.address && a.pid === b.pid;

/** A block of a process is shown with that process. @param {Selection | null} selection */
const processOf = (selection) => (selection?.kind === 'allocation' ? selection.pid : 0);

/** Never called: tsc reports an action that has no case in reduce(). @param {never} action @returns {never} */
function unknown(action) {
  throw new TypeError(`not an action: ${JSON.stringify(action)}`);
}

/** @param {LabState} state @param {Action} action @returns {LabState} */
export function reduce(state, action) {
  switch (action.type) {
    case 'opened':
      return following({
        ...state,
        lab: action.lab,
        profile: action.profile,
        table: action.table,
        head: action.lab.seq,
        now_ns: action.lab.now_ns ?? 0,
      });
    case 'failed':
      return { ...state, failure: action.problem };
    case 'refused':
      return { ...state, problem: action.problem, sending: false };
    case 'dismiss':
      return { ...state, problem: null };
    case 'connection':
      if (state.connection === 'lost' && action.connection === 'live')
        return {
          ...state,
          connection: 'live',
          reconnects: state.reconnects + 1,
          problem: state.problem?.status ? state.problem : null,
        };
      return { ...state, connection: action.connection };
    case 'head': {
      const now_ns = action.now_ns ?? state.now_ns;
      if (action.seq < state.head || (action.seq === state.head && now_ns <= state.now_ns)) return state;
      return { ...state, head: action.seq, now_ns };
    }
    case 'imported':
      return { ...state, imports: state.imports + 1 };
    case 'seek':
      return seek({ ...state, playing: action.playing ?? false }, action.seq);
    case 'live':
      return { ...state, at: null, playing: false };
    case 'play':
      return { ...state, playing: action.playing, at: state.at ?? (action.playing ? 0 : null) };
    case 'speed':
      return { ...state, speed: action.speed };
    case 'views':
      return {
        ...state,
        views: withCallNames(action.views, state),
        pid: state.pid === (action.asked ?? state.pid) ? action.views.pid : state.pid,
        step: state.views ? null : state.step,
      };
    case 'sought':
      return state.views?.seq === action.sought.seq
        ? { ...state, views: withCallNames(withSought(state.views, action.sought), state) }
        : state;
    case 'series':
      return withSeries(state, action.points, action.ops ?? state.ops, action.progress ?? null);
    case 'tab':
      return { ...state, tab: action.tab, column: 'map' };
    case 'column':
      return { ...state, column: action.column };
    case 'layout':
      return { ...state, layout: action.layout };
    case 'pid':
      return action.pid === state.pid ? state : { ...state, pid: action.pid, chunk: null, walk: null };
    case 'select':
      return {
        ...state,
        selection: action.selection,
        pid: processOf(action.selection) || state.pid,
        passed: action.selection ? (state.views?.op?.seq ?? 0) : state.passed,
        explained: isSame(state.selection, action.selection) ? state.explained : null,
        bytesAt: null,
        chunk: action.chunk ?? null,
        walk: null,
        cache: action.cache ?? null,
      };
    case 'explained':
      return { ...state, explained: action.result, views: withCallNames(state.views, state, [action.result]) };
    case 'colour':
      return { ...state, colour: action.colour, focus: null };
    case 'focus':
      return { ...state, focus: state.focus === action.key ? null : action.key };
    case 'cache':
      return { ...state, cache: action.cache };
    case 'bytesAt':
      return { ...state, bytesAt: action.address ? { address: action.address, pid: action.pid ?? 0 } : null };
    case 'chunk':
      return { ...state, chunk: action.address };
    case 'walk':
      return { ...state, walk: action.address };
    case 'path':
      return { ...state, path: action.path };
    case 'since':
      return { ...state, since: action.seq, against: action.against ?? state.against };
    case 'marks':
      return { ...state, marks: action.marks };
    case 'step':
      return { ...state, step: action.step };
    case 'palette':
      return { ...state, palette: action.palette };
    case 'tour':
      return { ...state, tour: action.on };
    case 'passed':
      return { ...state, passed: state.views?.op?.seq ?? 0 };
    case 'notice':
      return { ...state, notice: action.text, notices: state.notices + 1 };
    case 'form':
      return { ...state, form: action.form, problem: null };
    case 'preview':
      return { ...state, preview: action.result };
    case 'sending':
      return { ...state, sending: true, problem: null };
    case 'sent':
      return { ...state, sending: false, problem: null };
    case 'help':
      return { ...state, help: action.open };
    default:
      return unknown(action);
  }
}

/** The views with each allocation called as the log has it. @template {Views | null} V @param {V} views @param {LabState} state @param {{ seq: number, op: string }[]} [rows] default: those that are known @returns {V} */
function withCallNames(views, state, rows = state.ops) {
  return views && { ...views, allocations: withCalls(views.allocations, rows, state.table?.ops ?? []) };
}

/** @param {LabState} state @param {import('./types.js').Point[]} points @param {import('./types.js').OpRow[]} ops @param {LabState['progress']} progress @returns {LabState} */
function withSeries(state, points, ops, progress) {
  const views = ops === state.ops ? state.views : withCallNames(state.views, { ...state, ops });
  return { ...state, points, ops, progress, views };
}

/** The failure that has the stage: the operation shown failed, and nobody has said that it was read. @param {LabState} state */
export function stagedFailure({ views, passed, profile, table }) {
  const op = views?.op ?? null;
  if (!views || !op || op.seq !== views.seq || op.seq === passed) return null;
  return failureOf(op, { profile, views, ops: table?.ops ?? [] });
}

/** The views with what was asked of one address: its holder is listed, however long the whole list is.
 * @param {Views} views @param {import('./types.js').Sought | null} sought @returns {Views} */
export function withSought(views, sought) {
  const holder = sought?.holder;
  if (!holder) return { ...views, sought };
  const others = views.allocations.filter((a) => a.address !== holder.address || a.pid !== holder.pid);
  return { ...views, sought, allocations: [...others, holder] };
}

/** What was found where the selection is, when it was asked for at the moment shown. @param {LabState} state */
export function soughtSelection({ selection, views }) {
  const sought = views?.sought ?? null;
  const isIt =
    selection?.kind === 'allocation' &&
    sought?.seq === views?.seq &&
    sought?.address === selection.address &&
    sought?.pid === selection.pid;
  return isIt ? sought : null;
}

/** The allocation that is selected, when it is alive in the views shown. @param {LabState} state */
export function selectedAllocation(state) {
  const selection = state.selection;
  if (selection?.kind !== 'allocation' || !state.views) return null;
  return state.views.allocations.find((a) => a.address === selection.address && (a.pid ?? 0) === selection.pid) ?? null;
}
