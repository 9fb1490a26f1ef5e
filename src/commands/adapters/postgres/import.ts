import type { PostgresPool, Sql } from '../../../platform/postgres/pool';
import type { ImportBatch, ImportOutcome } from '../../journal';
import { writeEntries } from './entries';

const REMEMBER = `
INSERT INTO refold.imports (app, import_id, batch, digest, events)
SELECT $1, $2, $3, $4, $5
  FROM (SELECT CASE WHEN current_setting('synchronous_commit') IN ('off', 'local') THEN set_config('synchronous_commit', 'on', true) END AS durable) s
ON CONFLICT DO NOTHING`;

/** In order, so that two imports cannot wait for each other. */
const BEGIN_STREAMS = `
INSERT INTO refold.streams (app, aggregate, stream, version)
SELECT $1, g.aggregate, g.stream, g.version FROM unnest($2::text[], $3::text[], $4::bigint[]) AS g (aggregate, stream, version)
 ORDER BY g.aggregate, g.stream
ON CONFLICT DO NOTHING`;

const MOVE_STREAMS = `
UPDATE refold.streams s SET version = g.version
  FROM unnest($2::text[], $3::text[], $4::bigint[], $5::bigint[]) AS g (aggregate, stream, version, expected)
 WHERE s.app = $1 AND s.aggregate = g.aggregate AND s.stream = g.stream AND s.version = g.expected`;

/** A stream that is not where this batch wanted to bring it. */
const IN_THE_WAY = `
SELECT g.aggregate, g.stream, coalesce(s.version, 0) AS found
  FROM unnest($2::text[], $3::text[], $4::bigint[]) AS g (aggregate, stream, expected)
  LEFT JOIN refold.streams s ON s.app = $1 AND s.aggregate = g.aggregate AND s.stream = g.stream
 WHERE coalesce(s.version, 0) <> g.expected
 ORDER BY g.aggregate, g.stream LIMIT 1`;

type Streams = ImportBatch['streams'];

/** Ends the transaction of a batch that is not to be. */
class Undone extends Error {}

const moved = async (sql: Sql, app: string, streams: Streams): Promise<number> => {
  const names = (some: Streams) => [app, some.map(({ aggregate }) => aggregate), some.map(({ stream }) => stream), some.map(({ version }) => version)];
  const [begun, known] = [streams.filter(({ expected }) => expected === 0), streams.filter(({ expected }) => expected > 0)];
  const first = await sql.query(BEGIN_STREAMS, names(begun));
  const second = await sql.query(MOVE_STREAMS, [...names(known), known.map(({ expected }) => expected)]);
  return (first.rowCount ?? 0) + (second.rowCount ?? 0);
};

const whyNot = async (sql: Sql, app: string, { importId, batch, streams }: ImportBatch): Promise<ImportOutcome | undefined> => {
  const { rows: before } = await sql.query<{ digest: string }>('SELECT digest FROM refold.imports WHERE app = $1 AND import_id = $2 AND batch = $3', [
    app,
    importId,
    batch,
  ]);
  if (before[0] !== undefined) {
    return { kind: 'repeated', digest: before[0].digest };
  }
  const expectations = [streams.map(({ aggregate }) => aggregate), streams.map(({ stream }) => stream), streams.map(({ expected }) => expected)];
  const { rows } = await sql.query<{ aggregate: string; stream: string; found: number }>(IN_THE_WAY, [app, ...expectations]);
  const [other] = rows;
  return other === undefined ? undefined : { kind: 'conflict', stream: { aggregate: other.aggregate, stream: other.stream }, found: other.found };
};

/** Writes a batch of an import in one transaction. */
export const importBatch = async (pool: PostgresPool, app: string, batch: ImportBatch): Promise<ImportOutcome> => {
  try {
    await pool.transaction(async (sql) => {
      const remembered = await sql.query(REMEMBER, [app, batch.importId, batch.batch, batch.digest, batch.records.length]);
      if (remembered.rowCount !== 1 || (await moved(sql, app, batch.streams)) !== batch.streams.length) {
        throw new Undone();
      }
      await writeEntries(sql, app, batch.records);
    });
    return { kind: 'imported' };
  } catch (error) {
    if (!(error instanceof Undone)) {
      throw error;
    }
    // What stood in the way is gone again only where an operator removed it meanwhile.
    return (await whyNot(pool, app, batch)) ?? importBatch(pool, app, batch);
  }
};
