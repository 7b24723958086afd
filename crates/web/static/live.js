// @ts-check
// What makes pages live: one event stream, topics told to htmx, lists that do not move under the
// pointer, the clock, and times that count.
//
// Stream (/live/events): `heartbeat` carries {"now": ms}, every 5 s; `versions` carries
// {"incidents": n, "tickets": n, "chargers": n, "outbox": n}; `fleet` and `resync` are for fleet.js.
// Page: #live with .word and <time>; a list that must hold still while it is read has data-hold (with
// the place in it for what is new, else that is before it) and its rows data-key; forms that must not
// change while somebody uses them have data-keep; [data-until] ("4 min left"), [data-due] ("4 min") and
// [data-since] carry milliseconds.

/** @typedef {{kind: string, data: string, id: string}} Message */

/** Told to other modules: `fleet`, `resync`. */
export const feed = new EventTarget();

const STALE_MS = 12_000;
const LEAST_MS = 1_000;
let heard = Date.now();
let skew = 0;
let state = 'live';

/** The server's time now, in milliseconds. */
export const now = () => Date.now() + skew;

/** The words of a length of time; the server writes the same ones.
 * @param {number} ms */
export function words(ms) {
  const s = Math.max(0, Math.floor(ms / 1000));
  if (s < 60) return `${s} s`;
  const m = Math.floor(s / 60);
  if (m < 60) return `${m} min`;
  const h = Math.floor(m / 60);
  if (h < 24) return m % 60 ? `${h} h ${String(m % 60).padStart(2, '0')}` : `${h} h`;
  const d = Math.floor(h / 24);
  return d === 1 ? '1 day' : `${d} days`;
}

/** @param {Message} message */
function take(message) {
  if (message.kind === 'closed') return show('signed-out');
  if (message.kind === 'lost') return show('offline');
  heard = Date.now();
  show('live');
  if (message.kind === 'heartbeat') {
    const told = Number(JSON.parse(message.data).now);
    if (told) skew = told - Date.now();
  }
  if (message.kind === 'versions') topics(JSON.parse(message.data));
  // Lists that show how chargers are: a plain charge changes neither an incident nor the register.
  if (message.kind === 'fleet' || message.kind === 'resync') tell('fleet');
  feed.dispatchEvent(new CustomEvent(message.kind, { detail: message }));
}

function connect() {
  if (!document.querySelector('#live')) return;
  if (window.SharedWorker) {
    const worker = new SharedWorker(new URL('live-worker.js', import.meta.url), { name: 'mendpoint-live' });
    worker.port.onmessage = (event) => take(event.data);
    addEventListener('pagehide', () => worker.port.postMessage('bye'));
    addEventListener('pageshow', (event) => { if (event.persisted) location.reload(); });
    return;
  }
  const source = new EventSource('/live/events');
  for (const kind of ['heartbeat', 'fleet', 'versions', 'resync']) {
    source.addEventListener(kind, (event) => take({ kind, data: event.data, id: event.lastEventId }));
  }
  source.onerror = () => take({ kind: source.readyState === 2 ? 'closed' : 'lost', data: '', id: '' });
}

/** @param {string} next */
function show(next) {
  const dot = document.querySelector('#live');
  if (!dot || next === state) return;
  state = next;
  dot.classList.toggle('stale', next !== 'live');
  const text = dot.querySelector('.word');
  const word = { live: 'Live', stale: 'Stale', offline: 'Offline', 'signed-out': 'Signed out' }[next];
  if (text) text.textContent = word ?? next;
  document.documentElement.dataset.feed = next;
}

/** @type {Record<string, number>} */
let versions = {};
let first = true;
/** When each topic was told last, and the timer that will tell it.
 * @type {Record<string, {at: number, timer: number}>} */
const told = {};

/** Tells htmx which topics changed. What the page was rendered with is not told again, when the
 * body says so: data-versions="incidents.tickets.chargers.outbox".
 * @param {Record<string, number>} next */
