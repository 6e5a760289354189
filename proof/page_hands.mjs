// What people do on the page, by keyboard alone and without a script: node proof/page_hands.mjs ADDRESS. Called by proof/page.
import { createRequire } from 'node:module';
import { join } from 'node:path';

const require = createRequire(join(process.cwd(), 'package.json'));
const { chromium } = require('playwright-core');
const [address] = process.argv.slice(2);
const wrong = [];
const fail = (what) => { wrong.push(what); console.log(`  WRONG ${what}`); };
const token = { authorization: 'Bearer page-t0ken', 'content-type': 'application/json' };
const read = async (path) => (await fetch(`${address}/v1/${path}`, { headers: token })).json();
const browser = await chromium.launch({ executablePath: process.env.CHROMIUM ?? '/usr/bin/chromium', args: ['--no-sandbox'] });
const context = await browser.newContext({ viewport: { width: 1280, height: 900 } });
const page = await context.newPage();
page.on('pageerror', (error) => fail(`${page.url()} breaks: ${error}`));
page.on('console', (message) => { if (!message.text().includes('status of 40')) fail(`${page.url()} says: ${message.text()}`); });

/** Goes on by Tab until what has the focus is meant, and shows that it has it. */
const reach = async (what, meant) => {
  for (let n = 0; n < 200; n += 1) {
    await page.keyboard.press('Tab');
    const found = await page.evaluate((text) => {
      const here = document.activeElement;
      const said = here.name && here.tagName === 'INPUT' ? `${here.type}:${here.name}` : here.textContent.trim();
      return said.startsWith(text) ? getComputedStyle(here).outlineStyle : null;
    }, meant);
    if (found === 'none') fail(`${what}: nothing shows where the focus is`);
    if (found) return;
  }
  fail(`${what}: the keyboard does not reach "${meant}"`);
};
const lands = async (what, url) => page.waitForURL(url, { timeout: 60000 }).catch(() => fail(`${what} leads to ${page.url()}`));
const says = async (what, text) => page.getByText(text).first().waitFor({ timeout: 60000 }).catch(() => fail(`${what}: nowhere does it say "${text}"`));

// Log in, and come back to where one was.
await page.goto(`${address}/topics`);
await lands('a page without a login', /login\?next=/);
await reach('login', 'text:name');
await page.keyboard.type('ada');
await page.keyboard.press('Tab');
await page.keyboard.type('correct horse');
await page.keyboard.press('Enter');
await lands('the login', `${address}/topics`);

// Silence a story, seeing first what that would have held back; end it.
const story = (await read('stories?told=yes')).data[0].id;
await page.goto(`${address}/stories/${story}`);
await reach('silence', 'Silence this story');
await page.keyboard.press('Enter');
await lands('silence', /silences\/new/);
await says('silence', 'it would have held back');
await reach('silence', 'Silence it');
await page.keyboard.press('Enter');
await lands('saving a silence', /silences\/sil_/);
await says('a silence', 'by ada');
await reach('a silence', 'End it now');
await page.keyboard.press('Enter');
await says('a silence that was ended', 'end silence');

// Send a delivery again.
const delivery = (await read('deliveries')).data[0].id;
await page.goto(`${address}/deliveries/${delivery}`);
await reach('replay', 'Send again');
await page.keyboard.press('Enter');
await says('a replay', 'replay');

// Two stories are made one by their address, and what came along is split off again.
const [one, other] = (await read('stories?limit=2')).data.map((row) => row.id);
await page.goto(`${address}/stories/${one}`);
await reach('merge', 'Correct this story');
await page.keyboard.press('Enter');
await reach('merge', 'text:other');
await page.keyboard.type(`${address}/stories/${other}`);
await reach('merge', 'Merge the two');
await page.keyboard.press('Enter');
await says('a merge', 'ada: merge');
await reach('split', 'Correct this story');
await page.keyboard.press('Enter');
await reach('split', 'checkbox:items');
await page.keyboard.press('Space');
await reach('split', 'Split them off');
await page.keyboard.press('Enter');
await says('a split', 'ada: split');
await reach('undo', 'Undo');
await page.keyboard.press('Enter');
await page.waitForTimeout(500);

// Try a rule: what is typed is tried.
const topic = (await read('topics')).data[0].id;
await page.goto(`${address}/topics/${topic}/try`);
await page.locator('textarea').focus();
await page.keyboard.press('Control+End');
await page.keyboard.type('# tried');
await says('a rule that is typed', 'What comes of them');
await page.keyboard.type('\n= nonsense');
await says('a rule that is wrong', 'The rules cannot be used');
await context.close();

// The same without a script.
const plain = await browser.newContext({ javaScriptEnabled: false });
const quiet = await plain.newPage();
await quiet.goto(`${address}/silences/new?topic=${topic}`);
await quiet.fill('input[name=name]', 'ada');
await quiet.fill('input[name=password]', 'wrong');
await quiet.click('main button');
if (!(await quiet.getByText('is wrong').count())) fail('a wrong password is not told');
await quiet.fill('input[name=name]', 'ada');
await quiet.fill('input[name=password]', 'correct horse');
await quiet.click('main button');
if (!quiet.url().endsWith(`/silences/new?topic=${topic}`)) fail(`without a script the login leads to ${quiet.url()}`);
await quiet.getByRole('button', { name: /^Silence it/ }).click();
if (!(await quiet.getByText('by ada').count())) fail('without a script nothing is silenced');
await quiet.getByRole('button', { name: 'End it now' }).click();
await quiet.goto(`${address}/topics/${topic}/try`);
await quiet.getByRole('button', { name: 'Run' }).click();
if (!(await quiet.getByText('What comes of them').count())) fail('without a script no rule is tried');
await quiet.getByRole('button', { name: /^Log out/ }).click();
if (!quiet.url().includes('/login')) fail('logging out leads nowhere');
await browser.close();
if (wrong.length) { console.log(`${wrong.length} wrong`); process.exit(1); }
console.log('what people do works by keyboard alone and without a script');
