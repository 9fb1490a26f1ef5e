import { RefoldError } from '../../../kernel/errors';
import { isCommitInDoubt, type PostgresPool, type Sql, type SqlSession } from '../../../platform/postgres/pool';
import type { Position, TopicPartition } from '../../../events/position';
import type { CheckpointControl, ClaimedCheckpoint, ClaimedPartition, Intent, SetAside, TakenBack } from '../../checkpoint-control';
import { generationLabel, type Checkpoint, type Generation, type StoppedBy } from '../../generations';
import type { ParkedEvent, ParkedSequence, SequenceName } from '../../parking';
import type { Advance, CommitResult, Decision, LateContribution } from '../../read-model-store';
import { repeated } from '../../repeated';
import { beginAdded } from './added-partitions';
import { claimCheckpoints, finishIntents, moveCheckpoints, readCheckpoints, recordIntents, whatLanded, type Landing } from './checkpoints';
import { insertLate, readReadmittable, removeLate } from './late';
import { insertParked, readEvents, readSequences, recordRedriven } from './parking';
import { shownJson } from './shown';

/** Thrown inside a transaction to roll it back with an answer. */
class Refused extends Error {
  constructor(readonly result: CommitResult) {
    super(result.status);
  }
}

/** Checkpoints, decisions and late contributions in the control schema. */
export class PostgresCheckpointControl implements CheckpointControl {
  readonly #pool: PostgresPool;

  constructor(pool: PostgresPool) {
    this.#pool = pool;
  }

  async claim(generation: Generation, partitions: readonly TopicPartition[], owner: string | undefined): Promise<readonly ClaimedCheckpoint[]> {
    const claimed = await claimCheckpoints(this.#pool, generation.id, partitions, owner);
    if (claimed.length === 0 && partitions.length > 0) {
      throw new RefoldError('generation.not-running', `${generationLabel(generation)} is not followed any more`);
    }
    return claimed;
  }

  checkpoints(generation: Generation): Promise<readonly Checkpoint[]> {
    return readCheckpoints(this.#pool, generation.id);
  }

  async streamTime({ id }: Generation): Promise<number | undefined> {
    const { rows } = await repeated(() => this.#pool.query<{ at: number | null }>('SELECT refold.stream_time($1) AS at', [id]));
    return rows[0]?.at ?? undefined;
  }

  async begin(generation: Generation, positions: readonly Position[]): Promise<void> {
    if (positions.length > 0) {
      await this.#pool.transaction((sql) => beginAdded(sql, generation, positions));
    }
  }

  async decisions(generation: Generation, checkpoints: readonly Checkpoint[]): Promise<readonly Decision[]> {
    const { rows } = await this.#pool.query<Decision>(
      `SELECT d.kind, d.topic, d.partition, d.record_offset AS "offset", d.facts
       FROM refold.decisions d
       WHERE d.app = $1 AND (d.projection IS NULL OR d.projection = $2) AND EXISTS (
         SELECT FROM unnest($3::text[], $4::int[], $5::bigint[]) AS w(topic, partition, next)
         WHERE d.topic = w.topic AND (d.kind = 'partition-barrier' OR d.partition = w.partition AND d.record_offset >= w.next))
       ORDER BY d.topic, d.partition, d.record_offset, d.decision_id`,
      [
        generation.app,
        generation.projection,
        checkpoints.map(({ topic }) => topic),
        checkpoints.map(({ partition }) => partition),
        checkpoints.map(({ next }) => next),
      ],
    );
    return rows;
  }

  async errataVersion({ id }: Generation): Promise<number> {
    const { rows } = await this.#pool.query<{ version: number }>('SELECT errata_version AS version FROM refold.generations WHERE generation_id = $1', [id]);
    return rows[0]?.version ?? 0;
  }

  parkedSequences(generation: Generation, partitions: readonly TopicPartition[]): Promise<readonly ParkedSequence[]> {
    return readSequences(this.#pool, generation.id, partitions);
  }

  readmittable(generation: Generation, partition: TopicPartition, records: number): Promise<readonly LateContribution[]> {
    return readReadmittable(this.#pool, generation, partition, records);
  }

  parkedEvents(generation: Generation, sequence: SequenceName, limit: number): Promise<readonly ParkedEvent[]> {
    return readEvents(this.#pool, generation.id, sequence, limit);
  }

  async recordStop(generation: Generation, { topic, partition, epoch }: ClaimedPartition, stop: StoppedBy | undefined): Promise<void> {
    await this.#pool.query(
      'UPDATE refold.checkpoints SET stopped_by = $5, updated_at = now() WHERE generation_id = $1 AND topic = $2 AND partition = $3 AND epoch = $4',
      [generation.id, topic, partition, epoch, stop === undefined ? null : shownJson(stop)],
    );
  }

  advance(generation: Generation, advances: readonly Advance[], aside: SetAside): Promise<CommitResult> {
    return this.commit(generation, advances, aside, () => Promise.resolve(true));
  }

  /** Moves checkpoints, keeps what is set aside and does `write`, in one transaction; where `write` answers false nothing is done, and the batch is fenced. */
  commit(generation: Generation, advances: readonly Advance[], aside: SetAside, write: (sql: SqlSession) => Promise<boolean>): Promise<CommitResult> {
    return this.#unlessRefused(generation, advances, 'moved', async (sql) => {
      const result = await moveCheckpoints(sql, generation.id, advances);
      if (result.status === 'committed') {
        if (!(await write(sql))) {
          return { status: 'fenced', partitions: advances };
        }
        await setAside(sql, generation.id, aside);
        await takeBack(sql, generation.id, aside);
        await pinErrata(sql, generation.id, aside.errataVersion);
      }
      return result;
    });
  }

  intend(generation: Generation, intents: readonly Intent[], aside: SetAside): Promise<CommitResult> {
    const advances = intents.map(({ advance }) => advance);
    return this.#unlessRefused(generation, advances, 'intended', async (sql) => {
      await sql.query('SET LOCAL synchronous_commit = on'); // rows must never be written for an intent that a crash forgets
      const result = await recordIntents(sql, generation.id, intents);
      if (result.status === 'committed') {
        await setAside(sql, generation.id, aside);
      }
      return result;
    });
  }

