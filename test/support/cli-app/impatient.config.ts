import config from './refold.config';

/** Waits for no database. */
export default { ...config, worker: { startMs: 300 } };
