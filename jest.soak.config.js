'use strict';

/** The long tests: `npm run soak`. One file at a time, so that their times can be compared. */
module.exports = { ...require('./jest.config.js'), testMatch: ['**/*.soak.ts'], maxWorkers: 1 };
