import { connect, type ConnectedApp } from '../../../src/app/connect';
import type { Observers } from '../../../src/app/observing';
import { Decimal } from '../../../src/kernel/decimal';
import type { LogFacts } from '../../../src/kernel/logger';
import { OrderPlaced, before } from '../../support/cli-app/refold.config';
import { until } from '../../support/harness';
import { describeWithPostgres, freshDatabase, type TestDatabase } from '../../support/services';

describeWithPostgres('observers of a connection', () => {
  let database: TestDatabase;
  let connected: ConnectedApp;
  let stop: () => Promise<void>;
  const seen: string[] = [];
  const warned: (LogFacts | undefined)[] = [];
  const observe: Observers = {
    replay: ({ replay, step }) => {
      seen.push(`${String(replay)} ${step}`);
      if (step === 'verifying') {
        throw new Error('the observer is broken');
      }
    },
    correction: ({ step, facts }) => void seen.push(`${step} ${JSON.stringify(facts)}`),
  };

  beforeAll(async () => {
    database = await freshDatabase('observers');
    const logger = { log: (level: string, _: string, facts?: LogFacts) => void (level === 'warn' && warned.push(facts)), child: () => logger };
    connected = await connect(before, { configuration: { postgresUrl: database.url }, environment: {}, observe, logger });
    await connected.migrate();
    await connected.emit([new OrderPlaced('o-1', 'ann', Decimal.parse('1.00'))]);
    const worker = connected.worker({ options: { pollMs: 20, waitMs: 20 } });
    const ended = worker.run();
    stop = async () => {
      worker.stop();
      await ended;
    };
    await until(async () => (await connected.generations()).filter(({ generation }) => generation.status === 'active').length === 2, 'both are active');
  });
  afterAll(async () => {
    await stop();
    await connected.close();
    await database.drop();
  });

  it('are told every state of a replay, and cannot break it', async () => {
    const { id } = await connected.replays.start({ projections: [{ name: 'orders', version: 1 }], again: true });
    const states: string[] = [];
    const { state } = await connected.replays.runUntil(id, 'done', { onProgress: (status) => void states.push(status.state) });
    expect(state).toBe('done');
    const told = seen.filter((step) => /^\d+ [a-z-]+$/.test(step));
    expect(told).toEqual(['planned', 'provisioning', 'replaying', 'catching-up', 'verifying', 'ready', 'cutting-over', 'done'].map((one) => `1 ${one}`));
    expect([...new Set(states)]).toEqual(expect.arrayContaining(['planned', 'ready', 'done']));
    expect(warned).toContainEqual(expect.objectContaining({ error: 'the observer is broken' }));
  });

  it('are told the steps of an audit', async () => {
    seen.length = 0;
    await connected.corrections.audit({ projection: 'orders' });
    expect(seen.map((step) => step.split(' ')[0])).toEqual(expect.arrayContaining(['audit:begun', 'audit:folded', 'audit:held', 'audit:done']));
    expect(seen[0]).toBe('audit:begun {"correction":1}');
  });
});
