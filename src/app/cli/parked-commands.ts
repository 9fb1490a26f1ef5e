import type { ParkedEvent, ParkedFilter, ParkedIn } from '../../projections/parking';
import { generationLabel, type StoreKind } from '../../projections/generations';
import type { Discard, Redrive } from '../parked';
import { EXIT } from './failure';
import type { Action } from './session';
import { counted, table, timeText } from './text';

export interface ParkedFlags {
  readonly projection?: string;
  readonly store?: StoreKind;
  readonly key?: string;
  readonly type?: string;
  readonly error?: string;
  /** Milliseconds since the epoch. */
  readonly since?: number;
  readonly before?: number;
}

export interface ShowFlags extends ParkedFlags {
  readonly limit?: number;
}

export interface DiscardFlags extends ParkedFlags {
  readonly key: string;
  readonly all?: true;
  readonly reason: string;
  readonly by?: string;
}

const EVENTS_SHOWN = 20;

const filterOf = ({ projection, store, key, type, error, since, before }: ParkedFlags): ParkedFilter => ({
  projection,
  store,
  key,
  type,
  error,
  since,
  before,
});

const keyText = (sequence: string): string => (sequence === '' ? '(no key)' : sequence);

const jsonOf = ({ generation, parked }: ParkedIn): object => ({ projection: generation.projection, generation: generationLabel(generation), ...parked });

/** Text of bytes where they are text, else Base64. */
const bytesJson = (bytes: Buffer | null): object | null => (bytes === null ? null : { base64: bytes.toString('base64') });

const eventJson = ({ record, type, streamTime }: ParkedEvent): object => ({
  offset: record.offset,
  type,
  timestamp: record.timestamp,
  streamTime,
  headers: record.headers,
  key: bytesJson(record.key),
  value: bytesJson(record.value),
});

const positionText = ({ topic, partition, head }: ParkedIn['parked']): string => `${topic}:${String(partition)}:${String(head)}`;

/** Pure: one line per sequence. */
export const parkedText = (found: readonly ParkedIn[]): string =>
  found.length === 0
    ? 'nothing is parked'
    : table(
        ['KEY', 'PROJECTION', 'EVENTS', 'FIRST', 'TYPE', 'ERROR', 'TRIED', 'PARKED'],
        found.map(({ generation, parked }) => [
          keyText(parked.sequence),
          generationLabel(generation),
          String(parked.events),
          positionText(parked),
          parked.type,
          parked.cause.code === '' ? 'to be tried' : parked.cause.code,
          String(parked.attempts),
          timeText(parked.firstAt),
        ]),
      );

const causeText = ({ cause }: ParkedIn['parked']): readonly string[] =>
  cause.code === '' ? ['  its first event waits to be tried'] : [`  [${cause.code}] ${cause.message}`, `    → ${cause.remedy}`];

/** Pure: one sequence with its first events. */
export const sequenceText = (one: ParkedIn, events: readonly ParkedEvent[]): string => {
  const { generation, parked } = one;
  const more = parked.events - events.length;
  return [
    `${keyText(parked.sequence)} in ${generationLabel(generation)}: ${counted(parked.events, 'event')}, parked ${timeText(parked.firstAt)}, tried ${String(parked.attempts)} times`,
    ...causeText(parked),
    ...events.map(({ record, type }) => `  ${record.topic}:${String(record.partition)}:${String(record.offset)}  ${timeText(record.timestamp)}  ${type}`),
    ...(more > 0 ? [`  and ${counted(more, 'event')} more`] : []),
  ].join('\n');
};

/** `refold parked list`. */
export const parkedListAction = (flags: ParkedFlags): Action => ({
  work: async ({ connected }) => {
    const found = await connected.parked.list(filterOf(flags));
    return { json: { parked: found.map(jsonOf) }, text: parkedText(found) };
  },
});

/** `refold parked show`. */
export const parkedShowAction = ({ limit = EVENTS_SHOWN, ...flags }: ShowFlags): Action => ({
  work: async ({ connected }) => {
    const found = await connected.parked.list(filterOf(flags));
    const shown = await Promise.all(found.map(async (one) => ({ one, events: await connected.parked.events(one, limit) })));
    return {
      json: { parked: shown.map(({ one, events }) => ({ ...jsonOf(one), first: events.map(eventJson) })) },
      text: shown.length === 0 ? 'nothing is parked' : shown.map(({ one, events }) => sequenceText(one, events)).join('\n'),
    };
  },
});

const redrivenText = ({ generation, parked, result: { folded, left, cause } }: Redrive): string =>
  [
    `${keyText(parked.sequence)} in ${generationLabel(generation)}: ${counted(folded, 'event')} folded${left === 0 ? '' : `, ${counted(left, 'event')} parked still`}`,
    ...(cause === undefined ? [] : [`  [${cause.code}] ${cause.message}`, `    → ${cause.remedy}`]),
  ].join('\n');

/** `refold parked redrive`; exit code 1 where something is parked still. */
export const parkedRedriveAction = (flags: ParkedFlags): Action => ({
  work: async ({ connected }) => {
    const done = await connected.parked.redrive(filterOf(flags));
    return {
      json: { redriven: done.map((one) => ({ ...jsonOf(one), result: one.result })) },
      text: done.map(redrivenText).join('\n'),
      exit: done.some(({ result }) => result.left > 0) ? EXIT.failed : EXIT.ok,
    };
  },
});

/** `refold parked discard`. */
export const parkedDiscardAction = ({ all, reason, by, ...flags }: DiscardFlags): Action => ({
  work: async ({ connected }) => {
    const request: Discard = { ...filterOf(flags), all, reason, by };
    const { generation, parked, offsets } = await connected.parked.discard(request);
    const left = parked.events - offsets.length;
    const next =
      left === 0
        ? ''
        : `\n${counted(left, 'event')} of the key parked still; to fold: refold parked redrive --projection ${generation.projection} --key ${parked.sequence}`;
    return {
      json: { discarded: { projection: generation.projection, topic: parked.topic, partition: parked.partition, sequence: parked.sequence, offsets } },
      text: `discarded: ${counted(offsets.length, 'event')} of ${keyText(parked.sequence)} from ${positionText(parked)} on, in every generation of ${generation.projection}${next}`,
    };
  },
});
