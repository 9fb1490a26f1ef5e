import fs from 'node:fs';
import { createRequire } from 'node:module';
import path from 'node:path';
import { RefoldError } from '../../../kernel/errors';

/** The package with ClickHouse in it, and the version the bridge was tested with. */
export const LIBRARY = { name: '@chdb/lib-linux-x64-gnu', version: '26.7.3-stable.1' } as const;

/** Without a password in the address: it would be shown as `***`, because passwords of addresses are, and nobody could copy that. */
const BY_ADDRESS =
  'give the address of a ClickHouse server by REFOLD_CLICKHOUSE_URL=http://host:8123, user and password in it before the host (a container does: docker run -d -p 8123:8123 -e CLICKHOUSE_PASSWORD=secret clickhouse/clickhouse-server)';

export interface Platform {
  readonly system: string;
  readonly processor: string;
  /** Of the C library; undefined where that is another one. */
  readonly glibc: string | undefined;
}

export const thisPlatform = (): Platform => {
  const report = process.platform === 'linux' ? (process.report.getReport() as { readonly header?: { readonly glibcVersionRuntime?: string } }) : {};
  return { system: process.platform, processor: process.arch, glibc: report.header?.glibcVersionRuntime };
};

const resolveFrom = (folder: string): string | undefined => {
  try {
    return createRequire(path.join(folder, 'resolve.js')).resolve(`${LIBRARY.name}/package.json`);
  } catch {
    return undefined;
  }
};

/**
 * Folder of the installed package: of those refold finds itself, else of the application in whose folder the services lie.
 * @throws RefoldError `service.unavailable` with the alternatives
 */
export const libraryFor = (folder: string, platform: Platform = thisPlatform(), own: string = __dirname): string => {
  if (platform.system !== 'linux' || platform.processor !== 'x64' || platform.glibc === undefined) {
    const libc = platform.system === 'linux' && platform.glibc === undefined ? ' without glibc' : '';
    throw new RefoldError('service.unavailable', `clickhouse: there is no embedded one for ${platform.system} on ${platform.processor}${libc}`, {
      remedy: `Use Linux on x64 with glibc, or ${BY_ADDRESS}.`,
    });
  }
  const found = resolveFrom(own) ?? resolveFrom(fs.realpathSync(folder));
  if (found === undefined) {
    throw new RefoldError('service.unavailable', `clickhouse: the package ${LIBRARY.name} is not installed`, {
      remedy: `Run \`npm install --save-dev --save-exact ${LIBRARY.name}@${LIBRARY.version}\` (543 MB), or ${BY_ADDRESS}.`,
    });
  }
  return path.dirname(found);
};
