// npm fhirclient in Chromium, through sign-in: alone and started from another app, with the pages that a person sees on the way,
// each of which is looked at. All pages, however they look, are in pages.mjs.
import { readFileSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:http';
import { createRequire } from 'node:module';
import puppeteer from 'puppeteer-core';
import * as look from './look.mjs';
import { assert, run } from './steps.mjs';

const { SUITE_SIGN_IN_BASE: origin, SUITE_APP_PORT: port, SUITE_CHROMIUM: executablePath, SUITE_SHOTS: shots } = process.env;
const iss = `${origin}/fhir`;
const app = `http://localhost:${port}`;
const library = createRequire(import.meta.url).resolve('fhirclient/build/fhir-client.js');
const scope = 'openid fhirUser launch/patient offline_access patient/*.cruds';

// The app: a page that starts, and one that is come back to.
const start = (query) => `FHIR.oauth2.authorize({ clientId: 'browser-app', redirectUri: '${app}/back', pkceMode: 'required', ${query} })`;
const pages = {
  '/alone': start(`iss: '${iss}', scope: '${scope}'`),
  '/launch': start("scope: 'openid fhirUser launch patient/*.rs'"),
  '/back': 'FHIR.oauth2.ready().then((client) => { window.client = client }, (error) => { window.failed = String(error) })',
};
const server = createServer((request, response) => {
  const path = new URL(request.url, app).pathname;
  if (path === '/fhir-client.js') return response.end(readFileSync(library));
  response.setHeader('content-type', 'text/html');
  response.end(`<!doctype html><title>App</title><script src="/fhir-client.js"></script><script>${pages[path] ?? ''}</script>`);
}).listen(Number(port));

const browser = await puppeteer.launch({ executablePath, args: ['--no-sandbox'], headless: true });
const page = await browser.newPage();

const heading = () => page.$eval('h1', (element) => element.textContent);
const go = (act) => Promise.all([page.waitForNavigation({ waitUntil: 'load' }), act()]);
const press = (selector) => go(() => page.click(selector));

const checked = (name) => look.checked(page, name, shots);
const tabbed = (name) => look.tabbed(page, name);
const ask = (work, ...more) => page.evaluate(work, ...more);
const back = async () => {
  await page.waitForFunction(() => window.client || window.failed);
  assert.equal(await ask(() => window.failed), undefined);
};
const signOut = async () => {
  const cookies = await browser.cookies();
  await browser.deleteCookie(...cookies);
};

await run('npm fhirclient, browser', {
  async 'standalone: sign-in page'() {
    await page.goto(`${app}/alone`, { waitUntil: 'load' });
    await page.waitForSelector('h1');
    assert.equal(await heading(), 'Who are you?');
    await checked('sign-in');
    await tabbed('sign-in');
  },
  async 'standalone: authorisation page'() {
    await press('button[value="Patient/amina"]');
    assert.match(await heading(), /wants to use your record/);
    assert.match(await page.$eval('main', (main) => main.textContent), /see, add, change and delete/);
    await checked('authorise');
    await tabbed('authorise');
  },
  async 'standalone: let in by the keyboard'() {
    await page.focus('#kind-medicines');
    await page.keyboard.press('Space');
    await page.focus('#lasts-month');
    await page.keyboard.press('Space');
    await page.focus('button[value="allow"]');
    await go(() => page.keyboard.press('Enter'));
    await back();
    assert.equal(await ask(() => window.client.patient.id), 'amina');
    assert.match(await ask(() => window.client.getFhirUser()), /Patient\/amina$/);
  },
  async 'standalone: reads'() {
    assert.equal((await ask(() => window.client.patient.read())).id, 'amina');
    const found = await ask(() => window.client.patient.request('Observation'));
    assert.equal(found.resourceType, 'Bundle');
    const refused = await ask(() => window.client.request('MedicationStatement?patient=amina').then(() => 'seen', (error) => String(error)));
    assert.match(refused, /403/);
  },
  async 'standalone: refresh'(made) {
    const before = await ask(() => window.client.state.tokenResponse.access_token);
    await ask(() => window.client.refresh());
    made.token = await ask(() => window.client.state.tokenResponse.access_token);
    assert.notEqual(made.token, before);
    assert.equal((await ask(() => window.client.patient.read())).id, 'amina');
  },
  async 'connected apps: ended there'() {
    await page.goto(`${origin}/apps`, { waitUntil: 'load' });
    assert.equal(await heading(), 'Connected apps');
    await checked('apps');
    await tabbed('apps');
    await press('form[action="/apps/end"] button');
    await page.goto(`${app}/back`, { waitUntil: 'load' });
    await back();
    const refused = await ask(() => window.client.patient.read().then(() => 'seen', (error) => String(error)));
    assert.match(refused, /401|authoriz|expired|grant/i);
  },
  async 'revocation'() {
    await page.goto(`${app}/alone`, { waitUntil: 'load' });
    await page.waitForSelector('button[value="allow"]');
    await press('button[value="allow"]');
    await back();
    const [token, refresh] = await ask(() => [window.client.state.tokenResponse.access_token, window.client.state.tokenResponse.refresh_token]);
    const headers = { authorization: `Bearer ${token}` };
    assert.equal((await fetch(`${iss}/Patient/amina`, { headers })).status, 200);
    const form = new URLSearchParams({ token: refresh ?? token, client_id: 'browser-app' });
    assert.equal((await fetch(`${origin}/oauth/revoke`, { method: 'POST', body: form })).status, 200);
    assert.equal((await fetch(`${iss}/Patient/amina`, { headers })).status, 401);
  },
  async 'whose record: a professional looks for a patient'(made) {
    await signOut();
    const asked = new URLSearchParams({
      response_type: 'code', client_id: 'portal', redirect_uri: `${app}/portal`, state: 's', aud: iss,
      scope: 'launch/patient patient/*.rs user/*.rs',
      code_challenge: 'E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM', code_challenge_method: 'S256',
    });
    await page.goto(`${origin}/oauth/authorize?${asked}`, { waitUntil: 'load' });
    await press('button[value="Practitioner/dr-okafor"]');
    assert.equal(await heading(), 'Whose record?');
    await checked('whose');
    await tabbed('whose');
    await page.type('#sought', 'Hussain');
    await go(() => page.keyboard.press('Enter'));
    await checked('found');
    await press('button[value="Patient/amina"]');
    assert.match(await heading(), /the record of one patient/);
    await checked('authorise-professional');
    await press('button[value="allow"]');
    const form = new URLSearchParams({
      grant_type: 'authorization_code', client_id: 'portal', redirect_uri: `${app}/portal`,
      code: new URL(page.url()).searchParams.get('code'), code_verifier: 'dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk',
    });
    const told = await (await fetch(`${origin}/oauth/token`, { method: 'POST', body: form })).json();
    assert.equal(told.patient, 'amina');
    made.portal = told.access_token;
  },
  async 'EHR launch'(made) {
    const form = new URLSearchParams({ client_id: 'browser-app', patient: 'amina', fhirContext: '[]' });
    const answer = await fetch(`${origin}/oauth/launch`, {
      method: 'POST', body: form, headers: { authorization: `Bearer ${made.portal}` },
    });
    const { launch } = await answer.json();
    await page.goto(`${app}/launch?${new URLSearchParams({ iss, launch })}`, { waitUntil: 'load' });
    await page.waitForSelector('button[value="allow"]');
    assert.match(await heading(), /the record that you are looking at/);
    await press('button[value="allow"]');
    await back();
    assert.equal(await ask(() => window.client.patient.id), 'amina');
    assert.match(await ask(() => window.client.getFhirUser()), /Practitioner\/dr-okafor$/);
  },
  async 'a refusal is a page that can be read'() {
    await page.goto(`${origin}/oauth/authorize?client_id=nobody`, { waitUntil: 'load' });
    assert.equal(await heading(), 'The app\'s link does not work');
    await checked('refused');
  },
});
if (shots) writeFileSync(`${shots}/done`, '');
await browser.close();
server.close();
