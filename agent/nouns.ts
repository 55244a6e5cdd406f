/** The nouns that this agent manages, for commands that build no agent. core.ts asserts that they are those it serves. */
export const nounNames: readonly string[] = ['relay', 'user', 'key', 'nat', 'cert', 'vhost', 'container'];
