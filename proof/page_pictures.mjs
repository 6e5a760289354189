// Pictures of the page for the docs: node proof/page_pictures.mjs ADDRESS FOLDER. Called by proof/pictures.
import { createRequire } from 'node:module';
import { mkdirSync } from 'node:fs';
import { join } from 'node:path';

const require = createRequire(join(process.cwd(), 'package.json'));
const { chromium } = require('playwright-core');
const [address, folder] = process.argv.slice(2);
mkdirSync(folder, { recursive: true });
const token = { authorization: 'Bearer page-t0ken' };
const read = async (path) => (await fetch(`${address}/v1/${path}`, { headers: token })).json();
const browser = await chromium.launch({ executablePath: process.env.CHROMIUM ?? '/usr/bin/chromium', args: ['--no-sandbox'] });
const take = async (name, path, { width = 1100, height = 800, colorScheme = 'light', prepare } = {}) => {
  const context = await browser.newContext({ colorScheme, viewport: { width, height }, reducedMotion: 'reduce' });
  const page = await context.newPage();
  await page.goto(`${address}/login?next=${encodeURIComponent(path)}`);
  await page.fill('input[name=name]', 'ada');
  await page.fill('input[name=password]', 'correct horse');
  await page.press('input[name=password]', 'Enter');
  await page.waitForURL(`${address}${path}`);
  await prepare?.(page);
  await page.screenshot({ path: join(folder, `${name}.png`) });
  await context.close();
};

// The richest story: most outlets, and told.
const stories = (await read('stories?told=yes&limit=50')).data;
const story = stories.sort((a, b) => b.outlets.length - a.outlets.length || b.items - a.items)[0];
const alert = (await read(`alerts?story=${story.id}`)).data[0];
await take('now', '/');
await take('now-phone', '/', { width: 390, height: 780, colorScheme: 'dark' });
await take('story', `/stories/${story.id}`);
await take('alert', `/alerts/${alert.id}`);
await take('silence', `/silences/new?topic=${alert.topics[0]}`);
await take('try', `/topics/${alert.topics[0]}/try`, {
  prepare: async (page) => {
    await page.locator('textarea').evaluate((box) => { box.rows = 8; });
    await page.getByRole('button', { name: 'Run' }).click();
    await page.getByText('What comes of them').waitFor();
    await page.locator('textarea').evaluate((box) => { box.rows = 8; });
  },
});
await browser.close();
console.log(`pictures in ${folder}`);
