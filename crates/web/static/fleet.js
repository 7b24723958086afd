// @ts-check
// The honeycomb: one byte a charger, one typed layout, two canvases. The lower one holds the cells,
// the upper one what moves: the pointer's ring and the rings of cells that just changed.
//
// Wire: /live/fleet.idx.json is {ids: [identity or null..], names: [..], site: [index into sites..],
// model: [index into models..], sites: [{name, region: index into regions}..], regions: [..], models: [..]};
// /live/fleet.bin is u32 seq, u32 n (both little-endian) and n states in the order of ids, 255 where nobody
// stands; `fleet` events have the id RUN.SEQ and are base64 of (u24 index little-endian, u8 state) each;
// `resync` means: read both again.
// Page: canvas#comb[tabindex=0] and canvas#comb-over (same box, pointer-events: none) in .comb, #tip,
// #comb-live[aria-live], .legend button[data-s=TOKEN][aria-pressed] with a <b> for the count,
// button[data-by=region|site|model].
import { feed } from './live.js';

const STATES = ['ok', 'charge', 'busy', 'heal', 'warn', 'fault', 'offline', 'maint', 'new'];
const NAMES = ['Available', 'Charging', 'Plugged in, not charging', 'Self-healing', 'Degraded', 'Faulted', 'Offline', 'Out of service (planned)', 'Never seen'];
const SIZE = { ok: 0.74, charge: 0.9, busy: 0.9, heal: 0.98, warn: 0.98, fault: 1.02, offline: 0.78, maint: 0.8, new: 0.5 };
// Rings reach over the edge of the cells, so the upper canvas is larger by this on each side.
const EDGE = 16;
const LABEL = 19, GAP = 22, SHELF = 10, R_MAX = 30, RING_MS = 400, FONT = '"Plex Sans",sans-serif';
const calm = matchMedia('(prefers-reduced-motion: reduce)');

const base = /** @type {HTMLCanvasElement} */ (document.getElementById('comb'));
const over = /** @type {HTMLCanvasElement} */ (document.getElementById('comb-over'));
const tip = /** @type {HTMLElement} */ (document.getElementById('tip'));
const voice = /** @type {HTMLElement} */ (document.getElementById('comb-live'));

/** @typedef {{ids: (string | null)[], names: (string | null)[], site: number[], model: number[], sites: {name: string, region: number}[], regions: string[], models: string[]}} Index */
/** @typedef {{name: string, members: number[]}} Group */
/** @typedef {{group: Group, x: number, y: number, cols: number, rows: number, labelY: number, width: number}} Block */

/** @type {Index} */
let index = { ids: [], names: [], site: [], model: [], sites: [], regions: [], models: [] };
let states = new Uint8Array(0);
/** The places where somebody stands. */
let shown = /** @type {number[]} */ ([]);
/** The number of the snapshot, and changes that came while it was on its way. */
let seq = -1;
/** @type {{id: string, data: string}[]} */
let early = [];
/** @type {Group[]} */
let groups = [];
/** Group and place in it of every charger. */
let groupOf = new Int32Array(0), placeOf = new Int32Array(0);
/** @type {{R: number, w: number, h: number, blocks: Block[], W: number, H: number} | null} */
let layout = null;
let dpr = 1, hover = -1;
/** @type {Record<string, string>} */
const colours = {};
/** @type {Set<number>} */
const hidden = new Set();
/** @type {Map<number, number>} */
const rings = new Map();
const BY = ['region', 'site', 'model'];
let by = BY.find((one) => one === localStorage.getItem('fleet-by')) ?? 'region';

// ---- data ----

async function load() {
  seq = -1;
  const [idx, bin] = await Promise.all([fetch('/live/fleet.idx.json'), fetch('/live/fleet.bin')]);
  if (!idx.ok || !bin.ok) return;
  index = await idx.json();
  const bytes = await bin.arrayBuffer();
  const head = new DataView(bytes);
  // Somebody was registered between the two answers.
  if (head.getUint32(4, true) !== index.ids.length) return void setTimeout(load, 500);
  states = new Uint8Array(bytes.slice(8));
  shown = [];
  index.ids.forEach((id, i) => { if (id !== null) shown.push(i); });
  group();
  all();
  seq = head.getUint32(0, true);
  for (const { id, data } of early.splice(0)) take(id, data);
}

