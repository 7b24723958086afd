// @ts-check
// Parts of a page that read themselves anew: not while nobody looks, and not while paused.
//
// [data-quiet] on an element with hx-get and hx-trigger="every ..": its requests are dropped while the
// page is hidden, while text in it is selected, or while the button [data-hush="#id"] is pressed.

/** @type {Set<string>} */
const hushed = new Set();

/** @param {Element} part */
function isSelected(part) {
  const selection = getSelection();
  return !!selection && !selection.isCollapsed && !!selection.anchorNode && part.contains(selection.anchorNode);
}

document.addEventListener('htmx:beforeRequest', (event) => {
  const part = event.target;
  if (!(part instanceof Element) || !part.hasAttribute('data-quiet')) return;
  if (document.hidden || hushed.has(part.id) || isSelected(part)) event.preventDefault();
});

for (const button of document.querySelectorAll('button[data-hush]')) {
  if (!(button instanceof HTMLButtonElement)) continue;
  button.hidden = false;
  button.addEventListener('click', () => {
    const id = (button.dataset.hush ?? '').slice(1);
    const pause = !hushed.has(id);
    if (pause) hushed.add(id);
    else hushed.delete(id);
    button.setAttribute('aria-pressed', String(pause));
    const word = button.querySelector('[data-word]');
    if (word) word.textContent = pause ? 'Go on' : 'Pause';
  });
}

// A payload to begin with, so that nobody has to look up the field names.
const action = document.querySelector('select[data-payload]');
const payload = document.querySelector('textarea[name="payload"]');
if (action instanceof HTMLSelectElement && payload instanceof HTMLTextAreaElement) {
  let suggested = payload.value;
  action.addEventListener('change', () => {
    if (payload.value !== suggested) return;
    suggested = action.selectedOptions[0]?.dataset.payload ?? '{}';
    payload.value = suggested;
  });
}
