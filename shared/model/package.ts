import { parsePattern } from './field.js';

/** The packages that make a machine a managed host, in the order to install them. */
export const packageNames = ['reeve-runtime', 'reeve-agent'] as const;

/** A Debian package by what its file name says. */
export interface PackageFile {
  readonly name: string;
  readonly version: string;
  readonly architecture: string;
}

const versionPattern = /^[0-9][A-Za-z0-9.+~-]{0,63}$/;
const architecturePattern = /^[a-z0-9][a-z0-9-]{0,31}$/;

/** A package from a file name as dpkg-deb(1) makes it, `NAME_VERSION_ARCHITECTURE.deb`; undefined when it is none of ours. */
export function parsePackageFile(file: string): PackageFile | undefined {
  const [, name, version, architecture] = /^([a-z-]+)_([^_/]+)_([^_/]+)\.deb$/.exec(file) ?? [];
  if (name === undefined || version === undefined || architecture === undefined) return undefined;
  const known = packageNames.some((one) => one === name) && versionPattern.test(version) && architecturePattern.test(architecture);
  return known ? { name, version, architecture } : undefined;
}

/** Debian's name of an architecture, e.g. `amd64`. Errors: FIELD_INVALID, FIELD_MISSING. */
export function parseArchitecture(text: string): string {
  return parsePattern('architecture', text, architecturePattern, 'Debian\'s name of an architecture, as "dpkg --print-architecture" prints it');
}

/** A Debian version as our packages have them, without an epoch. Errors: FIELD_INVALID, FIELD_MISSING. */
export function parsePackageVersion(text: string): string {
  return parsePattern('package version', text, versionPattern, 'a Debian version: digits, letters, ".", "+", "~" and "-"');
}

/** A name of `packageNames`. Errors: FIELD_INVALID, FIELD_MISSING. */
export function parsePackageName(text: string): string {
  return parsePattern('package name', text, /^reeve-(?:runtime|agent)$/, `one of ${packageNames.join(', ')}`);
}
