import { RefoldError } from '../../../src/kernel/errors';

/** What dies: everything in the process at once, or the one connection that was about to be used, or was just used. */
export type Death = 'process' | 'connection';
export type Side = 'before' | 'after';

/** A moment in the life of a process: beside something that it lets others know or keeps for later. */
export interface Point {
  readonly name: string;
  /** Of this name since something was told, from 1 on. */
  readonly occurrence: number;
  readonly side: Side;
}

export const pointLabel = ({ name, occurrence, side }: Point): string => `${side} ${name}${occurrence === 1 ? '' : ` (${String(occurrence)})`}`;

const isAt = (wanted: Point | number, { name, occurrence, side }: Point, preceding: number): boolean =>
  typeof wanted === 'number' ? wanted === preceding : wanted.name === name && wanted.occurrence === occurrence && wanted.side === side;

/** Nothing may take this for an error that it knows. */
export class Died extends Error {
  override readonly name = 'Died';
}

export const unreachable = (what: string): RefoldError => new RefoldError('store.unreachable', `the connection was lost: ${what}`);

/**
 * Whether, when and how a process dies. It is asked at every point; the points that were passed are kept, so that a run
 * without a death tells all of them by name, those of a step that did not exist yet when this was written too.
 */
export class Fate {
  readonly passed: Point[] = [];
  readonly #counts = new Map<string, number>();
  #plan: { readonly at: Point | number; readonly death: Death; readonly onDeath: () => void | Promise<void> } | undefined;
  #command = '';
  #told = '';
  dead = false;
  /** Whether the plan was carried out. */
  met = false;

  /** Names of points begin with the command from here on, and are counted anew. */
  begin(command: string): void {
    this.#command = command;
    this.#told = '';
    this.#counts.clear();
  }

  /** What is said is a point too; the points after it are named by it, and counted anew. @throws Died */
  async tell(step: string): Promise<void> {
    await this.pass(`told ${step}`, 'after');
    this.#told = `after ${step}: `;
    this.#counts.clear();
  }

  /**
   * @param at a number: the point that so many others precede
   * @param onDeath called before anything notices that the process died
   */
  plan(at: Point | number, death: Death, onDeath: () => void | Promise<void> = () => undefined): void {
    this.#plan = { at, death, onDeath };
  }

  requireAlive(): void {
    if (this.dead) {
      throw new Died('this process is dead');
    }
  }

  /** Answers whether the connection dies here; the process does by an error. @throws Died */
  async pass(what: string, side: Side): Promise<boolean> {
    this.requireAlive();
    const name = `${this.#command}: ${this.#told}${what}`;
    const occurrence = (this.#counts.get(`${side} ${name}`) ?? 0) + 1;
    this.#counts.set(`${side} ${name}`, occurrence);
    this.passed.push({ name, occurrence, side });
    const point = this.passed.at(-1)!;
    const plan = this.#plan;
    if (this.met || plan === undefined || !isAt(plan.at, point, this.passed.length - 1)) {
      return false;
    }
    this.met = true;
    if (plan.death === 'connection') {
      return true;
    }
    this.dead = true;
    await plan.onDeath();
    throw new Died(pointLabel(point));
  }

  /**
   * Does something that is kept, with a point on either side.
   * @param sever ends the connection and rejects as a lost one does
   */
  async keep<T>(what: string, work: () => Promise<T>, sever: () => Promise<never>): Promise<T> {
    if (await this.pass(what, 'before')) {
      return sever();
    }
    const result = await work();
    return (await this.pass(what, 'after')) ? sever() : result;
  }
}
