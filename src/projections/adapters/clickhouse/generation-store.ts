import { createHash } from 'node:crypto';
import { isDeepStrictEqual } from 'node:util';
import { RefoldError } from '../../../kernel/errors';
import type { ClickHouse } from '../../../platform/clickhouse/client';
import { partitionId, type PartitionId, type Position, type TopicPartition } from '../../../events/position';
import type { CheckpointControl, ClaimedCheckpoint, Intent, TakenBack } from '../../checkpoint-control';
import { generationLabel, type Checkpoint, type Generation, type StoppedBy } from '../../generations';
import type { ParkedEvent, ParkedSequence, SequenceName } from '../../parking';
import { identityOf } from '../../read-model';
import type { Advance, BatchCommit, CommitResult, Decision, GenerationStore, LateContribution, Merge, StampedRow } from '../../read-model-store';
import { keyText } from '../../values';
import { Claims, type Claim } from './claims';
import { GenerationRows, blockTexts, isEmpty } from './generation-rows';
import { isByStreamTime, publishStreamTime } from './published';
import { byPartition, identityTexts, type Evidence } from './rows';
import type { StoredRow } from './stored-rows';

type Values = Readonly<Record<string, unknown>>;

/** Taken out of what is set aside when the rows have landed. */
const takenBack = ({ redriven, readmitted }: BatchCommit): TakenBack => ({
  redriven,
  readmitted: readmitted?.map(({ topic, partition, offset }) => ({ topic, partition, offset })),
});

const COMMITTED: CommitResult = { status: 'committed' };
const fencedAt = (partitions: readonly TopicPartition[]): CommitResult => ({
  status: 'fenced',
  partitions: partitions.map(({ topic, partition }) => ({ topic, partition })),
});

/**
 * One generation in ClickHouse. There is no transaction over both databases, so a batch goes in three steps: its intent is
 * recorded with the checkpoint, its rows are inserted as one block with versions by position, the checkpoint is moved.
 * Whoever claims a partition with an intent first finds out whether the rows have landed: if so the checkpoint is moved, if
 * not exactly the same range is folded again, under the epoch of the intent, so that a block which lands late after all
 * brings nothing but equal rows.
 */
export class ClickHouseGenerationStore implements GenerationStore {
  readonly #clickhouse: ClickHouse;
  readonly #control: CheckpointControl;
  /** Up to when readers see everything, as far as we have told. */
  #published = Number.NEGATIVE_INFINITY;
  readonly #rows: GenerationRows;
  readonly #generation: Generation;
  readonly #claims: Claims;

  constructor(control: CheckpointControl, clickhouse: ClickHouse, generation: Generation) {
    this.#clickhouse = clickhouse;
    this.#control = control;
    this.#rows = new GenerationRows(clickhouse, generation);
    this.#generation = generation;
    this.#claims = new Claims(generation.columns);
  }

