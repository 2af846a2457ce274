// A login service with the claims and the signature of NHS login (RS512), where whoever comes has signed in already: as `login.claims`
// says, or not at all. What it is sent is checked by the tests of the server; here it only lets people through.
import { createSign, generateKeyPairSync, randomUUID } from 'node:crypto';
import { createServer } from 'node:http';

const { publicKey, privateKey } = generateKeyPairSync('rsa', { modulusLength: 2048 });
const encoded = (value) => Buffer.from(JSON.stringify(value)).toString('base64url');

export function loginService(port) {
  const origin = `http://127.0.0.1:${port}`;
  const login = { claims: {}, denies: false };
  const codes = new Map();
  const token = (nonce) => {
    const now = Math.floor(Date.now() / 1000);
    const claims = {
      iss: origin, aud: 'phr', sub: 'somebody', iat: now, exp: now + 300, nonce,
      identity_proofing_level: 'P9', vot: 'P9.Cp.Cd', vtm: 'https://auth.login.nhs.uk/trustmark/login.nhs.uk', ...login.claims,
    };
    const message = `${encoded({ alg: 'RS512', kid: 'own', typ: 'JWT' })}.${encoded(claims)}`;
    return `${message}.${createSign('RSA-SHA512').update(message).sign(privateKey, 'base64url')}`;
  };
  const server = createServer(async (request, response) => {
    const url = new URL(request.url, origin);
    const json = (value) => response.setHeader('content-type', 'application/json').end(JSON.stringify(value));
    if (url.pathname === '/jwks') return json({ keys: [{ ...publicKey.export({ format: 'jwk' }), kid: 'own', use: 'sig' }] });
    if (url.pathname === '/authorize') {
      const code = randomUUID();
      codes.set(code, url.searchParams.get('nonce'));
      const back = new URL(url.searchParams.get('redirect_uri'));
      const told = login.denies ? { error: 'access_denied' } : { code };
      back.search = new URLSearchParams({ ...told, state: url.searchParams.get('state') });
      return response.writeHead(303, { location: back.href }).end();
    }
    let body = '';
    for await (const chunk of request) body += chunk;
    const nonce = codes.get(new URLSearchParams(body).get('code'));
    return json({ access_token: 'a', token_type: 'Bearer', id_token: token(nonce) });
  }).listen(Number(port), '127.0.0.1');
  return { login, close: () => server.close() };
}
