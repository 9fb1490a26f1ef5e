import { execFile } from 'node:child_process';
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { promisify } from 'node:util';
import { describeWithKafka, freshDatabase, kafkaBrokers } from '../support/services';

const run = promisify(execFile);
const ROOT = path.join(__dirname, '..', '..');
const PEERS = path.join(ROOT, 'bench', 'peers', 'node');
const EVENTS = 1_999;

/** The bench measures what was built; CI builds before it tests. */
const build = async (): Promise<void> => {
  if (!existsSync(path.join(ROOT, 'dist', 'index.js'))) {
    await run(process.execPath, [path.join(ROOT, 'node_modules', 'typescript', 'bin', 'tsc'), '-p', 'tsconfig.build.json'], { cwd: ROOT });
  }
};

describeWithKafka('the bench', () => {
  it('makes the tables of the reference, and fails where a table is another one', async () => {
    await build();
    const database = await freshDatabase('bench');
    const folder = mkdtempSync(path.join(os.tmpdir(), 'refold-bench-'));
    const environment = { PGURL: database.url, BROKER: (await kafkaBrokers())[0]!, WORKDIR: folder, N: String(EVENTS), QUIET_S: '0' };
    const script = async (name: string, ...given: readonly string[]): Promise<{ readonly code: unknown; readonly said: string }> => {
      try {
        const { stdout } = await run(process.execPath, [path.join(PEERS, name), ...given], { cwd: ROOT, env: { ...process.env, ...environment } });
        return { code: 0, said: stdout };
      } catch (error) {
        const { code, stdout, stderr } = error as { readonly code: unknown; readonly stdout: string; readonly stderr: string };
        return { code, said: stdout + stderr };
      }
    };
    try {
      expect(await script('load.mjs')).toMatchObject({ code: 0 });
      expect(await script('reference.mjs')).toMatchObject({ code: 0 });
      const good = await script('bench.mjs', '1', 'refold-w1,refold-w2');
      expect(good.code === 0 ? '' : good.said).toBe('');
      expect(good.said.match(/ok=true/g)).toHaveLength(2);

      const reference = path.join(folder, `ref-${String(EVENTS)}.json`);
      writeFileSync(reference, readFileSync(reference, 'utf8').replace(/"w1":"(\d+):./, '"w1":"$1:x'));
      const bad = await script('bench.mjs', '1', 'p2-w1-c4');
      expect(bad).toMatchObject({ code: 1 });
      expect(bad.said).toContain('MISMATCH');
    } finally {
      rmSync(folder, { recursive: true, force: true });
      await database.drop();
    }
  });
});
