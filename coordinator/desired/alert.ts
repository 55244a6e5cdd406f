import type { AlertKind, AlertSeverity, AlertTarget } from '../../shared/model/alert.js';
import type { Label } from '../../shared/model/label.js';

/** Something that is wrong now, by what was looked at. One for each kind, host and subject. */
export interface Cause {
  readonly kind: AlertKind;
  /** Undefined: the coordinator itself. */
  readonly hostId: string | undefined;
  /** What of the host; empty: the host itself. */
  readonly subject: string;
  readonly severity: AlertSeverity;
  readonly title: string;
  readonly text: string;
  /** Since when, unix ms; undefined: not known, so that it counts from when it was first seen. */
  readonly sinceMs: number | undefined;
  /** Hosts whose own causes are part of this one. */
  readonly folded: readonly string[];
}

/** What a cause is known by. */
export type CauseKey = Pick<Cause, 'kind' | 'hostId' | 'subject'>;

/** A cause's key as text: the same cause has the same, another another one. */
export function keyOfCause({ kind, hostId, subject }: CauseKey): string {
  return `${kind} ${hostId ?? ''} ${subject}`;
}

/** An alert of the inventory. */
export interface AlertRow extends Omit<Cause, 'sinceMs'> {
  readonly id: number;
  readonly sinceMs: number;
  readonly openedAtMs: number;
  /** Undefined: it is open. */
  readonly endedAtMs: number | undefined;
}

/** A mute of the inventory. */
export interface MuteRow {
  readonly id: number;
  /** As it was given. */
  readonly selector: string;
  /** Empty: all. */
  readonly kinds: readonly AlertKind[];
  /** Scope of who set it; undefined: the whole fleet. */
  readonly scope: readonly Label[] | undefined;
  readonly untilMs: number;
  readonly reason: string;
  readonly by: string;
  readonly sinceMs: number;
}

/** A route of the inventory. */
export interface RouteRow {
  readonly id: number;
  readonly target: AlertTarget;
  /** Empty: all but those that have to be named. */
  readonly kinds: readonly AlertKind[];
  readonly severity: AlertSeverity;
  /** Empty: all hosts, and the coordinator. */
  readonly selector: string;
  readonly remind: boolean;
  readonly by: string;
  readonly addedAtMs: number;
}

/** Subject of the alert about a route by which nothing can be sent; that route itself does not tell it. */
export function routeSubject(routeId: number): string {
  return `ALERT_ROUTE ${String(routeId)}`;
}

/** What of an alert is told: that it was opened, that it still stands, that it is over. */
export type ItemKind = 'open' | 'remind' | 'end';

/** One thing that one route tells, or is to tell. */
export interface ItemRow {
  readonly id: number;
  readonly alertId: number;
  readonly routeId: number;
  readonly what: ItemKind;
  readonly owedAtMs: number;
  /** The message that has it; undefined: none yet. */
  readonly message: { readonly id: string; readonly tried: boolean; readonly sentAtMs: number | undefined; readonly dropped: boolean } | undefined;
}

/** A message of one route. */
export interface MessageRow {
  /** UUIDv7; a receiver that has seen it has seen the message. */
  readonly id: string;
  readonly routeId: number;
  readonly madeAtMs: number;
  /** Tries so far, also one that is under way. */
  readonly attempts: number;
  readonly nextAtMs: number;
}
