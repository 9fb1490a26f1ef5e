// Runs the commands of docs/tutorial/fix-a-projection.md and writes what they answer into it.
import path from 'node:path';
import { createJiti } from 'jiti';

process.env['ORDERS_STORES'] = 'postgres'; // before the example is loaded
const alias = { refold: path.join(import.meta.dirname, '..', 'src', 'index.ts') };
await createJiti(import.meta.url, { alias }).import('./tutorial.ts');
