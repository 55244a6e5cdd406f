import type { ContainerSecretValue } from '../../shared/gen/proto/reeve/coordinator/v1/ContainerSecretValue.js';
import type { ContainerSpec as WireSpec } from '../../shared/gen/proto/reeve/type/v1/ContainerSpec.js';
import { parseContainerSpec, type ContainerSpec } from '../../shared/model/container.js';
import { mostContainer, parseImage, parseSecretName, splitImage } from '../../shared/model/container-field.js';
import { fieldInvalid, fieldMissing } from '../../shared/model/field.js';
import type { PassedSecret } from '../reconcile/container-secret.js';

/** The digest of an image that is not on its host yet: nobody knows it before it was fetched. No image has it. */
const unknownDigest = '0'.repeat(64);

/** The version of a secret that is still to be made. */
const unknownVersion = '00000000-0000-7000-8000-000000000000';

/** A spec as an operator asked for it. */
export interface AskedSpec {
  /** With a digest and versions that stand in for those that are not known yet. */
  readonly spec: ContainerSpec;
  /** The image as it was asked for, by tag or by digest; empty: none. */
  readonly image: string;
  /** What was asked for, to tell two commands apart; no value of a secret. */
  readonly detail: unknown;
}

/** A spec from an operator, whose image may be given by tag, and whose versions of secrets are not looked at. Errors: FIELD_INVALID, FIELD_MISSING. */
export function parseAskedSpec(wire: WireSpec | null, fresh: ReadonlyMap<string, string>): AskedSpec {
  if (wire === null) throw fieldMissing('spec', 'what the container is');
  const image = wire.image === '' ? '' : parseImage(wire.image);
  const { name, tag, digest } = splitImage(image);
  const spec = parseContainerSpec({
    ...wire,
    ...(tag === '' ? {} : { image: `${name}@sha256:${digest === '' ? unknownDigest : digest}`, tag }),
    secrets: wire.secrets.map((secret) => ({ ...secret, version: fresh.get(secret.name) ?? unknownVersion })),
  });
  const surplus = [...fresh.keys()].find((secret) => !spec.secrets.some((known) => known.name === secret));
  if (surplus !== undefined) throw fieldInvalid('secrets', surplus, 'a value only for a secret of the spec');
  const secrets = spec.secrets.map((secret) => ({ name: secret.name, ...(fresh.has(secret.name) ? { given: true } : {}) }));
  return { spec, image, detail: { ...spec, image, secrets } };
}

/** Whether an image by digest stands in for one that is not known yet. */
export function standIn(image: string): string {
  const { name, digest } = splitImage(image);
  return digest === '' ? `${name}@sha256:${unknownDigest}` : '';
}

/** Values of secrets from an operator, each with a new version. Errors: FIELD_INVALID, FIELD_MISSING; they show no value. */
export function parseSecrets(name: string, wire: readonly ContainerSecretValue[], newVersion: () => string): readonly PassedSecret[] {
  if (wire.length > mostContainer.secrets) throw fieldInvalid('secrets', String(wire.length), `at most ${String(mostContainer.secrets)}`);
  const names = wire.map((secret) => parseSecretName(secret.name));
  const twice = names.find((secret, index) => names.indexOf(secret) !== index);
  if (twice !== undefined) throw fieldInvalid('secrets', twice, 'each only once');
  return wire.map(({ name: secret, value }) => {
    const rule = `1 to ${String(mostContainer.secretBytes)} bytes`;
    if (value.length === 0) throw fieldMissing(`value of secret "${secret}"`, rule);
    if (value.length > mostContainer.secretBytes) throw fieldInvalid(`value of secret "${secret}"`, `${String(value.length)} bytes`, rule);
    return { name, secret, version: newVersion(), value };
  });
}
