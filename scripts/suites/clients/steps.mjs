// What the scripts of all JavaScript clients share: steps that are told one by one, and the resources that they send.
import assert from 'node:assert/strict';

export { assert };
export const base = process.env.CONCORD_BASE;
export const token = process.env.CONCORD_TOKEN;
export const own = `c${Date.now()}${process.pid}`;

export const patient = (family) => ({
  resourceType: 'Patient',
  identifier: [{ system: 'urn:suite', value: `${own}-${family}` }],
  name: [{ family: `${own}${family}`, given: ['Ann'] }],
});

export const entries = (bundle) => (bundle.entry ?? []).map((entry) => entry.resource);

// Each step has what the ones before it have left in `made`.
export async function run(client, steps) {
  const made = {};
  for (const [name, step] of Object.entries(steps)) {
    try {
      await step(made);
      console.log(`pass\t${client}\t${name}`);
    } catch (error) {
      console.log(`fail\t${client}\t${name}\t${String(error?.message ?? error).split('\n')[0].slice(0, 300)}`);
    }
  }
}
