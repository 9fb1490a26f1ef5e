import config from './kafka.config';

/** No broker takes a session as short as this: the library ends its consumer for good. */
export default { ...config, worker: { sessionTimeoutMs: 400, restarts: 2, pollMs: 20 } };
