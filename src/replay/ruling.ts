import { isDeepStrictEqual } from 'node:util';
import { RefoldError } from '../kernel/errors';
import type { Generation } from '../projections/generations';
import { move, type Coordination } from './parts';
import type { Lease } from './ports';
import { requireDefinition } from './preflight';
import type { Replay, ReplayMember } from './replay';
import type { Rules } from './rule-types';
import { hasRules, requireRules } from './rules';
import { legalCommands } from './states';
import { verify } from './verify';

const NUMBERS = ['integer', 'bigint', 'decimal', 'double'];

type Member = Pick<ReplayMember, 'projection' | 'version' | 'fromId'>;

/** Refuses rules that speak of what the replay does not have. @throws RefoldError `config.invalid` */
export const requireRulesFor = (c: Coordination, rules: Rules, members: readonly Member[], generations: readonly Generation[]): void => {
  if (!hasRules(rules)) {
    return;
  }
  const columns = new Map<string, boolean>();
  for (const { projection: name, version, fromId } of members) {
    const rebuilt = requireDefinition(c.definitions, { name, version }).model.columns;
    for (const column of [...rebuilt, ...(generations.find(({ id }) => id === fromId)?.columns ?? [])]) {
      columns.set(column.name, (columns.get(column.name) ?? true) && NUMBERS.includes(column.type.kind));
    }
  }
  requireRules(rules, { projections: members.map(({ projection }) => projection), columns, functions: Object.keys(c.checks ?? {}) });
};

const COMPARED = ['ready', 'cutting-over', 'done', 'aborted'];

/** @throws RefoldError `config.invalid`, `replay.wrong-state` */
export const giveRules = async (c: Coordination, lease: Lease, replay: Replay, rules: Rules): Promise<void> => {
  if (isDeepStrictEqual(JSON.parse(JSON.stringify(rules)), replay.rules)) {
    return;
  }
  if (COMPARED.includes(replay.state)) {
    throw new RefoldError('replay.wrong-state', 'the replay was compared by other rules', {
      facts: { replay: replay.id, state: replay.state, legal: legalCommands(replay) },
      remedy: `Compare again by these: \`refold replay verify ${String(replay.id)}\` with the same flags.`,
    });
  }
  requireRulesFor(c, rules, replay.members, await c.catalog.list());
  await c.journal.rule(lease, rules);
};

/** Compares a replay that is ready once more; goes on with a comparison that was interrupted. */
export const verifyAgain = async (c: Coordination, lease: Lease, replay: Replay, rules: Rules | undefined): Promise<void> => {
  if (rules !== undefined) {
    requireRulesFor(c, rules, replay.members, await c.catalog.list());
  }
  const verifying = replay.state === 'verifying' ? replay : await move(c, lease, replay, 'verify', rules === undefined ? {} : { facts: { rules }, rules });
  if (rules !== undefined && replay.state === 'verifying') {
    await c.journal.rule(lease, rules);
  }
  await verify(c, lease, { ...verifying, rules: rules ?? replay.rules });
};
