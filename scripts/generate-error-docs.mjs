// Writes docs/reference/errors.md from the table in src/kernel/errors.ts.
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { createJiti } from 'jiti';

const { errorDocs } = await createJiti(import.meta.url).import('./error-docs.ts');
writeFileSync(join(import.meta.dirname, '..', 'docs', 'reference', 'errors.md'), errorDocs());
