/* import.js - a sheet for bringing a recorded trace into the lab and for taking its history out; and the line that says that an
 * import runs. */
import { html } from 'htm/preact';
import { useEffect, useState } from 'preact/hooks';
import { bytes, count } from '../../format.js';
import { EXPORT_FORMATS, IMPORT_FORMATS, progressFacts, summaryFacts } from '../../model/import.js';
import { whyReadOnly } from '../../model/rules.js';
import { Head, ProblemBox, scrollBox, useModal } from './parts.js';

/** @typedef {import('../../lab-session.js').Session} Session */

const SKIPS_SHOWN = 50;

/** @param {{ session: Session }} props */
export function ImportSheet({ session }) {
  const { importer } = session;
  const dialog = useModal();
  const [format, setFormat] = useState('auto');
  const [atomic, setAtomic] = useState(false);
  const [over, setOver] = useState(false);
  const file = importer.file.value;
  const other = whyReadOnly({ ...session.store.value, at: null });
  const busy = importer.sending.value || importer.news.value !== null;
  const send = (/** @type {Event} */ event) => {
    event.preventDefault();
    importer.send(format, atomic);
  };
  const drop = (/** @type {DragEvent} */ event) => {
    event.preventDefault();
    setOver(false);
    if (!busy) importer.choose(event.dataTransfer?.files[0] ?? null);
  };
  const name = session.store.value.lab?.name || session.id;
  return html`<dialog class="sheet import" ref=${dialog} aria-labelledby="import-title" onClose=${importer.hide} onCancel=${importer.hide}>
    <form onSubmit=${send} onDragOver=${(/** @type {Event} */ e) => (e.preventDefault(), setOver(true))} onDragLeave=${() => setOver(false)} onDrop=${drop}>
      <h2 id="import-title">Import and export <button type="button" class="icon quiet" aria-label="Close" onClick=${() => dialog.current?.close()}>×</button></h2>
      <label class=${`drop${over ? ' over' : ''}`}><input type="file" name="trace" disabled=${busy} onChange=${(/** @type {any} */ e) => importer.choose(e.target.files[0] ?? null)} />
        ${file ? html`<b>${file.name}</b><small>${bytes(file.size)}</small>` : html`<b>Choose a recorded trace, or drop it here</b><small>text, or the same packed with gzip or zstd; read as a stream, of any length</small>`}</label>
      <div class="import-row"><label>Format <select value=${format} disabled=${busy} onChange=${(/** @type {any} */ e) => setFormat(e.target.value)}>${IMPORT_FORMATS.map(([id, doc]) => html`<option key=${id} value=${id}>${id}: ${doc}</option>`)}</select></label>
        <label class="check"><input type="checkbox" name="atomic" checked=${atomic} disabled=${busy} onChange=${(/** @type {any} */ e) => setAtomic(e.target.checked)} /> all or nothing</label>
        <span class="grow"></span><button type="submit" class="p" disabled=${!file || busy || other !== null}>Import</button></div>
      ${other ? html`<p class="cap bad">Nothing can be imported here: the lab was recorded under other rules. Its history goes out as recorded.</p>` : null}
      <p class="cap">${atomic ? 'It is rehearsed on a copy first: one line that cannot be applied, and nothing is.' : 'Lines that cannot be applied are skipped, counted and told with their numbers.'}</p>
    </form>
    ${busy ? html`<${Progress} session=${session} />` : null}
    ${importer.problem.value ? html`<${ProblemBox} problem=${importer.problem.value} onDismiss=${() => (importer.problem.value = null)} />` : null}
    ${importer.summary.value ? html`<${Summary} summary=${importer.summary.value} />` : null}
    <h3>Export the history</h3><ul class="exports">${EXPORT_FORMATS.map((one) => html`<li key=${one.format}><a class="button" href=${`/api/v1${session.base}/export?format=${one.format}`} download=${`${name}.${one.ending}`}>${one.label}</a><small>${one.doc}</small></li>`)}</ul></dialog>`;
}

/** @param {{ session: Session }} props */
function Progress({ session }) {
  const { importer } = session;
  const now = useClock();
  const news = importer.news.value ?? { bytes: 0, operations: 0 };
  const seconds = importer.started.value ? (now - importer.started.value) / 1000 : 0;
  const { share, text } = progressFacts(news, importer.sending.value ? (importer.file.value?.size ?? 0) : 0, seconds);
  return html`<div class="import-progress" data-test="import-progress"><progress aria-label="Import" max="1" value=${share ?? undefined}></progress><span role="status">${text}</span><button type="button" onClick=${importer.stop}>Stop</button></div>`;
}

function useClock() {
  const [now, setNow] = useState(performance.now());
  useEffect(() => {
    const timer = setInterval(() => setNow(performance.now()), 500);
    return () => clearInterval(timer);
  }, []);
  return now;
}

/** @param {{ summary: any }} props */
function Summary({ summary }) {
  const facts = summaryFacts(summary);
  return html`<section class="import-result" data-test="import-result" aria-label="What came of it"><h3>${facts.stopped ? 'Stopped' : facts.problem ? 'Ended early' : 'Done'}: the lab is at op ${count(summary.seq)}</h3>
    ${facts.problem && !facts.stopped ? html`<p class="message" role="note">${facts.problem}</p>` : null}
    <dl class="hfacts">${facts.rows.map(([name, value]) => html`<div key=${name}><dt>${name}</dt><dd>${value}</dd></div>`)}
      ${facts.agreements.map((one) => html`<div key=${one.what}><dt>agreement</dt><dd>${one.what}: <b>${one.text}</b> <span class="use" role="img" aria-label=${one.text}><i style=${{ width: `${(100 * one.same) / one.of}%` }}></i></span></dd></div>`)}</dl>
    ${summary.first_difference ? html`<p class="cap">First difference: ${summary.first_difference}</p>` : null}
    ${facts.skips.length ? html`<div ...${scrollBox('Skipped', 'skips')}><table><caption><b>Skipped, and why</b></caption><${Head} columns=${['event', 'reason', '#events', '#first line']} /><tbody>${facts.skips.slice(0, SKIPS_SHOWN).map((one) => html`<tr key=${one.event + one.reason}><th scope="row">${one.event}</th><td>${one.reason}</td><td class="n">${count(one.count)}</td><td class="n">${count(one.first_line)}</td></tr>`)}</tbody></table></div>` : null}</section>`;
}

/** The line that everybody who has the lab open sees during an import. @param {{ session: Session }} props */
export function ImportLine({ session }) {
  const { importer } = session;
  const news = importer.news.value;
  if (!news || importer.open.value) return null;
  return html`<button type="button" class="pill import-pill" onClick=${importer.show} data-test="import-pill"><i class="dot" aria-hidden="true"></i>importing · ${count(news.operations)} operations</button>`;
}
