import { rolesFrom } from '../../shared/model/role.js';
import type { MethodRow } from '../../shared/rpc/server.js';
import type { OperatorCaller } from './caller.js';

/** What the rows of the operators' API have in common. */
type Bounds = Pick<MethodRow<unknown, unknown, OperatorCaller>, 'roles' | 'wholeFleet' | 'risk' | 'rate' | 'maxBytes' | 'deadlineMs'>;

/** Looking: any operator, often. */
export const reads: Bounds = { roles: rolesFrom('viewer'), risk: 'read', rate: { perSecond: 50, burst: 200 }, maxBytes: 16_384, deadlineMs: 30_000 };

/** Changing hosts or inventory. */
export const changes: Bounds = { roles: rolesFrom('operator'), risk: 'change', rate: { perSecond: 20, burst: 100 }, maxBytes: 65_536, deadlineMs: 60_000 };

/** Certificates of hosts. */
export const administers: Bounds = { roles: rolesFrom('admin'), risk: 'identity', rate: { perSecond: 20, burst: 200 }, maxBytes: 16_384, deadlineMs: 60_000 };

/** Operators, the fleet itself: for an admin whom no scope limits. */
export const administersFleet: Bounds = { ...administers, wholeFleet: true };

/** Persons, their keys and groups: who they let in is decided for the whole fleet. */
export const changesFleet: Bounds = { ...changes, maxBytes: 262_144, wholeFleet: true };
