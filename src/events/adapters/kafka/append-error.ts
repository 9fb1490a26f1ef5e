import { RefoldError } from '../../../kernel/errors';
import type { PartitionAppend } from '../../new-records';
import { partitionId } from '../../position';
import { asLogError } from './client';
import type { Appended } from './partition-lane';

/** `3, 4, 5, 9` as `3-5`, `9`. */
export const ranges = (places: readonly number[]): string[] => {
  const found: [number, number][] = [];
  for (const place of [...places].sort((a, b) => a - b)) {
    const last = found.at(-1);
    if (last?.[1] === place - 1) {
      last[1] = place;
    } else {
      found.push([place, place]);
    }
  }
  return found.map(([from, to]) => (from === to ? String(from) : `${String(from)}-${String(to)}`));
};

/**
 * The error of an append of which one partition at least failed. `log.append-failed` where a record was or may have been
 * written, with the places in the call; otherwise what the first failure was, which says whether the call can be repeated.
 */
export const appendError = (groups: readonly PartitionAppend[], appended: readonly Appended[], brokers: readonly string[]): RefoldError => {
  const failed = groups.filter((_, at) => appended[at]!.failure !== undefined);
  const written = groups.flatMap(({ indexes }, at) => indexes.slice(0, appended[at]!.offsets.length));
  const uncertain = groups.flatMap(({ indexes }, at) => {
    const { offsets, failure } = appended[at]!;
    return indexes.slice(offsets.length, offsets.length + (failure?.uncertain ?? 0));
  });
  const first = appended.find(({ failure }) => failure !== undefined)?.failure?.error;
  const isUntouched = written.length === 0 && uncertain.length === 0;
  const cause = asLogError(first, brokers, isUntouched ? 'log.unreachable' : 'log.append-failed');
  const facts = { ...cause.facts, brokers: [...brokers], partitions: failed.map(partitionId) };
  return isUntouched
    ? new RefoldError(cause.code, cause.summary, { facts, cause })
    : new RefoldError('log.append-failed', `records could not be appended: ${cause.summary}`, {
        facts: { ...facts, written: ranges(written), mayBeWritten: ranges(uncertain) },
        cause,
      });
};