function group() {
  /** @type {Map<number, Group>} */
  const found = new Map();
  for (const i of shown) {
    const site = index.site[i];
    const key = by === 'site' ? site : by === 'model' ? index.model[i] : index.sites[site].region;
    const name = { site: index.sites[site].name, model: index.models[index.model[i]], region: index.regions[key] }[by];
    const entry = found.get(key) ?? { name: name || (by === 'model' ? 'Model unknown' : 'No region'), members: [] };
    entry.members.push(i);
    found.set(key, entry);
  }
  // Chargers of one site lie together, whatever they are grouped by.
  for (const entry of found.values()) entry.members.sort((a, b) => index.site[a] - index.site[b] || a - b);
  groups = [...found.values()].sort((a, b) => b.members.length - a.members.length || a.name.localeCompare(b.name));
  groupOf = new Int32Array(index.ids.length);
  placeOf = new Int32Array(index.ids.length);
  groups.forEach((entry, g) => entry.members.forEach((i, place) => { groupOf[i] = g; placeOf[i] = place; }));
}

// ---- layout: shelves of hexagon blocks, the largest cell that fits ----

/** @param {Group} entry @param {number} rows @param {number} w */
const widthOf = (entry, rows, w) =>
  Math.max(Math.ceil(entry.members.length / rows) * w + w / 2, Math.min(entry.name.length * 6.8 + 54, 190));

/** @param {number} W @param {number} H */
function pack(W, H) {
  /** @type {{R: number, w: number, h: number, shelves: Group[][], rows: number[], H: number} | null} */
  let best = null;
  const total = shown.length;
  for (let count = 1; count <= Math.min(8, groups.length || 1); count++) {
    let low = 0.4, high = R_MAX;
    for (let round = 0; round < 22; round++) {
      const R = (low + high) / 2, w = R * Math.sqrt(3), h = R * 1.5;
      /** @type {Group[][]} */
      const shelves = [];
      /** @type {Group[]} */
      let shelf = [];
      let taken = 0;
      for (const entry of groups) {
        shelf.push(entry);
        taken += entry.members.length;
        if (taken >= (total / count) * 0.97 && shelves.length < count - 1) { shelves.push(shelf); shelf = []; taken = 0; }
      }
      if (shelf.length) shelves.push(shelf);
      let y = 0, fits = true;
      const rows = [];
      for (const one of shelves) {
        const most = Math.max(...one.map((entry) => entry.members.length));
        let r = 1;
        const wide = () => one.reduce((sum, entry) => sum + widthOf(entry, r, w), 0) + (one.length - 1) * GAP;
        while (wide() > W && r < most) r = Math.max(r + 1, Math.ceil(r * 1.02));
        if (wide() > W) { fits = false; break; }
        r = Math.min(most, Math.max(r, 3));
        rows.push(r);
        y += LABEL + r * h + R / 2 + SHELF;
      }
      if (fits && y - SHELF <= H) {
        low = R;
        // Of arrangements with cells of the same size, the one that fills the place.
        const tall = y - SHELF;
        const least = Math.min(...shelves.map((one) => one.reduce((sum, entry) => sum + entry.members.length, 0)));
        const isEven = least * shelves.length > total / 2;
        if (!best || R > best.R + 0.05 || (R > best.R - 0.05 && isEven && tall > best.H)) best = { R, w, h, shelves, rows, H: tall };
      } else high = R;
    }
  }
  return best;
}

function place() {
  const box = base.getBoundingClientRect();
  dpr = window.devicePixelRatio || 1;
  base.width = Math.round(box.width * dpr);
  base.height = Math.round(box.height * dpr);
  over.width = Math.round((box.width + 2 * EDGE) * dpr);
  over.height = Math.round((box.height + 2 * EDGE) * dpr);
  const packed = pack(box.width - 2, box.height - 2);
  if (!packed) { layout = null; return; }
  /** @type {Block[]} */
  const blocks = [];
  let y = 1;
  packed.shelves.forEach((shelf, k) => {
    const rows = packed.rows[k];
    const used = shelf.reduce((sum, entry) => sum + widthOf(entry, rows, packed.w), 0);
    const gap = shelf.length > 1 ? Math.min(64, (box.width - 2 - used) / (shelf.length - 1)) : 0;
    let x = 1;
    for (const entry of shelf) {
      const width = widthOf(entry, rows, packed.w);
      blocks.push({ group: entry, x, y: y + LABEL, cols: Math.ceil(entry.members.length / rows), rows, labelY: y, width });
      x += width + gap;
    }
    y += LABEL + rows * packed.h + packed.R / 2 + SHELF + Math.min(40, Math.max(0, (box.height - 2 - packed.H) / packed.shelves.length));
  });
  layout = { R: packed.R, w: packed.w, h: packed.h, blocks, W: box.width, H: box.height };
}

