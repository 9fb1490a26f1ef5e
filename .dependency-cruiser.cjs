'use strict';
const { importRules } = require('./scripts/import-rules.cjs');

module.exports = {
  forbidden: importRules('^src/'),
  options: {
    tsPreCompilationDeps: true,
    doNotFollow: { path: 'node_modules' },
    tsConfig: { fileName: 'tsconfig.json' },
    enhancedResolveOptions: { extensions: ['.ts', '.js', '.json'], exportsFields: ['exports'], conditionNames: ['require', 'node', 'types', 'default'] },
  },
};
