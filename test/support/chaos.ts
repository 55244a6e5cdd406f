import type { OperationServiceDefinition } from '../../shared/gen/proto/reeve/coordinator/v1/OperationService.js';
import type { PlanServiceDefinition } from '../../shared/gen/proto/reeve/coordinator/v1/PlanService.js';
import type { UserServiceDefinition } from '../../shared/gen/proto/reeve/coordinator/v1/UserService.js';
import { serviceName } from '../../shared/rpc/client.js';
import type { ExecResult, LabHost } from '../lab/lab.js';
import type { TestFleet } from './fleet.js';
import { until } from './until.js';

const operationService = serviceName<OperationServiceDefinition>('reeve.coordinator.v1.OperationService');
const planService = serviceName<PlanServiceDefinition>('reeve.coordinator.v1.PlanService');
const userService = serviceName<UserServiceDefinition>('reeve.coordinator.v1.UserService');

/** The services that can be made to die at a failpoint by their environment. */
export type ChaosUnit = 'reeve-agent' | 'reeved';

const folder = '/run/reeve-chaos';

/**
 * Lets a unit die once at a failpoint when one is armed: systemd starts it again without it, as it starts any unit that was killed. Called once for each
 * host and unit.
 */
export async function prepareUnit(host: LabHost, unit: ChaosUnit): Promise<void> {
  const file = `${folder}/${unit}`;
  await host.write(`/run/systemd/system/${unit}.service.d/chaos.conf`, `[Service]\nEnvironmentFile=-${file}\nExecStopPost=+/bin/rm -f ${file}\n`);
  await host.run(['mkdir', '-p', folder]);
  await host.run(['systemctl', 'daemon-reload']);
}

/** Starts the unit anew with a failpoint (`name` or `name:n`). It is counted from zero how often systemd has to start it. */
export async function arm(host: LabHost, unit: ChaosUnit, failpoint: string): Promise<void> {
  await host.run(['systemctl', 'stop', unit], { timeoutMs: 60_000 });
  await host.write(`${folder}/${unit}`, `REEVE_FAILPOINT=${failpoint}\n`);
  await host.run(['systemctl', 'start', unit], { timeoutMs: 60_000 });
}

/** Waits until systemd has started a unit again that was killed; throws when it was not killed. */
export async function waitRestarted(host: LabHost, unit: ChaosUnit): Promise<void> {
  await until(
    async () => {
      const shown = await host.run(['systemctl', 'show', '--property=NRestarts,ActiveState', unit]);
      return /NRestarts=[1-9]/.test(shown) && shown.includes('ActiveState=active');
    },
    { timeoutMs: 60_000, everyMs: 200, what: `${unit} on ${host.name} to be killed and started again` },
  );
}

/** Waits until the coordinator has a connection to the host that carries a call. */
export async function waitReachable(fleet: TestFleet, name: string): Promise<void> {
  await until(() => fleet.api.call(userService, 'ObserveUser', { host: name }).then(() => true), { timeoutMs: 90_000, everyMs: 100, what: `${name} to answer` });
}

/** What the host's own files say about one account, and what a crash may have left. */
export interface AccountState {
  /** Line of passwd; empty: there is no account. */
  readonly passwd: string;
  /** Line of the group of the same name; empty: none. */
  readonly group: string;
  /** Whether www-data has it as a member. */
  readonly member: boolean;
  /** Whether its expiry date locks it. */
  readonly locked: boolean;
  readonly home: boolean;
  /** State in the helper's marker; empty: no marker. */
  readonly marker: string;
  /** Lines of this name in passwd, group and shadow together: 3 or none. gshadow, which userdel writes last, is left out: a line there alone gives no account. */
  readonly entries: number;
  /** Entries of this account in the trash of homes. */
  readonly trash: number;
  /** How often useradd made it and userdel took it away, as they say in the host's log before they do it. */
  readonly made: number;
  readonly deleted: number;
}

