// SPDX-License-Identifier: GPL-3.0-or-later
// An OpenID provider for tests: npm's oidc-provider, with its own pages to sign in and agree. What differs from
// its defaults is given as JSON on the command line; it prints its issuer when it listens. POST /test/revoke
// ends all grants of a user.

import http from 'node:http';
import { Provider } from 'oidc-provider';

const given = JSON.parse(process.argv[2]);
const issuer = `http://127.0.0.1:${given.port}`;
const lives = given.lives ?? {};
const clients = given.clients ?? [];

const provider = new Provider(issuer, {
  clients: [
    ...clients,
    { client_id: 'dovecot', client_secret: 'introspects', redirect_uris: [], response_types: [], grant_types: [] },
  ],
  cookies: { keys: ['for tests only'] },
  scopes: ['openid', 'offline_access', 'email', 'mail'],
  clientDefaults: { id_token_signed_response_alg: 'RS256' },
  findAccount: (ctx, id) => ({ accountId: id, claims: () => ({ sub: id, email: id }) }),
  features: {
    devInteractions: { enabled: true },
    deviceFlow: { enabled: true },
    introspection: { enabled: true, allowedPolicy: () => true },
    registration: { enabled: given.registration ?? false },
    revocation: { enabled: true },
  },
  pkce: { required: () => true },
  rotateRefreshToken: given.rotate ?? true,
  issueRefreshToken: (ctx, client) => client.grantTypeAllowed('refresh_token'),
  ttl: {
    AccessToken: lives.access ?? 3600, AuthorizationCode: 60, DeviceCode: lives.device ?? 600,
    Grant: 86400, IdToken: 3600, Interaction: 600, RefreshToken: 86400, Session: 86400,
  },
});
provider.on('server_error', (ctx, error) => console.error(error));

const grants = new Map();
const tokens = [];
provider.on('grant.success', (ctx) => {
  const { AccessToken } = ctx.oidc.entities;
  if (AccessToken) {
    grants.set(AccessToken.grantId, AccessToken.accountId);
    tokens.push(AccessToken);
  }
});

// The access tokens alone: those who have them don't know.
async function forget(user) {
  for (const token of tokens.splice(0)) {
    if (token.accountId === user) await token.destroy();
  }
}

async function revoke(user) {
  for (const [id, owner] of grants) {
    if (owner !== user) continue;
    await provider.RefreshToken.revokeByGrantId(id);
    await provider.AccessToken.revokeByGrantId(id);
    const grant = await provider.Grant.find(id);
    if (grant) await grant.destroy();
  }
}

const answer = provider.callback();
http.createServer(async (request, response) => {
  const url = new URL(request.url, issuer);
  if (url.pathname === '/test/revoke') {
    await revoke(url.searchParams.get('user'));
    response.end('done');
  } else if (url.pathname === '/test/forget') {
    await forget(url.searchParams.get('user'));
    response.end('done');
  } else {
    answer(request, response);
  }
}).listen(given.port, '127.0.0.1', () => console.log(issuer));
