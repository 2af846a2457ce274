// npm fhir-kit-client (Vermonster).
import { Client } from 'fhir-kit-client';
import { assert, base, entries, own, patient, run, token } from './steps.mjs';

const client = new Client({ baseUrl: base, bearerToken: token });
const resourceType = 'Patient';

await run('npm fhir-kit-client', {
  async capabilities() {
    assert.equal((await client.capabilityStatement()).resourceType, 'CapabilityStatement');
  },
  async create(made) {
    made.one = await client.create({ resourceType, body: patient('A') });
    assert.ok(made.one.id);
    made.two = await client.create({ resourceType, body: patient('B') });
  },
  async read(made) {
    assert.equal((await client.read({ resourceType, id: made.one.id })).name[0].family, `${own}A`);
    assert.equal((await client.vread({ resourceType, id: made.one.id, version: '1' })).meta.versionId, '1');
  },
  async update(made) {
    const changed = await client.update({ resourceType, id: made.one.id, body: { ...made.one, gender: 'female' } });
    assert.equal(changed.gender, 'female');
  },
  async 'conditional update'(made) {
    const { id: _id, meta: _meta, ...body } = made.one;
    const searchParams = { identifier: `urn:suite|${own}-A` };
    const changed = await client.update({ resourceType, searchParams, body: { ...body, gender: 'male' } });
    assert.deepEqual([changed.id, changed.gender], [made.one.id, 'male']);
  },
  async patch(made) {
    const jsonPatch = [{ op: 'replace', path: '/gender', value: 'other' }];
    assert.equal((await client.patch({ resourceType, id: made.one.id, jsonPatch })).gender, 'other');
  },
  async history(made) {
    assert.ok(entries(await client.history({ resourceType, id: made.one.id })).length >= 2);
  },
  async search() {
    const found = await client.search({ resourceType, searchParams: { identifier: `urn:suite|${own}-A` } });
    assert.equal(entries(found).length, 1);
    const posted = await client.resourceSearch({ resourceType, searchParams: { family: own }, options: { postSearch: true } });
    assert.equal(entries(posted).length, 2);
  },
  async 'compartment search'(made) {
    const compartment = { resourceType, id: made.one.id };
    const found = await client.compartmentSearch({ resourceType: 'Observation', compartment, searchParams: {} });
    assert.equal(found.type, 'searchset');
  },
  async paging() {
    const first = await client.search({ resourceType, searchParams: { family: own, _count: '1' } });
    const second = await client.nextPage({ bundle: first });
    assert.notEqual(entries(first)[0].id, entries(second)[0].id);
  },
  async operation(made) {
    const found = await client.operation({ name: 'everything', resourceType, id: made.one.id, method: 'GET' });
    assert.equal(entries(found)[0].id, made.one.id);
  },
  async transaction() {
    const entry = [{ resource: patient('T'), request: { method: 'POST', url: 'Patient' } }];
    const answer = await client.transaction({ body: { resourceType: 'Bundle', type: 'transaction', entry } });
    assert.match(answer.entry[0].response.status, /^201/);
    const batch = await client.batch({ body: { resourceType: 'Bundle', type: 'batch', entry } });
    assert.match(batch.entry[0].response.status, /^201/);
  },
  async binary() {
    const body = { resourceType: 'Binary', contentType: 'text/plain', data: 'aGVsbG8=' };
    const stored = await client.create({ resourceType: 'Binary', body });
    assert.equal((await client.read({ resourceType: 'Binary', id: stored.id })).data, 'aGVsbG8=');
  },
  async delete(made) {
    await client.delete({ resourceType, id: made.two.id });
    await assert.rejects(client.read({ resourceType, id: made.two.id }));
  },
});