/** Chargers run up and down the columns, so that those of one site lie together.
 * @param {number} i @returns {[number, number]} */
function at(i) {
  const l = /** @type {NonNullable<typeof layout>} */ (layout);
  const block = l.blocks[groupOf[i]];
  const col = Math.floor(placeOf[i] / block.rows);
  let row = placeOf[i] % block.rows;
  if (col & 1) row = block.rows - 1 - row;
  return [block.x + l.w / 2 + col * l.w + (row & 1 ? l.w / 2 : 0), block.y + l.R + row * l.h];
}

// ---- drawing ----

function readColours() {
  const css = getComputedStyle(document.documentElement);
  for (const state of STATES) colours[state] = css.getPropertyValue(`--${state}-cell`).trim();
  colours.new = css.getPropertyValue('--line-strong').trim();
  for (const name of ['text', 'text-2', 'text-3', 'surface', 'warn-ink', 'maint-ink', 'fault-ink']) {
    colours[name] = css.getPropertyValue(`--${name}`).trim();
  }
  const dark = document.documentElement.dataset.theme === 'dark';
  colours.onFault = dark ? '#1b0503' : '#fff';
  colours.onHeal = dark ? '#1d1033' : '#fff';
}

/** @param {CanvasRenderingContext2D} x @param {number} cx @param {number} cy @param {number} r */
function hex(x, cx, cy, r) {
  x.beginPath();
  for (let i = 0; i < 6; i++) {
    const a = (Math.PI / 3) * i + Math.PI / 6;
    if (i) x.lineTo(cx + r * Math.cos(a), cy + r * Math.sin(a));
    else x.moveTo(cx + r * Math.cos(a), cy + r * Math.sin(a));
  }
  x.closePath();
}

/** @param {CanvasRenderingContext2D} x @param {number} i */
function cell(x, i) {
  const R = /** @type {NonNullable<typeof layout>} */ (layout).R;
  const state = STATES[states[i]] ?? 'new';
  const [cx, cy] = at(i);
  const line = (/** @type {number[][]} */ points) => {
    x.beginPath();
    points.forEach(([dx, dy], k) => (k % 2 ? x.lineTo(cx + R * dx, cy + R * dy) : x.moveTo(cx + R * dx, cy + R * dy)));
    x.stroke();
  };
  x.globalAlpha = hidden.has(states[i]) ? 0.1 : 1;
  if (state === 'offline' || state === 'new') {
    x.strokeStyle = colours[state];
    x.lineWidth = Math.max(state === 'new' ? 1 : 1.4, R * (state === 'new' ? 0.1 : 0.2));
    if (state === 'new') x.setLineDash([2, 2]);
    hex(x, cx, cy, R * SIZE[state]);
    x.stroke();
    x.setLineDash([]);
    if (state === 'offline') line([[-0.42, 0.42], [0.42, -0.42]]);
    x.globalAlpha = 1;
    return;
  }
  x.fillStyle = colours[state];
  hex(x, cx, cy, R * SIZE[/** @type {keyof SIZE} */ (state)]);
  x.fill();
  if (state === 'fault') {
    x.strokeStyle = colours.onFault;
    x.lineWidth = Math.max(1.2, R * 0.2);
    line([[-0.33, -0.33], [0.33, 0.33], [0.33, -0.33], [-0.33, 0.33]]);
  } else if (state === 'warn') {
    x.strokeStyle = colours['warn-ink'];
    x.lineWidth = Math.max(1, R * 0.13);
    hex(x, cx, cy, R * 0.93);
    x.stroke();
    x.fillStyle = '#3a2400';
    x.fillRect(cx - R * 0.1, cy - R * 0.46, R * 0.2, R * 0.56);
    x.beginPath();
    x.arc(cx, cy + R * 0.36, R * 0.13, 0, 7);
    x.fill();
  } else if (state === 'heal') {
    x.strokeStyle = colours.onHeal;
    x.lineWidth = Math.max(1.1, R * 0.17);
    x.beginPath();
    x.arc(cx, cy, R * 0.42, -0.3, 4.6);
    x.stroke();
  } else if (state === 'maint') {
    x.strokeStyle = colours['maint-ink'];
    x.lineWidth = Math.max(1, R * 0.13);
    line([[-0.22, -0.32], [-0.22, 0.32], [0.22, -0.32], [0.22, 0.32]]);
  }
  x.globalAlpha = 1;
}

