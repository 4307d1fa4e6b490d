/* hexdump.js - bytes as rows of sixteen, each run of like bytes with its meaning: zero, data, slack (granted, not asked for),
 * out (not of this allocation: the page descriptor before a classic block, neighbours). */

export const PAGE_BYTES = 512;
const ROW = 16;

/** The part of memory to show: a page of 512 bytes, from the descriptor on when there is one before the block.
 * @param {string} address @param {number} size @param {boolean} descriptor @param {number} page */
export function windowFor(address, size, descriptor, page) {
  const at = BigInt(address);
  const pageStart = at & ~4095n;
  const lead = page === 0 && descriptor && at - pageStart <= 64n ? at - pageStart : 0n;
  const start = at + BigInt(page * PAGE_BYTES) - lead;
  const left = size - page * PAGE_BYTES + Number(lead) + 32;
  return { address: '0x' + start.toString(16), length: Math.max(ROW, Math.min(PAGE_BYTES, Math.ceil(left / ROW) * ROW)) };
}

/**
 * @param {string} text hex digits @param {string} from @param {string} address @param {number} requested @param {number} allocated
 * @returns {{ address: string, spans: { kind: string, text: string }[], ascii: string }[]}
 */
export function hexRows(text, from, address, requested, allocated) {
  const first = BigInt(from);
  const offset = Number(first - BigInt(address));
  const bytes = text.match(/../g) ?? [];
  const rows = [];
  for (let i = 0; i < bytes.length; i += ROW) {
    /** @type {{ kind: string, text: string }[]} */
    const spans = [];
    let ascii = '';
    bytes.slice(i, i + ROW).forEach((byte, j) => {
      const kind = kindAt(offset + i + j, byte, requested, allocated);
      const text = (j === 8 ? '  ' : j ? ' ' : '') + byte;
      const last = spans[spans.length - 1];
      if (last && last.kind === kind) last.text += text;
      else spans.push({ kind, text });
      const code = parseInt(byte, 16);
      ascii += code >= 32 && code < 127 ? String.fromCharCode(code) : '·';
    });
    rows.push({ address: '0x' + (first + BigInt(i)).toString(16), spans, ascii });
  }
  return rows;
}

/** @param {number} offset @param {string} byte @param {number} requested @param {number} allocated */
function kindAt(offset, byte, requested, allocated) {
  if (offset < 0 || offset >= Math.max(requested, allocated)) return 'out';
  if (offset >= requested) return 'slack';
  return byte === '00' ? 'zero' : 'data';
}
