// JSON Web Tokens signed with the secret that the database server verifies them
// with (HS256).

import { createHmac, timingSafeEqual } from 'node:crypto'

const encode = (value) => Buffer.from(JSON.stringify(value)).toString('base64url')
const decode = (text) => JSON.parse(Buffer.from(text, 'base64url'))
const mac = (text, secret) => createHmac('sha256', secret).update(text).digest()
const now = () => Math.floor(Date.now() / 1000)

// A token with these claims that is good for some seconds.
export function sign (claims, secret, seconds) {
  const text = `${encode({ alg: 'HS256', typ: 'JWT' })}.${encode({ ...claims, exp: now() + seconds })}`
  return `${text}.${mac(text, secret).toString('base64url')}`
}

// The claims of a token, or undefined if it is not one of ours or has expired.
export function verify (token, secret) {
  const [header, payload, signature, ...more] = token.split('.')
  if (!signature || more.length) return undefined
  const given = Buffer.from(signature, 'base64url')
  const right = mac(`${header}.${payload}`, secret)
  if (given.length !== right.length || !timingSafeEqual(given, right)) return undefined
  const claims = decode(payload)
  return decode(header).alg === 'HS256' && claims.exp > now() ? claims : undefined
}
