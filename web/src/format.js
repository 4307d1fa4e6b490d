/* format.js - numbers as people read them: one place for digits, units and addresses. */

const THIN = '\u202f';

/** 4096 -> "4 096" @param {number} n */
export function count(n) {
  return Math.round(n)
    .toString()
    .replace(/\B(?=(\d{3})+(?!\d))/g, THIN);
}

const UNITS = ['B', 'KiB', 'MiB', 'GiB', 'TiB'];

const NEAR = 64; /* bytes: what allocators keep for themselves at a block's head */

/** Bytes with the largest binary unit: 196608 -> "192 KiB". A whole number of a unit is only said of what is one. What is near it, or
 * would be rounded to it, is said with its difference: 131056 -> "128 KiB − 16 B". @param {number} n @returns {string} */
export function bytes(n) {
  let unit = 0;
  while (n >= 1024 ** (unit + 1) && unit < UNITS.length - 1) unit++;
  const value = n / 1024 ** unit;
  if (Number.isInteger(value)) return `${value} ${UNITS[unit]}`;
  const digits = value.toFixed(value < 10 ? 2 : 1);
  const whole = Math.round(value);
  const rest = n - whole * 1024 ** unit;
  if (!Number.isInteger(Number(digits)) && Math.abs(rest) > NEAR) return `${digits} ${UNITS[unit]}`;
  return `${bytes(whole * 1024 ** unit)} ${rest < 0 ? '−' : '+'} ${rounded(Math.abs(rest))}`;
}

/** The difference itself, which need not be exact. @param {number} n */
function rounded(n) {
  const unit = n >= 1024 ** 2 ? 2 : n >= 1024 ? 1 : 0;
  return `${Number((n / 1024 ** unit).toFixed(unit ? 1 : 0))} ${UNITS[unit]}`;
}

/** Nanoseconds: 31400 -> "31.4 µs" @param {number} ns */
export function duration(ns) {
  const units = /** @type {[number, string][]} */ ([
    [1e9, 's'],
    [1e6, 'ms'],
    [1e3, 'µs'],
  ]);
  for (const [scale, unit] of units) {
    if (ns >= scale) return `${Number((ns / scale).toPrecision(3))} ${unit}`;
  }
  return `${ns} ns`;
}

/** @param {number | bigint} n */
export const hex = (n) => '0x' + n.toString(16);

/** @param {number} n @param {string} one @param {string} [many] */
export const plural = (n, one, many) => `${count(n)} ${n === 1 ? one : (many ?? one + 's')}`;

/** "64K", "1M", "0x100", "4096" -> bytes; NaN when it is none of them. @param {string} text */
export function parseSize(text) {
  const match = /^\s*(0x[0-9a-f]+|\d+)\s*(?:([kmgt])(?:i?b)?)?\s*$/i.exec(text);
  if (!match) return NaN;
  const scale = { k: 2 ** 10, m: 2 ** 20, g: 2 ** 30, t: 2 ** 40 }[(match[2] ?? '').toLowerCase()] ?? 1;
  return Number(match[1]) * scale;
}

/** An RFC 3339 moment in the reader's own words. @param {string} text */
export function moment(text) {
  const date = new Date(text);
  return Number.isNaN(date.getTime())
    ? text
    : date.toLocaleString(undefined, { dateStyle: 'medium', timeStyle: 'short' });
}
