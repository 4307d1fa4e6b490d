/* lab-page.mjs - what tests of the lab page share: asking the daemon, opening a lab, waiting for its picture. */

/** @param {{ url: string }} daemon */
export function labPage(daemon) {
  const api = async (path, body) =>
    (
      await fetch(
        `${daemon.url}/api/v1${path}`,
        body && { method: 'POST', headers: { 'content-type': 'application/json' }, body: JSON.stringify(body) },
      )
    ).json();

  /** Waits until the picture of a moment is drawn. */
  const shown = (page, seq) => page.waitForSelector(`canvas[data-test=frames][data-drawn="${seq}"]`);

  async function openLab(page, wish = { name: 'browser test', profile: 'classic' }, query = '') {
    const lab = await api('/labs', wish);
    await page.goto(`${daemon.url}/lab/${lab.id}${query}`);
    await shown(page, 0);
    return lab;
  }

  const op = (lab, body) => api(`/labs/${lab.id}/ops`, body);
  const legend = async (page, kind) =>
    Number(await page.getAttribute(`[data-test=legend] [data-kind=${kind}]`, 'data-count'));
  const picture = (page) => page.$eval('canvas[data-test=frames]', (canvas) => canvas.toDataURL());
  return { api, shown, openLab, op, legend, picture };
}
