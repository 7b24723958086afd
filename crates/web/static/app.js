// @ts-check
// Small manners of every page: messages go away, menus close, nothing is sent twice.

const SHOWN_MS = 8_000;

// What was done or not done came in the address; a reload must not say it again.
const address = new URL(location.href);
if (address.searchParams.has('done') || address.searchParams.has('error')) {
  address.searchParams.delete('done');
  address.searchParams.delete('error');
  history.replaceState(history.state, '', address);
}
for (const toast of document.querySelectorAll('.toast:not(.bad)')) setTimeout(() => toast.remove(), SHOWN_MS);

document.addEventListener('click', (event) => {
  if (!(event.target instanceof Element)) return;
  event.target.closest('[data-dismiss]')?.closest('.toast')?.remove();
  for (const menu of document.querySelectorAll('details.menu[open]')) {
    if (!menu.contains(event.target)) menu.removeAttribute('open');
  }
});

// Two presses of a button that sends something must not send it twice.
document.addEventListener('submit', (event) => {
  const form = event.target;
  if (!(form instanceof HTMLFormElement) || form.method !== 'post') return;
  // What opens a window of its own leaves this one as it is.
  if (event.submitter?.formTarget === '_blank') return;
  form.setAttribute('aria-busy', 'true');
  for (const button of form.querySelectorAll('button')) setTimeout(() => { button.disabled = true; });
  document.documentElement.dataset.busy = '1';
});
addEventListener('pageshow', () => {
  delete document.documentElement.dataset.busy;
  for (const form of document.querySelectorAll('form[aria-busy]')) {
    form.removeAttribute('aria-busy');
    for (const button of form.querySelectorAll('button')) button.disabled = false;
  }
});
document.addEventListener('htmx:afterRequest', () => delete document.documentElement.dataset.busy);
