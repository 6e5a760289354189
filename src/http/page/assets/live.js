// Keeps a page live and gives it keys. Everything works without it.
const policy = self.trustedTypes?.createPolicy('ww', { createHTML: (html) => html });
const parse = (html) => new DOMParser().parseFromString(policy ? policy.createHTML(html) : html, 'text/html');

// The choice of light or dark, kept in a cookie that the server reads.
const theme = document.querySelector('.theme');
const isDark = () => document.documentElement.dataset.theme
  ? document.documentElement.dataset.theme === 'dark' : matchMedia('(prefers-color-scheme: dark)').matches;
const nameTheme = () => { theme.textContent = isDark() ? 'Light' : 'Dark'; };
theme.hidden = false;
nameTheme();
theme.addEventListener('click', () => {
  const chosen = isDark() ? 'light' : 'dark';
  document.documentElement.dataset.theme = chosen;
  document.cookie = `ww_theme=${chosen};path=/;max-age=31536000;samesite=strict`;
  nameTheme();
});
for (const field of document.querySelectorAll('.filter:not([method="post"]) select')) {
  field.addEventListener('change', () => field.form.requestSubmit());
}

// Live: an event only says that something changed. The page is then asked for again, and blocks of it are replaced;
// rows that are new wait behind a bar, so that nothing moves under the hand.
const bar = document.querySelector('.bar-live');
const title = document.title;
// The server counts what each tab asks for.
const tab = Math.random().toString(36).slice(2, 14);
let source = null, cursor = null, timer = null, lastFetch = 0, unseen = 0, lost = null;

const busy = (block) => block.contains(document.activeElement) || block.querySelector('details[open], input:checked')
  || (() => { const chosen = getSelection(); return chosen && !chosen.isCollapsed && block.contains(chosen.anchorNode); })();

const say = (text, button, act) => {
  const inside = bar.firstElementChild;
  inside.replaceChildren(text);
  if (button) {
    const element = document.createElement('button');
    element.type = 'button';
    element.textContent = button;
    element.addEventListener('click', act);
    inside.append(element);
  }
  bar.hidden = !text;
};

const showNew = () => location.reload();

const news = (fresh) => {
  const lists = [...fresh.querySelectorAll('[data-list]')];
  const rows = lists.flatMap((list) => [...list.querySelectorAll('[data-row]')]);
  return rows.filter((row) => !document.getElementById(row.id)).length;
};

const refresh = async () => {
  timer = null;
  lastFetch = Date.now();
  let fresh;
  try {
    // Only the blocks that may change; the outer ones bring the inner.
    const blocks = [...document.querySelectorAll('[data-live][id], [data-list][id]')]
      .filter((block) => !block.parentElement.closest('[data-live][id], [data-list][id]'));
    const address = new URL(location.href);
    address.hash = '';
    address.searchParams.set('part', blocks.map((block) => block.id).join(','));
    const answer = await fetch(address, { headers: { accept: 'text/html', 'wirewatch-tab': tab } });
    if (answer.status === 429 || answer.status === 503) {
      clearTimeout(timer);
      timer = setTimeout(refresh, 1000 * (Number(answer.headers.get('retry-after')) || 1));
      return;
    }
    // Logged out meanwhile: the whole page says so.
    if (answer.redirected) return location.reload();
    if (!answer.ok) return;
    fresh = parse(await answer.text());
  } catch { return; }
  for (const block of fresh.querySelectorAll('[data-live]')) {
    const here = document.getElementById(block.id);
    if (!here || busy(here) || here.outerHTML === block.outerHTML) continue;
    const there = document.importNode(block, true);
    there.classList.add('fresh');
    here.replaceWith(there);
  }
  unseen = news(fresh);
  document.title = unseen ? `(${unseen}) ${title}` : title;
  if (unseen) say(`${unseen} new `, 'Show', showNew);
  else if (!lost) say('');
};

const soon = () => {
  if (timer === null) timer = setTimeout(refresh, Math.max(150, 1000 - (Date.now() - lastFetch)));
};

