import nodeCrypto from 'node:crypto';

/** Something whose answer is not in the log. */
export interface ImpureCall {
  readonly kind: 'clock' | 'chance';
  /** As it is written in code. */
  readonly name: string;
  /** The line that called it, as a stack names it. */
  readonly at: string;
}

/** What a clock and chance answer instead of the truth, so that two runs never agree by luck. */
export interface OtherWorld {
  /** Added to what clocks say, in milliseconds. */
  readonly shiftMs: number;
  /** In [0, 1). */
  readonly random: () => number;
}

type AnyFunction = (this: unknown, ...given: unknown[]) => unknown;

/** A property that is another one while watched code runs. */
interface Source {
  readonly holder: object;
  readonly key: string;
  readonly kind: ImpureCall['kind'];
  readonly name: string;
  readonly otherwise: (real: AnyFunction, world: OtherWorld) => AnyFunction;
}

const RealDate = Date;

const shifted = (real: AnyFunction, { shiftMs }: OtherWorld): AnyFunction =>
  function (...given) {
    return (real.apply(this, given) as number) + shiftMs;
  };

const uuidOf = ({ random }: OtherWorld): string => 'xxxxxxxx-xxxx-4xxx-8xxx-xxxxxxxxxxxx'.replaceAll('x', () => Math.floor(random() * 16).toString(16));

const filled = ({ random }: OtherWorld, bytes: NodeJS.ArrayBufferView): unknown => {
  new Uint8Array(bytes.buffer, bytes.byteOffset, bytes.byteLength).forEach((_, i, all) => (all[i] = Math.floor(random() * 256)));
  return bytes;
};

const hrtime =
  (real: AnyFunction, { shiftMs }: OtherWorld): AnyFunction =>
  (...given) => {
    const [seconds, nanos] = real(...given) as [number, number];
    return [seconds + Math.round(shiftMs / 1_000), nanos];
  };

const hrtimeBigint =
  (real: AnyFunction, { shiftMs }: OtherWorld): AnyFunction =>
  () =>
    (real() as bigint) + BigInt(shiftMs) * 1_000_000n;

const same = (real: AnyFunction): AnyFunction => real;

const sourcesOf = (): readonly Source[] => [
  { holder: RealDate, key: 'now', kind: 'clock', name: 'Date.now()', otherwise: shifted },
  { holder: performance, key: 'now', kind: 'clock', name: 'performance.now()', otherwise: shifted },
  { holder: process.hrtime, key: 'bigint', kind: 'clock', name: 'process.hrtime.bigint()', otherwise: hrtimeBigint },
  { holder: process, key: 'hrtime', kind: 'clock', name: 'process.hrtime()', otherwise: hrtime },
  {
    holder: Math,
    key: 'random',
    kind: 'chance',
    name: 'Math.random()',
    otherwise:
      (_, { random }) =>
      () =>
        random(),
  },
  ...[nodeCrypto, globalThis.crypto].flatMap((holder): readonly Source[] => [
    {
      holder,
      key: 'randomUUID',
      kind: 'chance',
      name: 'crypto.randomUUID()',
      otherwise: (_, world) => () => uuidOf(world),
    },
    {
      holder,
      key: 'getRandomValues',
      kind: 'chance',
      name: 'crypto.getRandomValues()',
      otherwise: (_, world) => (bytes) => filled(world, bytes as NodeJS.ArrayBufferView),
    },
  ]),
  { holder: nodeCrypto, key: 'randomBytes', kind: 'chance', name: 'crypto.randomBytes()', otherwise: same },
  { holder: nodeCrypto, key: 'randomInt', kind: 'chance', name: 'crypto.randomInt()', otherwise: same },
];

let known: readonly Source[] | undefined;

/** The line that called a watched function: the first that is not of this file. */
const caller = (): string => {
  const lines = (new Error().stack ?? '').split('\n').slice(1);
  return (lines.find((line) => !line.includes(__filename)) ?? '').trim().replace(/^at /, '');
};

const dateOf = (told: (call: ImpureCall) => void, world: OtherWorld | undefined): DateConstructor => {
  const now = (): Date => {
    told({ kind: 'clock', name: 'new Date()', at: caller() });
    return new RealDate(REAL_NOW() + (world?.shiftMs ?? 0));
  };
  return new Proxy(RealDate, {
    construct: (target, given: unknown[], made) => (given.length === 0 ? now() : (Reflect.construct(target, given, made) as Date)),
    apply: () => now().toString(),
  });
};

const REAL_NOW = Date.now;

const replaced = (holder: object, key: string, value: unknown): (() => void) => {
  const before = Reflect.getOwnPropertyDescriptor(holder, key);
  Reflect.defineProperty(holder, key, { value, configurable: true, writable: true, enumerable: before?.enumerable ?? false });
  return () => {
    if (before === undefined) {
      Reflect.deleteProperty(holder, key);
    } else {
      Reflect.defineProperty(holder, key, before);
    }
  };
};

/**
 * Runs `work`, which has to be synchronous, and tells of every clock and chance that it asks. Nothing stays replaced. Not
 * seen: a function that was taken from its object before, and what an extension of Node does by itself.
 */
export const watchingSources = <T>(told: (call: ImpureCall) => void, work: () => T, world?: OtherWorld): T => {
  const undo = [replaced(globalThis, 'Date', dateOf(told, world))];
  known ??= sourcesOf();
  for (const { holder, key, kind, name, otherwise } of known) {
    const real = Reflect.get(holder, key) as AnyFunction;
    const answer = world === undefined ? real : otherwise(real, world);
    const watched: AnyFunction = (...given) => {
      told({ kind, name, at: caller() });
      return answer.apply(holder, given);
    };
    undo.push(replaced(holder, key, Object.assign(watched, real)));
  }
  try {
    return work();
  } finally {
    undo.reverse().forEach((back) => {
      back();
    });
  }
};
