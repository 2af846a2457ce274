// What is asked of every page that a person meets, in a wide and a narrow window.
import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { assert } from './steps.mjs';

const axe = readFileSync(createRequire(import.meta.url).resolve('axe-core/axe.min.js'), 'utf8');
const rules = ['wcag2a', 'wcag2aa', 'wcag21a', 'wcag21aa', 'wcag22aa', 'best-practice'];
const ran = `axe.run({ runOnly: ${JSON.stringify(rules)} }).then((found) => JSON.stringify(found.violations.map(
  (one) => one.id + ': ' + one.nodes.map((node) => node.html).join(' '))))`;

// Nothing that axe-core finds against WCAG 2.2 AA, and nothing that scrolls sideways. `shots` is a folder for pictures.
export async function checked(page, name, shots) {
  for (const width of [1024, 320]) {
    await page.setViewport({ width, height: 900 });
    if (shots) await page.screenshot({ path: `${shots}/${name}-${width}.png`, fullPage: true });
    const wide = await page.evaluate(() => document.documentElement.scrollWidth);
    assert.ok(wide <= width, `${name} at ${width} px scrolls sideways: ${wide}`);
    // Script of the page's own is refused by its policy; that of the tool is put in beside it.
    const client = await page.createCDPSession();
    await client.send('Runtime.evaluate', { expression: axe });
    const told = await client.send('Runtime.evaluate', { expression: ran, awaitPromise: true, returnByValue: true });
    assert.equal(told.result.value, '[]', `${name} at ${width} px`);
    await client.detach();
  }
}

// Every control is reached by the keyboard alone, in the order in which it stands, and shows that it is.
export async function tabbed(page, name) {
  const all = await page.$$eval('a[href], button, input:not([type=hidden]), select, summary, [tabindex="0"]', (found) => {
    // Of the choices of one kind the keyboard reaches one, and goes on with arrows.
    const kinds = new Set();
    const shown = found.filter((one) => one.checkVisibility());
    return shown.filter((one) => one.type !== 'radio' || (!kinds.has(one.name) && kinds.add(one.name))).length;
  });
  await page.evaluate(() => document.activeElement?.blur());
  const seen = new Set();
  let last = -1;
  for (let step = 0; step < all; step += 1) {
    await page.keyboard.press('Tab');
    const at = await page.evaluate(() => {
      const one = document.activeElement;
      if (!one || one === document.body) return null;
      const style = getComputedStyle(one);
      const shows = style.outlineStyle !== 'none' && parseFloat(style.outlineWidth) >= 2;
      return { place: [...document.querySelectorAll('*')].indexOf(one), what: `${one.tagName} ${one.name ?? ''}`, shows };
    });
    if (!at) break;
    assert.ok(at.shows, `${name}: the focus does not show at ${at.what}`);
    assert.ok(at.place > last, `${name}: the keyboard goes back at ${at.what}`);
    last = at.place;
    seen.add(at.place);
  }
  assert.ok(seen.size >= all, `${name}: the keyboard reaches ${seen.size} of ${all}`);
}