  finish(generation: Generation, partitions: readonly ClaimedPartition[], done: TakenBack = {}): Promise<readonly Checkpoint[]> {
    const once = async (): Promise<readonly Checkpoint[]> => {
      if (done.redriven === undefined && done.readmitted === undefined) {
        return finishIntents(this.#pool, generation.id, partitions);
      }
      return this.#pool.transaction(async (sql) => {
        const finished = await finishIntents(sql, generation.id, partitions);
        if (finished.length > 0) {
          await takeBack(sql, generation.id, done);
        }
        return finished;
      });
    };
    return repeated(once); // done twice it finds no intent, and the partition is claimed anew
  }

  /**
   * Done again where it lost against another transaction or its connection: the compare-and-set lets it happen once. Where
   * nobody said how COMMIT ended the checkpoint does.
   */
  async #unlessRefused(
    generation: Generation,
    advances: readonly Advance[],
    landing: Landing,
    work: (sql: SqlSession) => Promise<CommitResult>,
  ): Promise<CommitResult> {
    let isInDoubt = false;
    const once = async (): Promise<CommitResult> => {
      if (isInDoubt) {
        const landed = await whatLanded(this.#pool, generation.id, advances, landing);
        if (landed !== undefined) {
          return landed;
        }
        isInDoubt = false;
      }
      try {
        return await this.#once(work);
      } catch (error) {
        isInDoubt = isCommitInDoubt(error);
        throw error;
      }
    };
    return advances.length === 0 ? { status: 'committed' } : repeated(once);
  }

  async #once(work: (sql: SqlSession) => Promise<CommitResult>): Promise<CommitResult> {
    try {
      return await this.#pool.transaction(async (sql) => {
        const result = await work(sql);
        if (result.status !== 'committed') {
          throw new Refused(result);
        }
        return result;
      });
    } catch (error) {
      if (error instanceof Refused) {
        return error.result;
      }
      throw error;
    }
  }
}

const pinErrata = async (sql: Sql, generationId: number, version: number | undefined): Promise<void> => {
  if (version !== undefined) {
    await sql.query('UPDATE refold.generations SET errata_version = $2 WHERE generation_id = $1', [generationId, version]);
  }
};

/** Kept at once. */
const setAside = async (sql: Sql, generationId: number, { late, parked }: SetAside): Promise<void> => {
  await insertLate(sql, generationId, late);
  await insertParked(sql, generationId, parked);
};

const takeBack = async (sql: Sql, generationId: number, { redriven, readmitted = [] }: TakenBack): Promise<void> => {
  await recordRedriven(sql, generationId, redriven);
  await removeLate(sql, generationId, readmitted);
};
