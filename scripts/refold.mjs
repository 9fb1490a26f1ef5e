#!/usr/bin/env node
// The refold command from a clone, without a build: node scripts/refold.mjs <arguments of refold>
import path from 'node:path';
import { createJiti } from 'jiti';

await createJiti(import.meta.url).import(path.join(import.meta.dirname, '..', 'src', 'cli.ts'));
