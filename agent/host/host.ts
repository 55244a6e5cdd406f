import type { Clock } from '../../shared/kit/clock.js';
import type { PrivdReply, PrivdRequest, PrivdVerbName } from '../../shared/gen/privd.js';
import type { Facts } from '../../shared/model/fact.js';
import type { BootFile } from '../nat/foreign/adopt.js';
import type { HostNetwork } from '../nat/foreign/network.js';
import type { VolumeState } from '../../shared/model/volume.js';
import type { Job } from './job.js';
import type { SiteAnswer, SiteAsk } from './web.js';

/** One line of passwd(5), as far as the agent needs it. */
export interface PasswdEntry {
  readonly name: string;
  readonly uid: number;
}

/** What anybody on the host may read about its accounts. */
export interface AccountFiles {
  /** passwd(5), in the order of the file. */
  readonly passwd: readonly PasswdEntry[];
  /** Names in group(5). */
  readonly groups: ReadonlySet<string>;
  /** Paths in shells(5). */
  readonly shells: ReadonlySet<string>;
}

/** Why the policy file cannot be used; the helper uses the same words (R31). */
export type PolicyFault = 'missing' | 'unreadable' | 'owner' | 'mode' | 'type' | 'size';

/** The policy file as it is on disk. */
export type PolicyFile =
  | { readonly kind: 'text'; readonly text: string; /** sha256 of the file, 32 bytes. */ readonly digest: Buffer }
  | { readonly kind: 'fault'; readonly fault: PolicyFault; readonly reason: string };

/** The file of local holds as it is on disk. */
export type HoldFile = { readonly kind: 'none' } | { readonly kind: 'text'; readonly text: string } | { readonly kind: 'fault'; readonly reason: string };

/** A program that does long work: reeve-job, reeve-container, or reeve-unit. */
export type JobProgram = 'job' | 'container' | 'unit';

/** A socket of the host that takes connections, or with UDP packets. */
export interface ListeningSocket {
  readonly protocol: 'tcp' | 'udp';
  /** 0.0.0.0 or ::: all. */
  readonly address: string;
  readonly port: number;
}

/** Which part of the host was touched; `own`: the agent's own state, which nobody else writes. */
export type HostPart = 'accounts' | 'keys' | 'nat' | 'certs' | 'vhost' | 'container' | 'policy' | 'hold' | 'own';

/** A folder that Reeve writes below. */
export interface Volume {
  readonly path: string;
  readonly state: VolumeState;
}

/** Makes the helper do something, or tell something only root sees. */
export interface Helper {
  /** One request. Errors: what the helper refused, or HELPER_UNREACHABLE. */
  call<V extends PrivdVerbName>(verb: V, operationId: string, request: PrivdRequest<V>): Promise<PrivdReply<V>>;
}

/** The machine, as the rest of the agent sees it. Everything that differs between a real host and a simulated one is behind this. */
export interface Host {
  readonly clock: Clock;
  readonly helper: Helper;
  /** Takes up the work of a ticket that the helper gave; `program`: who does it. Errors: HELPER_UNREACHABLE. */
  openJob(ticket: string, program: JobProgram): Promise<Job>;
  /** Reads the policy file; the answer is never older than the call. */
  readPolicy(): PolicyFile;
  /** Reads the file of local holds; the answer is never older than the call. */
  readHolds(): HoldFile;
  /** Reads passwd, group and shells. */
  readAccounts(): AccountFiles;
  /** Whether /home/NAME exists, as a folder or anything else. */
  homeExists(name: string): boolean;
  /** Gathers the facts; starts no process. */
  readFacts(): Promise<Facts>;
  /** Room below the folders that Reeve writes to; starts no process. */
  readVolumes(): Promise<readonly Volume[]>;
  /** Interfaces with their addresses, and routes; starts no process. */
  readNetwork(): HostNetwork;
  /** Whether the kernel has IPv6 at all; without it no program can listen on an address of it. Starts no process. */
  hasIpv6(): boolean;
  /** Files that may hold rules of a packet filter for the next start; starts no process. */
  readBootFiles(): readonly BootFile[];
  /** TCP ports on which Reeve's own programs listen here; starts no process. */
  readOwnPorts(): readonly number[];
  /** Sockets that programs of the host listen with; starts no process. */
  readListening(): readonly ListeningSocket[];
  /** Interfaces that lose their IPv6 default route when the host begins to forward IPv6; starts no process. */
  readAdvertised(): readonly string[];
  /** Opens a TCP connection and closes it again; empty: it was made, else why not. */
  checkReach(address: string, port: number, timeoutMs: number): Promise<'' | 'refused' | 'no answer in time' | 'no route'>;
  /** GET of a site of this host from its own loopback address; never rejects. */
  askSite(ask: SiteAsk): Promise<SiteAnswer>;
  /** TCP ports of 127.0.0.1 on which nobody listens now. */
  freePorts(count: number): Promise<readonly number[]>;
  /** Kernel's boot id. */
  bootId(): string;
  /** A text that is another after each boot of the host, be it a machine or a container, and the same for all its processes. */
  bootMark(): string;
  /** CLOCK_MONOTONIC: ms since the boot of the kernel, the same for all processes. Never jumps. */
  monotonicMs(): number;
  /** A text that differs when a part was changed: sizes, times and inode numbers. Starts no process and wakes nobody. */
  stamp(part: HostPart): string;
  /** Calls back soon after a part was touched. Close it. */
  watch(onTouched: (part: HostPart) => void): { close(): void };
}
