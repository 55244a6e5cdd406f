import { createHash } from 'node:crypto';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { statusRoute, testSite } from '../../test/support/test-site.js';
import type { Vhost } from '../../shared/model/vhost.js';
import { decideSites, type DecideInput, type Decision } from './decide.js';
import { nginx } from './nginx/engine.js';
import type { ObservedFile, ObservedSite, ObservedVhosts } from './observe.js';
import { planVhostRelease, planVhosts, type VhostPlanInput } from './plan.js';
import { layOut, partsOf } from './set.js';
import type { ParkedSite } from './store.js';
import { nameModels } from './wanted.js';

/** The files of a host's set: what was written, and what somebody made of it. */
type Files = ReadonlyMap<string, { readonly written: string; readonly state: ObservedFile['state'] }>;

const sha = (text: string): string => createHash('sha256').update(text).digest('hex');
const siteOf = (file: string): string => file.replace(/\.[a-z]+[0-9]*$/, '').replace(/^_/, '*');

function observe(files: Files, over: Partial<ObservedVhosts> = {}): ObservedVhosts {
  const sites = new Map<string, ObservedSite>();
  for (const [name, { written, state }] of files) {
    const before = sites.get(siteOf(name));
    const worst = before?.state === 'edited' || state === 'edited' ? 'edited' : before?.state === 'missing' || state === 'missing' ? 'missing' : 'ok';
    const model = name.endsWith('.conf') ? (/ model ([0-9a-f]{64})\n/.exec(written)?.[1] ?? '') : (before?.modelSha ?? '');
    sites.set(siteOf(name), { name: siteOf(name), state: worst, modelSha: model, files: [...(before?.files ?? []), { name, sha256: sha(written), state }], certPem: name.endsWith('.crt') ? written : before?.certPem });
  }
  return { engine: 'nginx 1.22.1', running: true, included: '', set: files.size === 0 ? '' : 'ab', unsettled: undefined, sites, foreign: [], snippets: new Map(), truncated: false, dueAtMs: undefined, ...over };
}

const decideInput = (wanted: readonly Vhost[], observed: ObservedVhosts, over: Partial<DecideInput> = {}): DecideInput => ({
  wanted: nameModels(wanted), removalsOnly: false, observed, take: undefined, hostName: 'web1', deny: () => undefined, pairDue: (pem, names) => pem !== `pair of ${names.join()}`, ...over,
});
const planInput = (decisions: readonly Decision[], observed: ObservedVhosts, over: Partial<VhostPlanInput> = {}): VhostPlanInput => ({
  decisions, observed, parts: partsOf(decisions, () => 1000), refused: new Map(), old: new Map(), diffs: new Map(), front: undefined, take: undefined, takeProblems: [], differs: decisions.some(({ kind }) => kind === 'make' || kind === 'go'),
  resumed: false, sweeps: false, removalsOnly: false, about: new Set(), mode: 'apply', hostName: 'web1', fingerprint: (text) => sha(text).slice(0, 8), ...over,
});

/** What the helper does with each part of a plan. */
function make(files: Files, wanted: readonly Vhost[], decisions: readonly Decision[], parts: readonly (readonly string[])[]): Files {
  const rows = new Map(nameModels(wanted).map((row) => [row.site.name, row]));
  let now = files;
  for (const part of parts) {
    const entries = layOut({
      observed: observe(now), decisions, part: new Set(part),
      render: (name) => { const row = rows.get(name); return row === undefined ? [] : nginx(true).render(row.site, row.sha); },
      makePair: (site) => ({ certPem: `pair of ${[site.name, ...site.aliases].join()}`, keyPem: 'key' }),
    });
    expect(entries.map(({ name }) => name)).toEqual([...new Set(entries.map(({ name }) => name))].sort());
    const before = now;
    now = new Map(entries.map((entry) => {
      if ('put' in entry) return [entry.name, { written: entry.put, state: 'ok' as const }];
      const row = before.get(entry.name);
      expect(row === undefined ? undefined : sha(row.written)).toBe(entry.keep);
      return [entry.name, row ?? { written: '', state: 'missing' as const }];
    }));
  }
  return now;
}