function topics(next) {
  const changed = Object.keys(next).filter((name) => next[name] !== versions[name]);
  versions = next;
  if (first) {
    first = false;
    const shown = ['incidents', 'tickets', 'chargers', 'outbox'].map((name) => next[name]).join('.');
    if (shown === document.body.dataset.versions) return;
  }
  for (const name of changed) tell(name);
}

/** At most once a second, so that a storm of changes costs one request.
 * @param {string} name */
function tell(name) {
  const topic = (told[name] ??= { at: 0, timer: 0 });
  if (topic.timer) return;
  topic.timer = window.setTimeout(() => {
    topic.timer = 0;
    topic.at = Date.now();
    document.body.dispatchEvent(new CustomEvent(`topic-${name}`));
  }, Math.max(0, LEAST_MS - (Date.now() - topic.at)));
}

const keysOf = (/** @type {ParentNode} */ node) =>
  [...node.querySelectorAll('[data-key]')].map((row) => row.getAttribute('data-key'));

/** Whether somebody reads or uses a list right now: then its rows must not move.
 * @param {Element} list */
const isHeld = (list) => list.matches(':hover') || list.contains(document.activeElement);

// Rows whose order stays are brought up to date in place. Rows that would move wait until they are
// asked for or the list is left.
document.addEventListener('htmx:beforeSwap', (event) => {
  const detail = /** @type {CustomEvent} */ (event).detail;
  const list = detail.target;
  if (!(list instanceof HTMLElement)) return;
  if (list.hasAttribute('data-paused')) {
    detail.shouldSwap = false;
    return;
  }
  if (!list.hasAttribute('data-hold')) return;
  const cause = detail.requestConfig?.triggeringEvent?.type ?? '';
  // Asked for by a person: a tab, a filter.
  if (cause && !cause.startsWith('topic-')) return;
  if (list.dataset.force) {
    delete list.dataset.force;
    return;
  }
  if (!isHeld(list)) return;
  const next = document.createElement('template');
  next.innerHTML = detail.serverResponse;
  const before = keysOf(list);
  const after = keysOf(next.content);
  if (before.join() === after.join()) return;
  detail.shouldSwap = false;
  wait(list, cause || 'topic-incidents', after.filter((key) => !before.includes(key)).length);
});

/** Fields that are written into. */
const FIELDS = 'input:not([type=hidden],[type=radio],[type=checkbox]),textarea,select';

/** Whether somebody uses the forms of a part: is in a field, or has left words in an open one.
 * @param {Element} part */
function isUsed(part) {
  const fields = [...part.querySelectorAll(FIELDS)];
  return fields.some((field) => {
    if (field === document.activeElement) return true;
    if (field instanceof HTMLSelectElement || field.closest('details:not([open])')) return false;
    const text = /** @type {HTMLInputElement | HTMLTextAreaElement} */ (field);
    return text.value !== text.defaultValue;
  });
}

/** Forms that were left as they were while somebody used them.
 * @type {WeakSet<Element>} */
const kept = new WeakSet();

/** Whether a part stays as it is for now.
 * @param {Node} node */
function isKept(node) {
  if (!(node instanceof Element) || !node.hasAttribute('data-keep') || !isUsed(node)) return false;
  kept.add(node);
  return true;
}

// Once they are free again they become what they should be.
document.addEventListener('focusout', (event) => {
  const part = event.target instanceof Element ? event.target.closest('[data-keep]') : null;
  if (!part || !kept.has(part)) return;
  setTimeout(() => {
    if (isUsed(part) || !kept.delete(part)) return;
    document.body.dispatchEvent(new CustomEvent('topic-incidents'));
  }, 200);
});

