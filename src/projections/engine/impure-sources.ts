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
const realNow = Date.now;

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
  ...[nodeCrypto, globalThis.crypto].map((holder): Source => ({
    holder,
    key: 'randomUUID',
    kind: 'chance',
    name: 'crypto.randomUUID()',
    otherwise: (_, world) => () => uuidOf(world),
  })),
  {
    holder: globalThis.crypto, // that of node:crypto is a view on it, and cannot be replaced
    key: 'getRandomValues',
    kind: 'chance',
    name: 'crypto.getRandomValues()',
    otherwise: (_, world) => (bytes) => filled(world, bytes as NodeJS.ArrayBufferView),
  },
  { holder: nodeCrypto, key: 'randomBytes', kind: 'chance', name: 'crypto.randomBytes()', otherwise: same },
  { holder: nodeCrypto, key: 'randomInt', kind: 'chance', name: 'crypto.randomInt()', otherwise: same },
];

/** What is watched now; handlers are synchronous, so there is one at a time. */
let watching: { readonly told: (call: ImpureCall) => void; readonly world: OtherWorld | undefined } | undefined;

/** The line that called a watched function: the first that is not of this file. */
const caller = (): string => {
  const lines = (new Error().stack ?? '').split('\n').slice(1);
  return (lines.find((line) => !line.includes(__filename)) ?? '').trim().replace(/^at /, '');
};

const tell = (kind: ImpureCall['kind'], name: string): OtherWorld | undefined => {
  watching?.told({ kind, name, at: caller() });
  return watching?.world;
};

interface Replaceable {
  readonly owner: Record<string, AnyFunction>;
  readonly key: string;
  real: AnyFunction;
  readonly watched: AnyFunction;
}

/** Where a property lies: to set it on the object itself would be slow, and leave a trace. */
const ownerOf = (holder: object, key: string): object => {
  let owner: object | null = holder;
  while (owner !== null && !Object.hasOwn(owner, key)) {
    owner = Object.getPrototypeOf(owner) as object | null;
  }
  return owner ?? holder;
};

const replaceable = ({ holder, key, kind, name, otherwise }: Source): Replaceable => {
  const owner = ownerOf(holder, key) as Record<string, AnyFunction>;
  const one: Replaceable = {
    owner,
    key,
    real: owner[key]!,
    watched(...given) {
      const world = tell(kind, name);
      return (world === undefined ? one.real : otherwise(one.real, world)).apply(this, given);
    },
  };
  if (key === 'hrtime') {
    Object.defineProperty(one.watched, 'bigint', { get: () => (one.real as unknown as { readonly bigint: unknown }).bigint }); // which is replaced too
  }
  return one;
};

const nowTold = (): Date => {
  const world = tell('clock', 'new Date()');
  return new RealDate(realNow() + (world?.shiftMs ?? 0));
};

const WatchedDate = new Proxy(RealDate, {
  construct: (target, given: unknown[], made) => (given.length === 0 ? nowTold() : (Reflect.construct(target, given, made) as Date)),
  apply: () => nowTold().toString(),
});

let known: readonly Replaceable[] | undefined;

/**
 * Runs `work`, which has to be synchronous, and tells of every clock and chance that it asks. Nothing stays replaced. Not
 * seen: a function that was taken from its object before, and what an extension of Node does by itself.
 */
export const watchingSources = <T>(told: (call: ImpureCall) => void, work: () => T, world?: OtherWorld): T => {
  const outside = globalThis.Date;
  known ??= sourcesOf().map(replaceable);
  for (const one of known) {
    one.real = one.owner[one.key]!; // a test may have put another there
  }
  try {
    for (const one of known) {
      one.owner[one.key] = one.watched;
    }
    globalThis.Date = WatchedDate;
    watching = { told, world };
    return work();
  } finally {
    watching = undefined;
    globalThis.Date = outside;
    for (const one of known) {
      one.owner[one.key] = one.real;
    }
  }
};
