export type Release = () => Promise<void> | void;

/**
 * Resources push their releaser when they are acquired; `close` runs them in reverse order, each once, all of
 * them even if some fail, and then throws what failed.
 */
export class Releasers implements AsyncDisposable {
  readonly #stack: Release[] = [];
  #closing: Promise<void> | undefined;

  push(release: Release): void {
    this.#stack.push(release);
  }

  close(): Promise<void> {
    this.#closing ??= this.#releaseAll();
    return this.#closing;
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  async #releaseAll(): Promise<void> {
    const failures: unknown[] = [];
    for (let release = this.#stack.pop(); release !== undefined; release = this.#stack.pop()) {
      try {
        await release();
      } catch (error) {
        failures.push(error);
      }
    }
    if (failures.length === 1) {
      throw failures[0];
    }
    if (failures.length > 1) {
      throw new AggregateError(failures, 'several resources could not be released');
    }
  }
}
