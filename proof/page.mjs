// Drives the page in a browser: node proof/page.mjs ADDRESS SEEDS [SCREENSHOTS]. Called by proof/page.
import { createRequire } from 'node:module';
import { readFileSync, writeFileSync, renameSync } from 'node:fs';
import { join } from 'node:path';

const require = createRequire(join(process.cwd(), 'package.json'));
const { chromium } = require('playwright-core');
const axe = readFileSync(require.resolve('axe-core/axe.min.js'), 'utf8');
const [address, seeds, pictures] = process.argv.slice(2);
const wrong = [];
const fail = (what) => { wrong.push(what); console.log(`  WRONG ${what}`); };
const token = { authorization: 'Bearer page-t0ken' };
const first = async (list) => (await (await fetch(`${address}/v1/${list}`, { headers: token })).json()).data[0]?.id;
const browser = await chromium.launch({ executablePath: process.env.CHROMIUM ?? '/usr/bin/chromium', args: ['--no-sandbox'] });

// One login for all: what is looked at under it is looked at as somebody who may change things.
const entering = await browser.newContext();
const enter = await entering.newPage();
await enter.goto(`${address}/login`);
if (await enter.locator('input[name=name]').count()) {
  await enter.fill('input[name=name]', 'ada');
  await enter.fill('input[name=password]', 'correct horse');
  await enter.press('input[name=password]', 'Enter');
  await enter.waitForURL(`${address}/`, { timeout: 60000 }).catch(() => fail('the login leads nowhere'));
}
const storageState = await entering.storageState();
await entering.close();

const paths = ['/', '/login', '/silences/new', '/silences/new?topic=sanctions', '/alerts', '/stories', '/items', '/topics', '/feeds', '/deliveries', '/silences', '/status', '/search?q=sanctions', '/nothing'];
for (const [page, list] of [['alerts', 'alerts'], ['stories', 'stories?told=yes'], ['items', 'items?topic=sanctions'], ['topics', 'topics'], ['feeds', 'feeds'], ['deliveries', 'deliveries'], ['endpoints', 'endpoints']]) {
  const id = await first(list);
  if (id) paths.push(`/${page}/${id}`, ...(page === 'topics' ? [`/topics/${id}/try`] : [])); else fail(`no ${list} to look at`);
}

const watch = (page, path) => {
  page.on('console', (message) => {
    if (!(path === '/nothing' && message.text().includes('404'))) fail(`${path} says: ${message.text()}`);
  });
  page.on('pageerror', (error) => fail(`${path} breaks: ${error}`));
  page.on('request', (request) => { if (!request.url().startsWith(address)) fail(`${path} asks ${request.url()}`); });
};

let looked = 0;
for (const colorScheme of ['light', 'dark']) {
  for (const width of [390, 1280]) {
    // A policy that lets axe in; the policy itself is tried below.
    const context = await browser.newContext({ storageState, colorScheme, viewport: { width, height: 900 }, bypassCSP: true, reducedMotion: 'reduce' });
    for (const path of paths) {
      const page = await context.newPage();
      watch(page, path);
      await page.goto(address + path, { waitUntil: 'load' });
      const aside = await page.evaluate(() => document.documentElement.scrollWidth - innerWidth);
      if (aside > 0) fail(`${path} at ${width} scrolls sideways by ${aside}`);
      await page.evaluate(axe);
      const { violations } = await page.evaluate(() => self.axe.run(document, { runOnly: ['wcag2a', 'wcag2aa', 'wcag21aa', 'wcag22aa', 'best-practice'] }));
      for (const one of violations) fail(`${path} ${colorScheme} ${width}: ${one.id}: ${one.nodes[0].target} ${one.nodes[0].failureSummary?.split('\n')[1] ?? ''}`);
      if (pictures) await page.screenshot({ path: join(pictures, `${path.split('?')[0].split('/').slice(1, 3).map((part) => part.split('_')[0]).join('-') || 'now'}-${colorScheme}-${width}.png`), fullPage: true });
      await page.close();
      looked += 1;
    }
    await context.close();
  }
}
console.log(`${looked} pages looked at`);
if (process.env.LOOK_ONLY) { await browser.close(); process.exit(wrong.length ? 1 : 0); }

