// Clients that give commands, and what becomes of them.
import { OrderRefused } from '../order';
import type { Course, Step } from './script';
import type { Orders } from './stage';

export interface Outcome {
  /** Ids of the commands. */
  readonly accepted: readonly string[];
  /** Reason to how many commands were refused for it. */
  readonly refused: ReadonlyMap<string, number>;
  /** Commands that ended otherwise than they have to, in words. */
  readonly wrong: readonly string[];
}

const CLIENTS = 4;

/** Gives one command; answers its id, or why it was refused. Anything but a refusal is thrown. */
const give = async ({ commands }: Orders, { command }: Step): Promise<{ readonly id?: string; readonly reason?: string }> => {
  try {
    return { id: (await commands.send(command)).commandId };
  } catch (error) {
    if (error instanceof OrderRefused) {
      return { reason: error.message };
    }
    throw error;
  }
};

/** Some clients at once; each takes an order and goes through its course, one command after the other. */
export const carryOut = async (orders: Orders, courses: readonly Course[]): Promise<Outcome> => {
  const refused = new Map<string, number>();
  const wrong: string[] = [];
  const accepted: string[] = [];
  const waiting = courses.values();
  const client = async (): Promise<void> => {
    for (const course of waiting) {
      for (const step of course) {
        const { id, reason } = await give(orders, step);
        if (id !== undefined) {
          accepted.push(id);
        }
        if (reason !== undefined) {
          refused.set(reason, (refused.get(reason) ?? 0) + 1);
        }
        if (reason !== step.refused) {
          const what = `${step.command.constructor.name} of order ${step.command.orderId}`;
          wrong.push(`${what}: ${reason ?? 'accepted'}, expected ${step.refused ?? 'accepted'}`);
        }
      }
    }
  };
  await Promise.all(Array.from({ length: CLIENTS }, client));
  return { accepted, refused, wrong };
};

export const together = (a: Outcome, b: Outcome): Outcome => {
  const refused = new Map(a.refused);
  b.refused.forEach((n, reason) => refused.set(reason, (refused.get(reason) ?? 0) + n));
  return { accepted: [...a.accepted, ...b.accepted], refused, wrong: [...a.wrong, ...b.wrong] };
};
