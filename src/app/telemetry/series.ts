import type { Counter, Gauge, Histogram } from 'prom-client';
import { instrumentsIn, type CounterName, type GaugeName, type HistogramName, type Instruments, type MetricsRegistry } from './instruments';

type Labels = Readonly<Record<string, string>>;

/** One label beside those of the owner. */
type More = readonly [name: string, value: string];

/**
 * The series of one owner. All are there from the moment the owner is first heard of, so that a rate is right from its
 * first change and nothing that was zero is missing.
 */
export class Series {
  readonly #counters = new Map<string, Counter.Internal>();
  readonly #gauges = new Map<string, Gauge.Internal<string>>();
  readonly #histograms = new Map<string, Histogram.Internal<string>>();

  constructor(
    private readonly instruments: Instruments,
    private readonly labels: Labels,
  ) {}

  counter(name: CounterName, more?: More): Counter.Internal {
    return this.#known(this.#counters, name, more, () => {
      const one = this.instruments.counters[name].labels(this.#labelsWith(more));
      one.inc(0);
      return one;
    });
  }

  gauge(name: GaugeName, more?: More): Gauge.Internal<string> {
    return this.#known(this.#gauges, name, more, () => {
      const one = this.instruments.gauges[name].labels(this.#labelsWith(more));
      one.inc(0);
      return one;
    });
  }

  histogram(name: HistogramName, more?: More): Histogram.Internal<string> {
    return this.#known(this.#histograms, name, more, () => {
      const labels = this.#labelsWith(more);
      this.instruments.histograms[name].zero(labels);
      return this.instruments.histograms[name].labels(labels);
    });
  }

  #labelsWith(more: More | undefined): Record<string, string> {
    return more === undefined ? { ...this.labels } : { ...this.labels, [more[0]]: more[1] };
  }

  #known<T>(all: Map<string, T>, name: string, more: More | undefined, make: () => T): T {
    const key = more === undefined ? name : `${name}/${more[1]}`;
    const known = all.get(key);
    if (known !== undefined) {
      return known;
    }
    const made = make();
    all.set(key, made);
    return made;
  }
}

const known = new WeakMap<MetricsRegistry, (labels: Labels) => Series>();

/** The series of owners in a registry: the same for all who ask, since a histogram can be begun only once. */
export const seriesIn = (registry: MetricsRegistry): ((labels: Labels) => Series) => {
  const before = known.get(registry);
  if (before !== undefined) {
    return before;
  }
  const instruments = instrumentsIn(registry);
  const all = new Map<string, Series>();
  const of = (labels: Labels): Series => {
    const key = JSON.stringify(labels);
    const series = all.get(key) ?? new Series(instruments, labels);
    all.set(key, series);
    return series;
  };
  known.set(registry, of);
  return of;
};
