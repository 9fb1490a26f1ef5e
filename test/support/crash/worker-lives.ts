import { isRefoldError } from '../../../src/kernel/errors';
import type { ReplayCoordinator } from '../../../src/replay/coordinator';
import { until } from '../harness';
import { LIVES, type Doom, type Lived } from './lives';
import type { Place, Process } from './place';

const [LIFE] = LIVES;

/** The worker's part in a replay goes on by itself; a command that missed it is given again. */
const insist = async (command: () => Promise<unknown>): Promise<unknown> => {
  let answer: unknown;
  await until(async () => {
    try {
      answer = await command();
      return true;
    } catch (error) {
      if (isRefoldError(error) && error.retryable) {
        return false;
      }
      throw error;
    }
  }, 'a worker has done its part');
  return answer;
};

/** The group hears that a member is dead at once; its session would run out by the clock of the database. */
const forgetMember = async ({ pool }: Place): Promise<void> => {
  await pool.query(`UPDATE refold.log_members SET heartbeat_at = heartbeat_at - interval '1 hour'`);
};

/** Lives a life beside one worker, which dies as it was doomed to; another one takes its place. */
export const liveBesideWorker = async (place: Place, doom?: Pick<Doom, 'at' | 'death'>): Promise<Lived> => {
  const worker = await place.process('mortal');
  const { fate } = worker;
  let replaced: Promise<void> | undefined;
  const replace = async (): Promise<void> => {
    await worker.sever();
    await forgetMember(place);
    await place.replaceWorker(undefined);
  };
  if (doom !== undefined) {
    fate.plan(doom.at, doom.death, () => {
      replaced = replace(); // not waited for: the worker stops when its last statement has been refused
    });
  }
  fate.begin('worker');
  await place.replaceWorker(worker);
  const person: Process = await place.process('person');
  const coordinator: ReplayCoordinator = person.coordinator();
  let id = 0;
  try {
    for (const command of LIFE!.commands) {
      await place.emit(2);
      const answer = await insist(() => command.run(coordinator, id));
      id = command.name === 'start' ? Number(answer) : id;
    }
  } finally {
    await (replaced ?? place.replaceWorker(undefined));
    await person.close();
  }
  return { id, points: [...fate.passed], died: fate.met, ends: LIFE!.ends };
};