// A page without a charger has nothing to bring up to date: it is read anew when the first one is there.
document.body.addEventListener('topic-chargers', async () => {
  if (!document.querySelector('.first-charger')) return;
  const answer = await fetch('/live/fleet.idx.json', { cache: 'no-cache' });
  if (!answer.ok) return;
  const { ids } = await answer.json();
  if (ids.some((/** @type {string | null} */ id) => id !== null)) location.reload();
});

// What somebody opened stays open, and what they wrote stays, while the page around it changes.
const { Idiomorph } = /** @type {any} */ (window);
if (Idiomorph) {
  Object.assign(Idiomorph.defaults.callbacks, {
    /** @param {string} name @param {Element} node */
    beforeAttributeUpdated: (name, node) => name !== 'open' || !(node instanceof HTMLDetailsElement),
    /** @param {Node} node */
    beforeNodeMorphed: (node) => {
      if (isKept(node)) return false;
      if (node instanceof HTMLTextAreaElement) return node.value === node.defaultValue;
      if (node instanceof HTMLSelectElement) return node !== document.activeElement;
      if (!(node instanceof HTMLInputElement)) return true;
      return node.value === node.defaultValue && node.checked === node.defaultChecked;
    },
    /** @param {Node} node */
    beforeNodeRemoved: (node) => !isKept(node),
  });
}

/** Says that there is news.
 * @param {HTMLElement} list @param {string} cause @param {number} count */
function wait(list, cause, count) {
  const text = count > 0 ? `${count} new` : 'The list changed';
  const place = list.dataset.hold ? list.querySelector(list.dataset.hold) : null;
  const shown = place ? place.querySelector('.newbar') : list.previousElementSibling;
  if (shown instanceof HTMLButtonElement && shown.classList.contains('newbar')) {
    shown.textContent = text;
    return;
  }
  const bar = document.createElement('button');
  bar.type = 'button';
  bar.className = 'newbar';
  bar.textContent = text;
  if (place) place.append(bar);
  else list.before(bar);
  const show = () => {
    bar.remove();
    list.removeEventListener('pointerleave', leave);
    list.dataset.force = '1';
    document.body.dispatchEvent(new CustomEvent(cause));
  };
  const leave = () => {
    if (!bar.isConnected) list.removeEventListener('pointerleave', leave);
    else if (!list.contains(document.activeElement)) show();
  };
  bar.addEventListener('click', show);
  list.addEventListener('pointerleave', leave);
}

function tick() {
  const at = now();
  for (const node of document.querySelectorAll('[data-until]')) {
    const left = Number(node.getAttribute('data-until')) - at;
    node.textContent = left > 0 ? `${words(left)} left` : 'due now';
  }
  for (const node of document.querySelectorAll('[data-due]')) {
    const left = Number(node.getAttribute('data-due')) - at;
    node.textContent = left > 0 ? words(left) : 'now';
  }
  for (const node of document.querySelectorAll('[data-since]')) {
    node.textContent = words(at - Number(node.getAttribute('data-since')));
  }
  for (const ring of document.querySelectorAll('[data-ring]')) {
    const due = Number(ring.getAttribute('data-ring')), from = Number(ring.getAttribute('data-from'));
    const share = Math.min(1, Math.max(0, (due - at) / Math.max(1, due - from)));
    ring.lastElementChild?.setAttribute('stroke-dasharray', `${(37.7 * share).toFixed(1)} 37.7`);
  }
  const clock = document.querySelector('#live time');
  if (clock) clock.textContent = new Date(at).toISOString().slice(11, 19);
  if (state === 'live' && Date.now() - heard > STALE_MS) show('stale');
}

document.addEventListener('click', (event) => {
  const button = event.target instanceof Element ? event.target.closest('[data-pause]') : null;
  if (!button) return;
  const part = document.querySelector(button.getAttribute('data-pause') ?? '');
  if (!part) return;
  const paused = part.toggleAttribute('data-paused');
  button.setAttribute('aria-pressed', String(paused));
});

document.addEventListener('htmx:afterSettle', tick);
connect();
tick();
setInterval(tick, 1_000);
