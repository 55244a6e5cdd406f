declare const REEVE_VERSION: string | undefined;

/** Version of this build; package builds set it, everything else is a development tree. */
export const version: string = typeof REEVE_VERSION === 'string' ? REEVE_VERSION : '0.2.0-dev';
