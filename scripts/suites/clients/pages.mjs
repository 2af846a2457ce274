// Every page that a person can meet, each in a browser of its own and as often as it looks otherwise: what axe-core finds, what the
// keyboard reaches, and how it is at 320 px. `page` is what a page says that it is; a test of the server fails where one of its pages is
// in no row. SHOTS keeps pictures.
import { createServer } from 'node:http';
import puppeteer from 'puppeteer-core';
import { loginService } from './login_service.mjs';
import * as look from './look.mjs';
import { assert, run } from './steps.mjs';

const { SUITE_SIGN_IN_BASE: origin, SUITE_APP_PORT: port, SUITE_LOGIN_PORT: loginPort, SUITE_SHOTS: shots } = process.env;
const iss = `${origin}/fhir`;
const app = `http://localhost:${port}`;
const { login, close } = loginService(loginPort);
const apps = createServer((request, response) => {
  response.setHeader('content-type', 'text/html');
  response.end('<!doctype html><title>App</title><h1>Back in the app</h1>');
}).listen(Number(port));
const browser = await puppeteer.launch({ executablePath: process.env.SUITE_CHROMIUM, args: ['--no-sandbox'], headless: true });

const amina = { nhs_number: '9990101000', birthdate: '1968-04-17' };
const callum = { nhs_number: '9990101019', birthdate: '1991-11-02' };
const all = 'openid fhirUser launch/patient offline_access patient/*.cruds';

const token = async (who) => (await (await fetch(`${iss}/$token?${who}`, { method: 'POST' })).text()).trim();
async function stored(resource) {
  const headers = { authorization: `Bearer ${await token('system=true')}`, 'content-type': 'application/fhir+json' };
  const answer = await fetch(`${iss}/${resource.resourceType}`, { method: 'POST', body: JSON.stringify(resource), headers });
  assert.ok(answer.ok, `${answer.status} ${await answer.text()}`);
}

// What an app asks.
const asks = (client, scope, more = {}) => `${origin}/oauth/authorize?${new URLSearchParams({
  response_type: 'code', client_id: client, redirect_uri: `${app}/${client}`, state: 's', aud: iss, scope,
  code_challenge: 'E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM', code_challenge_method: 'S256', ...more,
})}`;
const press = (page, selector) => Promise.all([page.waitForNavigation({ waitUntil: 'load' }), page.click(selector)]);
const to = (address) => (page) => page.goto(address, { waitUntil: 'load' });
const person = (reference) => `button[value="${reference}"]`;
const askedOf = (reference, address) => async (page) => {
  await page.goto(address, { waitUntil: 'load' });
  await press(page, person(reference));
};
const signedIn = async (page, reference) => {
  await page.goto(`${origin}/sign-in`, { waitUntil: 'load' });
  await press(page, person(reference));
};
// The NHS App sends somebody here, of whom the login service says this.
const arrives = async (page, claims, denies = false) => {
  Object.assign(login, { claims, denies });
  await page.goto(`${origin}/sign-in?assertedLoginIdentity=x`, { waitUntil: 'load' });
};
const withService = async (page, name) => {
  await page.goto(asks('diary', all), { waitUntil: 'load' });
  await press(page, `button[value="${name}"]`);
};
const letIn = async (page, client) => {
  await page.goto(asks(client, all), { waitUntil: 'load' });
  await press(page, 'button[value="allow"]');
};
// An app that registers itself.
const unchecked = async () => {
  const body = {
    client_name: 'Step counter', redirect_uris: [`${app}/unchecked`], token_endpoint_auth_method: 'none', scope: 'launch/patient patient/*.rs',
  };
  const headers = { 'content-type': 'application/json' };
  return (await (await fetch(`${origin}/oauth/register`, { method: 'POST', body: JSON.stringify(body), headers })).json()).client_id;
};
const asAmina = () => token('patient=amina');
const example = async (page) => {
  await page.goto(`${origin}/example/`, { waitUntil: 'load' });
  await press(page, '#connect');
};

