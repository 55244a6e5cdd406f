import type { Check as WireCheck } from '../../shared/gen/proto/reeve/coordinator/v1/Check.js';
import { formatCheck, formatVerdict, type Check, type CheckState } from '../../shared/model/check.js';
import { parseHostName } from '../../shared/model/host.js';
import { defineCommand, hostPositional, type Noun } from './command.js';
import { formatJson, toJson } from './json.js';
import { doctorService } from './service.js';
import { paint, type Tone } from './table.js';

/** Checks before anything answers there: when one of them fails, the host cannot be reached. */
const reaching: readonly string[] = ['address', 'route', 'link'];

const tones: Readonly<Record<CheckState, Tone>> = { ok: 'green', warning: 'yellow', failed: 'red', skipped: 'dim' };

const doctor = defineCommand({
  path: 'doctor',
  summary: 'Find out what is wrong with a host, and how to repair it',
  text:
    'Looks at inventory, address, route, TLS, certificates, clocks, agent, version, policy, helper, audit, disks, what is pending, operations and renewal, in this order, with connections of its own; it works for a host that is not connected, and changes nothing. What depends on a failed check is skipped: begin with the first that failed. Exit code 0 says that nothing failed, 1 that something did, 3 that nothing answers at the address of the host. On the host itself: reeve-agent doctor',
  positionals: { host: hostPositional },
  options: {},
  examples: [{ line: 'reeve doctor web1', text: 'What is wrong with web1' }],
  run: async (context, args) => {
    const host = parseHostName(args.host, 'host name');
    const checks: Check[] = [];
    for await (const event of (await context.api()).stream(doctorService, 'CheckHost', { host })) {
      if (event.check === null) continue;
      const check = parseCheck(event.check);
      checks.push(check);
      if (!context.json) context.terminal.out(formatCheck(check, (word, state) => paint(context.terminal, word, tones[state])));
    }
    const bad = checks.filter((check) => check.state === 'failed');
    if (context.json) context.terminal.out(formatJson({ host, healthy: bad.length === 0, checks: checks.map((check) => toJson({ ...check, fix: check.fix ?? null })) }));
    else context.terminal.out(`\n${formatVerdict(checks, `Host "${host}"`)}`);
    if (bad.length === 0) return 0;
    return bad.some((check) => reaching.includes(check.name)) ? 3 : 1;
  },
});

/** A state of a newer coordinator that is not known here is better shown than hidden. */
function parseState(state: WireCheck['state']): CheckState {
  switch (state) {
    case 'CHECK_STATE_OK':
      return 'ok';
    case 'CHECK_STATE_FAILED':
      return 'failed';
    case 'CHECK_STATE_SKIPPED':
      return 'skipped';
    case 'CHECK_STATE_WARNING':
    case 'CHECK_STATE_UNSPECIFIED':
      return 'warning';
  }
}

function parseCheck(wire: WireCheck): Check {
  const { name, text, fix, command, commandAt } = wire;
  const none = fix === '' && command === '';
  return { name, state: parseState(wire.state), text, ...(none ? {} : { fix: { text: fix, command, at: commandAt } }) };
}

/** `reeve doctor`. */
export const doctorNoun: Noun = { name: 'doctor', summary: doctor.summary, commands: [doctor] };