// Under its own policy: no report, and live within a second of a drop; what has the focus keeps it.
const context = await browser.newContext({ storageState, viewport: { width: 1280, height: 900 } });
const page = await context.newPage();
watch(page, '/ live');
await page.goto(`${address}/`);
await page.waitForTimeout(300);
const link = page.locator('.story h3 a').first();
await link.focus();
await page.evaluate(() => scrollTo(0, 240));
// Where things stand before the eye: what is added above may change how far the page is scrolled.
const place = () => link.evaluate((element) => Math.round(element.getBoundingClientRect().top));
const stood = await place();
const before = await page.locator('.story').count();
const dropped = Date.now();
const text = `Orchard census number ${dropped} finds late pears\n\nVolunteers of the valley counted ${dropped} trees in frost.\n`;
writeFileSync(join(seeds, 'live.tmp'), text);
renameSync(join(seeds, 'live.tmp'), join(seeds, `live-${dropped}.txt`));
try {
  await page.getByText('1 new').waitFor({ timeout: 5000 });
  const took = Date.now() - dropped;
  console.log(`live after ${took} ms`);
  if (took > 1500) fail(`live only after ${took} ms`);
} catch { fail('nothing new within five seconds of a drop'); }
if (await page.locator('.story').count() !== before) fail('a story moved in under the hand');
if (!(await link.evaluate((element) => element === document.activeElement))) fail('the focus was lost');
const stands = await place();
if (Math.abs(stands - stood) > 1) fail(`the page moved under the hand, from ${stood} to ${stands} pixels`);
await page.keyboard.press('.');
await page.getByText(`Orchard census number ${dropped}`).waitFor({ timeout: 5000 }).catch(() => fail('`.` does not show what is new'));
await page.keyboard.press('j');
await page.keyboard.press('Enter');
await page.waitForURL(/\/stories\/sty_/, { timeout: 5000 }).catch(() => fail('`j` and Enter do not open a story'));
await page.keyboard.press('?');
if (!(await page.locator('dialog[open]').count())) fail('`?` shows no keys');
await page.keyboard.press('Escape');
await page.goto(`${address}/items?topic=sanctions`);
await page.locator('td a').first().click();
await page.goBack();
if (!page.url().endsWith('topic=sanctions')) fail('going back loses the filter');
const tabs = [];
for (let n = 0; n < 7; n += 1) {
  const tab = await context.newPage();
  // Every tab of a browser without a window counts as seen; one with a window says that it is not.
  for (const behind of [page, ...tabs]) {
    await behind.evaluate(() => {
      Object.defineProperty(document, 'hidden', { value: true, configurable: true });
      document.dispatchEvent(new Event('visibilitychange'));
    });
  }
  tabs.push(tab);
  await tab.goto(`${address}/`, { timeout: 5000 }).catch(() => fail(`tab ${n + 2} does not load`));
}
// A stream that cannot be had is told after five seconds, and what is known stays.
await page.goto(`${address}/`);
await page.route('**/v1/stream*', (route) => route.abort());
page.removeAllListeners('console');
await page.evaluate(() => {
  for (const hidden of [true, false]) {
    Object.defineProperty(document, 'hidden', { value: hidden, configurable: true });
    document.dispatchEvent(new Event('visibilitychange'));
  }
});
await page.getByText('Not live since').waitFor({ timeout: 9000 }).catch(() => fail('nothing says that it is not live'));
if (!(await page.locator('.story').count())) fail('what was known is gone');
await context.close();

// Without a script everything is there.
const plain = await browser.newContext({ storageState, javaScriptEnabled: false });
const quiet = await plain.newPage();
await quiet.goto(`${address}/`);
if (!(await quiet.locator('.story').count())) fail('without a script there are no stories');
if (!(await quiet.getByText('not live').count())) fail('without a script it does not say that it is not live');
await browser.close();
if (wrong.length) { console.log(`${wrong.length} wrong`); process.exit(1); }
console.log('the page is sound');