/** Reads it from the host. */
export async function accountState(host: LabHost, name: string): Promise<AccountState> {
  const script = `
    journalctl --sync >/dev/null 2>&1
    echo "passwd=$(getent passwd "$1")"
    echo "group=$(getent group "$1")"
    echo "www=$(getent group www-data)"
    echo "shadow=$(getent shadow "$1")"
    echo "home=$([ -d "/home/$1" ] && echo yes)"
    echo "marker=$(sed -n s/^state=//p "/var/lib/reeve-privd/owned/user/$1" 2>/dev/null)"
    echo "entries=$(cat /etc/passwd /etc/group /etc/shadow | grep -c "^$1:")"
    echo "trash=$(ls -d /home/.reeve-trash/"$1".* 2>/dev/null | wc -l)"
    echo "made=$(journalctl -q -t useradd --no-pager -o cat | grep -c "new user: name=$1,")"
    echo "deleted=$(journalctl -q -t userdel --no-pager -o cat | grep -c "delete user '$1'")"`;
  const text = await host.run(['/bin/sh', '-c', script, 'account', name]);
  const value = (key: string): string => new RegExp(`^${key}=(.*)$`, 'm').exec(text)?.[1] ?? '';
  return {
    passwd: value('passwd'),
    group: value('group'),
    member: (value('www').split(':')[3] ?? '').split(',').includes(name),
    locked: value('shadow').split(':')[7] === '1',
    home: value('home') === 'yes',
    marker: value('marker'),
    entries: Number(value('entries')),
    trash: Number(value('trash')),
    made: Number(value('made')),
    deleted: Number(value('deleted')),
  };
}

/** Records of the helper's log. */
export interface HelperRecord {
  readonly op_id: string;
  readonly verb: string;
  readonly args: string;
  readonly phase: 'intent' | 'result' | 'recovered' | 'refused';
  readonly status: number;
}

/** The helper's log, after its own check of the chain. */
export async function helperRecords(host: LabHost): Promise<HelperRecord[]> {
  const verified = await host.run(['/usr/lib/reeve-agent/reeve-privd', '--verify-audit']);
  if (!verified.startsWith('intact')) throw new Error(`The helper's log on ${host.name} is not intact: ${verified}`);
  const text = await host.read('/var/lib/reeve-privd/audit/audit.log');
  return text.trimEnd().split('\n').map((line) => JSON.parse(line) as HelperRecord);
}

/** Files that only a crash leaves: temporary ones of Reeve and of the account tools, below the folders that Reeve writes to. */
export async function leftovers(host: LabHost): Promise<string[]> {
  const names = ['*.new', '*.tmp', '.*.tmp', '.#*', '*+', 'passwd.lock', 'group.lock', 'shadow.lock', 'gshadow.lock', 'failpoint.*'];
  const match = names.flatMap((name, index) => [...(index === 0 ? [] : ['-o']), '-name', name]);
  const found = await host.run(['find', '/etc', '/home', '/var/lib/reeve-privd', '/var/lib/reeve-agent', '-xdev', '(', ...match, ')', '-print']);
  return found.split('\n').filter((line) => line !== '');
}

/** What a mutating command prints with --json. */
export interface CommandAnswer {
  readonly operationId: string;
  readonly outcome: string;
  readonly stored: boolean;
  readonly hosts: readonly { readonly hostName: string; readonly outcome: string; readonly changes: readonly unknown[]; readonly errors: readonly { readonly code: string }[]; readonly notes: readonly string[] }[];
}

/** Parses what a command printed; undefined when it ended without an answer. */
export function answerOf(result: ExecResult): CommandAnswer | undefined {
  return result.stdout.trim() === '' ? undefined : (JSON.parse(result.stdout) as CommandAnswer);
}

/** Waits until nothing is pending, and no operation is running or of unknown outcome: what a crash left was settled without anybody's help. */
export async function waitSettled(fleet: TestFleet): Promise<void> {
  await until(
    async () => {
      const { operations } = await fleet.api.call(operationService, 'ListOperation', { limit: 20 });
      if (operations.some((row) => row.outcome === 'OUTCOME_RUNNING' || row.outcome === 'OUTCOME_UNKNOWN')) return false;
      return (await fleet.api.call(planService, 'ListPending', {})).pending.length === 0;
    },
    { timeoutMs: 90_000, everyMs: 100, what: 'everything to be settled' },
  );
}
