// @ts-check
// The page of one charger: its messages as they come, and its commands when one changed.
//
// Stream ([data-live] on the list, with the newest number in data-after): `frames` carries
// {"html": rows, "skipped": n, "last": number}; `commands` says that one changed, and is told to htmx
// as charger-commands. Only a page that is looked at listens: browsers allow six connections a server.
// [data-quiet] on an element with hx-trigger="every ..": its requests are dropped while the page is
// hidden or text in it is selected.

/** Rows that stay on the page; older ones are in the log. */
const ROWS_MAX = 300;
/** Rows that are kept while paused. */
const HELD_MAX = 300;

const list = document.querySelector('ol.frames[data-live]');
const note = document.querySelector('#frames-note');
const pauseButton = document.querySelector('[data-frames-pause]');
const prettyButton = document.querySelector('[data-frames-pretty]');

/** @type {EventSource | undefined} */
let source;
let after = list instanceof HTMLElement ? list.dataset.after ?? '' : '';
let paused = false;
let skipped = 0;
/** Rows that came while paused, oldest first.
 * @type {Element[]} */
let held = [];

/** A payload with line breaks, from the text of a frame.
 * @param {string} text */
function pretty(text) {
  try {
    const frame = JSON.parse(text);
    const payload = frame[0] === 2 || frame[0] === 6 ? frame[3] : frame[0] === 3 ? frame[2] : frame;
    return JSON.stringify(payload, null, 2);
  } catch {
    return text;
  }
}

const isPretty = () => document.querySelector('ol.frames')?.classList.contains('pretty') ?? false;

/** @param {Element} row */
function dress(row) {
  const code = row.querySelector('code');
  if (!code) return;
  code.dataset.raw ??= code.textContent ?? '';
  code.textContent = isPretty() ? pretty(code.dataset.raw) : code.dataset.raw;
}

function say() {
  if (!note) return;
  const parts = [];
  if (paused && held.length) parts.push(`${held.length} new`);
  if (skipped) parts.push(`${skipped} skipped, they are in the log`);
  note.textContent = parts.join(', ');
}

/** @param {Element[]} rows Oldest first. */
function put(rows) {
  if (!(list instanceof HTMLElement)) return;
  list.hidden = false;
  document.querySelector('#frames [data-none]')?.remove();
  for (const row of rows) {
    if (row.id && document.getElementById(row.id)) continue;
    dress(row);
    list.prepend(row);
  }
  while (list.children.length > ROWS_MAX) list.lastElementChild?.remove();
}

/** @param {{html: string, skipped: number, last: number}} news */
function take(news) {
  after = String(news.last);
  skipped += news.skipped;
  const template = document.createElement('template');
  template.innerHTML = news.html;
  const rows = [...template.content.children].reverse();
  if (paused) {
    held.push(...rows);
    const surplus = Math.max(0, held.length - HELD_MAX);
    held.splice(0, surplus);
    skipped += surplus;
  } else put(rows);
  say();
}

function listen() {
  if (source || document.hidden) return;
  const live = list instanceof HTMLElement ? list.dataset.live ?? '' : '';
  const here = location.pathname.match(/^\/chargers\/[^/]+$/);
  if (!live && !here) return;
  const address = live ? `${live}${live.endsWith('?') ? '' : '&'}after=${after}` : `${location.pathname}/live`;
  source = new EventSource(address);
  if (live) source.addEventListener('frames', (event) => take(JSON.parse(event.data)));
  source.addEventListener('commands', () => document.body.dispatchEvent(new CustomEvent('charger-commands')));
  source.onerror = () => {
    // The browser would come again with the address of the beginning: come with the newest number.
    hush();
    setTimeout(listen, 2_000);
  };
}

function hush() {
  source?.close();
  source = undefined;
}

document.addEventListener('visibilitychange', () => {
  if (document.hidden) return hush();
  listen();
  // What changed while nobody looked.
  document.body.dispatchEvent(new CustomEvent('charger-commands'));
});
addEventListener('pagehide', hush);
addEventListener('pageshow', (event) => { if (event.persisted) listen(); });

if (pauseButton instanceof HTMLButtonElement && list) {
  pauseButton.hidden = false;
  pauseButton.addEventListener('click', () => {
    paused = !paused;
    pauseButton.setAttribute('aria-pressed', String(paused));
    const word = pauseButton.querySelector('[data-word]');
    if (word) word.textContent = paused ? 'Go on' : 'Pause';
    pauseButton.querySelector('use')?.setAttribute('href', `/static/icons.svg#${paused ? 'play' : 'pause'}`);
    if (!paused) {
      put(held);
      held = [];
    }
    say();
  });
  // Another filter is another page: who had paused it goes on reading.
  const kept = `paused ${location.pathname}`;
  if (sessionStorage.getItem(kept)) pauseButton.click();
  sessionStorage.removeItem(kept);
  document.querySelector('.cp-filter')?.addEventListener('submit', () => {
    if (paused) sessionStorage.setItem(kept, '1');
  });
}

if (prettyButton instanceof HTMLButtonElement) {
  prettyButton.hidden = false;
  const frames = document.querySelector('ol.frames');
  // The server has drawn them with line breaks: then the text of the wire is not here to go back to.
  if (isPretty()) prettyButton.hidden = true;
  prettyButton.addEventListener('click', () => {
    const on = frames?.classList.toggle('pretty') ?? false;
    prettyButton.setAttribute('aria-pressed', String(on));
    for (const row of frames?.children ?? []) dress(row);
  });
}

// A question and its answer belong together: pointing at one shows the other.
document.querySelector('#frames')?.addEventListener('pointerover', (event) => {
  const row = event.target instanceof Element ? event.target.closest('li[data-mid]') : null;
  const mid = row?.getAttribute('data-mid');
  for (const other of document.querySelectorAll('.frames li.pair')) other.classList.remove('pair');
  if (!mid || mid.length < 2) return;
  const pair = [...document.querySelectorAll('.frames li')].filter((li) => li.getAttribute('data-mid') === mid);
  if (pair.length > 1) for (const li of pair) li.classList.add('pair');
});

/** @param {Element} part */
function isSelected(part) {
  const selection = getSelection();
  return !!selection && !selection.isCollapsed && !!selection.anchorNode && part.contains(selection.anchorNode);
}

document.addEventListener('htmx:beforeRequest', (event) => {
  const part = event.target;
  if (!(part instanceof Element) || !part.hasAttribute('data-quiet')) return;
  if (document.hidden || isSelected(part)) event.preventDefault();
});

listen();