/** @param {CanvasRenderingContext2D} x @param {Block} block */
function label(x, block) {
  const down = block.group.members.reduce((n, i) => n + (states[i] === 5 || states[i] === 6 ? 1 : 0), 0);
  x.clearRect(block.x - 2, block.labelY - 2, block.width + 4, LABEL);
  x.save();
  x.beginPath();
  x.rect(block.x - 1, block.labelY - 2, block.width + 12, LABEL);
  x.clip();
  x.textBaseline = 'alphabetic';
  const bad = down / block.group.members.length >= 0.03 && down > 1;
  /** @type {[string, string, string][]} */
  let parts = [
    [block.group.name, '600', colours.text],
    [block.group.members.length.toLocaleString('en'), '400', colours['text-3']],
  ];
  if (down) parts.push([`${down} down`, bad ? '600' : '400', bad ? colours['fault-ink'] : colours['text-2']]);
  const width = (/** @type {[string, string, string]} */ [text, weight]) => {
    x.font = `${weight} 12px ${FONT}`;
    return x.measureText(text).width + 6;
  };
  // Where there is no room for three words, what is down and how many there are become one.
  if (parts.length === 3 && parts.reduce((sum, part) => sum + width(part), 0) > block.width + 8) {
    parts = [parts[0], [`${down}/${block.group.members.length} down`, parts[2][1], parts[2][2]]];
  }
  let dx = 0;
  for (const part of parts) {
    const wide = width(part);
    x.fillStyle = part[2];
    x.fillText(part[0], block.x + dx, block.labelY + 12);
    dx += wide;
  }
  x.restore();
}

function draw() {
  if (!layout) return;
  const x = /** @type {CanvasRenderingContext2D} */ (base.getContext('2d'));
  x.setTransform(dpr, 0, 0, dpr, 0, 0);
  x.clearRect(0, 0, layout.W, layout.H);
  for (const block of layout.blocks) label(x, block);
  if (layout.R * dpr < 4.5) blit(x);
  else for (const i of shown) cell(x, i);
}

/** Many chargers: pixels. Healthy first, problems last and larger, so that nothing that matters is
 * covered.
 * @param {CanvasRenderingContext2D} x */
function blit(x) {
  const l = /** @type {NonNullable<typeof layout>} */ (layout);
  const W = base.width, H = base.height, image = x.getImageData(0, 0, W, H), pixels = new Uint32Array(image.data.buffer);
  const palette = STATES.map((state) => {
    x.fillStyle = colours[state];
    const v = parseInt(String(x.fillStyle).slice(1), 16);
    return ((255 << 24) | ((v & 255) << 16) | (((v >> 8) & 255) << 8) | (v >> 16)) >>> 0;
  });
  const small = Math.max(1, Math.floor(Math.min(l.w, l.h) * dpr - 0.6)), big = Math.max(3, Math.ceil(l.w * dpr + 1));
  for (const pass of [false, true]) {
    for (const i of shown) {
      const s = states[i], bad = s >= 3 && s <= 6;
      if (bad !== pass || hidden.has(s)) continue;
      const [px, py] = at(i), k = pass ? big : small;
      const X = Math.round(px * dpr - k / 2), Y = Math.round(py * dpr - k / 2);
      for (let yy = Math.max(0, Y); yy < Math.min(H, Y + k); yy++) pixels.fill(palette[s], yy * W + Math.max(0, X), yy * W + Math.min(W, X + k));
    }
  }
  x.putImageData(image, 0, 0);
}

let frame = 0;
function drawOver() {
  frame = 0;
  if (!layout) return;
  const x = /** @type {CanvasRenderingContext2D} */ (over.getContext('2d'));
  x.setTransform(dpr, 0, 0, dpr, EDGE * dpr, EDGE * dpr);
  x.clearRect(-EDGE, -EDGE, layout.W + 2 * EDGE, layout.H + 2 * EDGE);
  const t = performance.now();
  for (const [i, began] of rings) {
    const p = (t - began) / RING_MS;
    if (p >= 1 || index.ids[i] == null) { rings.delete(i); continue; }
    const [cx, cy] = at(i);
    x.globalAlpha = 1 - p;
    x.strokeStyle = colours.text;
    x.lineWidth = 2;
    hex(x, cx, cy, layout.R * (1.1 + p * 0.9));
    x.stroke();
  }
  x.globalAlpha = 1;
  if (hover >= 0 && index.ids[hover] != null) {
    const [cx, cy] = at(hover);
    x.strokeStyle = colours.text;
    x.lineWidth = 2;
    hex(x, cx, cy, Math.max(4, layout.R * 1.2));
    x.stroke();
  }
  if (rings.size) frame = requestAnimationFrame(drawOver);
}
const again = () => { if (!frame) frame = requestAnimationFrame(drawOver); };

