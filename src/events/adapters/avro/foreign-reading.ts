import { RefoldError, isRefoldError, messageOf } from '../../../kernel/errors';
import type { LogRecord } from '../../event-log';
import type { ForeignReading } from '../../event-serde';
import { MAGIC, PREFIX_BYTES, plainPrototypes } from './event-codec';
import type { WriterSchema } from './schema';
import type { SchemaCache } from './schema-cache';
import { parseOldValueType, type RecordType } from './types';

const idOf = ({ value }: LogRecord): number | undefined =>
  value === null || value.length < PREFIX_BYTES || value[0] !== MAGIC ? undefined : value.readInt32BE(1);

/** Reads records by the schema they were written with, whatever it is called. */
export class AvroForeignReading implements ForeignReading {
  readonly #schemas: SchemaCache;
  readonly #types = new Map<number, RecordType>();
  readonly faultOf: ForeignReading['faultOf'];

  constructor(schemas: SchemaCache, faultOf: ForeignReading['faultOf']) {
    this.#schemas = schemas;
    this.faultOf = faultOf;
  }

  async prepare(records: readonly LogRecord[]): Promise<void> {
    const ids = new Set(records.flatMap((record) => idOf(record) ?? []).filter((id) => !this.#schemas.has(id)));
    if (ids.size > 0) {
      await this.#schemas.fetch(ids);
    }
  }

  fields(record: LogRecord): Readonly<Record<string, unknown>> {
    const id = idOf(record);
    if (id === undefined || record.value === null) {
      throw new RefoldError('event.wrong-magic-byte', 'the record is not in the Confluent wire format');
    }
    const type = this.#types.get(id) ?? this.#typeOf(id);
    const { value, offset } = type.decode(record.value, PREFIX_BYTES) as { readonly value: unknown; readonly offset: number };
    if (offset !== record.value.length) {
      throw new RefoldError('event.undecodable', 'the body is not as long as its schema says', { facts: { schemaId: id } });
    }
    return value as Readonly<Record<string, unknown>>;
  }

  #typeOf(id: number): RecordType {
    const type = parseOldValueType(this.#writer(id).schema);
    plainPrototypes(type, new Set());
    this.#types.set(id, type);
    return type;
  }

  #writer(id: number): WriterSchema {
    const writer = this.#schemas.get(id);
    if (writer === undefined) {
      throw new RefoldError('event.unknown-schema-id', `schema id ${String(id)} is not known to the registry`, { facts: { schemaId: id } });
    }
    if ('broken' in writer) {
      const { broken } = writer;
      const code = isRefoldError(broken, 'schema.id-reassigned') ? broken.code : 'event.undecodable';
      throw new RefoldError(code, `schema ${String(id)} cannot be used: ${messageOf(broken)}`, { facts: { schemaId: id }, cause: broken });
    }
    return writer;
  }
}
