import type { Sql } from '../../../platform/postgres/pool';
import type { ImportedRecord } from '../../journal';

const WRITE = `
INSERT INTO refold.journal_entries (app, aggregate, stream, version, topic, recorded_ms, key, value, headers)
SELECT $1, e.aggregate, e.stream, e.version, e.topic, e.recorded_ms, e.key, e.value, e.headers
  FROM unnest($2::text[], $3::text[], $4::bigint[], $5::text[], $6::bigint[], $7::bytea[], $8::bytea[], $9::text[])
       WITH ORDINALITY AS e (aggregate, stream, version, topic, recorded_ms, key, value, headers, place)
 ORDER BY e.place`;

/** Writes entries in the order in which they are to be published. The rows of their streams are locked by then. */
export const writeEntries = async (sql: Sql, app: string, records: readonly ImportedRecord[]): Promise<void> => {
  await sql.query(WRITE, [
    app,
    records.map(({ aggregate }) => aggregate),
    records.map(({ stream }) => stream),
    records.map(({ version }) => version),
    records.map(({ topic }) => topic),
    records.map(({ timestamp }) => timestamp),
    records.map(({ key }) => key),
    records.map(({ value }) => value),
    records.map(({ headers }) => JSON.stringify(headers)),
  ]);
};
