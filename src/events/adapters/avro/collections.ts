import { types, type ForSchemaOptions, type Schema, type Type } from 'avsc';
import { derive, stringFault, type Hook, type Inner } from './derive';
import type { Tap } from './tap';

/** More items than bytes are believed only so far (items of zero bytes exist); a corrupt count must not loop for hours. */
const BELIEVED_ITEMS = 65_536;

/** Reads the count of the next block; the size in bytes that may follow it is skipped. */
const blockCount = (tap: Tap): number => {
  let count = tap.readLong();
  if (count < 0) {
    count = -count;
    tap.readLong();
  }
  if (count > BELIEVED_ITEMS && count > tap.buf.length - tap.pos) {
    throw new Error(`a block of ${String(count)} items is longer than the record`);
  }
  return count;
};

const skipBlocks = (tap: Tap, skipItem: () => void): void => {
  for (let count = blockCount(tap); count > 0; count = blockCount(tap)) {
    while (count > 0) {
      skipItem();
      count -= 1;
    }
  }
};

export const arrayType = (schema: Schema, options: ForSchemaOptions): Type =>
  derive(new types.ArrayType(schema, options), {
    _read(this: { readonly itemsType: Inner }, tap: Tap): unknown[] {
      const items: unknown[] = [];
      for (let count = blockCount(tap); count > 0; count = blockCount(tap)) {
        while (count > 0) {
          items.push(this.itemsType._read(tap));
          count -= 1;
        }
      }
      return items;
    },
    _skip(this: { readonly itemsType: Inner }, tap: Tap): void {
      skipBlocks(tap, () => {
        this.itemsType._skip(tap);
      });
    },
  });

/** Own property even for the key `__proto__`. */
const put = (target: Record<string, unknown>, key: string, value: unknown): void => {
  if (key === '__proto__') {
    Object.defineProperty(target, key, { value, enumerable: true, configurable: true, writable: true });
  } else {
    target[key] = value;
  }
};

export const mapType = (schema: Schema, options: ForSchemaOptions): Type => {
  const base = new types.MapType(schema, options);
  const inherited = base as unknown as { _check(value: unknown, flags: unknown, hook?: Hook, path?: string[]): boolean };
  return derive(base, {
    _check(this: Type, value: unknown, flags: unknown, hook?: Hook, path?: string[]): boolean {
      const keysFit = typeof value !== 'object' || value === null || Object.keys(value).every((key) => stringFault(key) === undefined);
      if (!keysFit) {
        hook?.(value, this);
      }
      return keysFit && inherited._check.call(this, value, flags, hook, path);
    },
    _read(this: { readonly valuesType: Inner }, tap: Tap): Record<string, unknown> {
      const values: Record<string, unknown> = {};
      for (let count = blockCount(tap); count > 0; count = blockCount(tap)) {
        while (count > 0) {
          put(values, tap.readString(), this.valuesType._read(tap));
          count -= 1;
        }
      }
      return values;
    },
    _skip(this: { readonly valuesType: Inner }, tap: Tap): void {
      skipBlocks(tap, () => {
        tap.skipString();
        this.valuesType._skip(tap);
      });
    },
  });
};