const rows = [
  { name: 'front', page: 'front', heading: 'Concord', go: to(`${origin}/`) },
  {
    name: 'capabilities', page: 'capabilities', heading: 'What this server can do',
    async go(page) {
      await page.goto(`${iss}/metadata`, { waitUntil: 'load' });
      await page.evaluate(() => { document.querySelector('details').open = true; });
    },
  },
  { name: 'error-token', page: 'error', heading: 'This is for apps', go: to(`${iss}/Patient/amina`) },
  { name: 'error-nowhere', page: 'error', heading: 'There is nothing here', go: to(`${origin}/nowhere`) },
  { name: 'error-type', page: 'error', heading: /./, go: to(`${iss}/Nonsense?_count=no`) },
  {
    name: 'error-malformed', page: 'error', heading: 'This could not be understood',
    async go(page) {
      await page.setExtraHTTPHeaders({ authorization: `Bearer ${await asAmina()}` });
      await page.goto(`${iss}/Observation?code:below:above=x&date=soon&_count=${'9'.repeat(80)}`, { waitUntil: 'load' });
    },
  },
  {
    name: 'document', page: 'document', heading: /Summary/i,
    async go(page) {
      // It lets no script run at all, that of the tool neither.
      await page.setBypassCSP(true);
      await page.setExtraHTTPHeaders({ authorization: `Bearer ${await asAmina()}` });
      await page.goto(`${iss}/Patient/amina/$summary`, { waitUntil: 'load' });
    },
  },
  { name: 'example', page: 'example', heading: 'See your readings', go: to(`${origin}/example/`) },
  {
    name: 'example-readings', page: 'example', heading: /Amina/,
    async go(page) {
      await example(page);
      await press(page, person('Patient/amina'));
      await press(page, 'button[value="allow"]');
      await page.waitForSelector('#readings:not([hidden])');
    },
  },
  {
    name: 'example-denied', page: 'example', heading: 'That did not work',
    async go(page) {
      await example(page);
      await press(page, person('Patient/amina'));
      await press(page, 'button[value="deny"]');
      await page.waitForSelector('#trouble:not([hidden])');
    },
  },
  { name: 'sign-in', page: 'sign-in', heading: 'Who are you?', go: to(asks('diary', all)) },
  { name: 'sign-in-apps', page: 'sign-in', heading: 'Who are you?', go: to(`${origin}/apps`) },
  {
    name: 'signed-out', page: 'sign-in', heading: 'Who are you?',
    async go(page) {
      await signedIn(page, 'Patient/amina');
      await press(page, 'form[action="/sign-out"] button');
      assert.match(await page.$eval('main', (main) => main.textContent), /You are signed out/);
    },
  },
  { name: 'authorise', page: 'authorise', heading: /Diary wants to use your record/, go: askedOf('Patient/amina', asks('diary', all)) },
  {
    name: 'authorise-again', page: 'authorise', heading: /Diary wants to use your record/,
    async go(page) {
      await askedOf('Patient/amina', asks('diary', all))(page);
      for (const box of await page.$$('input[type=checkbox]')) await box.evaluate((one) => { one.checked = one.id.length % 2 === 0; });
      await press(page, 'button[value="allow"]');
      await page.goto(asks('diary', all), { waitUntil: 'load' });
    },
  },
  {
    name: 'authorise-until-closed', page: 'authorise', heading: /Diary wants to use your record/,
    go: askedOf('Patient/amina', asks('diary', 'launch/patient patient/*.rs')),
  },
  {
    name: 'authorise-who', page: 'authorise', heading: /Diary wants to use your record/,
    go: askedOf('Patient/amina', asks('diary', 'openid fhirUser')),
  },
  { name: 'authorise-own', page: 'authorise', heading: /Portal wants to use your record/, go: askedOf('Patient/amina', asks('own', all)) },
  {
    name: 'leads-on', page: 'leads-on', heading: /Go on to localhost/,
    async go(page) {
      await page.goto(asks(await unchecked(), 'system/*.rs', { redirect_uri: `${app}/unchecked` }), { waitUntil: 'load' });
    },
  },
  {
    name: 'authorise-unchecked', page: 'authorise', heading: /wants to use your record/,
    async go(page) {
      await askedOf('Patient/amina', asks(await unchecked(), 'launch/patient patient/*.rs', { redirect_uri: `${app}/unchecked` }))(page);
      assert.match(await page.$eval('main', (main) => main.textContent), /Nobody has checked who makes this app/);
    },
  },
  {
    name: 'authorise-carer', page: 'authorise', heading: /the person that you care for/,
    go: askedOf('RelatedPerson/yusuf', asks('diary', all)),
  },
  {
    name: 'authorise-professional', page: 'authorise', heading: /the records that you may see/,
    go: askedOf('Practitioner/dr-okafor', asks('own', 'openid fhirUser offline_access user/*.cruds')),
  },
  {
    name: 'authorise-visit', page: 'authorise', heading: /wants to use your record/,
    async go(page) {
      const visit = (day) => ({
        resourceType: 'Encounter', status: 'finished', subject: { reference: 'Patient/amina' },
        class: { system: 'http://terminology.hl7.org/CodeSystem/v3-ActCode', code: 'AMB' },
        type: [{ text: 'Blood pressure check' }], period: { start: `2026-0${day}-01T10:00:00Z` },
      });
      for (const day of [1, 2]) await stored(visit(day));
      await askedOf('Patient/amina', asks('diary', `${all} launch/encounter`))(page);
      assert.match(await page.$eval('main', (main) => main.textContent), /Which visit it is about/);
    },
  },
  {
    name: 'whose', page: 'whose', heading: 'Whose record?',
    go: askedOf('Practitioner/dr-okafor', asks('own', 'launch/patient patient/*.rs user/*.rs')),
  },
  {
    name: 'whose-found', page: 'whose', heading: 'Whose record?',
    async go(page) {
      await askedOf('Practitioner/dr-okafor', asks('own', 'launch/patient patient/*.rs user/*.rs'))(page);
      await page.type('#sought', 'Hussain');
      await press(page, '#sought ~ button, form:has(#sought) button');
      assert.ok(await page.$(person('Patient/amina')));
    },
  },
  {
    name: 'whose-nobody', page: 'whose', heading: 'Whose record?',
    async go(page) {
      await askedOf('Practitioner/dr-okafor', asks('own', 'launch/patient patient/*.rs user/*.rs'))(page);
      await page.type('#sought', 'Nobody At All');
      await press(page, 'form:has(#sought) button');
      assert.ok(await page.$('#none'));
    },
  },
  {
    name: 'whose-carer', page: 'whose', heading: 'Whose record?',
    async go(page) {
      await stored({
        resourceType: 'RelatedPerson', active: true, patient: { reference: 'Patient/eleanor' }, name: [{ family: 'Fraser', given: ['Callum'] }],
        identifier: [{ system: 'https://fhir.nhs.uk/Id/nhs-number', value: callum.nhs_number }],
      });
      await askedOf('Patient/callum', asks('diary', all))(page);
      assert.equal((await page.$$('button[name="whose"]')).length, 2);
    },
  },
  {
    name: 'apps-none', page: 'apps', heading: 'Connected apps',
    async go(page) {
      await signedIn(page, 'Patient/grace');
      assert.match(await page.$eval('main', (main) => main.textContent), /No app is connected/);
    },
  },
  {
    name: 'apps', page: 'apps', heading: 'Connected apps',
    async go(page) {
      await signedIn(page, 'Patient/priya');
      for (const client of ['diary', 'own']) await letIn(page, client);
      await page.goto(`${origin}/apps`, { waitUntil: 'load' });
      assert.equal((await page.$$('form[action="/apps/end"]')).length, 2);
    },
  },
  { name: 'arrival', page: 'arrival', heading: 'Is this you?', go: (page) => arrives(page, amina) },
  {
    name: 'somebody-else', page: 'somebody-else', heading: 'Somebody else is signed in',
    async go(page) {
      await signedIn(page, 'Patient/callum');
      await arrives(page, amina);
    },
  },
  {
    name: 'unproven', page: 'unproven', heading: 'Prove who you are first',
    go: (page) => arrives(page, { ...amina, identity_proofing_level: 'P5', vot: 'P5.Cp.Cd' }),
  },
  { name: 'not-on-record', page: 'refused', heading: 'You are not signed in', go: (page) => arrives(page, { ...amina, birthdate: '1999-09-09' }) },
  { name: 'denied', page: 'refused', heading: 'You are not signed in', go: (page) => arrives(page, amina, true) },
  { name: 'expired', page: 'refused', heading: 'This does not work', go: to(`${origin}/sign-in/return?state=x&code=x`) },
  {
    name: 'too-old', page: 'refused', heading: 'This does not work',
    async go(page) {
      await askedOf('Patient/amina', asks('diary', all))(page);
      await page.deleteCookie(...await page.cookies());
      await press(page, 'button[value="allow"]');
    },
  },
  { name: 'service-down', page: 'refused', heading: 'This does not work now', go: (page) => withService(page, 'nobody-there') },
  { name: 'astray', page: 'astray', heading: "The app's link does not work", go: to(`${origin}/oauth/authorize?client_id=nobody`) },
];

await run('pages, browser', Object.fromEntries(rows.map((row) => [row.name, async () => {
  const context = await browser.createBrowserContext();
  const page = await context.newPage();
  try {
    await row.go(page);
    const [name, heading, title] = await page.evaluate(() => [
      document.body.dataset.page, [...document.querySelectorAll('h1')].find((one) => one.checkVisibility())?.textContent, document.title,
    ]);
    assert.equal(name, row.page);
    if (row.heading instanceof RegExp) assert.match(heading, row.heading);
    else assert.equal(heading, row.heading);
    assert.ok(title.length > 0 && title !== 'App');
    await look.checked(page, row.name, shots);
    await look.tabbed(page, row.name);
  } finally {
    await context.close();
  }
}])));
await browser.close();
apps.close();
close();
