import { createServer } from 'node:http';
import path from 'node:path';
import { RefoldError, messageOf } from '../../../kernel/errors';
import { readJson } from '../files';
import { givenArguments } from '../launch';
import { Engine } from './engine';
import { exchange } from './exchange';
import { Spool } from './request-body';
import { Sessions } from './sessions';

/** What the process that starts the bridge leaves in its folder, readable by the owner alone. */
export interface BridgeAccess {
  readonly password: string;
  readonly port: number;
}

const say = (error: unknown): void => {
  process.stderr.write(`${messageOf(error)}\n`);
};

const accessIn = (folder: string): BridgeAccess => {
  const access = readJson<BridgeAccess>(path.join(folder, 'access.json'));
  if (access === undefined) {
    throw new RefoldError('service.unavailable', `the bridge to ClickHouse found no password in ${folder}`);
  }
  return access;
};

/** ClickHouse's HTTP interface over the engine in this process: bridge FOLDER LIBRARY. */
const main = (folder: string, library: string): void => {
  process.chdir(folder);
  const { password, port } = accessIn(folder);
  const engine = new Engine(library, path.join(folder, 'data')); // first, for its lock: what lies in the spool is nobody's then
  const bridge = { engine, password, sessions: new Sessions(engine), spool: new Spool('spool') };
  const active = new Set<Promise<void>>();
  const server = createServer({ keepAliveTimeout: 30_000, requestTimeout: 0 }, (request, response) => {
    const answered: Promise<void> = exchange(bridge, request, response)
      .catch((error: unknown) => {
        say(error);
        response.destroy();
      })
      .finally(() => active.delete(answered));
    active.add(answered);
  });
  server.once('error', (error) => {
    say(error);
    process.exit(1);
  });
  server.listen(port, '127.0.0.1');
  process.once('SIGTERM', () => {
    server.close();
    server.closeAllConnections(); // with its client gone, what runs is killed
    void Promise.allSettled(active).then(() => {
      engine.shutDown();
      process.exit(0);
    });
  });
};

const [folder, library] = givenArguments();
if (folder === undefined || library === undefined) {
  throw new Error('usage: bridge FOLDER LIBRARY');
}
main(folder, library);
