#!/usr/bin/env node
import { main, showError } from './command/dispatch.js';

process.exitCode = await main(process.argv.slice(2)).catch(showError);
// A pending timer or a half-closed socket does not hold up a command that is done.
process.exit();
