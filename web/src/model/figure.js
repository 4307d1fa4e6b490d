/* figure.js - the first page's figure: what /compare answers for one size, as bars of addresses and cells of frames. */
import { bytes, count, plural } from '../format.js';
import { callLine } from './form.js';
import { piecesOf, requestOf } from './compare.js';

/** @typedef {import('../types.js').CompareAnswer} Answer */
/** @typedef {import('../types.js').CompareReply} Reply */
/** @typedef {{ op: string, title: string, line: string, note: string, runs: import('../types.js').Run[], touched: number }} Case touched: the share of the addresses that has frames */

const LEAST = 256; /* frames drawn */

/** How many frames the picture needs, from the first: a power of two. @param {Case[]} cases */
export function framesDrawn(cases) {
  const end = Math.max(0, ...cases.flatMap(({ runs }) => runs.map((run) => run.pfn + run.count)));
  let nr = LEAST;
  while (nr < end) nr *= 2;
  return nr;
}

/** kmalloc, vmalloc and malloc; kzalloc gets what kmalloc gets. @param {Reply} reply @returns {Case[]} */
export function figureCases(reply) {
  return reply.allocators
    .filter(({ op }) => op !== 'kzalloc')
    .map((answer) => {
      const { call, args } = callLine(requestOf(answer, reply), true);
      const { untouched, share } = piecesOf(answer);
      return {
        op: answer.op,
        title: answer.op === 'kmalloc' ? 'kmalloc, kzalloc' : answer.op,
        line: `p = ${call}(${args});`,
        note: noteOf(answer, untouched),
        runs: answer.frames,
        touched: 1 - share,
      };
    });
}

/** @param {Answer} answer @param {number} untouched pages */
function noteOf(answer, untouched) {
  if (answer.outcome !== 'ok') return 'returns NULL';
  const nr = answer.frames.reduce((sum, run) => sum + run.count, 0);
  if (untouched) return `${plural(nr, 'frame')} now, ${count(untouched)} more when they are touched`;
  if (answer.physically_contiguous)
    return `one solid run of ${plural(nr, 'frame')}${answer.contiguity?.startsWith('by chance') ? ', by chance' : ''}`;
  return `one range of addresses, ${plural(nr, 'frame')} in ${plural(answer.nr_frame_runs, 'run')}`;
}

/** What the picture is of. @param {Reply} reply @param {number} nr frames drawn */
export const captionOf = ({ profile, memory }, nr) =>
  `From a run of the engine: a fresh ${profile} machine of ${bytes(memory)}, one for each call; addresses on the left, its first ${count(nr)} page frames on the right. Only the block’s own frames are coloured.`;
