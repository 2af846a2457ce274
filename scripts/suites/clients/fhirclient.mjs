// npm fhirclient (SMART Health IT): what apps do with it once they have a token.
import FHIR from 'fhirclient';
import { assert, base, entries, own, patient, run, token } from './steps.mjs';

const client = new FHIR.FhirClient(base);
const headers = { authorization: `Bearer ${token}` };
const asked = (url, more = {}) => client.fhirRequest(url, { headers, ...more });

await run('npm fhirclient', {
  async create(made) {
    made.one = await client.create(patient('A'), { headers });
    assert.ok(made.one.id);
    made.two = await client.create(patient('B'), { headers });
  },
  async read(made) {
    assert.equal((await asked(`Patient/${made.one.id}`)).name[0].family, `${own}A`);
  },
  async update(made) {
    const changed = await client.update({ ...made.one, gender: 'female' }, { headers });
    assert.equal(changed.gender, 'female');
  },
  async patch(made) {
    const patch = [{ op: 'replace', path: '/gender', value: 'other' }];
    assert.equal((await client.patch(`Patient/${made.one.id}`, patch, { headers })).gender, 'other');
  },
  async search() {
    assert.equal(entries(await asked(`Patient?identifier=urn:suite|${own}-A`)).length, 1);
  },
  async paging() {
    const first = await asked(`Patient?family=${own}&_count=1`);
    const next = first.link.find((link) => link.relation === 'next').url;
    const second = await asked(next);
    assert.notEqual(entries(first)[0].id, entries(second)[0].id);
  },
  async transaction() {
    const entry = [
      { fullUrl: 'urn:uuid:6b1d4a1e-3c58-4b1a-9a0e-6f5b0f3a0001', resource: patient('T'), request: { method: 'POST', url: 'Patient' } },
    ];
    const body = JSON.stringify({ resourceType: 'Bundle', type: 'transaction', entry });
    const answer = await asked('', { method: 'POST', body, headers: { ...headers, 'content-type': 'application/fhir+json' } });
    assert.match(answer.entry[0].response.status, /^201/);
  },
  async binary(made) {
    const content = { resourceType: 'Binary', contentType: 'text/plain', data: 'aGVsbG8=' };
    const stored = await client.create(content, { headers });
    assert.equal((await asked(`Binary/${stored.id}`)).data, 'aGVsbG8=');
    made.binary = stored.id;
  },
  async delete(made) {
    await client.delete(`Patient/${made.two.id}`, { headers });
    await assert.rejects(asked(`Patient/${made.two.id}`));
  },
});
