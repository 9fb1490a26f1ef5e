import { readFile } from 'node:fs/promises';
import path from 'node:path';
import { RefoldError, messageOf } from '../../kernel/errors';
import type { EventView } from '../../events/corrections';
import { overlayOf, erratumAt, type Erratum } from '../../events/errata';
import type { EventReference } from '../../events/find-event';
import type { Position } from '../../events/position';
import type { Action } from './session';
import { table, timeText } from './text';

export interface ErrataAddFlags {
  readonly event: EventReference;
  readonly skip?: true;
  /** File with the fields of the replacement, as JSON. */
  readonly replace?: string;
  readonly type?: string;
  readonly reason: string;
  readonly by?: string;
  readonly searchLimit?: number;
}

export interface ErrataWithdrawFlags {
  readonly reason: string;
  readonly by?: string;
}

/** `topic:partition:offset`, or else an id. */
export const eventReference = (text: string): EventReference => {
  const [, topic, partition, offset] = /^([^:]+):(\d{1,9}):(\d{1,15})$/.exec(text) ?? [];
  return topic === undefined ? { id: text } : { topic, partition: Number(partition), offset: Number(offset) };
};

const positionText = ({ topic, partition, offset }: Position): string => `${topic}:${String(partition)}:${String(offset)}`;

const actionText = ({ action, replacement, withdraws }: Erratum): string =>
  action === 'replace' ? `replace by ${replacement!.type}` : action === 'withdraw' ? `withdraw ${String(withdraws)}` : 'skip';

const jsonOf = ({ replacement, ...erratum }: Erratum): object => ({
  ...erratum,
  ...(replacement === undefined ? {} : { replacement: { type: replacement.type, time: replacement.time, fields: JSON.parse(replacement.event) as unknown } }),
});

/** Pure: one line per erratum; those in force are marked. */
export const errataText = (errata: readonly Erratum[]): string => {
  const overlay = overlayOf(errata);
  const rows = errata.map((erratum) => [
    String(erratum.version),
    positionText(erratum),
    actionText(erratum),
    erratumAt(overlay, erratum)?.version === erratum.version ? 'yes' : '',
    timeText(erratum.at),
    erratum.by,
    erratum.reason,
  ]);
  return errata.length === 0 ? 'no errata' : table(['VERSION', 'EVENT', 'IS TO', 'IN FORCE', 'DECIDED', 'BY', 'REASON'], rows);
};

/** Pure: all that is known of one. */
export const erratumText = (erratum: Erratum): string => {
  const { version, eventId, replacement, fullReplay, reason, by, at } = erratum;
  return [
    `erratum ${String(version)}: ${actionText(erratum)} at ${positionText(erratum)}${eventId === '' ? '' : `, event ${eventId}`}`,
    `  ${reason}`,
    `  decided ${timeText(at)} by ${by}`,
    ...(replacement === undefined ? [] : [`  ${replacement.event}`, `  event time ${new Date(replacement.time).toISOString()}`]),
    ...(fullReplay ? ['  the event time is another with it: nothing less than a replay of everything applies it'] : []),
  ].join('\n');
};

const REPLAY = 'generations there are do not change; `refold replay start NAME --again` builds one that reads so';

const recordedAction = (erratum: Erratum) => ({ json: { erratum: jsonOf(erratum) }, text: `${erratumText(erratum)}\n${REPLAY}` });

/** Pure: an event for people. */
export const eventText = (view: EventView): string =>
  [
    `${positionText(view)}${view.id === '' ? '' : `, event ${view.id}`}${view.key === undefined ? '' : `, key ${view.key}`}, appended ${timeText(view.timestamp)}`,
    ...view.events.map(({ type, time, fields }) => `  ${type} of ${new Date(time).toISOString()}\n${JSON.stringify(fields, null, 2)}`),
    ...(view.error === undefined ? [] : [`  cannot be decoded: ${view.error}`]),
    ...(view.erratum === undefined ? [] : [`  erratum ${String(view.erratum.version)} is in force: ${actionText(view.erratum)}`]),
  ].join('\n');

/** `refold errata event`. */
export const errataEventAction = (event: EventReference, searchLimit: number | undefined): Action => ({
  work: async ({ connected }) => {
    const view = await connected.errata.look(event, searchLimit);
    return { json: { event: { ...view, erratum: view.erratum && jsonOf(view.erratum) } }, text: eventText(view) };
  },
});

const readFields = async (file: string): Promise<unknown> => {
  try {
    return JSON.parse(await readFile(file, 'utf8')) as unknown;
  } catch (error) {
    throw new RefoldError('errata.invalid', `the replacement could not be read: ${messageOf(error)}`, { facts: { file }, cause: error });
  }
};

/** `refold errata add`. */
export const errataAddAction = ({ event, replace, type, reason, by, searchLimit }: ErrataAddFlags): Action => ({
  work: async ({ connected, terminal }) => {
    const read = replace === undefined ? ('skip' as const) : { type, fields: await readFields(path.resolve(terminal.cwd, replace)) };
    return recordedAction(await connected.errata.add({ event, read, reason, by, searchLimit }));
  },
});

/** `refold errata withdraw`. */
export const errataWithdrawAction = (version: number, { reason, by }: ErrataWithdrawFlags): Action => ({
  work: async ({ connected }) => recordedAction(await connected.errata.withdraw({ version, reason, by })),
});

/** `refold errata list`. */
export const errataListAction: Action = {
  work: async ({ connected }) => {
    const errata = await connected.errata.list();
    return { json: { version: errata.length, errata: errata.map(jsonOf) }, text: errataText(errata) };
  },
};

/** `refold errata show`. */
export const errataShowAction = (version: number): Action => ({
  work: async ({ connected }) => {
    const erratum = await connected.errata.show(version);
    return { json: { erratum: jsonOf(erratum) }, text: erratumText(erratum) };
  },
});