const isLive = document.querySelector('[data-live], [data-list]');
if (!isLive) document.querySelector('.unlive').remove();
const connect = () => {
  if (source || !isLive) return;
  const from = cursor ? `?after=${encodeURIComponent(cursor)}` : '';
  source = new EventSource(`/v1/stream${from}`);
  const heard = (event) => { cursor = event.lastEventId || cursor; soon(); };
  for (const kind of ['item', 'revision', 'sighting', 'alert', 'alert.matched', 'story.updated', 'item.corrected',
    'item.withdrawn', 'delivery', 'feed', 'endpoint', 'silence', 'correction', 'reset']) source.addEventListener(kind, heard);
  source.onopen = () => {
    document.querySelector('.unlive')?.remove();
    clearTimeout(lost);
    if (lost) { lost = null; say(''); document.body.classList.remove('gone-stale'); soon(); }
  };
  source.onerror = () => {
    if (lost) return;
    lost = setTimeout(() => {
      document.body.classList.add('gone-stale');
      say(`Not live since ${new Date().toISOString().slice(11, 16)} UTC; what is shown is from before.`);
    }, 5000);
  };
};
const disconnect = () => { source?.close(); source = null; };
document.addEventListener('visibilitychange', () => { if (document.hidden) disconnect(); else { connect(); soon(); } });
addEventListener('pagehide', disconnect);
if (!document.hidden) connect();

// Rules are tried while somebody types, where that is quick.
const attempt = document.querySelector('form[data-try]');
if (attempt) {
  const copy = attempt.querySelector('.copy');
  copy.hidden = !navigator.clipboard;
  copy.addEventListener('click', async () => {
    await navigator.clipboard.writeText(attempt.elements.text.value);
    copy.textContent = 'Copied';
    setTimeout(() => { copy.textContent = 'Copy TOML'; }, 2000);
  });
  let typed = null, asked = 0;
  const run = async () => {
    const mine = ++asked;
    const fields = new URLSearchParams(new FormData(attempt));
    fields.set('part', 'trial');
    try {
      const answer = await fetch(attempt.action, { method: 'POST', body: fields });
      // Somebody else's turn, or one of ours that is not over: soon again.
      if (answer.status === 503) { typed = setTimeout(run, 1000); return; }
      if (!answer.ok || mine !== asked) return;
      const fresh = parse(await answer.text()).getElementById('trial');
      if (fresh) document.getElementById('trial').replaceWith(document.importNode(fresh, true));
    } catch { /* The button is there. */ }
  };
  attempt.addEventListener('input', () => {
    clearTimeout(typed);
    if (attempt.dataset.try === 'small') typed = setTimeout(run, 400);
  });
}

// Keys.
const links = () => [...document.querySelectorAll('[data-list] [data-row] h3 a, [data-list] [data-row] td a')]
  .filter((link, at, all) => all.findIndex((other) => other.closest('[data-row]') === link.closest('[data-row]')) === at);
const move = (step) => {
  const all = links();
  if (!all.length) return;
  const row = document.activeElement.closest('[data-row]');
  const at = all.findIndex((link) => link.closest('[data-row]') === row);
  all[Math.min(all.length - 1, Math.max(0, at + step))].focus();
};
const places = { n: '/', a: '/alerts', s: '/stories', i: '/items', t: '/topics', f: '/feeds', d: '/deliveries' };
const keys = [['j k', 'next, previous row'], ['o', 'open it'], ['/', 'search'], ['s', 'silence this'], ['.', 'show what is new'],
  ['g n', 'now'], ['g a', 'alerts'], ['g s', 'stories'], ['g i', 'items'], ['g t', 'topics'], ['g f', 'feeds'], ['g d', 'deliveries'], ['?', 'this']];
const help = () => {
  const box = document.createElement('dialog');
  const list = document.createElement('dl');
  for (const [key, what] of keys) {
    const term = document.createElement('dt'), said = document.createElement('dd'), cap = document.createElement('kbd');
    cap.textContent = key;
    term.append(cap);
    said.textContent = what;
    list.append(term, said);
  }
  const close = document.createElement('button');
  close.textContent = 'Close';
  close.addEventListener('click', () => box.close());
  box.setAttribute('aria-label', 'Keys');
  box.addEventListener('close', () => box.remove());
  box.append(list, close);
  document.body.append(box);
  box.showModal();
};
let go = false;
const keysOff = new URLSearchParams(location.search).get('keys') === 'off';
document.addEventListener('keydown', (event) => {
  const field = event.target.closest('input, select, textarea, dialog, [contenteditable]');
  if (keysOff || field || event.ctrlKey || event.altKey || event.metaKey) return;
  if (go) {
    go = false;
    if (places[event.key]) location.assign(places[event.key]);
    return;
  }
  const acts = { j: () => move(1), k: () => move(-1), o: () => document.activeElement.closest('a')?.click(),
    g: () => { go = true; setTimeout(() => { go = false; }, 1500); }, '.': () => unseen && showNew(), '?': help,
    s: () => document.querySelector('a[href^="/silences/new"]')?.click(),
    '/': () => document.querySelector('.find input').focus() };
  if (acts[event.key]) { event.preventDefault(); acts[event.key](); }
});
