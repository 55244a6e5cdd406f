// Keeps a page as the fleet is: when the coordinator tells that something changed, the page is fetched anew and its main part is altered where it differs, so that
// focus, places of scrolling and what was typed stay. Everything can be read without this file.
'use strict';

(() => {
  const base = document.documentElement.dataset.base ?? '';
  const state = document.getElementById('live');
  const marked = document.querySelector('#main [data-still], #main [data-every]');
  // What a page asked of a host is not asked again and again.
  if (marked?.dataset.still !== undefined) return;
  const leastMs = Number(marked?.dataset.every ?? 2000);
  let revision = '';
  let fetchedAt = performance.now();
  let timer = 0;
  let wanted = false;
  let busy = false;

  const clock = () => `${new Date().toISOString().slice(11, 19)} UTC`;

  let offSince = '';
  const say = (on, why) => {
    if (state === null) return;
    offSince = on ? '' : offSince || clock();
    state.hidden = false;
    state.classList.toggle('off', !on);
    state.textContent = on ? 'live' : (why ?? `not connected since ${offSince}`);
  };

  const keyOf = (node) => (node.nodeType === Node.ELEMENT_NODE ? node.dataset.key || node.id || node.getAttribute('name') || '' : '');

  // What a person typed or chose since the page came stays.
  const touched = (node) =>
    (node instanceof HTMLInputElement && (node.value !== node.defaultValue || node.checked !== node.defaultChecked)) ||
    (node instanceof HTMLSelectElement && [...node.options].some((option) => option.selected !== option.defaultSelected)) ||
    (node instanceof HTMLTextAreaElement && node.value !== node.defaultValue);

  const alterAttributes = (from, to) => {
    for (const { name } of [...from.attributes]) if (!to.hasAttribute(name) && !(name === 'open' && from instanceof HTMLDetailsElement)) from.removeAttribute(name);
    for (const { name, value } of to.attributes) if (from.getAttribute(name) !== value && !(name === 'open' && from instanceof HTMLDetailsElement)) from.setAttribute(name, value);
  };

  const alter = (from, to) => {
    if (from.nodeType !== Node.ELEMENT_NODE) {
      if (from.nodeValue !== to.nodeValue) from.nodeValue = to.nodeValue;
      return;
    }
    if (from.isEqualNode(to) || touched(from) || from === document.activeElement && /^(?:INPUT|SELECT|TEXTAREA)$/.test(from.nodeName)) return;
    alterAttributes(from, to);
    alterChildren(from, to);
  };

  const fits = (from, to) => from.nodeName === to.nodeName && keyOf(from) === keyOf(to);

  const alterChildren = (from, to) => {
    const keyed = new Map();
    for (const child of from.childNodes) if (keyOf(child) !== '') keyed.set(`${child.nodeName} ${keyOf(child)}`, child);
    let at = from.firstChild;
    for (const child of [...to.childNodes]) {
      const known = keyOf(child) === '' ? undefined : keyed.get(`${child.nodeName} ${keyOf(child)}`);
      if (at !== null && fits(at, child)) {
        const next = at.nextSibling;
        alter(at, child);
        at = next;
      } else if (known !== undefined && known.parentNode === from) {
        from.insertBefore(known, at);
        alter(known, child);
      } else {
        from.insertBefore(document.importNode(child, true), at);
      }
    }
    while (at !== null) {
      const next = at.nextSibling;
      at.remove();
      at = next;
    }
  };

  const show = (page) => {
    const to = page.getElementById('main');
    const from = document.getElementById('main');
    if (to === null || from === null) return;
    const focused = document.activeElement;
    const href = focused instanceof HTMLAnchorElement ? focused.getAttribute('href') : null;
    const { scrollX, scrollY } = window;
    alterChildren(from, to);
    document.title = page.title;
    if (focused !== null && focused !== document.body && document.activeElement !== focused) {
      const again = focused.isConnected ? focused : href === null ? null : [...from.querySelectorAll('a')].find((link) => link.getAttribute('href') === href);
      (again ?? from).focus({ preventScroll: true });
    }
    window.scrollTo(scrollX, scrollY);
  };

  const refresh = async () => {
    busy = true;
    wanted = false;
    fetchedAt = performance.now();
    try {
      const response = await fetch(location.href, { headers: { accept: 'text/html' }, credentials: 'same-origin', cache: 'no-store' });
      if (response.redirected || response.status === 401 || response.status === 403) say(false, 'the session has ended: load the page again');
      else show(new DOMParser().parseFromString(await response.text(), 'text/html'));
    } catch {
      // The stream notices, too; what is missing is fetched when it is back.
      wanted = true;
    } finally {
      busy = false;
      fetchedAt = performance.now();
    }
    if (wanted) plan();
  };

  // A page that cannot be seen is fetched when it can be.
  const plan = () => {
    if (!wanted || busy || document.hidden || timer !== 0) return;
    timer = setTimeout(() => {
      timer = 0;
      if (wanted && !busy && !document.hidden) void refresh();
    }, Math.max(0, fetchedAt + leastMs - performance.now()));
  };

  const want = () => {
    wanted = true;
    plan();
  };

  document.addEventListener('visibilitychange', plan);

  const told = (event) => {
    const before = revision;
    revision = event.lastEventId || event.data;
    say(true);
    if (revision !== before || event.type === 'gap') want();
  };

  const connect = () => {
    const stream = new EventSource(`${base}/live`);
    for (const type of ['now', 'changed', 'gap']) stream.addEventListener(type, told);
    stream.addEventListener('open', () => say(true));
    stream.addEventListener('error', () => {
      say(false);
      // A browser does not try again by itself where it was refused.
      if (stream.readyState === EventSource.CLOSED) setTimeout(connect, 10_000);
    });
  };
  connect();
})();
