/** A number of bytes that calls share; who finds too few waits in line. */
export class Room {
  #free: number;
  readonly #line: { readonly bytes: number; readonly enter: () => void }[] = [];

  constructor(private readonly bytes: number) {
    this.#free = bytes;
  }

  /** Resolves when there is room; what is larger than all of it enters alone. */
  async take(bytes: number): Promise<void> {
    if (this.#line.length === 0 && this.#has(bytes)) {
      this.#free -= bytes;
      return;
    }
    await new Promise<void>((enter) => this.#line.push({ bytes, enter }));
  }

  give(bytes: number): void {
    this.#free += bytes;
    for (let next = this.#line[0]; next !== undefined && this.#has(next.bytes); next = this.#line[0]) {
      this.#line.shift();
      this.#free -= next.bytes;
      next.enter();
    }
  }

  #has(bytes: number): boolean {
    return bytes <= this.#free || this.#free === this.bytes;
  }
}