/** A figure at the top of the page that follows from the states.
 * @param {string} name @param {string} text */
function figure(name, text) {
  const node = document.querySelector(`[data-kpi="${name}"]`);
  if (node && node.textContent !== text) node.textContent = text;
}

function counts() {
  const n = new Array(STATES.length).fill(0);
  for (const i of shown) if (states[i] < n.length) n[states[i]]++;
  for (const button of document.querySelectorAll('.legend button[data-s]')) {
    const s = STATES.indexOf(button.getAttribute('data-s') ?? '');
    const b = button.querySelector('b');
    if (b) b.textContent = n[s].toLocaleString('en');
    /** @type {HTMLElement} */ (button).hidden = n[s] === 0 && (s === 7 || s === 8);
  }
  const share = (/** @type {number} */ part) => (shown.length ? (Math.floor((part * 1000) / shown.length) / 10).toFixed(1) : '–');
  figure('online', share(shown.length - n[6] - n[8]));
  figure('usable', share(n[0] + n[1] + n[2] + n[4]));
  figure('charge', n[1].toLocaleString('en'));
  base.setAttribute('aria-label', `${shown.length} chargers. ${n[5]} faulted, ${n[6]} offline, ${n[4]} degraded, ${n[3]} self-healing. Use arrow keys to read single chargers, Shift and arrows for the next problem, or open the list of chargers.`);
}

function all() {
  readColours();
  place();
  draw();
  drawOver();
  counts();
}

// ---- news ----

/** Changes that the snapshot has already are left out.
 * @param {string} id @param {string} data */
function take(id, data) {
  if (seq < 0) early.push({ id, data });
  else if (Number(id.split('.')[1]) > seq) delta(data);
}

/** @param {string} text */
function delta(text) {
  const raw = atob(text);
  /** @type {number[]} */
  const changed = [];
  for (let k = 0; k + 3 < raw.length; k += 4) {
    const i = raw.charCodeAt(k) | (raw.charCodeAt(k + 1) << 8) | (raw.charCodeAt(k + 2) << 16);
    const s = raw.charCodeAt(k + 3);
    if (index.ids[i] != null && states[i] !== s) { states[i] = s; changed.push(i); }
  }
  if (!changed.length || !layout) return;
  const x = /** @type {CanvasRenderingContext2D} */ (base.getContext('2d'));
  if (layout.R * dpr < 4.5 || changed.length > shown.length / 4) draw();
  else {
    x.setTransform(dpr, 0, 0, dpr, 0, 0);
    for (const i of changed) {
      const [cx, cy] = at(i);
      x.fillStyle = colours.surface;
      hex(x, cx, cy, layout.R * 1.04);
      x.fill();
      cell(x, i);
    }
    for (const g of new Set(changed.map((i) => groupOf[i]))) label(x, layout.blocks[g]);
  }
  if (!calm.matches && changed.length <= 200) for (const i of changed) rings.set(i, performance.now());
  counts();
  again();
}
feed.addEventListener('fleet', (event) => {
  const { id, data } = /** @type {CustomEvent} */ (event).detail;
  take(id, data);
});
feed.addEventListener('resync', () => load());
document.body.addEventListener('topic-chargers', () => load());

// ---- people ----

/** @param {number} mx @param {number} my */
function hit(mx, my) {
  if (!layout) return -1;
  for (const b of layout.blocks) {
    const { w, h, R } = layout;
    if (mx < b.x - w || my < b.y - R || mx > b.x + b.cols * w + w || my > b.y + b.rows * h + R) continue;
    const near = Math.floor((my - b.y) / h);
    for (let row = Math.max(0, near - 1); row <= Math.min(b.rows - 1, near + 1); row++) {
      const c = Math.floor((mx - b.x - (row & 1 ? w / 2 : 0)) / w);
      for (const col of [c - 1, c, c + 1]) {
        const k = col * b.rows + (col & 1 ? b.rows - 1 - row : row);
        if (col < 0 || col >= b.cols || k >= b.group.members.length) continue;
        const cx = b.x + w / 2 + col * w + (row & 1 ? w / 2 : 0), cy = b.y + R + row * h;
        if ((mx - cx) ** 2 + (my - cy) ** 2 < Math.max(9, (w / 2) ** 2)) return b.group.members[k];
      }
    }
  }
  return -1;
}