const states = fc.uniqueArray(
  fc.record({ n: fc.integer({ min: 1, max: 6 }), text: fc.constantFrom('one', 'two'), tls: fc.boolean(), alias: fc.boolean(), user: fc.boolean(), wild: fc.boolean() }),
  { selector: ({ n }) => n, maxLength: 6 },
).map((rows) => rows.map(({ n, text, tls, alias, user, wild }) => testSite(`${wild ? '*.' : ''}s${String(n)}.example.org`, {
  routes: [statusRoute('/', text)], aliases: alias ? [`www.s${String(n)}.example.org`] : [], ...(tls ? { listens: [{ address: undefined, port: 443, tls: true }] } : {}),
  users: user ? [{ name: 'ada', hash: `$2b$10$${'a'.repeat(53)}` }] : [],
})).sort((a, b) => (a.name < b.name ? -1 : 1)));

const madeOf = (wanted: readonly Vhost[]): Files => {
  const decisions = decideSites(decideInput(wanted, observe(new Map())));
  return make(new Map(), wanted, decisions, partsOf(decisions, () => 1000));
};

describe('any two sets of sites', () => {
  it('lead from one to the other, whatever was altered and taken away meanwhile, and then there is nothing to do', () => {
    fc.assert(fc.property(states, states, fc.array(fc.tuple(fc.nat(20), fc.constantFrom('edited' as const, 'missing' as const)), { maxLength: 3 }), fc.boolean(), (from, to, harm, small) => {
      const files = new Map(madeOf(from));
      const names = [...files.keys()];
      for (const [at, state] of harm) {
        const name = names[at % Math.max(1, names.length)] ?? '';
        const row = files.get(name);
        if (row !== undefined) files.set(name, { ...row, state });
      }
      const wanted = to.map((site) => ({ ...site, overwrite: true }));
      const decisions = decideSites(decideInput(wanted, observe(files)));
      const parts = partsOf(decisions, () => (small ? 2 * 1024 * 1024 : 1000));
      const plan = planVhosts(planInput(decisions, observe(files), { parts }));
      expect(plan.problems).toEqual([]);
      expect(plan.steps.map(({ verb }) => verb)).toEqual(decisions.every(({ kind }) => kind === 'same') ? [] : parts.flatMap(() => ['vhost.apply', 'vhost.settle']));
      const after = make(files, wanted, decisions, parts);
      if (plan.steps.length > 0) expect(after).toEqual(madeOf(to));
      const again = decideSites(decideInput(wanted, observe(after)));
      expect(again.every(({ kind }) => kind === 'same')).toBe(true);
      expect(planVhosts(planInput(again, observe(after)))).toEqual({ steps: [], changes: [], problems: [] });
    }), { numRuns: 60 });
  });

  it('only lose sites while a hold lasts, and lead on from there', () => {
    fc.assert(fc.property(states, states, (from, to) => {
      const files = madeOf(from);
      const decisions = decideSites(decideInput(to, observe(files), { removalsOnly: true }));
      const plan = planVhosts(planInput(decisions, observe(files), { removalsOnly: true }));
      expect(plan.steps.every(({ removesAccess }) => removesAccess)).toBe(true);
      expect(plan.changes.every(({ kind }) => kind === 'remove')).toBe(true);
      const after = make(files, to, decisions, [[]]);
      expect([...after.keys()]).toEqual([...files.keys()].filter((name) => to.some((site) => site.name === siteOf(name))));
      for (const [name, row] of after) expect(files.get(name)).toBe(row);
      const rest = decideSites(decideInput(to, observe(after)));
      expect(make(after, to, rest, partsOf(rest, () => 1000))).toEqual(madeOf(to));
    }), { numRuns: 60 });
  });
});

