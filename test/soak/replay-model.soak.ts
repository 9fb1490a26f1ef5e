import { randomBytes } from 'node:crypto';
import { obeysModel } from '../support/crash/model';
import { openPlace, type Place } from '../support/crash/place';
import { describeWithPostgres } from '../support/services';

const SEED = Number(process.env['REFOLD_TEST_SEED'] ?? randomBytes(4).readInt32BE());

describeWithPostgres('a replay whose commands come in any order, 500 times', () => {
  let place: Place;
  beforeAll(async () => {
    place = await openPlace('replay-model-soak', ['postgres']);
    process.stderr.write(`commands of replays: seed ${String(SEED)} (REFOLD_TEST_SEED repeats it)\n`);
  });
  afterAll(() => place.close());

  it('does what the model says, whoever dies meanwhile', async () => {
    await obeysModel(place, SEED, { runs: 500, longest: 15 });
  }, 3_600_000);
});