/** @param {number} i */
function show(i) {
  hover = i;
  again();
  tip.hidden = i < 0;
  if (i < 0 || !layout) return;
  const [cx, cy] = at(i), site = index.sites[index.site[i]];
  const title = document.createElement('b');
  title.textContent = index.names[i] === index.ids[i] ? index.ids[i] : `${index.names[i]} · ${index.ids[i]}`;
  const state = document.createElement('div');
  state.textContent = NAMES[states[i]] ?? '';
  const where = document.createElement('div');
  where.className = 'd';
  where.textContent = [site.name, index.regions[site.region], index.models[index.model[i]]].filter(Boolean).join(' · ');
  tip.replaceChildren(title, state, where);
  tip.style.left = `${Math.max(0, Math.min(layout.W - tip.offsetWidth, cx + layout.R + 8))}px`;
  tip.style.top = `${Math.max(0, cy - tip.offsetHeight - 8)}px`;
}
const open = (/** @type {number} */ i) => { location.href = `/chargers/${encodeURIComponent(index.ids[i] ?? '')}`; };

base.addEventListener('pointermove', (event) => {
  const box = base.getBoundingClientRect(), i = hit(event.clientX - box.left, event.clientY - box.top);
  base.classList.toggle('over', i >= 0);
  if (i !== hover) show(i);
});
base.addEventListener('pointerleave', () => show(-1));
base.addEventListener('click', (event) => {
  const box = base.getBoundingClientRect(), i = hit(event.clientX - box.left, event.clientY - box.top);
  if (i >= 0) open(i);
});
base.addEventListener('keydown', (event) => {
  if (!layout || !shown.length) return;
  if (event.key === 'Enter' && hover >= 0) return open(hover);
  if (event.key === 'f' && hover >= 0) {
    /** @type {HTMLElement | null} */ (document.querySelector(`.legend button[data-s="${STATES[states[hover]]}"]`))?.click();
    return;
  }
  const order = groups.flatMap((entry) => entry.members);
  const from = Math.max(0, order.indexOf(hover));
  const rows = layout.blocks[groupOf[Math.max(0, hover)]].rows;
  const step = { ArrowRight: rows, ArrowLeft: -rows, ArrowDown: 1, ArrowUp: -1 }[event.key];
  if (!step) return;
  event.preventDefault();
  let next = Math.min(order.length - 1, Math.max(0, hover < 0 ? 0 : from + step));
  if (event.shiftKey) {
    const way = Math.sign(step);
    next = from + way;
    while (next >= 0 && next < order.length && !(states[order[next]] >= 3 && states[order[next]] <= 6)) next += way;
    if (next < 0 || next >= order.length) return;
  }
  show(order[next]);
  voice.textContent = [...tip.children].map((line) => line.textContent).join(', ');
});
for (const button of document.querySelectorAll('.legend button[data-s]')) {
  button.addEventListener('click', () => {
    const on = button.getAttribute('aria-pressed') !== 'true';
    button.setAttribute('aria-pressed', String(on));
    const s = STATES.indexOf(button.getAttribute('data-s') ?? '');
    if (on) hidden.delete(s);
    else hidden.add(s);
    draw();
  });
}
for (const button of document.querySelectorAll('[data-by]')) {
  const mark = () => button.setAttribute('aria-pressed', String(button.getAttribute('data-by') === by));
  mark();
  button.addEventListener('click', () => {
    by = button.getAttribute('data-by') ?? 'region';
    localStorage.setItem('fleet-by', by);
    for (const other of document.querySelectorAll('[data-by]')) other.setAttribute('aria-pressed', String(other === button));
    group();
    all();
  });
}

new ResizeObserver(() => shown.length && all()).observe(/** @type {Element} */ (base.parentElement));
new MutationObserver(() => shown.length && all()).observe(document.documentElement, { attributes: true, attributeFilter: ['data-theme'] });
document.fonts.ready.then(load);
