// @ts-check
// Keyboard: go with g and a letter, move with j and k, open with Enter, one key per decision.

const GO = { l: '/', i: '/incidents', t: '/tickets', c: '/chargers', x: '/transactions', s: '/sites', r: '/rules', o: '/outbox', y: '/system' };
let going = 0;
/** Single keys can be switched off on a device (WCAG 2.1.4). */
const isOff = () => localStorage.getItem('keys') === 'off';

const rows = () => /** @type {HTMLElement[]} */ ([...document.querySelectorAll('[data-row]')]);
const selected = () => rows().findIndex((row) => row.getAttribute('aria-selected') === 'true');

/** @param {number} step */
function move(step) {
  const all = rows();
  if (!all.length) return;
  const before = selected();
  const next = Math.min(all.length - 1, Math.max(0, before < 0 ? 0 : before + step));
  if (before >= 0) all[before].setAttribute('aria-selected', 'false');
  all[next].setAttribute('aria-selected', 'true');
  all[next].scrollIntoView({ block: 'nearest' });
}

/** Presses the button that a letter belongs to: of the selected row, else of the page.
 * @param {string} key */
function press(key) {
  const row = rows()[selected()];
  const button = row?.querySelector(`[data-do="${key}"]`) ?? document.querySelector(`[data-do="${key}"]`);
  if (button instanceof HTMLDetailsElement) {
    button.open = true;
    /** @type {HTMLElement | null} */ (button.querySelector('input,textarea,select'))?.focus();
    return true;
  }
  if (button instanceof HTMLElement) {
    button.click();
    return true;
  }
  return false;
}

function help() {
  const dialog = document.querySelector('#keys-help');
  if (dialog instanceof HTMLDialogElement) dialog.open ? dialog.close() : dialog.showModal();
}

document.addEventListener('keydown', (event) => {
  if (isOff() || event.metaKey || event.ctrlKey || event.altKey) return;
  const target = event.target;
  if (target instanceof Element && target.closest('input,textarea,select,[contenteditable]')) {
    if (event.key === 'Escape' && target instanceof HTMLElement) target.blur();
    return;
  }
  if (target instanceof HTMLCanvasElement && (event.key.startsWith('Arrow') || event.key === 'Enter' || event.key === 'f')) return;
  const key = event.key.length === 1 ? event.key.toLowerCase() : event.key;
  if (Date.now() - going < 1_200 && key in GO) {
    going = 0;
    location.href = GO[/** @type {keyof GO} */ (key)];
    return;
  }
  going = 0;
  if (key === 'g') going = Date.now();
  else if (key === 'j') move(1);
  else if (key === 'k') move(-1);
  else if (key === '?') help();
  else if (key === 'Escape') document.querySelector('details.menu[open]')?.removeAttribute('open');
  else if (key === '/') {
    event.preventDefault();
    /** @type {HTMLElement | null} */ (document.querySelector('#search'))?.focus();
  } else if (key === 'r' && document.querySelector('.newbar')) {
    /** @type {HTMLElement} */ (document.querySelector('.newbar')).click();
  } else if (key === 'Enter' && (target === document.body || target === document.documentElement)) {
    const row = rows()[selected()];
    const link = row instanceof HTMLAnchorElement ? row : row?.querySelector('a');
    if (link instanceof HTMLAnchorElement) location.href = link.href;
  } else if (/^[a-z]$/.test(key)) press(key);
});

document.addEventListener('click', (event) => {
  if (!(event.target instanceof Element)) return;
  if (event.target.closest('[data-keys]')) help();
});

const off = document.querySelector('[data-keys-off]');
if (off instanceof HTMLInputElement) {
  off.checked = isOff();
  off.addEventListener('change', () => {
    if (off.checked) localStorage.setItem('keys', 'off');
    else localStorage.removeItem('keys');
  });
}
