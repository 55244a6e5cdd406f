import { fieldMissing } from '../../shared/model/field.js';
import { parseReachableAddress } from '../../shared/model/host.js';
import { vis } from '../../shared/model/vis.js';
import { answer } from './answer.js';
import { defineCommand, type Noun } from './command.js';
import { sure } from './confirm.js';
import { fleetService } from './service.js';
import { renderFields } from './table.js';
import { formatTime } from './time.js';

const show = defineCommand({
  path: 'fleet show',
  summary: 'Show how the coordinator is reached and known',
  positionals: {},
  options: {},
  examples: [{ line: 'reeve fleet show', text: 'Addresses, ports, epoch, key pin, and which hosts know what was signed' }],
  run: async (context) => {
    const response = await (await context.api()).call(fleetService, 'GetFleet', {});
    const known = (count: number): string => `${String(count)} of ${String(response.connected)} connected hosts`;
    return answer(context, response, () =>
      renderFields(context.terminal, [
        ['fleet', response.fleetId],
        ['addresses', response.addresses.join(', ')],
        ['ports', `agents ${String(response.agentsPort)}, enrolment ${String(response.enrolmentPort)}, operators ${String(response.operatorsPort)}`],
        ['epoch', String(response.epoch)],
        ['key pin', response.pin],
        ['certificate', `good until ${formatTime(response.certificateNotAfter)}`],
        ['moved', response.movedVersion === 0 ? 'never' : `version ${String(response.movedVersion)}, known to ${known(response.movedKnown)}`],
        ['denied keys', response.denyListVersion === 0 ? 'none' : `${String(response.denied)}, version ${String(response.denyListVersion)}, known to ${known(response.denyListKnown)}`],
      ]),
    );
  },
});

const set = defineCommand({
  path: 'fleet set',
  summary: 'Alter the addresses of the coordinator',
  text: 'All addresses, in order of preference; they replace the ones before. Connected hosts learn it at once by a record that the control root signs.',
  positionals: {},
  options: { address: { kind: 'list', value: 'ADDRESS', text: 'Host name or IP address; may be repeated' } },
  examples: [{ line: 'reeve fleet set --address fleet.example.org --address 192.0.2.7', text: 'A name, and an address for when it cannot be resolved' }],
  run: async (context, args) => {
    if (args.address.length === 0) throw fieldMissing('--address', 'all addresses of the coordinator, in order of preference');
    const response = await (await context.api()).call(fleetService, 'SetFleet', { addresses: args.address.map(parseReachableAddress) });
    return answer(context, response, () => `The coordinator is at ${args.address.map(vis).join(', ')} from now on. For hosts and operators that cannot be reached: reeve fleet moved\n`);
  },
});

const moved = defineCommand({
  path: 'fleet moved',
  summary: 'Print where the coordinator is now, signed, as one word',
  text: 'For "reeve-agent moved" on a host that can reach nobody, and "reeve login --moved" of an operator; both read it from standard input. It is not secret.',
  positionals: {},
  options: {},
  examples: [{ line: 'reeve fleet moved', text: 'Print the word' }],
  run: async (context) => {
    const { moved: word, movedVersion } = await (await context.api()).call(fleetService, 'GetFleet', {});
    if (word === '') throw fieldMissing('the moved record', 'there is none until "reeve fleet set" has altered the addresses');
    return answer(context, { moved: word, movedVersion }, () => `${vis(word)}\n`);
  },
});

const rekey = defineCommand({
  path: 'fleet rekey',
  summary: 'Make a new key for the coordinator, and deny the old ones on every host',
  text: 'For a key of the coordinator that may have been stolen. Connected hosts learn it within a minute; a host that is away takes an old key until its certificate ends, 7 days at most.',
  positionals: {},
  options: { yes: { kind: 'flag', text: 'Ask nothing' } },
  examples: [{ line: 'reeve fleet rekey', text: 'Make a new key, after a question' }],
  run: async (context, args) => {
    await sure(context, args, 'Make a new key for the coordinator and deny the old ones?');
    const response = await (await context.api()).call(fleetService, 'RekeyFleet', {});
    return answer(context, response, () => `The coordinator has a new key; ${String(response.denied)} denied (version ${String(response.denyListVersion)}). Which hosts know: reeve fleet show\n`);
  },
});

/** `reeve fleet`. */
export const fleetNoun: Noun = { name: 'fleet', summary: 'Fleet: how the coordinator is reached and known', commands: [show, set, moved, rekey] };
