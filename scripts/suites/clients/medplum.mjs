// npm @medplum/core.
import { MedplumClient } from '@medplum/core';
import { assert, base, entries, own, patient, run, token } from './steps.mjs';

const origin = new URL(base);
const client = new MedplumClient({ baseUrl: `${origin.origin}/`, fhirUrlPath: origin.pathname.slice(1), fetch, cacheTime: 0 });
client.setAccessToken(token);

await run('npm @medplum/core', {
  async create(made) {
    made.one = await client.createResource(patient('A'));
    assert.ok(made.one.id);
    made.two = await client.createResource(patient('B'));
  },
  async 'create if none exists'(made) {
    const again = await client.createResourceIfNoneExist(patient('A'), `identifier=urn:suite|${own}-A`);
    assert.equal(again.id, made.one.id);
  },
  async read(made) {
    assert.equal((await client.readResource('Patient', made.one.id)).name[0].family, `${own}A`);
  },
  async update(made) {
    assert.equal((await client.updateResource({ ...made.one, gender: 'female' })).gender, 'female');
  },
  async 'conditional update'(made) {
    const { id: _id, meta: _meta, ...body } = made.one;
    const changed = await client.upsertResource({ ...body, gender: 'male' }, `identifier=urn:suite|${own}-A`);
    assert.deepEqual([changed.id, changed.gender], [made.one.id, 'male']);
  },
  async patch(made) {
    const patch = [{ op: 'replace', path: '/gender', value: 'other' }];
    assert.equal((await client.patchResource('Patient', made.one.id, patch)).gender, 'other');
  },
  async history(made) {
    assert.ok(entries(await client.readHistory('Patient', made.one.id)).length >= 2);
  },
  async search(made) {
    const found = await client.searchOne('Patient', { identifier: `urn:suite|${own}-A` });
    assert.equal(found.id, made.one.id);
  },
  async paging() {
    const ids = [];
    for await (const page of client.searchResourcePages('Patient', { family: own, _count: '1' })) ids.push(...page.map((one) => one.id));
    assert.equal(new Set(ids).size, 2);
  },
  async everything(made) {
    assert.equal(entries(await client.readPatientEverything(made.one.id))[0].id, made.one.id);
  },
  async transaction() {
    const entry = [{ resource: patient('T'), request: { method: 'POST', url: 'Patient' } }];
    const answer = await client.executeBatch({ resourceType: 'Bundle', type: 'transaction', entry });
    assert.match(answer.entry[0].response.status, /^201/);
  },
  async binary() {
    const stored = await client.createBinary({ data: 'hello', filename: 'hello.txt', contentType: 'text/plain' });
    assert.equal(stored.resourceType, 'Binary');
    const content = await client.download(`${base}/Binary/${stored.id}`, { headers: { accept: 'text/plain' } });
    assert.equal(await content.text(), 'hello');
  },
  async delete(made) {
    await client.deleteResource('Patient', made.two.id);
    await assert.rejects(client.readResource('Patient', made.two.id, { cache: 'reload' }));
  },
});
