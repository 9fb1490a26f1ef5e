// Writes docs/reference/json/refold-cli.schema.json from the types in src/app/cli/json-answers.ts.
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { createJiti } from 'jiti';

const { jsonSchemas } = await createJiti(import.meta.url).import('./json-schemas.ts');
const root = join(import.meta.dirname, '..');
mkdirSync(join(root, 'docs', 'reference', 'json'), { recursive: true });
writeFileSync(join(root, 'docs', 'reference', 'json', 'refold-cli.schema.json'), `${JSON.stringify(jsonSchemas(root), null, 2)}\n`);
