// @ts-check
// Blocking and small: the theme before the first paint.
(function () {
  'use strict';
  const root = document.documentElement;
  const year = 31536000;
  const keep = (/** @type {string} */ name, /** @type {string} */ value) => {
    document.cookie = `${name}=${value}; Path=/; Max-Age=${year}; SameSite=Lax`;
  };
  const dark = matchMedia('(prefers-color-scheme: dark)');
  const chosen = () => /(?:^|; )theme=(light|dark)/.exec(document.cookie)?.[1];
  const asked = new URLSearchParams(location.search).get('theme');
  const show = () => {
    root.dataset.theme = asked === 'dark' || asked === 'light'
      ? asked : chosen() ?? (dark.matches ? 'dark' : 'light');
  };
  show();
  dark.addEventListener('change', show);
  document.addEventListener('click', (event) => {
    if (!(event.target instanceof Element) || !event.target.closest('[data-theme-toggle]')) return;
    event.preventDefault();
    const next = root.dataset.theme === 'dark' ? 'light' : 'dark';
    root.dataset.theme = next;
    keep('theme', next);
  });
})();