  async claim(partitions: readonly TopicPartition[], owner: string | undefined): Promise<readonly Checkpoint[]> {
    const claimed = await this.#control.claim(this.#generation, partitions, owner);
    const settled = await Promise.all(claimed.map((one) => this.#settled(one)));
    await this.#publish(); // whoever owned them may have died before that, and decisions advance stream time too
    return settled;
  }

  decisions(checkpoints: readonly Checkpoint[]): Promise<readonly Decision[]> {
    return this.#control.decisions(this.#generation, checkpoints);
  }

  parkedSequences(partitions: readonly TopicPartition[]): Promise<readonly ParkedSequence[]> {
    return this.#control.parkedSequences(this.#generation, partitions);
  }

  readmittable(partition: TopicPartition, records: number): Promise<readonly LateContribution[]> {
    return this.#control.readmittable(this.#generation, partition, records);
  }

  parkedEvents(sequence: SequenceName, limit: number): Promise<readonly ParkedEvent[]> {
    return this.#control.parkedEvents(this.#generation, sequence, limit);
  }

  recordStop(partition: TopicPartition, epoch: number, stop: StoppedBy | undefined): Promise<void> {
    return this.#control.recordStop(this.#generation, { ...partition, epoch }, stop);
  }

  errataVersion(): Promise<number> {
    return this.#control.errataVersion(this.#generation);
  }

  checkpoints(): Promise<readonly Checkpoint[]> {
    return this.#control.checkpoints(this.#generation);
  }

  begin(positions: readonly Position[]): Promise<void> {
    return this.#control.begin(this.#generation, positions);
  }

  /** @throws RefoldError `store.ahead-of-log` */
  async load(keys: readonly string[]): Promise<ReadonlyMap<string, StampedRow>> {
    const [key] = identityOf(this.#rows.columns);
    const stored = await this.#known(await this.#rows.stored.read(keys.map((text) => [text])));
    return new Map(stored.filter(({ deleted }) => !deleted).map(({ row, stamp }) => [keyText(row[key!.name]), { row, stamp }]));
  }

  /** @throws RefoldError `store.repeat-differs`, `store.ahead-of-log`, `store.value-refused` before anything is recorded */
  async commit(batch: BatchCommit): Promise<CommitResult> {
    const stale = this.#claims.stale(batch.advances);
    if (stale.length > 0) {
      return fencedAt(stale);
    }
    const before = await this.#sumsBefore(batch.merges);
    const lost = this.#claims.stale(batch.advances); // as the rows that were read have shown
    if (lost.length > 0) {
      return fencedAt(lost);
    }
    const rendered = this.#rows.rendered(batch, this.#claims.epochs(batch.advances), before);
    const intents = batch.advances.map((advance): Intent => ({ advance, evidence: this.#rows.evidence(rendered, advance) }));
    const fresh = intents.filter((intent) => !this.#isRepeated(intent));
    const freshPartitions = new Set(fresh.map(({ advance }) => partitionId(advance)));
    const aside = {
      late: batch.late.filter((contribution) => freshPartitions.has(partitionId(contribution))), // the others were kept with their intent
      parked: batch.parked.filter(({ record }) => freshPartitions.has(partitionId(record))),
      ...takenBack(batch),
      errataVersion: batch.errataVersion,
    };
    if (isEmpty(rendered) && intents.every(({ advance }) => freshPartitions.has(partitionId(advance)))) {
      const result = await this.#control.advance(this.#generation, batch.advances, aside);
      if (result.status === 'committed') {
        this.#claims.moved(batch.advances);
        await this.#publish();
      }
      return result;
    }
    const done = takenBack(batch);
    const recorded = await this.#control.intend(
      this.#generation,
      done.redriven === undefined && done.readmitted === undefined && batch.replaced === undefined
        ? fresh
        : fresh.map((intent) => ({ ...intent, redrive: { ...done, ...blockTexts(rendered) } })),
      aside,
    );
    if (recorded.status !== 'committed') {
      return recorded;
    }
    await this.#rows.insert(rendered, this.#token(batch.advances));
    const result = await this.#finish(batch.advances, done);
    this.#claims.remember(batch.advances, rendered.folded.written);
    await this.#publish();
    return result;
  }

  /**
   * Lets readers see what is closed by now: after the rows, and after the checkpoints that say so. Until then they see less
   * than they could, never a row that changes. Checkpoints of others count too, whose rows were there before.
   */
  async #publish(): Promise<void> {
    if (!isByStreamTime(this.#generation)) {
      return;
    }
    const streamTime = await this.#control.streamTime(this.#generation);
    if (streamTime !== undefined && streamTime > this.#published) {
      await publishStreamTime(this.#clickhouse, this.#generation, streamTime);
      this.#published = streamTime;
    }
  }

  /** Finds out what became of an intent; a checkpoint that still has one says so with `repeatTo`. */
  async #settled({ checkpoint, intent }: ClaimedCheckpoint): Promise<Checkpoint> {
    const claim = this.#claims.add(checkpoint, { epoch: checkpoint.epoch, next: checkpoint.next, intent });
    if (intent === undefined) {
      return checkpoint;
    }
    const evidence = intent.evidence as Evidence | null;
    if (evidence !== null && !(await this.#rows.hasLanded(checkpoint, evidence))) {
      if (intent.redrive === undefined) {
        return { ...checkpoint, repeatTo: intent.advance.next };
      }
      await this.#rows.insertTexts(intent.redrive, this.#token([intent.advance])); // equal rows, should the first block land after all
    }
    const [finished] = await this.#control.finish(this.#generation, [checkpoint], intent.redrive);
    if (finished === undefined) {
      this.#claims.lost([checkpoint]);
      return checkpoint; // our first batch will be fenced
    }
    claim.intent = undefined;
    claim.next = finished.next;
    return finished;
  }

  /**
   * Rows at or beyond the position of their partition can only come from the intent that is to be settled (its block landed
   * after we asked: the claim is given up, so that the batch is refused and the next claim finds it), or from another owner
   * that has fenced us since.
   */
  async #known(stored: readonly StoredRow[]): Promise<readonly StoredRow[]> {
    for (const row of stored) {
      const claim = this.#claims.get(partitionId(row.stamp));
      if (claim === undefined || row.stamp.offset < claim.next) {
        continue;
      }
      if (claim.intent !== undefined && row.stamp.offset < claim.intent.advance.next) {
        this.#claims.giveUp(row.stamp);
      } else {
        await this.#requireFenced(row, claim);
      }
    }
    return stored;
  }

  async #requireFenced({ row, stamp }: StoredRow, { epoch, next }: Claim): Promise<void> {
    const checkpoints = await this.#control.checkpoints(this.#generation);
    if (checkpoints.some((checkpoint) => partitionId(checkpoint) === partitionId(stamp) && checkpoint.epoch !== epoch)) {
      return; // the commit of this batch will be refused
    }
    throw new RefoldError('store.ahead-of-log', `${generationLabel(this.#generation)} holds a row that its checkpoint has not reached`, {
      facts: { topic: stamp.topic, partition: stamp.partition, offset: stamp.offset, next, key: identityTexts(this.#rows.columns, row) },
    });
  }

  /** Whether this is the batch of an intent once more. @throws RefoldError `store.repeat-differs` if it should be, but is not the same */
  #isRepeated({ advance, evidence }: Intent): boolean {
    const { intent } = this.#claims.get(partitionId(advance))!;
    if (intent === undefined) {
      return false;
    }
    const { advance: first } = intent;
    const same = first.next === advance.next && isDeepStrictEqual(first.counters, advance.counters) && isDeepStrictEqual(intent.evidence, evidence);
    if (!same) {
      throw new RefoldError('store.repeat-differs', `${generationLabel(this.#generation)} folds a batch that is in doubt otherwise than before`, {
        facts: { topic: advance.topic, partition: advance.partition, from: first.from, next: first.next, nextNow: advance.next },
      });
    }
    return true;
  }

  /** What is stored of the groups that a batch adds to, by what identifies them; read where it is not remembered. */
  async #sumsBefore(merges: readonly Merge[]): Promise<ReadonlyMap<string, Values>> {
    const sums = new Map<string, Values>();
    const stored = merges.filter(({ isStored }) => isStored);
    const read = async ([partition, group]: readonly [PartitionId, readonly Merge[]]): Promise<void> => {
      const remembered = this.#claims.get(partition)!.sums;
      const unknown = group.filter(({ id }) => {
        const values = remembered.get(id);
        return values === undefined || (sums.set(id, values), false);
      });
      const ids = new Map(unknown.map((merge) => [this.#rows.batches.identityOf(merge), merge.id] as const));
      const rows = await this.#known(await this.#rows.stored.read([...ids.keys()], group[0]!.stamp));
      const byText = new Map([...ids].map(([texts, id]) => [texts.join('\0'), id]));
      rows.forEach(({ row }) => sums.set(byText.get(identityTexts(this.#generation.columns, row).join('\0'))!, row));
    };
    await Promise.all([...byPartition(stored, ({ stamp }) => stamp!)].map(read));
    return sums;
  }

  async #finish(advances: readonly Advance[], done: TakenBack): Promise<CommitResult> {
    const finished = new Set((await this.#control.finish(this.#generation, advances, done)).map(partitionId));
    this.#claims.moved(advances.filter((advance) => finished.has(partitionId(advance))));
    const fenced = advances.filter((advance) => !finished.has(partitionId(advance)));
    this.#claims.lost(fenced);
    return fenced.length === 0 ? COMMITTED : fencedAt(fenced);
  }

  #token(advances: readonly Advance[]): string {
    const parts = advances.map(({ topic, partition, from, next, epoch }) => `${topic}/${String(partition)}@${String(from)}-${String(next)}#${String(epoch)}`);
    return createHash('sha256')
      .update(`${String(this.#generation.id)}:${parts.join(',')}`)
      .digest('hex');
  }
}
