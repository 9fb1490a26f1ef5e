'use strict';
// Runs a TypeScript file of this example without a build: node examples/orders/run.cjs FILE [arguments]
const path = require('node:path');
const { createJiti } = require('jiti');

const file = path.resolve(__dirname, process.argv[2] ?? 'demo.ts');
process.argv.splice(1, 2, file);
// In this repository the package is its own source; installed, its name leads to node_modules by itself.
const jiti = createJiti(__filename, { alias: { refold: path.join(__dirname, '..', '..', 'src', 'index.ts') } });
jiti.import(file).catch((error) => {
  process.stderr.write(`${error instanceof Error ? (error.stack ?? error.message) : String(error)}\n`);
  process.exitCode = 1;
});
