import type { Database } from './database.js';

/** What is kept of a password: the work of scrypt (RFC 7914) and what came of it. */
export interface PasswordHash {
  /** N, r and p of RFC 7914. */
  readonly cost: number;
  readonly block: number;
  readonly parallel: number;
  /** 16 bytes. */
  readonly salt: Buffer;
  /** 32 bytes. */
  readonly hash: Buffer;
}

/** A login to the status page. */
export interface WebLoginRow {
  /** Of a person or an operator. */
  readonly name: string;
  readonly password: PasswordHash;
  /** 20 bytes; undefined: no second factor. */
  readonly totpSecret: Buffer | undefined;
  /** The newest step of a code that was used; 0: none. */
  readonly totpStep: number;
  /** Unix ms. */
  readonly setAtMs: number;
  /** Unix ms; undefined: never. */
  readonly lastAtMs: number | undefined;
}

/** A session of the status page. */
export interface WebSessionRow {
  /** sha256 of its token. */
  readonly hash: Buffer;
  readonly login: string;
  /** Unix ms. */
  readonly madeAtMs: number;
  readonly usedAtMs: number;
  readonly endsAtMs: number;
}

interface LoginSql extends PasswordHash {
  name: string;
  totp_secret: Buffer | null;
  totp_step: number;
  set_at_ms: number;
  last_at_ms: number | null;
}

interface SessionSql {
  hash: Buffer;
  login: string;
  made_at_ms: number;
  used_at_ms: number;
  ends_at_ms: number;
}

const fromSql = ({ name, cost, block, parallel, salt, hash, ...row }: LoginSql): WebLoginRow => ({
  name,
  password: { cost, block, parallel, salt, hash },
  totpSecret: row.totp_secret ?? undefined,
  totpStep: row.totp_step,
  setAtMs: row.set_at_ms,
  lastAtMs: row.last_at_ms ?? undefined,
});

/** Sets a login; there are no sessions of it any more. */
export function setWebLogin(db: Database, login: Pick<WebLoginRow, 'name' | 'password' | 'totpSecret' | 'setAtMs'>): void {
  const { name, password, totpSecret, setAtMs } = login;
  removeWebLogin(db, name);
  db.prepare('INSERT INTO web_login (name, cost, block, parallel, salt, hash, totp_secret, set_at_ms) VALUES (?, ?, ?, ?, ?, ?, ?, ?)').run(
    name, password.cost, password.block, password.parallel, password.salt, password.hash, totpSecret ?? null, setAtMs,
  );
}

/** A login by name. */
export function getWebLogin(db: Database, name: string): WebLoginRow | undefined {
  const row = db.prepare('SELECT * FROM web_login WHERE name = ?').get(name) as LoginSql | undefined;
  return row === undefined ? undefined : fromSql(row);
}

/** All logins, sorted by name, with how many sessions of each are open. */
export function listWebLogins(db: Database, now: number, idleMs: number): (WebLoginRow & { readonly sessions: number })[] {
  const count = db.prepare('SELECT count(*) FROM web_session WHERE login = ? AND ends_at_ms > ? AND used_at_ms > ?').pluck();
  return (db.prepare('SELECT * FROM web_login ORDER BY name').all() as LoginSql[]).map((row) => ({ ...fromSql(row), sessions: count.get(row.name, now, now - idleMs) as number }));
}

/** Takes a login away, with its sessions. False: there is none. */
export function removeWebLogin(db: Database, name: string): boolean {
  return db.prepare('DELETE FROM web_login WHERE name = ?').run(name).changes > 0;
}

/** Somebody logged in, with a code of that step; 0: without one. */
export function noteWebLogin(db: Database, name: string, at: { readonly now: number; readonly totpStep: number }): void {
  db.prepare('UPDATE web_login SET last_at_ms = ?, totp_step = max(totp_step, ?) WHERE name = ?').run(at.now, at.totpStep, name);
}

/** Adds a session; of a login with more than `most` the ones that were used longest ago end. */
export function addWebSession(db: Database, session: WebSessionRow, most: number): void {
  db.prepare('INSERT INTO web_session VALUES (?, ?, ?, ?, ?)').run(session.hash, session.login, session.madeAtMs, session.usedAtMs, session.endsAtMs);
  db.prepare('DELETE FROM web_session WHERE login = ? AND hash NOT IN (SELECT hash FROM web_session WHERE login = ? ORDER BY used_at_ms DESC, made_at_ms DESC LIMIT ?)').run(session.login, session.login, most);
}

/** A session by the hash of its token, whether it has ended or not. */
export function getWebSession(db: Database, hash: Buffer): WebSessionRow | undefined {
  const row = db.prepare('SELECT * FROM web_session WHERE hash = ?').get(hash) as SessionSql | undefined;
  return row === undefined ? undefined : { hash: row.hash, login: row.login, madeAtMs: row.made_at_ms, usedAtMs: row.used_at_ms, endsAtMs: row.ends_at_ms };
}

/** A session was used. */
export function touchWebSession(db: Database, hash: Buffer, now: number): void {
  db.prepare('UPDATE web_session SET used_at_ms = ? WHERE hash = ?').run(now, hash);
}

/** Ends one session. */
export function removeWebSession(db: Database, hash: Buffer): void {
  db.prepare('DELETE FROM web_session WHERE hash = ?').run(hash);
}

/** Ends all sessions of a login. */
export function removeWebSessionsOf(db: Database, login: string): void {
  db.prepare('DELETE FROM web_session WHERE login = ?').run(login);
}

/** Forgets sessions that have ended, or were not used for `idleMs`. */
export function tidyWebSessions(db: Database, now: number, idleMs: number): void {
  db.prepare('DELETE FROM web_session WHERE ends_at_ms <= ? OR used_at_ms <= ?').run(now, now - idleMs);
}
