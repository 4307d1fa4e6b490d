/* pace.js - how often a picture that follows the lab is asked for: at once when something happens after a rest, then not more often
 * than a person can see; and while the lab rushes ahead, asking takes a quarter of the time at most. */

export const PACE_MS = 250;
const SHARE = 4;

/** @param {() => number} [clock] ms */
export function createPace(clock = () => performance.now()) {
  let started = -Infinity,
    took = 0;
  return {
    begin: () => void (started = clock()),
    end: () => void (took = clock() - started),
    /** How long to wait before the next one may begin, ms. @param {boolean} [isRush] */
    rest: (isRush = false) => Math.max(0, started + Math.max(PACE_MS, isRush ? SHARE * took : 0) - clock()),
  };
}