describe('the plan of sites', () => {
  const [a, b] = [testSite('a.example.org'), testSite('b.example.org')];
  const files = madeOf([a, b]);
  const parked = (name: string, before: boolean): ReadonlyMap<string, ParkedSite> => new Map([[name, { name, problem: 'unknown directive', before }]]);
  const told = (plan: ReturnType<typeof planVhosts>): unknown[] => plan.changes.map(({ kind, subject, fields }) => [kind, subject, ...fields.map(({ field, from, to }) => `${field}: ${from} -> ${to}`)]);

  it('tells the fields that differ, as far as the model before is known', () => {
    const next = [{ ...a, title: 'A', users: [{ name: 'ada', hash: 'x' }] }, { ...b, aliases: ['www.b.example.org'] }];
    const decisions = decideSites(decideInput(next, observe(files)));
    const plan = planVhosts(planInput(decisions, observe(files), { old: new Map([[a.name, a]]) }));
    const model = (site: Vhost): string => (nameModels([site])[0]?.sha ?? '').slice(0, 12);
    expect(told(plan)).toEqual([['update', a.name, `users:  -> ada (${sha('x').slice(0, 8)})`, 'title:  -> A'], ['update', b.name, `model: ${model(b)} -> ${model(next[1] ?? b)}`]]);
  });

  it('is refused for the sake of a site that is parked when somebody plans for it, and goes on without it otherwise', () => {
    const decisions = decideSites(decideInput([{ ...a, title: 'A' }, { ...b, title: 'B' }], observe(files)));
    const over = { refused: parked(a.name, true), about: new Set([a.name]) };
    expect(planVhosts(planInput(decisions, observe(files), { ...over, mode: 'plan' }))).toMatchObject({ steps: [], problems: [{ code: 'VHOST_PARKED', fields: { host: 'web1', value: a.name, rule: 'unknown directive', before: 'yes' } }] });
    const applied = planVhosts(planInput(decisions, observe(files), over));
    expect(applied).toMatchObject({ problems: [], steps: [{ verb: 'vhost.apply' }, { verb: 'vhost.settle' }] });
    expect(applied.changes.map(({ subject }) => subject)).toEqual([b.name]);
    expect(planVhosts(planInput(decisions, observe(files), { ...over, differs: false }))).toMatchObject({ steps: [], problems: [{ code: 'VHOST_PARKED' }] });
    expect(planVhosts(planInput(decisions, observe(files), { ...over, about: new Set(), differs: false }))).toMatchObject({ steps: [], problems: [] });
  });

  it('says that a site is left out that the web server refuses as it is', () => {
    const decisions = decideSites(decideInput([a, b], observe(files)));
    expect(told(planVhosts(planInput(decisions, observe(files), { refused: parked(a.name, false), differs: true })))).toEqual([['remove', a.name, 'state: ok -> left out']]);
  });

  it('does nothing where the web server cannot be used, or a file cannot be taken over', () => {
    const decisions = decideSites(decideInput([a], observe(files)));
    const problem = { code: 'VHOST_ENGINE', fields: { rule: 'nginx does not run' } } as const;
    expect(planVhosts(planInput(decisions, observe(files), { front: problem }))).toMatchObject({ steps: [], problems: [problem], changes: [{ kind: 'remove' }] });
    expect(planVhosts(planInput(decisions, observe(files), { takeProblems: [problem] }))).toMatchObject({ steps: [], problems: [problem] });
    expect(planVhosts(planInput(decideSites(decideInput([a, b], observe(files))), observe(files), { front: problem }))).toEqual({ steps: [], changes: [], problems: [] });
  });

  it('tells a file of somebody else that goes in the same step, which removes nobody\'s access', () => {
    const decisions = decideSites(decideInput([a, b], observe(files)));
    const plan = planVhosts(planInput(decisions, observe(files), { take: '/etc/nginx/sites-enabled/own', differs: true }));
    expect(told(plan)).toEqual([['remove', '/etc/nginx/sites-enabled/own', 'configuration: of somebody else -> taken over']]);
    expect(plan.steps.every(({ removesAccess }) => !removesAccess)).toBe(true);
  });

  it('settles first what this very operation put in place before a crash', () => {
    const decisions = decideSites(decideInput([a, b], observe(files)));
    expect(planVhosts(planInput(decisions, observe(files), { resumed: true })).steps.map(({ verb, request }) => [verb, request['resumed'], request['last']])).toEqual([['vhost.settle', true, true]]);
    const more = decideSites(decideInput([a], observe(files)));
    expect(planVhosts(planInput(more, observe(files), { resumed: true })).steps.map(({ verb, request }) => [verb, request['last']])).toEqual([['vhost.settle', false], ['vhost.apply', true], ['vhost.settle', true]]);
  });

  it('lets the helper take away what a set before has left, when a crash came between', () => {
    const decisions = decideSites(decideInput([a, b], observe(files)));
    expect(planVhosts(planInput(decisions, observe(files), { sweeps: true })).steps.map(({ verb, request }) => [verb, request])).toEqual([['vhost.settle', { keep: true, resumed: false, last: true }]]);
  });

  it('of a release leaves the sites, and asks nothing of a host that has none', () => {
    expect(planVhostRelease(observe(files, { unsettled: 'x' }), [])).toMatchObject({ steps: [{ verb: 'vhost.settle' }, { verb: 'vhost.release', final: true }], changes: [{ subject: a.name, fields: [{ to: 'released' }] }, { subject: b.name }] });
    expect(planVhostRelease(observe(new Map()), [])).toEqual({ steps: [], changes: [], problems: [] });
  });
});
