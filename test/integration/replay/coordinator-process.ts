import 'reflect-metadata';
import { connect, type ConnectedApp } from '../../../src/app/connect';
import { givenArguments } from '../../../src/app/services/launch';
import { coordinatorOver, shopV2 } from './world';

/** A process that gives one command and stands still, with lease and hold, at the step named; says so on its first line. */
const main = async (): Promise<void> => {
  const [url, id, command, step] = givenArguments().slice(-4) as [string, string, string, string];
  const shop = (await connect(shopV2, { configuration: { postgresUrl: url }, environment: {} })) as unknown as ConnectedApp;
  const coordinator = coordinatorOver(shop, {
    by: 'child',
    options: { leaseMs: 1_000, holdMs: 1_500 },
    observe: async (seen) => {
      if (seen.step === step) {
        process.stdout.write(`${step}\n`);
        await new Promise(() => setInterval(() => undefined, 1_000));
      }
    },
  });
  await (command === 'ready' ? coordinator.runUntil(Number(id), 'ready') : coordinator.cutover(Number(id)));
};

void main();
